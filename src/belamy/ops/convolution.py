"""Convolutions that differentiate twice at full speed.

torch's own double backward makes the gradient of a weight by a convolution with batch and channels exchanged, group
by group, outside the fast kernels. Here each derivative of a convolution is again a convolution, a transposed one, or
a weight gradient, as the formulas say, so a gradient penalty costs what the same number of ordinary passes costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from belamy.ops import products

FORWARD, WEIGHT = 16, 64
"""Pixels of the smaller maps up to which products of matrices pay, and for the gradients of weights."""


class _Form(NamedTuple):
    stride: int
    padding: int
    groups: int
    transposed: bool

    def reversed(self) -> _Form:
        return self._replace(transposed=not self.transposed)

    def arguments(self, height: int, kernel: int, result: int | None) -> tuple[Any, ...]:
        """What torch wants; ``result`` is the height of a transposed result, which several input heights fit."""
        extra = 0
        if self.transposed and result is not None:
            extra = result - ((height - 1) * self.stride - 2 * self.padding + kernel)
        return [self.stride] * 2, [self.padding] * 2, [1, 1], self.transposed, [extra] * 2, self.groups


_weight_gradients = True


@contextmanager
def input_gradients_only() -> Iterator[None]:
    """Inside, backward passes leave out the weights: for ``torch.autograd.grad`` with respect to inputs."""
    global _weight_gradients
    before, _weight_gradients = _weight_gradients, False
    try:
        yield
    finally:
        _weight_gradients = before


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None, form: _Form, size: int | None) -> Tensor:
        ctx.save_for_backward(maps, weight)
        ctx.form = form
        ctx.set_materialize_grads(False)
        result = _convolved(maps, weight, bias, form, size)
        return result.contiguous(memory_format=torch.channels_last)  # one-channel maps would lose it here

    @staticmethod
    def backward(ctx: Any, slope: Tensor | None) -> tuple[Tensor | None, ...]:
        if slope is None:
            return (None,) * 5
        maps, weight = ctx.saved_tensors
        of_maps = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_maps = _Convolution.apply(slope, weight, None, ctx.form.reversed(), maps.shape[2])
        if ctx.needs_input_grad[1] and _weight_gradients:
            of_weight = _WeightGradient.apply(slope, maps, weight.shape, ctx.form)
        if ctx.needs_input_grad[2] and _weight_gradients:
            of_bias = slope.sum((0, 2, 3))
        return of_maps, of_weight, of_bias, None, None


class _WeightGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, slope: Tensor, maps: Tensor, shape: torch.Size, form: _Form) -> Tensor:
        ctx.save_for_backward(slope, maps)
        ctx.form = form
        weight = maps.new_empty(shape)
        small, large = (maps, slope) if form.transposed else (slope, maps)
        if form.groups == 1 and products.pay(weight, small[0, 0].numel(), WEIGHT):
            return products.weight_gradient(small, large, shape, form.stride, form.padding)
        arguments = form.arguments(maps.shape[2], shape[2], slope.shape[2])
        found: Tensor = torch.ops.aten.convolution_backward(
            slope, maps, weight, None, *arguments, [False, True, False]
        )[1]
        return found

    @staticmethod
    def backward(ctx: Any, weight: Tensor) -> tuple[Tensor | None, ...]:
        slope, maps = ctx.saved_tensors
        of_slope = of_maps = None
        if ctx.needs_input_grad[0]:
            of_slope = _Convolution.apply(maps, weight, None, ctx.form, slope.shape[2])
        if ctx.needs_input_grad[1]:
            of_maps = _Convolution.apply(slope, weight, None, ctx.form.reversed(), maps.shape[2])
        return of_slope, of_maps, None, None


def _convolved(maps: Tensor, weight: Tensor, bias: Tensor | None, form: _Form, size: int | None) -> Tensor:
    """By the faster kernel; ``size`` is the height of a transposed result."""
    arguments = form.arguments(maps.shape[2], weight.shape[2], size)
    square = maps.shape[2] == maps.shape[3]
    pixels = maps[0, 0].numel() // (1 if form.transposed else form.stride**2)
    if square and form.groups == 1 and products.pay(weight, pixels, FORWARD):
        if form.transposed:
            return products.spread(maps, weight, bias, form.stride, form.padding, arguments[4][0])
        return products.convolved(maps, weight, bias, form.stride, form.padding)
    return torch.convolution(maps, weight, bias, *arguments)


def _cast(*tensors: Tensor | None) -> list[Tensor | None]:
    device = next(tensor.device.type for tensor in tensors if tensor is not None)
    if not torch.is_autocast_enabled(device):
        return list(tensors)
    dtype = torch.get_autocast_dtype(device)
    return [None if tensor is None else tensor.to(dtype) for tensor in tensors]


def conv2d(
    maps: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, padding: int = 0, groups: int = 1
) -> Tensor:
    """``F.conv2d`` for square maps: [B, C, H, H], [D, C / groups, k, k] -> [B, D, H', H']."""
    form = _Form(stride, padding, groups, transposed=False)
    result: Tensor = _Convolution.apply(*_cast(maps, weight, bias), form, None)
    return result


def conv_transpose2d(
    maps: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, padding: int = 0, groups: int = 1
) -> Tensor:
    """``F.conv_transpose2d`` for square maps: [B, C, H, H], [C, D / groups, k, k] -> [B, D, H', H']."""
    form = _Form(stride, padding, groups, transposed=True)
    result: Tensor = _Convolution.apply(*_cast(maps, weight, bias), form, None)
    return result


def pointwise(maps: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Channels mixed by ``weight`` [D, C], pixel by pixel: [B, C, H, W] -> [B, D, H, W]."""
    return F.linear(maps.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)


class Conv2d(nn.Conv2d):
    """torch's layer for square maps and filters, by ``conv2d``."""

    def forward(self, maps: Tensor) -> Tensor:
        return conv2d(
            maps, self.weight, self.bias, stride=self.stride[0], padding=int(self.padding[0]), groups=self.groups
        )


class ConvTranspose2d(nn.ConvTranspose2d):
    """torch's layer for square maps and filters, by ``conv_transpose2d``, with no output padding."""

    def forward(self, maps: Tensor, output_size: Any = None) -> Tensor:
        return conv_transpose2d(
            maps, self.weight, self.bias, stride=self.stride[0], padding=int(self.padding[0]), groups=self.groups
        )
