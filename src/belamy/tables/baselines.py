"""What a table generator has to beat: columns drawn one by one, and a Gaussian copula."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from belamy.metrics.cells import Codes, Floats, cells, counted, present

if TYPE_CHECKING:
    import pandas as pd


class Independent:
    """Each column from its own values, missing ones among them, whatever the others are: the floor."""

    def fit(self, frame: pd.DataFrame, kinds: Mapping[str, str]) -> Self:
        """Keeps the columns of ``frame`` that ``kinds`` names. Raises UserError for those that are not there."""
        cells([frame], kinds)
        self.frame = frame[list(kinds)]
        return self

    def sample(self, n: int, seed: int = 0) -> pd.DataFrame:
        """``n`` rows, of the training frame's dtypes."""
        rng = np.random.default_rng(seed)
        return _taken(self.frame, {name: rng.integers(len(self.frame), size=n) for name in self.frame})


class Copula:
    """A Gaussian copula on empirical marginals (Patki et al., 2016): the ranks of columns are jointly normal.

    Each column is its training rows in order: numbers and dates by value, categories by frequency, so that each has
    an interval of the unit interval, in which samples fall anywhere. For the correlations all equal cells have the
    mean normal score of their interval; scattered in it, as is also done, they would correlate too little. A column
    of which some is missing has one more beside it, which says where.
    """

    def fit(self, frame: pd.DataFrame, kinds: Mapping[str, str]) -> Self:
        """Learns the order of each column and the correlations. Raises UserError for columns that are not there."""
        (table,) = cells([frame], kinds)
        self.frame = frame[list(kinds)]
        self.orders: dict[str, Codes] = {}
        self.missing: dict[str, Codes] = {}
        scores = []
        for name, values in table.items():
            there = present(values)
            self.orders[name], self.missing[name] = _order(values), np.flatnonzero(~there)
            scores.append(_scores(values, self.orders[name]))
            if 0 < there.sum() < len(frame):
                scores.append(_scores(there.astype(np.float64), _order(there.astype(np.float64))))
        self.factor = _factor(np.column_stack(scores))
        return self

    def sample(self, n: int, seed: int = 0) -> pd.DataFrame:
        """``n`` rows, of the training frame's dtypes: any value is one of the column's own."""
        normal = np.random.default_rng(seed).standard_normal((n, len(self.factor))) @ self.factor.T
        uniforms = iter(torch.special.ndtr(torch.from_numpy(normal)).numpy().T)
        picks = {}
        for name, order in self.orders.items():
            uniform, missing = next(uniforms), self.missing[name]
            picks[name] = _at(order, uniform) if len(order) else _at(missing, uniform)
            if len(order) and len(missing):
                absent = next(uniforms) < len(missing) / len(self.frame)
                picks[name] = np.where(absent, missing[0], picks[name])
        return _taken(self.frame, picks)


def _order(values: NDArray[Any]) -> Codes:
    """The rows that are not missing, by value; codes by falling frequency, those of one frequency by code."""
    there = present(values)
    keys = values if counted(values) else -np.bincount(values[there], minlength=1)[values]
    order = np.lexsort((values, keys))
    return order[there[order]]


def _scores(values: NDArray[Any], order: Codes) -> Floats:
    """The normal scores [rows] of ranks in ``order``, of equal values their mean; NaN for rows that are not there."""
    uniform = (np.arange(len(order)) + 0.5) / max(len(order), 1)
    ranked = torch.special.ndtri(torch.from_numpy(uniform)).numpy()
    same = np.unique(values[order], return_inverse=True)[1]
    scores = np.full(len(values), np.nan)
    scores[order] = (np.bincount(same, ranked) / np.bincount(same))[same]
    return scores


def _factor(scores: Floats) -> Floats:
    """A matrix [D, D] whose rows are of unit length and correlate as scores [N, D] do.

    Correlations over the rows that have both need not be those of any table; negative eigenvalues are left out.
    """
    there = (~np.isnan(scores)).astype(np.float64)
    scores = np.nan_to_num(scores)
    squares = (scores**2).T @ there
    correlations = scores.T @ scores / np.sqrt(np.maximum(squares * squares.T, 1e-12))
    np.fill_diagonal(correlations, 1)
    values, vectors = np.linalg.eigh(correlations)
    factor = vectors * np.sqrt(values.clip(min=1e-9))
    unit: Floats = factor / np.linalg.norm(factor, axis=1, keepdims=True)
    return unit


def _at(order: Codes, uniform: Floats) -> Codes:
    return order[np.minimum((uniform * len(order)).astype(np.int64), len(order) - 1)]


def _taken(frame: pd.DataFrame, rows: Mapping[str, Codes]) -> pd.DataFrame:
    """For each column its cells at ``rows``."""
    import pandas as pd

    return pd.DataFrame({name: frame[name].iloc[place].reset_index(drop=True) for name, place in rows.items()})
