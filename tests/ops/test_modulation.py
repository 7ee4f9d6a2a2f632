"""Modulated convolutions: the form that exports is the paper's, a convolution with weights of its own for each row."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.ops.modulation import demodulation, modulated_conv2d


def row_by_row(maps: Tensor, weight: Tensor, style: Tensor, bias: Tensor) -> Tensor:
    """Modulate the weights (eq. 1), demodulate them (eq. 3), convolve: one row after the other."""
    rows = []
    for picture, scales in zip(maps, style, strict=True):
        own = weight * scales[:, None, None]
        own = own / (own.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        rows.append(F.conv2d(picture[None], own, bias, padding=weight.shape[2] // 2))
    return torch.cat(rows)


@pytest.mark.parametrize("kernel", [1, 3])
def test_values_and_derivatives_are_those_of_a_loop_over_rows(kernel: int) -> None:
    random = torch.Generator().manual_seed(0)
    given = [
        torch.randn(shape, generator=random, dtype=torch.float64, requires_grad=True)
        for shape in ((3, 4, 5, 5), (2, 4, kernel, kernel), (3, 4), (2,))
    ]
    ours, theirs = (1.5 * row_by_row(*given)), modulated_conv2d(*given, gain=1.5)
    assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    for own, plain in zip(*(torch.autograd.grad(one.square().sum(), given) for one in (ours, theirs)), strict=True):
        assert torch.allclose(own, plain, rtol=1e-8, atol=1e-10)


def test_demodulated_maps_have_unit_variance() -> None:
    random = torch.Generator().manual_seed(0)
    maps, weight = torch.randn(4, 32, 48, 48, generator=random), torch.randn(16, 32, 3, 3, generator=random)
    style = torch.randn(4, 32, generator=random) * torch.tensor([0.1, 1.0, 10.0, 100.0])[:, None]
    found = modulated_conv2d(maps, weight, style, torch.zeros(16))[:, :, 1:-1, 1:-1]
    assert found.std((2, 3)).sub(1).abs().max() < 0.1  # whatever the style
    assert demodulation(weight, style).shape == (4, 16)
