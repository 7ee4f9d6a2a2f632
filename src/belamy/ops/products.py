"""Convolutions of small maps as products of matrices.

On a CPU, oneDNN's bfloat16 kernels reach a fraction of their rate on maps of few pixels and many channels: at a DCGAN's
4x4 maps of 512 channels a product of matrices is twice as fast, and six times for the gradient of the weight. On larger
maps the copies that it needs cost more than it saves.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

DEEP = 1024
"""Numbers that a filter sees, at least, for a product to pay."""


def pay(weight: Tensor, pixels: int, most: int) -> bool:
    """Whether ``weight`` [D, C, k, k] should be taken as a matrix, where the smaller maps have so many ``pixels``."""
    if weight.device.type != "cpu" or weight.dtype != torch.bfloat16 or torch.compiler.is_exporting():
        return False
    return pixels <= most and weight[0].numel() >= DEEP


def patches(maps: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """What a filter sees of maps [B, C, H, W] at each of its places: [B * H' * W', k * k * C]."""
    wide = F.pad(maps.permute(0, 2, 3, 1), (0, 0, padding, padding, padding, padding))
    windows = wide.unfold(1, kernel, stride).unfold(2, kernel, stride)  # [B, H', W', C, k, k]
    return windows.permute(0, 1, 2, 4, 5, 3).flatten(0, 2).flatten(1)


def convolved(maps: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
    """``F.conv2d``: [B, C, H, W], [D, C, k, k] -> [B, D, H', W']."""
    height, width = ((side + 2 * padding - weight.shape[2]) // stride + 1 for side in maps.shape[2:])
    found = F.linear(patches(maps, weight.shape[2], stride, padding), _matrix(weight), bias)
    return found.view(len(maps), height, width, -1).permute(0, 3, 1, 2)


def spread(maps: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int, extra: int = 0) -> Tensor:
    """``F.conv_transpose2d``: [B, D, H', W'], [D, C, k, k] -> [B, C, H, W], ``extra`` pixels larger than it must be."""
    (count, _, height, width), kernel = maps.shape, weight.shape[2]
    columns = maps.permute(0, 2, 3, 1).flatten(0, 2) @ _matrix(weight)
    columns = columns.view(count, height, width, kernel, kernel, -1)
    sides = [(side - 1) * stride + kernel + extra for side in (height, width)]
    wide = torch.promote_types(columns.dtype, torch.float32)  # several squares are added up
    found = columns.new_zeros(count, *sides, columns.shape[5], dtype=wide)
    for y in range(kernel):
        for x in range(kernel):
            found[:, y : y + stride * height : stride, x : x + stride * width : stride] += columns[:, :, :, y, x]
    found = found[:, padding : sides[0] - padding, padding : sides[1] - padding]
    found = found if bias is None else found + bias
    return found.to(maps.dtype).permute(0, 3, 1, 2)


def weight_gradient(small: Tensor, large: Tensor, shape: torch.Size, stride: int, padding: int) -> Tensor:
    """Of a weight [D, C, k, k] between ``large`` maps [B, C, H, W] and ``small`` ones [B, D, H', W']."""
    seen = patches(large, shape[2], stride, padding)
    found = small.permute(0, 2, 3, 1).flatten(0, 2).t() @ seen
    return found.view(shape[0], shape[2], shape[3], shape[1]).permute(0, 3, 1, 2)


def _matrix(weight: Tensor) -> Tensor:
    return weight.permute(0, 2, 3, 1).flatten(1)
