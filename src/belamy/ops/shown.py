"""Pictures as they are shown: what lies outside the range is cut off, and can still be learnt from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def shown(pictures: Tensor) -> Tensor:
    """Clamped to [-1, 1], so that white may be white to the bit.

    Gradients that lead further outside are dropped, those that lead back are not: clamping alone would leave a pixel
    that has left the range without any, and with all of them it would never stay.
    """
    if torch.is_grad_enabled() and pictures.requires_grad:
        found: Tensor = _Shown.apply(pictures)
        return found
    return pictures.clamp(-1, 1)


class _Shown(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pictures: Tensor) -> Tensor:
        ctx.save_for_backward(pictures)
        return pictures.clamp(-1, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (pictures,), (gradient,) = ctx.saved_tensors, gradients
        return torch.where((pictures.abs() > 1) & (gradient * pictures < 0), torch.zeros_like(gradient), gradient)
