"""How like a real table a synthetic one is: its columns, its pairs of columns, its rare categories, its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from belamy.metrics.cells import Cells, Codes, Floats, cells, counted, matrix

if TYPE_CHECKING:
    import pandas as pd

BINS = 10
ROWS = 10_000
"""Rows of either table that the classifier of ``distinguishable`` sees, at most."""
CATEGORIES = 250
"""Categories of a column that it tells apart; gradient boosting has room for 255."""


def shapes(real: pd.DataFrame, synthetic: pd.DataFrame, kinds: Mapping[str, str]) -> dict[str, float]:
    """How like each column's values are, in [0, 1], 1 being the same: KSComplement and TVComplement of SDMetrics.

    Numbers and dates: 1 minus the Kolmogorov-Smirnov distance of the values that are there; 0 where only one table
    has any, 1 where neither has. Categories and booleans: 1 minus the total variation distance, missing being one
    more category (SDMetrics leaves it out).
    """
    return _shapes(*cells([real, synthetic], kinds))


def trends(real: pd.DataFrame, synthetic: pd.DataFrame, kinds: Mapping[str, str]) -> dict[tuple[str, str], float]:
    """How alike two columns go together, for each pair, in [0, 1], 1 being the same: SDMetrics' pair trends.

    Numbers and dates: 1 - |r - s| / 2 of the Pearson correlations over rows that have both; a constant correlates
    with nothing (0). Else 1 minus the total variation distance of the contingency tables, numbers being cut into 10
    bins of equal width over the real range, with a bin below, one above, and one for missing.
    """
    return _trends(*cells([real, synthetic], kinds))


def quality(real: pd.DataFrame, synthetic: pd.DataFrame, kinds: Mapping[str, str]) -> float:
    """The mean of the mean shape and the mean trend, in [0, 1] (SDMetrics' quality); with one column, its shape."""
    tables = cells([real, synthetic], kinds)
    parts = [list(_shapes(*tables).values()), list(_trends(*tables).values())]
    return float(np.mean([np.mean(part) for part in parts if part]))


def rare(real: pd.DataFrame, synthetic: pd.DataFrame, kinds: Mapping[str, str], below: float = 0.05) -> float | None:
    """How much of the rare there is: the mean of min(synthetic share / real share, 1) over rare categories.

    These are the values of categories and booleans that are there in less than ``below`` of the real rows. In
    [0, 1], 1 being all; None where nothing is rare.
    """
    kept: list[float] = []
    for here, there in _pairs(*cells([real, synthetic], kinds)):
        if not counted(here):
            share, other = _shares(here + 1, there + 1)
            uncommon = np.flatnonzero((share[1:] > 0) & (share[1:] < below)) + 1
            kept += np.minimum(other[uncommon] / share[uncommon], 1).tolist()
    return float(np.mean(kept)) if kept else None


def distinguishable(real: pd.DataFrame, synthetic: pd.DataFrame, kinds: Mapping[str, str], seed: int = 0) -> float:
    """How well gradient boosting tells synthetic rows from real ones: its AUC, from .5, where it cannot, to 1.

    A classifier two-sample test (Lopez-Paz and Oquab, 2017) in three folds, on equally many rows of either, drawn
    by ``seed``, 10,000 at most. A row and its copy share a fold: else copies would be told by their twins.
    """
    rng = np.random.default_rng(seed)
    rows = min(len(real), len(synthetic), ROWS)
    sides = [frame.iloc[rng.choice(len(frame), rows, replace=False)] for frame in (real, synthetic)]
    here, there = cells(sides, kinds)
    table = {name: np.concatenate([here[name], there[name]]) for name in kinds}
    labels = np.repeat([False, True], rows)
    auc = _cross_validated(table, labels, _folds(matrix(table), labels, rng), seed)
    return max(auc, 1 - auc)


def _shapes(real: Cells, synthetic: Cells) -> dict[str, float]:
    pairs = zip(real, _pairs(real, synthetic), strict=True)
    return {name: 1 - (_steps_apart if counted(x) else _variation)(x, y) for name, (x, y) in pairs}


def _trends(real: Cells, synthetic: Cells) -> dict[tuple[str, str], float]:
    numbers = [name for name, values in real.items() if counted(values)]
    places = {name: place for place, name in enumerate(numbers)}
    apart = np.abs(_correlations(real, numbers) - _correlations(synthetic, numbers)) / 2
    coded = {name: _binned(*pair) for name, pair in zip(real, _pairs(real, synthetic), strict=True)}
    return {
        (a, b): 1 - (float(apart[places[a], places[b]]) if {a, b} <= places.keys() else _crossed(coded[a], coded[b]))
        for a, b in combinations(real, 2)
    }


def _pairs(real: Cells, synthetic: Cells) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    return [(values, synthetic[name]) for name, values in real.items()]


def _steps_apart(x: Floats, y: Floats) -> float:
    """The Kolmogorov-Smirnov distance of x [N] and y [M] without their NaN."""
    x, y = np.sort(x[~np.isnan(x)]), np.sort(y[~np.isnan(y)])
    if not (len(x) and len(y)):
        return float(len(x) != len(y))
    steps = np.concatenate([x, y])
    below = [np.searchsorted(part, steps, side="right") / len(part) for part in (x, y)]
    return float(np.abs(below[0] - below[1]).max())


def _variation(x: Codes, y: Codes) -> float:
    """The total variation distance of codes x [N] and y [M], from -1 on."""
    here, there = _shares(x + 1, y + 1)
    return float(np.abs(here - there).sum() / 2)


def _shares(x: Codes, y: Codes) -> tuple[Floats, Floats]:
    """How frequent each code from 0 is in x [N] and in y [M]."""
    size = max(x.max(), y.max()) + 1
    return np.bincount(x, minlength=size) / len(x), np.bincount(y, minlength=size) / len(y)


def _crossed(a: tuple[Codes, Codes], b: tuple[Codes, Codes]) -> float:
    """The total variation distance of two tables' contingency, each column given as its codes in either."""
    width = max(b[0].max(), b[1].max()) + 2
    x, y = ((one + 1) * width + other + 1 for one, other in zip(a, b, strict=True))
    if max(x.max(), y.max()) > 4 * (len(x) + len(y)):  # of many cells most are empty, so only those met are counted
        both = np.unique(np.concatenate([x, y]), return_inverse=True)[1]
        x, y = both[: len(x)], both[len(x) :]
    return _variation(x, y)


def _binned(x: NDArray[Any], y: NDArray[Any]) -> tuple[Codes, Codes]:
    """Real x [N] and synthetic y [M] as codes, -1 where missing: 0 below the real range, 1 to 10 in it, 11 above."""
    if not counted(x):
        return x, y
    known = x[~np.isnan(x)]
    edges = np.linspace(known.min(), known.max(), BINS + 1) if len(known) else np.zeros(BINS + 1)

    def place(values: Floats) -> Codes:
        places = np.searchsorted(edges, values, side="right").astype(np.int64)
        places[values == edges[-1]] = BINS  # the last bin holds its upper edge
        return np.where(np.isnan(values), -1, places)

    return place(x), place(y)


def _correlations(table: Cells, names: Sequence[str]) -> Floats:
    """Pearson's [n, n] over the rows that have both; 0 where one of the two is constant in these."""
    x = np.column_stack([_standardised(table[name]) for name in names]) if names else np.zeros((1, 0))
    there = (~np.isnan(x)).astype(np.float64)
    x = np.nan_to_num(x)
    rows = np.maximum(there.T @ there, 1)
    means = x.T @ there / rows
    variances = (x * x).T @ there / rows - means**2
    covariances = x.T @ x / rows - means * means.T
    scales = np.sqrt(np.maximum(variances * variances.T, 0))
    constant = np.minimum(variances, variances.T) < 1e-12  # of unit variance over all rows; below is rounding
    found: Floats = np.where(constant, 0, covariances / np.where(constant, 1, scales))
    return found.clip(-1, 1)


def _standardised(values: Floats) -> Floats:
    known = values[~np.isnan(values)]
    if not len(known) or known.min() == known.max():
        return np.where(np.isnan(values), np.nan, 0.0)
    scaled: Floats = (values - known.mean()) / known.std()
    return scaled


def _folds(rows: Floats, labels: NDArray[np.bool_], rng: np.random.Generator) -> Codes:
    """One of three folds for each of rows [N, D]; the same for the n-th of equal rows under either label."""
    met: Counter[tuple[bytes, bool]] = Counter()
    pairs: dict[tuple[bytes, int], int] = {}
    pair = []
    for row, label in zip(map(np.ndarray.tobytes, rows), labels.tolist(), strict=True):
        met[row, label] += 1
        pair.append(pairs.setdefault((row, met[row, label]), len(pairs)))
    folds: Codes = rng.permutation(len(pairs))[pair] % 3
    return folds


def _cross_validated(table: Cells, labels: NDArray[np.bool_], folds: Codes, seed: int) -> float:
    """The mean AUC of gradient boosting over ``folds`` [N], those that have both labels on either side; else .5."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    columns = {name: values if counted(values) else _frequent(values) for name, values in table.items()}
    features, categorical = matrix(columns), np.array([not counted(values) for values in table.values()])
    scores = []
    for fold in range(3):
        held = folds == fold
        used = ~np.isnan(features[~held]).all(0)
        if not used.any() or min(len(np.unique(labels[side])) for side in (held, ~held)) < 2:
            continue
        model = HistGradientBoostingClassifier(
            categorical_features=categorical[used], early_stopping=False, random_state=seed
        )
        model.fit(features[~held][:, used], labels[~held])
        scores.append(roc_auc_score(labels[held], model.predict_proba(features[held][:, used])[:, 1]))
    return float(np.mean(scores)) if scores else 0.5


def _frequent(codes: Codes) -> Floats:
    """Codes by falling frequency, NaN where missing; the rarest together where there are too many."""
    order = np.argsort(-np.bincount(codes[codes >= 0], minlength=1), kind="stable")
    ranks = np.argsort(order).clip(max=CATEGORIES)
    return np.where(codes >= 0, ranks[codes], np.nan)
