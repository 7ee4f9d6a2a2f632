"""StyleGAN2's networks: as large as the published ones, and their numbers beside a plain implementation."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.networks.stylegan import (
    MEMORY,
    Discriminator,
    Generator,
    MappingNetwork,
    Synthesis,
    doubled,
    map_sizes,
)
from tiny import roughened

TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8


def test_the_papers_networks_are_as_large_as_published() -> None:
    """Counted by the official code at 1024x1024: generator 30,370,060 and discriminator 29,012,513."""
    widths = [512] * 5 + [256, 128, 64, 32]
    sizes = [4 << level for level in range(9)]
    with torch.device("meta"):
        generator = Generator(MappingNetwork(512, 0, 8), Synthesis(3, sizes, widths, 512))
        discriminator = Discriminator(3, 4, widths)
    counts = [sum(value.numel() for value in one.parameters()) for one in (generator, discriminator)]
    assert counts == [30_370_060, 29_012_513] and generator.synthesis.layers == 18


def test_sizes_lead_to_every_resolution_that_is_promised() -> None:
    for base in (4, 5, 6, 7):
        for resolution in [base << level for level in range(1, 7) if base << level <= 256]:
            sizes = map_sizes(resolution)
            assert sizes == [base << level for level in range(len(sizes))] and sizes[-1] == resolution
    for wrong, near in ((4, 8), (18, 16), (36, 32), (37, 40), (100, 96), (512, 256)):
        with pytest.raises(ValueError, match=f"the nearest to {wrong} is {near}: --set game.resolution={near}"):
            map_sizes(wrong)


@pytest.mark.parametrize("resolution", [8, 28, 40])
@pytest.mark.parametrize("classes", [0, 3])
def test_shapes(resolution: int, classes: int) -> None:
    sizes = map_sizes(resolution)
    widths = [8, 6, 4, 4][: len(sizes)]
    generator = Generator(MappingNetwork(5, classes, 2), Synthesis(3, sizes, widths, 5))
    kinds = torch.tensor([0, 2]) if classes else None
    styles, noise = generator.styles(torch.randn(2, 5), kinds), torch.randn(2, generator.synthesis.noise)
    images = generator.synthesis(styles, noise)
    assert images.shape == (2, 3, resolution, resolution) and images.dtype == torch.float32
    assert styles.shape == (2, 2 * len(sizes), 5)
    assert generator.synthesis.noise == sizes[0] ** 2 + 2 * sum(size**2 for size in sizes[1:])
    assert Discriminator(3, sizes[0], widths, classes)(images, kinds).shape == (2,)


def leaky(values: Tensor) -> Tensor:
    return F.leaky_relu(values, 0.2)


def test_the_mapping_is_the_plain_one() -> None:
    mapping = roughened(MappingNetwork(6, 3, 2))
    latent, kinds = torch.randn(4, 6), torch.tensor([0, 2, 1, 2])
    named = dict(mapping.named_parameters())
    values = torch.cat([latent, named["embedding.weight"][kinds]], 1).unflatten(1, (2, 6))
    values = (values / values.square().mean(2, keepdim=True).sqrt()).flatten(1)
    for layer in ("layers.0", "layers.1"):
        weight, bias = named[f"{layer}.weight"] * 0.01, named[f"{layer}.bias"] * 0.01
        values = leaky(values @ weight.t() * math.sqrt(2 / weight.shape[1]) + bias)
    torch.testing.assert_close(mapping(latent, kinds), values, rtol=1e-4, atol=1e-5)


def test_the_mean_style_of_each_class_is_remembered() -> None:
    mapping, kinds = MappingNetwork(5, 3, 2), torch.tensor([0, 2, 2, 2])
    styles = torch.randn(4, 5)
    mapping.remember(styles, kinds)
    expected = torch.stack([styles[0] / (1 + MEMORY), torch.zeros(5), styles[1:].sum(0) / (3 + MEMORY)])
    torch.testing.assert_close(mapping.average, expected)
    torch.testing.assert_close(mapping.typical(kinds), expected[kinds])
    plain = MappingNetwork(5, 0, 2)
    for seed in range(400):
        latent = torch.randn(64, 5, generator=torch.Generator().manual_seed(seed))
        plain.remember(plain(latent))
    mean = plain(torch.randn(20_000, 5, generator=torch.Generator().manual_seed(1))).mean(0)
    assert (plain.typical() - mean).abs().max() < 0.1


def test_doubling_is_the_filter_of_the_paper() -> None:
    maps = torch.randn(2, 3, 5, 5)
    kernel = 4 * (TAPS[:, None] * TAPS).expand(3, 1, 4, 4)
    expected = F.conv_transpose2d(maps, kernel, stride=2, padding=1, groups=3)
    torch.testing.assert_close(doubled(maps)[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1])


@pytest.mark.parametrize("classes", [0, 3])
def test_the_discriminator_is_the_plain_one(classes: int) -> None:
    network = roughened(Discriminator(2, 4, [6, 4], classes))
    named, images, kinds = dict(network.named_parameters()), torch.randn(3, 2, 8, 8), torch.tensor([2, 0, 1])

    def convolved(maps: Tensor, name: str, gain: float = 2.0) -> Tensor:
        weight = named[f"{name}.weight"] * math.sqrt(gain / named[f"{name}.weight"][0].numel())
        weight = weight.view(*weight.shape, 1, 1) if weight.dim() == 2 else weight
        return F.conv2d(maps, weight, named.get(f"{name}.bias"), padding=weight.shape[2] // 2)

    maps = leaky(convolved(images, "read"))
    inner = leaky(F.avg_pool2d(convolved(leaky(convolved(maps, "blocks.0.first")), "blocks.0.second", 1), 2))
    blurred = F.conv2d(maps, (TAPS[:, None] * TAPS).expand(4, 1, 4, 4), stride=2, padding=1, groups=4)
    maps = inner + convolved(blurred, "blocks.0.skip", 0.5)
    spread = maps.std(0, correction=0).mean().expand(3, 1, 4, 4)
    values = leaky(convolved(torch.cat([maps, spread], 1), "last")).flatten(1)
    values = leaky(F.linear(values, named["gather.weight"] * math.sqrt(2 / 96), named["gather.bias"]))
    answer = F.linear(values, named["judge.weight"] / math.sqrt(6), named["judge.bias"])
    if classes:
        direction = named["embedding.weight"][kinds]
        answer = answer * direction / direction.square().mean(1, keepdim=True).sqrt() / math.sqrt(6)
    torch.testing.assert_close(network(images, kinds if classes else None), answer.sum(1), rtol=1e-4, atol=1e-4)


def test_the_discriminator_sees_that_samples_are_alike() -> None:
    network, images = roughened(Discriminator(1, 4, [6, 4])), torch.randn(1, 1, 8, 8)
    alike = network(images.expand(4, -1, -1, -1))
    assert not torch.allclose(alike[0], network(torch.cat([images, torch.randn(3, 1, 8, 8)]))[0])


def test_noise_begins_without_effect_and_is_of_each_layer_its_own() -> None:
    synthesis = Synthesis(1, [4, 8], [4, 4], 3)
    styles, noise = torch.randn(2, 4, 3), torch.randn(2, synthesis.noise)
    assert torch.equal(synthesis(styles, noise), synthesis(styles, -noise))
    synthesis = roughened(synthesis)
    for first, last in ((0, 16), (16, 80), (80, 144)):
        other = noise.clone()
        other[:, first:last] += 1
        assert not torch.allclose(synthesis(styles, noise), synthesis(styles, other))
