"""The portrait of a table: how its columns are spread and go together, in shares that tell of no single row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from belamy.metrics.cells import Cells, Codes, Floats, cells, counted, present
from belamy.metrics.tables import shapes

if TYPE_CHECKING:
    import pandas as pd

BINS, CATEGORIES, ACROSS = 30, 15, 40
"""Bins of a column, categories of a column that are named, and columns in the matrices of association, at most."""
FEWEST = 5
"""Rows of the real frame that share a value, at least, before it is named: what fewer have could tell who they are."""
ROWS = 20_000
"""Rows of a frame that associations are taken from, at most, evenly spaced."""
HEAP, HEAPS = 0.05, 4
"""The share of rows from which on one value of a number is a heap beside the bins, and how many there can be."""

_GROUPS = 50  # categories of a column that associations tell apart
_LETTERS = 80  # of a category's name
_FAR = 1e99  # what is farther out is drawn here, so that squares of numbers are numbers
_SKEWED = 50  # times the low end that the high end is, where bins grow with the value


def portrait(frames: Mapping[str, pd.DataFrame], kinds: Mapping[str, str]) -> dict[str, Any]:
    """What a report draws of ``frames``, which are ``real``, ``generated`` and any baselines, as plain JSON.

    ``rows``: of each frame. ``columns``: for each its ``name``, ``kind``, how far generated is from real as
    ``distance`` in [0, 1] (that of ``shapes``, or of the shares that are missing where these differ more), the
    ``values`` that have a bar each, the ``edges`` of bins beside them (of dates in days since 1970; ``log`` where
    they grow), and shares of all rows by frame: ``shares`` of the values and then of the bins, ``other`` values,
    ``missing``. ``associations``: ``names``, and in ``frames`` a matrix for each.

    Values are named where at least 5 real rows share them: of categories the 15 commonest, of whole numbers all if
    they are few, of other numbers what 5 % of the rows have. The bins are 30 at most, from the .5 to the 99.5
    percentile of all frames, the first and the last holding what is beyond. Raises UserError as ``cells`` does.
    """
    tables = dict(zip(frames, map(_near, cells(list(frames.values()), kinds)), strict=True))
    alike = shapes(frames["real"], frames["generated"], kinds)
    columns = []
    for name, kind in kinds.items():
        parts = {frame: table[name] for frame, table in tables.items()}
        missing = {frame: _share(~present(values)) for frame, values in parts.items()}
        apart = max(1 - alike[name], abs(missing["real"] - missing["generated"]))
        drawn = _numbers(parts) if counted(parts["real"]) else _categories(parts, frames["real"][name])
        columns.append({"name": str(name), "kind": kind, "distance": round(apart, 4), **drawn, "missing": missing})
    rows = {frame: len(table) for frame, table in frames.items()}
    return {"rows": rows, "columns": columns, "associations": _associations(tables)}


def _near(table: Cells) -> Cells:
    return {name: values.clip(-_FAR, _FAR) if counted(values) else values for name, values in table.items()}


def _share(chosen: NDArray[np.bool_]) -> float:
    return round(float(chosen.mean()), 4)


def _numbers(parts: Mapping[str, Floats]) -> dict[str, Any]:
    """Values with a bar each, bins for the others, and the shares of both."""
    known = parts["real"][~np.isnan(parts["real"])]
    values, counts = np.unique(known, return_counts=True)
    whole, often = bool((values == np.rint(values)).all()), counts >= FEWEST
    lonely, heap = counts[~often].sum(), counts.max(initial=0)
    if whole and len(values) <= BINS and lonely <= 0.1 * (len(known) - heap):
        return _spread(parts, values[often], np.empty(0)) | {"log": False}
    heavy = [place for place in np.argsort(-counts, kind="stable")[:HEAPS] if counts[place] >= HEAP * len(known)]
    heaps = values[sorted(place for place in heavy if often[place])]
    everything = np.concatenate(list(parts.values()))
    edges, log = _edges(everything[~np.isnan(everything) & ~np.isin(everything, heaps)], whole)
    return _spread(parts, heaps, edges) | {"log": log}


def _spread(parts: Mapping[str, Floats], named: Floats, edges: Floats) -> dict[str, Any]:
    shares, other = {}, {}
    for frame, values in parts.items():
        rest = values[~np.isnan(values) & ~np.isin(values, named)]
        binned = np.histogram(rest.clip(edges[0], edges[-1]), edges)[0] / len(values) if len(edges) else np.empty(0)
        shares[frame] = [_share(values == value) for value in named] + binned.round(4).tolist()
        other[frame] = 0.0 if len(edges) else round(len(rest) / len(values), 4)
    return {"values": named.tolist(), "edges": edges.tolist(), "shares": shares, "other": other}


def _edges(values: Floats, whole: bool) -> tuple[Floats, bool]:
    """At most 31 round numbers from the .5 to the 99.5 percentile of ``values``, and whether they grow with these."""
    if not len(values):
        return np.empty(0), False
    low, middle, high = (float(one) for one in np.percentile(values, [0.5, 50, 99.5]))
    log = low > 0 and high > _SKEWED * low and middle - low < (high - low) / 10
    edges = _growing(low, high) if log else _even(low, high, whole)
    return np.unique(np.rint(edges) if whole else edges), log


def _even(low: float, high: float, whole: bool) -> Floats:
    """Multiples of 1, 2 or 5 times a power of ten."""
    rough = max((high - low) / (BINS - 2), 1e-6 * max(abs(low), abs(high)))
    rough = rough if rough > 1 / _FAR else 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(digit * power for digit in (1, 2, 5, 10, 20) if digit * power >= rough)
    step = max(step, 1.0) if whole else step
    places = np.arange(math.floor(low / step), math.floor(high / step) + 2)
    return np.array([float(f"{place * step:.12g}") for place in places])


def _growing(low: float, high: float) -> Floats:
    """Numbers of three digits, equally many from each power of ten to the next."""
    decades = math.log10(high) - math.log10(low)
    each = next((count for count in (20, 10, 5, 3, 2) if count * decades <= BINS - 2), 1)
    places = np.arange(math.floor(math.log10(low) * each), math.floor(math.log10(high) * each) + 2)
    return np.array([float(f"{10.0 ** (place / each):.3g}") for place in places[-BINS - 1 :]])


def _categories(parts: Mapping[str, Codes], real: pd.Series[Any]) -> dict[str, Any]:
    named = _commonest(parts["real"], CATEGORIES, FEWEST)
    labels = [str(real.iloc[int(np.argmax(parts["real"] == code))])[:_LETTERS] for code in named]
    shares = {frame: [_share(codes == code) for code in named] for frame, codes in parts.items()}
    other = {frame: _share((codes >= 0) & ~np.isin(codes, named)) for frame, codes in parts.items()}
    return {"values": labels, "edges": [], "shares": shares, "other": other, "log": False}


def _commonest(codes: Codes, most: int, fewest: int = 1) -> Codes:
    """The codes that most rows have, ``most`` at most, each in at least ``fewest`` rows."""
    counts = np.bincount(codes[codes >= 0], minlength=1)
    order = np.argsort(-counts, kind="stable")[:most]
    return order[counts[order] >= fewest]


def _associations(tables: Mapping[str, Cells]) -> dict[str, Any]:
    """How strongly the first 40 columns go together in each frame, in an order that puts like beside like."""
    names = list(tables["real"])[:ACROSS]
    common = {name: _commonest(tables["real"][name], _GROUPS) for name in names if not counted(tables["real"][name])}
    found = {}
    for frame, table in tables.items():
        thinned = {name: table[name][:: math.ceil(len(table[name]) / ROWS)] for name in names}
        found[frame] = _matrix(
            {name: _grouped(x, common[name]) if name in common else x for name, x in thinned.items()}
        )
    order = _chained(found["real"])
    matrices = {frame: matrix[np.ix_(order, order)].round(2).tolist() for frame, matrix in found.items()}
    return {"names": [str(names[place]) for place in order], "frames": matrices}


def _grouped(codes: Codes, common: Codes) -> Codes:
    """Codes as places in ``common``, then one for all others and one for what is missing."""
    size = max(codes.max(), common.max(initial=-1)) + 1
    places = np.full(size + 1, len(common))
    places[common] = np.arange(len(common))
    places[-1] = len(common) + 1
    grouped: Codes = places[codes]
    return grouped


def _matrix(table: Cells) -> Floats:
    """How strongly each column goes with each other [n, n], in [0, 1].

    Numbers by their absolute correlation, categories by Cramér's V, and both together by the correlation ratio; the
    last two less what chance alone would give (Bergsma, 2013; Kelley, 1935), so that frames of any size compare.
    """
    import pandas as pd

    names = list(table)
    numbers = {place: table[name] for place, name in enumerate(names) if counted(table[name])}
    found = np.eye(len(names))
    if numbers:
        found[np.ix_(list(numbers), list(numbers))] = pd.DataFrame(numbers).corr().abs().fillna(0)
    for a, b in combinations(range(len(names)), 2):
        if a in numbers and b in numbers:
            continue
        one, other = (table[names[place]] for place in ((b, a) if a in numbers else (a, b)))
        found[a, b] = found[b, a] = (_ratio if counted(other) else _cramer)(one, other)
    np.fill_diagonal(found, 1)
    return found


def _cramer(a: Codes, b: Codes) -> float:
    width = int(b.max()) + 1
    counts = np.bincount(a * width + b, minlength=(int(a.max()) + 1) * width).reshape(-1, width)
    counts = counts[counts.any(1)][:, counts.any(0)]
    rows, fewer = counts.sum(), min(counts.shape) - 1
    if not 0 < fewer < rows - 1:
        return 0.0
    expected = counts.sum(1, keepdims=True) * counts.sum(0) / rows
    squares = ((counts - expected) ** 2 / expected).sum() / rows
    chance = math.prod(size - 1 for size in counts.shape) / (rows - 1)
    return math.sqrt(min(max(squares - chance, 0.0) / (fewer * (1 - fewer / (rows - 1))), 1.0))


def _ratio(groups: Codes, values: Floats) -> float:
    """Of the spread of ``values``, the share that lies between ``groups``, as a correlation."""
    there = ~np.isnan(values)
    groups, values = groups[there], values[there]
    counts = np.bincount(groups, minlength=1)
    met = counts > 0
    if not 1 < met.sum() < len(values) or values.min() == values.max():
        return 0.0
    values = (values - values.mean()) / np.abs(values).max()
    between = (np.bincount(groups, values)[met] ** 2 / counts[met]).sum() / np.square(values).sum()
    left = (1 - between) * (len(values) - 1) / (len(values) - met.sum())
    return math.sqrt(min(max(1 - left, 0.0), 1.0))


def _chained(strengths: Floats) -> list[int]:
    """The column with the strongest bonds, then always the one that is bound most strongly to the last."""
    left = list(range(len(strengths)))
    chain = [left.pop(int(strengths.sum(0).argmax()))]
    while left:
        chain.append(left.pop(int(strengths[chain[-1], left].argmax())))
    return chain
