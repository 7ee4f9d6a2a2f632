"""FastGAN's networks: sizes, and skip-layer excitation by its formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from belamy.networks.fastgan import Discriminator, Excitation, Generator, gated, quarter


@pytest.mark.parametrize("doublings", [2, 3, 4, 5, 6])
def test_sizes(doublings: int) -> None:
    side = 4 * 2**doublings
    pictures = Generator(3, doublings, 8, 2)(torch.randn(2, 8))
    assert pictures.shape == (2, 3, side, side) and pictures.abs().max() <= 1
    judge = Discriminator(3, doublings, 2)
    logits, maps = judge(pictures)
    assert logits.shape == (2, 25 if side >= 64 else 1)
    whole, part = judge.redraw(maps, torch.tensor([0, 3]))
    assert whole.shape == part.shape == (2, 3, min(128, side // 2), min(128, side // 2))


def test_at_256_the_papers_maps_excite_each_other() -> None:
    generator = Generator(3, 6, 256, 64)
    assert [floor.weight.shape[0] // 2 for floor in generator.floors] == [512, 256, 128, 128, 64, 32]
    pairs = [(one[1].in_channels, one[3].out_channels) for one in generator.excitations]
    assert pairs == [(1024, 128), (512, 64), (256, 32)]  # 4x4 excites 64x64, 8x8 128x128, 16x16 256x256


def test_excitation_is_the_formula() -> None:
    torch.manual_seed(0)
    layer, maps = Excitation(3, 5), torch.randn(2, 3, 8, 8)
    found = layer(maps)
    first, second = layer[1], layer[3]
    pooled = maps.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5))
    inner = np.einsum("bcyx,dcyx->bd", pooled.numpy(), first.weight.detach().numpy()) + first.bias.detach().numpy()
    inner = np.where(inner > 0, inner, 0.1 * inner)
    outer = inner @ second.weight.detach().numpy()[:, :, 0, 0].T + second.bias.detach().numpy()
    assert found.shape == (2, 5, 1, 1)
    assert np.allclose(found.detach().numpy()[:, :, 0, 0], 1 / (1 + np.exp(-outer)), atol=1e-6)


def test_a_generator_without_excitation_is_another() -> None:
    torch.manual_seed(0)
    generator, latent = Generator(1, 4, 8, 2).eval(), torch.randn(2, 8)
    before = generator(latent)
    with torch.no_grad():
        generator.excitations[0][3].bias.fill_(1000)  # a factor of one
    assert not torch.allclose(generator(latent), before)
    maps = gated(generator.norm(generator.begin(latent).unflatten(1, (-1, 4, 4))))
    for rise in generator.floors:
        maps = rise(maps)
    assert torch.allclose(generator(latent), generator.paint(maps).tanh(), atol=1e-6)


def test_quarters() -> None:
    maps = torch.randn(4, 2, 6, 6)
    found = quarter(maps, torch.tensor([0, 1, 2, 3]))
    for row, (y, x) in enumerate([(0, 0), (0, 3), (3, 0), (3, 3)]):
        assert torch.equal(found[row], maps[row, :, y : y + 3, x : x + 3])


def test_a_gated_linear_unit_is_torchs() -> None:
    maps = torch.randn(2, 6, 3, 3)
    assert torch.equal(gated(maps), torch.nn.functional.glu(maps, dim=1))
