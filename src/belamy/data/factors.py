"""The Gaussian copula that a generator of rows begins as: what columns share, and how often options are taken."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SHARED = 64
"""Latents that columns share, at most."""
DRAWN = 16_384
"""Draws of latents by which options are brought to their shares, in so many ROUNDS."""
ROUNDS = 30
STEEPEST = 6.0
"""A logit's deviation over the latents, at most: an option that is rare and certain would be all or nothing."""
RAREST = 1e-4
"""The share that an option is brought to, at least."""


def factors(rows: Tensor, numbers: int) -> Tensor:
    """Weights [J + K, R] by which R normal latents make the scores and logits of encoded rows [N, J + K].

    Scores have the covariance that they have where they are there; of options, as in the analysis of mixed data (Pages,
    2004), the latents of their rows have the weights for a mean, which are the logits of linear discriminant analysis.
    """
    there = (rows[:, :numbers] != 0).float().mean(0).clamp(min=1e-3).sqrt()
    shares = rows[:, numbers:].mean(0).clamp(min=RAREST).sqrt()
    values = (rows - rows.mean(0)) / torch.cat([there, shares])
    power, axes = torch.linalg.eigh((values.T @ values / len(rows)).double())
    found = (axes[:, -SHARED:] * power[-SHARED:].clamp(min=0).sqrt()).float().flip(1)
    means = found[numbers:] / shares[:, None]
    norms = means.norm(dim=1, keepdim=True)
    return torch.cat([found[:numbers], means * (STEEPEST / norms.clamp(min=STEEPEST))])


def levels(weights: Tensor, shares: Tensor, choices: Sequence[int]) -> Tensor:
    """Biases [K] with which logits of ``weights`` [K, R] take each option of ``choices`` as often as its share [K]."""
    if not choices:
        return torch.zeros(0)
    latents = torch.randn(DRAWN, weights.shape[1], generator=torch.Generator().manual_seed(0), dtype=weights.dtype)
    shares = shares.clamp(min=RAREST)
    return torch.cat([
        _levelled(latents @ weight.T, share)
        for weight, share in zip(weights.split(list(choices)), shares.split(list(choices)), strict=True)
    ])  # fmt: skip


def _levelled(logits: Tensor, shares: Tensor) -> Tensor:
    """By fixed-point steps on the mean of softmax(logits [M, K] + biases)."""
    shares = shares / shares.sum()
    found = shares.log()
    for _ in range(ROUNDS):
        found = found + shares.log() - (logits + found).softmax(1).mean(0).clamp(min=1e-8).log()
    return found
