"""Whether a synthetic table gives away its training rows: by their neighbours, by copies, by membership."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from belamy.metrics.cells import Cells, Floats, cells, counted, matrix, present

if TYPE_CHECKING:
    import pandas as pd

SAMPLES = 2000
MEMBERS = 1000

Points = tuple[Tensor, Tensor]
"""Rows between which there is a distance: numbers [N, K], and what is the same or not [N, C]."""


def nearest_records(
    train: pd.DataFrame, heldout: pd.DataFrame, synthetic: pd.DataFrame, kinds: Mapping[str, str], seed: int = 0
) -> dict[str, float]:
    """How near synthetic rows lie to the training rows, against rows that the generator has not seen.

    ``nearer``: the share of up to 2,000 synthetic rows that are nearer to a training row than to any of equally many
    held-out rows, ties counting half; .5 for new rows, 1 for copies. ``copies``: the share of synthetic rows that
    equal a training row in all ``kinds``. ``copies_by_chance``: the same of held-out rows. ``seed`` draws the rows.

    The distance is a sum over columns: 1 for categories that differ; numbers and dates by their difference over the
    interquartile range in ``train``, or the standard deviation where that is 0. A missing number counts as the
    median, and 1 away from all that are there.
    """
    tables = cells([train, heldout, synthetic], kinds)
    known, unseen, made = _points(tables)
    rng = np.random.default_rng(seed)
    rows = min(len(train), len(heldout))
    made = _drawn(made, SAMPLES, rng)
    to_known, to_unseen = (_nearest(made, _drawn(points, rows, rng)) for points in (known, unseen))
    copies, by_chance = _copied(tables[0], tables[2]), _copied(tables[0], tables[1])
    return {"nearer": _below(to_known - to_unseen), "copies": copies, "copies_by_chance": by_chance}


def membership(
    train: pd.DataFrame, heldout: pd.DataFrame, synthetic: pd.DataFrame, kinds: Mapping[str, str], seed: int = 0
) -> float:
    """AUC of an attacker who calls a row a training row the nearer its nearest synthetic row is (Chen et al., 2020).

    Over up to 1,000 training and 1,000 held-out rows, drawn by ``seed``, with the distance of ``nearest_records``.
    .5 is ideal, 1 gives all members away.
    """
    known, unseen, made = _points(cells([train, heldout, synthetic], kinds))
    rng = np.random.default_rng(seed)
    members, others = (_nearest(_drawn(points, MEMBERS, rng), made) for points in (known, unseen))
    return _below(members[:, None] - others)


def _below(differences: Tensor) -> float:
    """The share below 0, and half of that at 0."""
    return float(((differences < 0).double() + (differences == 0).double() / 2).mean())


def _points(tables: list[Cells]) -> list[Points]:
    """The rows of each table, in units of the first."""
    numbers: list[list[Floats]] = [[] for _ in tables]
    marks: list[list[Floats]] = [[] for _ in tables]
    for name, first in tables[0].items():
        center, scale = _unit(first) if counted(first) else (0.0, 1.0)
        for place, table in enumerate(tables):
            values = table[name]
            marks[place].append((present(values) if counted(values) else values).astype(np.float64))
            if counted(values):
                numbers[place].append(np.nan_to_num((values - center) / scale))
    return [(_stacked(a, len(b[0])), _stacked(b, len(b[0]))) for a, b in zip(numbers, marks, strict=True)]


def _unit(values: Floats) -> tuple[float, float]:
    """The median, and what differences are measured in."""
    known = values[~np.isnan(values)]
    if not len(known):
        return 0.0, 1.0
    low, median, high = np.quantile(known, [0.25, 0.5, 0.75])
    return float(median), float(high - low) or float(known.std()) or 1.0


def _stacked(columns: list[Floats], rows: int) -> Tensor:
    return torch.from_numpy(np.column_stack([np.zeros((rows, 0)), *columns])).float()


def _drawn(points: Points, rows: int, rng: np.random.Generator) -> Points:
    """At most ``rows`` of them, without replacement."""
    size = len(points[1])
    chosen = torch.from_numpy(rng.permutation(size)[:rows])
    return points[0][chosen], points[1][chosen]


def _nearest(points: Points, others: Points, chunk: int = 256) -> Tensor:
    """The distance [N] from each of ``points`` to the nearest of ``others``."""
    found = []
    for numbers, marks in zip(points[0].split(chunk), points[1].split(chunk), strict=True):
        distances = torch.cdist(numbers, others[0], p=1) + torch.cdist(marks, others[1], p=0)
        found.append(distances.min(1).values)
    return torch.cat(found)


def _copied(train: Cells, rows: Cells) -> float:
    """The share of ``rows`` that are in ``train``."""
    known = {row.tobytes() for row in matrix(train)}
    return float(np.mean([row.tobytes() in known for row in matrix(rows)]))
