"""Changing size by two with the separable filter [1, 3, 3, 1], beside a mixing of channels.

Each axis is multiplied by a small matrix: pixel by pixel a depthwise filter is one call per channel under a double
backward on a CPU, and fused with the mixing it is a dense convolution of sixteen times the work. Plain doubling and
halving are fused with a 3x3 convolution: both together are one of 4x4 and stride 2, at 4/9 of the work.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.ops.convolution import conv2d, conv_transpose2d


def upsampling(like: Tensor, factor: int = 2) -> Tensor:
    """The filter, of 2 ``factor`` taps a side, that a transposed convolution of that stride interpolates with."""
    taps = _taps(like, factor)
    return taps[:, None] * taps


def downsample(maps: Tensor, weight: Tensor) -> Tensor:
    """Filter, keep every second pixel, then mix channels by ``weight`` [D, C]: [B, C, 2H, 2W] -> [B, D, H, W]."""
    return F.linear(_resized(maps.permute(0, 2, 3, 1), 0.5), weight).permute(0, 3, 1, 2)


def upsample(maps: Tensor, weight: Tensor) -> Tensor:
    """Mix channels by ``weight`` [D, C], then interpolate: [B, C, H, W] -> [B, D, 2H, 2W]."""
    return _resized(F.linear(maps.permute(0, 2, 3, 1), weight), 2).permute(0, 3, 1, 2)


def double(maps: Tensor) -> Tensor:
    """Every pixel becomes four: [B, C, H, W] -> [B, C, 2H, 2W]."""
    return F.interpolate(maps, scale_factor=2.0)


def halve(maps: Tensor) -> Tensor:
    """Means of four pixels: [B, C, 2H, 2W] -> [B, C, H, W]."""
    return F.avg_pool2d(maps, 2)


def double_convolved(maps: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``double``, then a convolution by ``weight`` [D, C, 3, 3]: [B, C, H, W] -> [B, D, 2H, 2W]."""
    return conv_transpose2d(maps, _twice(weight.flip(2, 3)).transpose(0, 1), bias, stride=2, padding=1)


def convolved_halve(maps: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A convolution by ``weight`` [D, C, 3, 3], then ``halve``: [B, C, 2H, 2W] -> [B, D, H, W]."""
    return conv2d(maps, _twice(weight) / 4, bias, stride=2, padding=1)


def _taps(like: Tensor, factor: int) -> Tensor:
    rising = torch.arange(1, 2 * factor, 2, device=like.device, dtype=like.dtype) / (2 * factor)
    return torch.cat([rising, rising.flip(0)])


def _resized(maps: Tensor, by: float) -> Tensor:
    """[B, H, W, C] with both sides twice or half as long."""
    batch, height, width, channels = maps.shape
    wide = _matrix(width, by, maps) @ maps.reshape(batch * height, width, channels)
    tall = _matrix(height, by, maps) @ wide.view(batch, height, -1)
    return tall.view(batch, round(height * by), round(width * by), channels)


def _matrix(size: int, by: float, like: Tensor) -> Tensor:
    """What an axis of ``size`` pixels is multiplied by, outside of which all is zero."""
    make = _made if torch.compiler.is_exporting() else _kept
    return make(size, by, like.dtype, like.device)


def _made(size: int, by: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # what is made without gradients in mind cannot be kept for those that come
        each = torch.eye(round(size * min(by, 1)), device=device, dtype=dtype)[:, None]
        spread = F.conv_transpose1d(each, _taps(each, 2)[None, None], stride=2, padding=1)[:, 0]
        return spread.t() if by > 1 else spread / 2


_kept = lru_cache(maxsize=256)(_made)


def _twice(weight: Tensor) -> Tensor:
    """3x3 filters, and the same a pixel further along either side, as one of 4x4."""
    return sum((F.pad(weight, (x, 1 - x, y, 1 - y)) for x in (0, 1) for y in (0, 1)), start=weight.new_zeros(()))
