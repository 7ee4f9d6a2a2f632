"""A shifted input makes a shifted picture, which plain layers do not keep."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.networks import equivariant
from belamy.networks.equivariant import EquivariantSynthesis, Layer
from belamy.networks.stylegan import leaky


def made() -> EquivariantSynthesis:
    torch.manual_seed(0)
    network = EquivariantSynthesis(1, [4, 8, 16], [16, 16, 16], 8)
    with torch.no_grad():
        for layer in network.stack:
            layer.bias.normal_()
    return network


def likeness(network: EquivariantSynthesis, pixels: int) -> float:
    """EQ-T of Karras et al. (2021) in decibels, for a shift by whole pixels of the picture."""
    styles = torch.randn(8, network.layers, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        still = network(styles)
        network.waves.affine.bias[2:] = torch.tensor([pixels / 16, -pixels / 16])
        moved = network(styles)
    expected, found = still[:, :, pixels:, :-pixels], moved[:, :, :-pixels, pixels:]
    error = (expected - found).square().mean() / (still.max() - still.min()).square()
    return float(-10 * error.log10())


def pointwise(layer: Layer, maps: Tensor, style: Tensor) -> Tensor:
    """The layer as StyleGAN2 has it: bilinear interpolation, and a rectifier on the pixels."""
    if layer.enlarge is not None:
        maps = F.interpolate(maps, scale_factor=2, mode="bilinear")
        spare = (maps.shape[2] - len(layer.enlarge)) // 2
        maps = maps[:, :, spare:-spare, spare:-spare]
    return leaky(equivariant.modulated_conv2d(maps, layer.weight, layer.affine(style), layer.bias, math.sqrt(2)))


@pytest.mark.parametrize("pixels", [1, 3])
def test_pictures_move_with_their_waves(pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    filtered = likeness(made(), pixels)
    monkeypatch.setattr(Layer, "forward", pointwise)
    plain = likeness(made(), pixels)
    assert filtered > 50 and filtered > plain + 15, (filtered, plain)
