"""R3GAN's networks: their sizes, and their numbers beside a plain implementation written here."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.networks.r3gan import Block, Discriminator, Generator, base_size
from tiny import roughened

TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8


def plain_block(weights: Mapping[str, Tensor], prefix: str, maps: Tensor, groups: int) -> Tensor:
    """A residual block with an inverted bottleneck: 1x1, grouped 3x3, 1x1, leaky between, no normalisation."""
    enter, leave = (weights[f"{prefix}{name}"][:, :, None, None] for name in ("enter", "leave"))
    inner = F.leaky_relu(F.conv2d(maps, enter) + weights[f"{prefix}enter_bias"].view(1, -1, 1, 1), 0.2)
    inner = F.conv2d(inner, weights[f"{prefix}mix"], padding=1, groups=groups)
    inner = F.leaky_relu(inner + weights[f"{prefix}mix_bias"].view(1, -1, 1, 1), 0.2)
    return maps + F.conv2d(inner, leave)


def halve(maps: Tensor, weight: Tensor) -> Tensor:
    kernel = (TAPS[:, None] * TAPS).expand(maps.shape[1], 1, 4, 4)
    filtered = F.conv2d(maps, kernel, stride=2, padding=1, groups=maps.shape[1])
    return F.conv2d(filtered, weight[:, :, None, None])


def double(maps: Tensor, weight: Tensor) -> Tensor:
    maps = F.conv2d(maps, weight[:, :, None, None])
    kernel = 4 * (TAPS[:, None] * TAPS).expand(maps.shape[1], 1, 4, 4)
    return F.conv_transpose2d(maps, kernel, stride=2, padding=1, groups=maps.shape[1])


@pytest.mark.parametrize(("resolution", "base"), [(8, 4), (16, 4), (28, 7), (36, 9), (64, 4), (12, 6), (256, 4)])
def test_base_sizes(resolution: int, base: int) -> None:
    assert base_size(resolution) == base


@pytest.mark.parametrize(("resolution", "stages"), [(8, 2), (28, 3), (36, 3), (64, 5)])
@pytest.mark.parametrize("classes", [0, 3])
def test_shapes(resolution: int, stages: int, classes: int) -> None:
    base, widths = base_size(resolution), [8, 6, 4, 4, 4][:stages]
    generator = Generator(3, base, widths, latent=5, classes=classes, blocks=2, expansion=2.0, group=2)
    discriminator = Discriminator(3, base, widths, classes, blocks=2, expansion=2.0, group=2, embedding=7)
    kinds = torch.tensor([0, 2]) if classes else None
    images = generator(torch.randn(2, 5), kinds)
    assert images.shape == (2, 3, resolution, resolution) and images.dtype == torch.float32
    assert discriminator(images, kinds).shape == (2,)
    shapes = {name: list(value.shape) for name, value in generator.named_parameters()}
    assert shapes["basis"] == [8, base, base] and shapes["project"] == [8, 10 if classes else 5]
    assert shapes["paint"] == [3, widths[-1], 1, 1]
    assert shapes["stages.0.0.enter"] == [16, 8] and shapes["stages.0.0.mix"] == [16, 2, 3, 3]
    assert shapes["stages.0.1.leave"] == [8, 16] and len(generator.stages) == stages
    assert [list(one.shape) for one in generator.transitions] == [
        [after, before] for before, after in pairwise(widths)
    ]
    shapes = {name: list(value.shape) for name, value in discriminator.named_parameters()}
    assert shapes["descent.read"] == [widths[-1], 3, 1, 1] and shapes["gather"] == [8, base, base]
    assert shapes["judge"] == [7 if classes else 1, 8]
    assert shapes.get("embedding.weight") == ([3, 7] if classes else None)
    assert [list(one.shape) for one in discriminator.descent.transitions] == [
        [after, before] for before, after in pairwise(widths[::-1])
    ]


def test_a_block_is_the_plain_one() -> None:
    block = roughened(Block(6, 8, 4, 1))
    maps = torch.randn(2, 6, 5, 5)
    assert torch.allclose(block(maps), plain_block(block.state_dict(), "", maps, 2), atol=1e-5)


def test_a_block_begins_as_an_identity() -> None:
    maps = torch.randn(2, 6, 5, 5)
    assert torch.equal(Block(6, 8, 4, 1)(maps), maps)
    with pytest.raises(ValueError, match="9 inner channels do not divide by groups of 2"):
        Block(6, 9, 2, 1)


@pytest.mark.parametrize("classes", [0, 3])
def test_the_discriminator_is_the_plain_one(classes: int) -> None:
    network = roughened(Discriminator(2, 4, [6, 4], classes, blocks=2, expansion=2.0, group=2, embedding=5))
    weights = network.state_dict()
    images, kinds = torch.randn(3, 2, 8, 8), torch.tensor([2, 0, 1])
    maps = F.conv2d(images, weights["descent.read"])
    for stage, inner in enumerate((8, 12)):
        for block in range(2):
            maps = plain_block(weights, f"descent.stages.{stage}.{block}.", maps, inner // 2)
        if stage == 0:
            maps = halve(maps, weights["descent.transitions.0"])
    answer = (maps * weights["gather"]).sum((2, 3)) @ weights["judge"].T
    expected = (answer * weights["embedding.weight"][kinds]).sum(1) if classes else answer[:, 0]
    assert torch.allclose(network(images, kinds if classes else None), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("classes", [0, 3])
def test_the_generator_is_the_plain_one(classes: int) -> None:
    network = roughened(Generator(2, 4, [6, 4], latent=5, classes=classes, blocks=1, expansion=2.0, group=2))
    weights = network.state_dict()
    latent, kinds = torch.randn(3, 5), torch.tensor([2, 0, 1])
    given = torch.cat([latent, weights["embedding.weight"][kinds]], 1) if classes else latent
    maps = weights["basis"] * (given @ weights["project"].T)[:, :, None, None]
    maps = plain_block(weights, "stages.0.0.", maps, 6)
    maps = plain_block(weights, "stages.1.0.", double(maps, weights["transitions.0"]), 4)
    painted = F.conv2d(maps, weights["paint"], weights["ground"])
    expected = torch.where(painted.abs() > 1, 0.9 * painted.sign() + 0.1 * painted, painted)
    assert torch.allclose(network(latent, kinds if classes else None), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("channels", "stride"), [(1, 2), (3, 2), (3, 4)])
def test_strided_networks_are_the_plain_ones_between_two_convolutions(channels: int, stride: int) -> None:
    generator = roughened(Generator(channels, 4, [6, 4], latent=5, stride=stride, blocks=1, group=2))
    discriminator = roughened(Discriminator(channels, 4, [6, 4], stride=stride, blocks=1, group=2))
    images = generator(torch.randn(3, 5))
    assert images.shape == (3, channels, 8 * stride, 8 * stride)
    descent = discriminator.descent
    maps = F.conv2d(images, descent.read, stride=stride, padding=(4 - stride) // 2)
    maps = descent.stages[1](halve(descent.stages[0](maps), descent.transitions[0]))
    expected = (maps * discriminator.gather).sum((2, 3)) @ discriminator.judge.t()
    torch.testing.assert_close(discriminator(images), expected[:, 0])


def test_the_first_numbers_have_the_scale_that_training_wants() -> None:
    torch.manual_seed(0)
    images = Generator(3, 4, [64, 64, 64], latent=64)(torch.randn(64, 64))
    assert 0.03 < images.std() < 0.3  # faint at first, about mid-grey
    logits = Discriminator(3, 4, [64, 64, 64])(torch.randn(64, 3, 16, 16))
    assert 0.1 < logits.std() < 10
