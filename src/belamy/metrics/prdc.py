"""How like the real each sample is, and how much of the real the samples cover, by nearest neighbours."""

from __future__ import annotations

import torch
from torch import Tensor

from belamy.errors import UserError
from belamy.metrics.distances import CHUNK, radii, squared_distances

NAMES = ("precision", "recall", "density", "coverage")


def prdc(real: Tensor, fake: Tensor, k: int = 5) -> dict[str, float]:
    """Precision and recall (Kynkaanniemi et al., 2019), density and coverage (Naeem et al., 2020).

    A set's manifold is the union of balls around its rows, each as large as the distance to its ``k``-th nearest
    other row. ``real`` is [N, D], ``fake`` [M, D]. Precision: share of fakes in the real manifold. Recall: share of
    reals in the fake manifold. Density: mean number of real balls around a fake, over k. Coverage: share of real
    balls with a fake in them, which outliers among the fakes cannot raise.

    Raises:
        UserError: a set of ``k`` rows or fewer.
    """
    if min(len(real), len(fake)) <= k:
        raise UserError(f"precision and coverage compare {k} neighbours, so need {k + 1} pictures on either side")
    real_radii, fake_radii = radii(real, k), radii(fake, k)
    balls = torch.zeros(len(fake), dtype=torch.float64, device=fake.device)
    recalled, covered = [], []
    for distances, radius in zip(squared_distances(real, fake), torch.split(real_radii, CHUNK), strict=True):
        inside = distances <= radius[:, None]
        balls += inside.sum(0)
        covered.append(inside.any(1))
        recalled.append((distances <= fake_radii).any(1))
    return {
        "precision": float((balls > 0).double().mean()),
        "recall": float(torch.cat(recalled).double().mean()),
        "density": float(balls.mean() / k),
        "coverage": float(torch.cat(covered).double().mean()),
    }
