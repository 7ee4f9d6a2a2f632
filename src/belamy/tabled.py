"""Judging the rows that a model makes: like real ones, of use, and nobody's; beside real and trivial ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from belamy.data.table import Table
from belamy.errors import UserError, nearest
from belamy.metrics import privacy, tables
from belamy.metrics.portrait import portrait
from belamy.metrics.usefulness import usefulness
from belamy.model import Model
from belamy.tables.baselines import Copula, Independent
from belamy.tables.rows import Rows

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("quality", "shapes", "trends", "distinguishable", "rare", "useful", "privacy", "violations")
MOST = 30_000
"""Rows that are judged, at most, unless told."""

Kinds = Mapping[str, str]
Judge = Callable[["pd.DataFrame", "pd.DataFrame", Kinds], float | None]


def _mean(judge: Callable[..., dict[Any, float]]) -> Judge:
    return lambda real, made, kinds: float(np.mean(list(judge(real, made, kinds).values()) or [1.0]))


LIKENESS: dict[str, Judge] = {
    "quality": tables.quality, "shapes": _mean(tables.shapes), "trends": _mean(tables.trends),
    "distinguishable": tables.distinguishable, "rare": tables.rare,
}  # fmt: skip


def evaluate(
    model: Model, heldout: Table, train: Table | None, *, n: int | None = None, metrics: Sequence[str] | None = None,
    target: str | None = None, seed: int = 0, trivial: bool = True,
) -> dict[str, Any]:
    """Judges ``n`` rows that the model makes, or as many as it was trained on.

    ``shapes`` is how alike each column is to that of held-out rows, ``trends`` each pair of columns, ``quality`` their
    mean; ``rare`` how much of rare categories there is; ``distinguishable`` the area under the curve of a classifier
    that tells held-out rows from generated ones; ``useful_...`` what models know that learnt the ``target`` from
    generated rows, asked about held-out ones; ``nearer``, ``copies`` and ``membership`` say whether rows give away who
    was in the training data; ``violations`` is the number of rows that break a constraint.

    Returns JSON as ``belamy.evaluation.evaluate`` does: ``floor`` is what training rows have, in place of generated
    ones, and ``trivial`` what rows of a Gaussian copula and of columns drawn one by one have. Raises UserError for an
    unknown metric or target.
    """  # fmt: skip
    began, wanted = time.perf_counter(), _checked(metrics)
    layout: Rows = model.codec.rows  # type: ignore[attr-defined]
    target = target or model.facts.get("target")
    kinds, notes = layout.kinds, list[str]()
    if target is not None:
        layout.learns(target)
    elif "useful" in wanted:
        notes.append("what rows are of use for is not measured: give --target COLUMN")
    rows = min(MOST, n or (len(train.frame) if train is not None else max(1000, len(heldout.frame))))
    made = model.sample(rows, seed=seed).table
    others = _others(train, rows, kinds, seed) if trivial and train is not None else {}
    sets = {"value": made, **({"floor": train.frame} if train is not None else {}), **others}
    # Trivial generators make no identifiers, so only of the others can constraints be looked at.
    complete = {which: one for which, one in sets.items() if set(layout.columns) <= set(one.columns)}
    found: dict[str, dict[str, Any]] = {}
    for name in wanted:
        if name in LIKENESS:
            found[name] = _beside({which: LIKENESS[name](heldout.frame, one, kinds) for which, one in sets.items()})
        elif name == "useful" and target is not None:
            told = {which: usefulness(one, heldout.frame, target, kinds, seed) for which, one in sets.items()}
            for number in told["value"]:
                found[f"useful_{number}"] = _beside({which: one[number] for which, one in told.items()})
        elif name == "privacy" and train is not None:
            found |= _private(train.frame, heldout.frame, sets, kinds)
        elif name == "violations":
            found[name] = _beside({which: float(layout.broken(one)) for which, one in complete.items()})
    if train is None and "privacy" in wanted:
        notes.append("without the training data nothing can be said of privacy")
    return {
        "metrics": found, "n": rows, "heldout": len(heldout.frame), "features": "columns", "target": target,
        "seconds": round(time.perf_counter() - began, 2), "notes": notes,
    }  # fmt: skip


def portrayed(model: Model, heldout: Table | None, train: Table, seed: int = 0) -> dict[str, Any]:
    """What a report draws of generated rows, beside real ones and trivial generators'."""
    kinds = model.codec.rows.kinds  # type: ignore[attr-defined]
    rows = min(MOST, len(train.frame))
    real, made = train.frame if heldout is None else heldout.frame, model.sample(rows, seed=seed).table
    found: dict[str, Any] = portrait({"real": real, "generated": made, **_others(train, rows, kinds, seed)}, kinds)
    return found


def _checked(metrics: Sequence[str] | None) -> list[str]:
    for metric in metrics or ():
        if metric not in METRICS:
            hint = nearest(metric, METRICS)
            raise UserError(f"metric {metric!r} is not one of tables{hint}; there are: {', '.join(METRICS)}")
    return list(dict.fromkeys(metrics or METRICS))


def _others(train: Table, rows: int, kinds: Kinds, seed: int) -> dict[str, pd.DataFrame]:
    return {
        name: generator.fit(train.frame, kinds).sample(rows, seed)
        for name, generator in (("copula", Copula()), ("independent", Independent()))
    }


def _beside(values: Mapping[str, float | None]) -> dict[str, Any]:
    trivial = {name: value for name, value in values.items() if name not in ("value", "floor")}
    return {"value": values["value"], "floor": values.get("floor"), "trivial": trivial or None}


def _private(
    train: pd.DataFrame, heldout: pd.DataFrame, sets: Mapping[str, pd.DataFrame], kinds: Kinds
) -> dict[str, dict[str, Any]]:
    """The floor is what rows that were never seen would give away: nothing, or what chance gives."""
    made = {name: one for name, one in sets.items() if name != "floor"}
    near = {name: privacy.nearest_records(train, heldout, one, kinds) for name, one in made.items()}
    floors = {"nearer": 0.5, "copies": near["value"]["copies_by_chance"]}
    found = {
        name: _beside({which: one[name] for which, one in near.items()} | {"floor": floor})
        for name, floor in floors.items()
    }
    told = {name: privacy.membership(train, heldout, one, kinds) for name, one in made.items()}
    return found | {"membership": _beside(told | {"floor": 0.5})}
