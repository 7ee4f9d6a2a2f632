"""Frechet distance between two sets of features, each taken for a Gaussian (Heusel et al., 2017)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from belamy.errors import UserError


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """``|m_x - m_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2))`` of x [N, D] and y [M, D], in float64.

    With ``C_x = A'A`` and ``C_y = B'B`` the trace of the root is the nuclear norm of ``A B'``: no matrix root is
    taken, and rank-deficient covariances, fewer rows than dimensions, are exact too. Biased upwards for few rows.

    Raises:
        UserError: a set of fewer than two rows has no covariance.
    """
    if min(len(x), len(y)) < 2:
        raise UserError(f"a Frechet distance needs two pictures on either side; here are {len(x)} and {len(y)}")
    x, y = x.double(), y.double()
    mean = (x.mean(0) - y.mean(0)).square().sum()
    a, b = _factor(x), _factor(y)
    root = torch.linalg.svdvals(a @ b.T).sum()
    return max(float(mean + a.square().sum() + b.square().sum() - 2 * root), 0.0)


def _factor(x: Tensor) -> Tensor:
    """A [min(N, D), D] with ``A'A`` the covariance of x [N, D]."""
    centered = (x - x.mean(0)) / math.sqrt(len(x) - 1)
    return torch.linalg.qr(centered, mode="r").R if len(x) > x.shape[1] else centered
