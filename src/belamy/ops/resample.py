"""Changing size by two with the separable filter [1, 3, 3, 1], fused with the 1x1 convolution beside it.

A depthwise filter is one call per channel under a double backward on a CPU. Multiplied into the weights of the
pointwise convolution that follows (or precedes) it, it becomes one dense convolution, which every backend is fast at.
"""

from __future__ import annotations

import torch
from torch import Tensor

from belamy.ops.convolution import conv2d, conv_transpose2d


def upsampling(like: Tensor, factor: int = 2) -> Tensor:
    """The filter, of 2 ``factor`` taps a side, that a transposed convolution of that stride interpolates with."""
    taps = torch.arange(1, 2 * factor, 2, device=like.device, dtype=like.dtype) / (2 * factor)
    taps = torch.cat([taps, taps.flip(0)])
    return taps[:, None] * taps


def downsample(maps: Tensor, weight: Tensor) -> Tensor:
    """Filter, keep every second pixel, then mix channels by ``weight`` [D, C]: [B, C, 2H, 2W] -> [B, D, H, W]."""
    return conv2d(maps, weight[:, :, None, None] * upsampling(weight) / 4, stride=2, padding=1)


def upsample(maps: Tensor, weight: Tensor) -> Tensor:
    """Mix channels by ``weight`` [D, C], then interpolate: [B, C, H, W] -> [B, D, 2H, 2W]."""
    return conv_transpose2d(maps, weight.t()[:, :, None, None] * upsampling(weight), stride=2, padding=1)
