"""Judging the series that a model makes: whether they are told from real ones, and what is learnt from them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from belamy.data.series import Series
from belamy.errors import UserError, nearest
from belamy.metrics.series import Floats, discriminative, predictive, usefulness
from belamy.model import Model
from belamy.series.baselines import gaussian, independent_steps, noisy_copies

METRICS = ("discriminative", "useful_accuracy", "predictive")
MOST = 4000
"""Series that are judged, at most, unless told."""


def evaluate(
    model: Model, heldout: Series, train: Series | None, *, n: int | None = None, metrics: Sequence[str] | None = None,
    seed: int = 0, trivial: bool = True,
) -> dict[str, Any]:
    """Judges ``n`` series that the model makes, or as many as it was trained on and are held out.

    ``discriminative`` is |accuracy - .5| of who tells them from real ones, ``useful_accuracy`` that of who learnt the
    classes from them and is asked about held-out ones, ``predictive`` the error of who learnt from them to foretell the
    next step. Returns JSON as ``belamy.evaluation.evaluate`` does; ``floor`` is what real series have, ``trivial`` what
    noisy copies, a Gaussian and independent steps have. Raises UserError for an unknown metric, and without the
    training data, from which all three learn.
    """  # fmt: skip
    began = time.perf_counter()
    for metric in metrics or ():
        if metric not in METRICS:
            hint = nearest(metric, METRICS)
            raise UserError(f"metric {metric!r} is not one of series{hint}; there are: {', '.join(METRICS)}")
    if train is None:
        raise UserError("series are judged by what is learnt from the training data: give --train-data")
    wanted, rows = list(dict.fromkeys(metrics or METRICS)), min(MOST, n or len(train) + len(heldout))
    real, unseen = train.recorded, heldout.recorded
    made = model.sample(rows, seed=seed)
    assert made.series is not None
    sets: dict[str, tuple[Floats, Any]] = {"value": (made.series.values, made.labels)}
    if trivial:
        sets |= _trivial(real.values, real.labels, rows, seed)
    found: dict[str, dict[str, Any]] = {}
    if "discriminative" in wanted:
        told = {name: discriminative(real.values, unseen.values, one, seed) for name, (one, _) in sets.items()}
        found["discriminative"] = _entry(told, 0.0)
    if "useful_accuracy" in wanted and real.labels is not None and unseen.labels is not None:
        known, asked = (real.values, real.labels), (unseen.values, unseen.labels)
        told = {
            name: usefulness(known, asked, (one, kinds), seed)["tstr"]
            for name, (one, kinds) in sets.items() if kinds is not None
        }  # fmt: skip
        found["useful_accuracy"] = _entry(told, usefulness(known, asked, known, seed)["trtr"])
    if "predictive" in wanted:
        each = {name: predictive(real.values, unseen.values, one, seed) for name, (one, _) in sets.items()}
        found["predictive"] = _entry({name: one["tstr"] for name, one in each.items()}, each["value"]["trtr"])
    return {
        "metrics": found, "n": rows, "heldout": len(heldout), "features": "series",
        "seconds": round(time.perf_counter() - began, 2), "notes": [],
    }  # fmt: skip


def _trivial(real: Floats, labels: Any, rows: int, seed: int) -> dict[str, tuple[Floats, Any]]:
    copies, which = noisy_copies(real, rows, seed)
    return {
        "noisy_copies": (copies, None if labels is None else np.asarray(labels)[which]),
        "gaussian": (gaussian(real, rows, seed), None),
        "independent_steps": (independent_steps(real, rows, seed), None),
    }  # fmt: skip


def _entry(values: dict[str, float], floor: float) -> dict[str, Any]:
    return {
        "value": values["value"], "floor": floor,
        "trivial": {name: value for name, value in values.items() if name != "value"} or None,
    }  # fmt: skip
