"""Tables in scikit-learn's manner: ``TableGAN(random_state=0).fit(frame).sample(1000, where={"income": ">50K"})``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from belamy.data.table import Table
from belamy.errors import UserError
from belamy.model import Model
from belamy.planning import compose, plan
from belamy.tables.frames import optional
from belamy.tables.reading import as_frame, like
from belamy.tables.where import Where

if TYPE_CHECKING:
    import pandas as pd

BALANCED = "balanced"


class TableGAN:
    """A generator of rows like those it was fitted on.

    ``random_state`` fixes all chance; ``examples`` is the length of training (None: by the number of rows), ``types`` a
    file of kinds and constraints, ``settings`` are any of the recipe "table", by their dotted names. After ``fit``,
    ``model_`` is the ``belamy.Model``, which ``save_pretrained`` writes.
    """

    def __init__(
        self, *, random_state: int | None = None, examples: int | None = None, types: str | None = None,
        settings: Mapping[str, Any] | None = None, device: str = "auto",
    ) -> None:  # fmt: skip
        self.random_state, self.examples, self.types = random_state, examples, types
        self.settings, self.device = settings, device

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments, as scikit-learn's ``clone`` asks for them."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Raises UserError for an unknown one."""
        for name, value in params.items():
            if name not in self.get_params():
                raise UserError(f"TableGAN has no parameter {name!r}; it has {', '.join(self.get_params())}")
            setattr(self, name, value)
        return self

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Learns the rows of ``X``: a frame of pandas or polars, an Arrow table, columns, an array, or a file.

        ``y`` is ignored. All rows are learnt from, and none is held out. Raises UserError for what cannot be learnt.
        """
        self._learn(as_frame(X), {})
        # What tells the container of rows must not hold those that were learnt.
        self._form = X.slice(0, 0) if hasattr(type(X), "slice") else None
        return self

    def sample(self, n: int = 1, where: Where | None = None, random_state: int | None = None) -> Any:
        """``n`` rows in the kind of container that was fitted; in each all is as ``where`` asks.

        ``where`` is as in ``belamy.Model.sample``. The same ``random_state`` gives the same rows; None: this
        object's. Raises UserError before ``fit``, and for what no row can be.
        """
        seed = self.random_state if random_state is None else random_state
        return like(self._fitted().sample(n, seed=_seed(seed), where=where).table, self._form)

    def augment(self, X: Any, y: Any, to: str | int = BALANCED) -> tuple[Any, Any]:  # noqa: N803
        """``X`` and ``y`` with generated rows after them: up to as many of each class as the commonest has.

        ``to`` may be a number of rows instead, of which each class has its share, or "3x" for as many times the rows.
        Fits anew. Returns them in the kinds of container that were given.
        """
        frame, target = as_frame(X), "y" if getattr(y, "name", None) is None else str(y.name)
        if target in frame.columns:
            raise UserError(f"X has a column {target!r} already: give y another name")
        pd = optional("pandas")
        labels = pd.Series(getattr(y, "to_numpy", lambda: y)(), name=target)
        if len(labels) != len(frame):
            raise UserError(f"X has {len(frame):,} rows, and y {len(labels):,}")
        if labels.isna().all():
            raise UserError("y names no class of any row")
        whole = frame.reset_index(drop=True).assign(**{target: labels})
        more = self._more(whole, target, to)
        grown = pd.concat([whole, more], ignore_index=True)
        features = grown.drop(columns=target)
        if isinstance(X, np.ndarray):
            return features.to_numpy(dtype=X.dtype), _alike(grown[target], y)
        return like(features, X), _alike(grown[target], y)

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:  # noqa: N803
        """``augment`` to balanced classes, under the name by which imbalanced-learn's pipelines call it."""
        return self.augment(X, y)

    def _more(self, whole: pd.DataFrame, target: str, to: str | int) -> pd.DataFrame:
        pd = optional("pandas")
        wanted = missing_rows(whole[target].value_counts(), to)
        self._form = None
        self._learn(whole, {target: {"kind": "category"}})
        seed = _seed(self.random_state)
        parts = [
            self._fitted().sample(count, seed=seed + number, where={target: [label]}).table
            for number, (label, count) in enumerate(wanted.items()) if count
        ]  # fmt: skip
        return pd.concat(parts, ignore_index=True) if parts else whole.head(0)

    def _learn(self, frame: pd.DataFrame, told: Mapping[str, Mapping[str, Any]]) -> None:
        seed = _seed(self.random_state)
        recipe = compose("table", "memory", self.settings, examples=self.examples, seed=seed)
        source = Table.of(frame, self.types, seed=seed, told=told)
        settled = plan(recipe, self.device, source)
        engine = settled.engine()
        try:
            while engine.clock.examples < settled.recipe.examples:
                engine.step()
        finally:
            engine.close()
        self.model_ = Model(engine.averages.game, settled.spec, source.facts)

    def _fitted(self) -> Model:
        if not hasattr(self, "model_"):
            raise UserError("this TableGAN has learnt nothing yet: call fit first")
        return self.model_


def missing_rows(counts: Mapping[Any, int], to: str | int) -> dict[Any, int]:
    """How many rows of each class to make, where there are ``counts``: up to the commonest, to a number, to "3x".

    Raises UserError for anything else.
    """
    counts = dict(counts.items())
    total, most = sum(counts.values()), max(counts.values())
    if to == BALANCED:
        return {label: int(most - count) for label, count in counts.items()}
    text = str(to)
    try:
        wanted = round(float(text[:-1]) * total) if text.endswith("x") else int(text)
    except (ValueError, OverflowError):
        raise UserError(f"--to {to} should be balanced, a number of rows, or a factor such as 3x") from None
    if wanted < total:
        raise UserError(f"--to {to} is {wanted:,} rows, and there are {total:,} already")
    # Differences of rounded sums, which add up to what is wanted.
    reached = [round(each * (wanted - total) / total) for each in accumulate(counts.values(), initial=0)]
    return {label: after - before for label, (before, after) in zip(counts, pairwise(reached), strict=True)}


def _seed(state: int | None) -> int:
    return int(torch.randint(2**31, ()).item()) if state is None else int(state)


def _alike(values: pd.Series[Any], y: Any) -> Any:
    """A column in the kind of container that ``y`` is."""
    pd = optional("pandas")
    if isinstance(y, pd.Series):
        return values.astype(y.dtype).rename(y.name)
    if hasattr(y, "to_arrow"):
        return type(y)(y.name, values.tolist(), y.dtype)
    return values.tolist() if isinstance(y, list) else values.to_numpy()
