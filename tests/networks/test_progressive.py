"""Progressive growing's networks: the paper's numbers, and formulas written out in loops."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from belamy.networks.batch import with_deviation
from belamy.networks.progressive import Discriminator, Generator, shown
from belamy.ops.resample import double, halve

PAPER = [512, 512, 512, 512, 256, 128, 64, 32, 16]  # to 1024x1024, table 2


def test_the_papers_networks_have_as_many_parameters_as_it_says() -> None:
    for network in (Generator(3, PAPER, 512), Discriminator(3, PAPER)):
        assert round(sum(parameter.numel() for parameter in network.parameters()) / 1e6, 1) == 23.1


def test_the_deviation_of_a_batch() -> None:
    maps = torch.randn(6, 3, 2, 2)
    found = with_deviation(maps)
    deviations = [
        np.std([maps[row, channel, y, x].item() for row in range(6)])
        for channel in range(3) for y in range(2) for x in range(2)
    ]  # fmt: skip
    assert torch.equal(found[:, :3], maps) and found.shape == (6, 4, 2, 2)
    assert torch.allclose(found[:, 3], torch.tensor(np.mean(deviations), dtype=torch.float32), atol=1e-6)


def at(network: Generator, level: float, latent: Tensor) -> Tensor:
    network.level.fill_(level)
    return network(latent)


def test_a_floor_fades_into_pictures() -> None:
    torch.manual_seed(0)
    network, latent = Generator(3, [6, 5, 4], 8), torch.randn(2, 8)
    small, large = at(network, 1, latent), at(network, 2, latent)
    assert [at(network, level, latent).shape[-1] for level in (0, 0.5, 1, 1.01, 2)] == [4, 8, 8, 16, 16]
    for share in (1e-6, 0.5, 1 - 1e-6):
        expected = double(small) * (1 - share) + large * share
        assert torch.allclose(at(network, 1 + share, latent), expected, atol=1e-5)


def test_a_floor_fades_into_judgement() -> None:
    torch.manual_seed(0)
    network, images = Discriminator(3, [6, 5, 4]), torch.randn(4, 3, 16, 16)
    assert torch.allclose(network(images, 1 + 1e-9), network(halve(images), 1), atol=1e-6)
    assert torch.allclose(network(images, 2 - 1e-9), network(images, 2), atol=1e-6)
    plain, read = network.floors[1](network._read(images, 2)), network._read(halve(images), 1)
    network.floors[1].forward = lambda maps: plain / 2 + read / 2  # half of each, by hand, without a fade
    by_hand = network(images, 2)
    network.floors[1].forward = lambda maps: plain
    assert torch.allclose(network(images, 1.5), by_hand, atol=1e-6)


def test_real_pictures_fade_as_well() -> None:
    images = torch.randn(2, 3, 16, 16)
    assert torch.allclose(shown(images, 0)[0, 0, 1, 2], images[0, 0, 4:8, 8:12].mean())
    assert torch.equal(shown(images, 2), images)
    assert torch.allclose(shown(images, 1.5), (images + double(halve(images))) / 2, atol=1e-6)
