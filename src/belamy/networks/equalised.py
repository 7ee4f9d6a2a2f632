"""The equalised learning rate, and the norm of each pixel's features (Karras et al., 2018)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from belamy.ops.convolution import conv2d, pointwise

GAIN = math.sqrt(2)
"""That keeps the variance through a leaky rectifier."""


def pixel_norm(features: Tensor) -> Tensor:
    """Every row's, or every pixel's features [B, C, ...] divided by the root of their mean square."""
    return features * (features.float().square().mean(1, keepdim=True) + 1e-8).rsqrt().to(features.dtype)


class Equalised(nn.Module):
    """A layer whose weight is drawn from N(0, 1), and is scaled by ``gain`` / sqrt(fan in) whenever it is used.

    Adam's steps are as large for a weight of any scale; so they are right for every layer at once. ``rate`` multiplies
    them. ``shape`` is [D, C], for features [B, C] or for those of every pixel [B, C, H, W], or [D, C, 3, 3] for a
    convolution. ``offset`` is what is added at first; None: nothing ever is.
    """

    def __init__(self, *shape: int, gain: float = GAIN, offset: float | None = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape) / rate)
        self.bias = None if offset is None else nn.Parameter(torch.full(shape[:1], offset / rate))
        self.scale, self.rate = rate * gain / math.sqrt(math.prod(shape[1:])), rate

    @property
    def scaled(self) -> Tensor:
        """The weight as it is used."""
        return self.weight * self.scale

    @property
    def offset(self) -> Tensor | None:
        """The bias as it is used."""
        return self.bias if self.bias is None or self.rate == 1 else self.bias * self.rate

    def forward(self, inputs: Tensor) -> Tensor:
        if self.weight.dim() == 4:
            return conv2d(inputs, self.scaled, self.offset, padding=1)
        mix = F.linear if inputs.dim() == 2 else pointwise
        return mix(inputs, self.scaled, self.offset)
