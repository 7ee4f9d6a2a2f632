"""Whether samples are copies: how near they lie to the training data, against how near unseen data lies to it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from belamy.metrics.distances import nearest


@dataclass(frozen=True)
class Memorisation:
    """``value``: the chance that a sample is nearer to the training data than an unseen picture is, ties counting
    half: .5 for new pictures, 1 for copies. ``share_of_copies``: the share of samples nearer than all but 1 % of
    the unseen, which finds a few copies among many; .01 for new pictures. ``neighbours`` [N]: for each sample the
    row of its nearest training picture. ``distances`` [N]: how far that is, in units of the unseen's median.
    """

    value: float
    share_of_copies: float
    neighbours: Tensor
    distances: Tensor


def memorisation(samples: Tensor, unseen: Tensor, train: Tensor) -> Memorisation:
    """Compares features or pixels of samples [N, D] and unseen data [M, D] by their nearest of train [T, D]."""
    distances, neighbours = nearest(samples, train)
    usual = nearest(unseen, train)[0].sort().values
    nearer = (len(usual) - torch.searchsorted(usual, distances, right=False)).double()
    strictly = (len(usual) - torch.searchsorted(usual, distances, right=True)).double()
    copies = (distances <= usual.quantile(0.01)).double().mean()
    return Memorisation(
        value=float((nearer + strictly).mean() / (2 * len(usual))),
        share_of_copies=float(copies),
        neighbours=neighbours,
        distances=distances / usual.median().clamp(min=1e-12),
    )
