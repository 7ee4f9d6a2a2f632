"""Discriminators that cannot be steep, whatever they have learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from belamy.errors import UserError
from belamy.ops.penalties import squared_gradients

Others = TypeVar("Others")


def gradient_normalised(
    judge: Callable[[Sequence[Tensor]], tuple[Tensor, Others]], sets: Sequence[Tensor]
) -> tuple[Tensor, Others]:
    """Logits f over |gradient of f| + |f|: between -1 and 1 (Wu et al., 2021).

    Where the network is piecewise linear, as rectifiers make it, their own slopes are 1 at most. ``judge`` takes sets
    of samples [B, ...] to logits [len(sets) * B], each of which depends on one sample alone, and to whatever else
    comes of the same pass. Raises UserError for logits of patches.
    """
    with torch.enable_grad():
        sets = [samples if samples.requires_grad else samples.detach().requires_grad_() for samples in sets]
        logits, others = judge(sets)
        if logits.ndim > 1:
            raise UserError("a discriminator of patches has no gradient of a sample to be divided by: take spectral")
        norms = torch.cat(squared_gradients(logits, *sets)).clamp(min=1e-12).sqrt()
    return logits / (norms + logits.abs()), others


def stretched(weight: Tensor, direction: Tensor) -> Tensor:
    """``weight`` [D, ...] as a matrix, times ``direction`` [...]: [D].

    Its norm is the weight's largest singular value, where ``direction`` is the unit vector of that.
    """
    return (weight * direction).flatten(1).sum(1)  # autocast would round a product of matrices


def turned(weight: Tensor, direction: Tensor) -> Tensor:
    """A unit vector nearer to the one that ``weight`` [D, ...] stretches most: one power iteration."""
    back = torch.tensordot(stretched(weight, direction), weight, 1)
    turned: Tensor = back / back.norm()
    return turned
