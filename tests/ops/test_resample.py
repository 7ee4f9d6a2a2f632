"""Halving and doubling, against the filter written out channel by channel."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.ops.resample import convolved_halve, double, double_convolved, downsample, halve, upsample

TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8


def filtered_down(maps: Tensor) -> Tensor:
    """Depthwise, with zeros around."""
    kernel = (TAPS[:, None] * TAPS).expand(maps.shape[1], 1, 4, 4)
    return F.conv2d(F.pad(maps, (1, 1, 1, 1)), kernel, stride=2, groups=maps.shape[1])


def filtered_up(maps: Tensor) -> Tensor:
    """Zeros between the pixels, then the filter at four times its weight."""
    count, channels, height, width = maps.shape
    spread = torch.zeros(count, channels, 2 * height, 2 * width, dtype=maps.dtype)
    spread[:, :, ::2, ::2] = maps
    kernel = (4 * TAPS[:, None] * TAPS).expand(channels, 1, 4, 4)
    return F.conv2d(F.pad(spread, (2, 1, 2, 1)), kernel, groups=channels)


@pytest.mark.parametrize("size", [2, 4, 6, 10])
def test_downsampling_filters_then_mixes(size: int) -> None:
    maps, weight = torch.randn(2, 3, size, size, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    expected = torch.einsum("dc,bchw->bdhw", weight, filtered_down(maps))
    assert torch.allclose(downsample(maps, weight), expected, atol=1e-12)


@pytest.mark.parametrize("size", [1, 3, 4, 7])
def test_upsampling_mixes_then_filters(size: int) -> None:
    maps, weight = torch.randn(2, 3, size, size, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    expected = filtered_up(torch.einsum("dc,bchw->bdhw", weight, maps))
    assert torch.allclose(upsample(maps, weight), expected, atol=1e-12)


def test_even_colour_stays_as_it_is_inside() -> None:
    maps, weight = torch.full((1, 2, 8, 8), 0.7), torch.eye(2)
    assert torch.allclose(downsample(maps, weight)[:, :, 1:-1, 1:-1], torch.tensor(0.7))
    assert torch.allclose(upsample(maps, weight)[:, :, 1:-1, 1:-1], torch.tensor(0.7))


def test_one_is_the_transpose_of_the_other() -> None:
    small, large = torch.randn(1, 3, 4, 4, dtype=torch.float64), torch.randn(1, 2, 8, 8, dtype=torch.float64)
    weight = torch.randn(3, 2, dtype=torch.float64)
    assert torch.allclose((downsample(large, weight) * small).sum() * 4, (upsample(small, weight.t()) * large).sum())


@pytest.mark.parametrize("size", [4, 6])
def test_plain_doubling_and_halving_beside_a_convolution(size: int) -> None:
    maps, weight = torch.randn(2, 3, size, size, dtype=torch.float64), torch.randn(5, 3, 3, 3, dtype=torch.float64)
    bias = torch.randn(5, dtype=torch.float64)
    doubled = maps.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(double(maps), doubled)
    assert torch.allclose(double_convolved(maps, weight, bias), F.conv2d(doubled, weight, bias, padding=1), atol=1e-12)
    means = maps.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5))
    assert torch.allclose(halve(maps), means, atol=1e-12)
    convolved = F.conv2d(maps, weight, bias, padding=1)
    assert torch.allclose(convolved_halve(maps, weight, bias), halve(convolved), atol=1e-12)


def test_gradients() -> None:
    weight = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    maps = torch.randn(1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    for change in (downsample, upsample):
        assert torch.autograd.gradcheck(change, (maps, weight), fast_mode=True)
        assert torch.autograd.gradgradcheck(change, (maps, weight), fast_mode=True)
