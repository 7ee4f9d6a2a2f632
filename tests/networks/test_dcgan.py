"""DCGAN's networks have the tutorials' numbers of parameters, and batch normalisation is torch's on one process."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from belamy.networks.batch import BatchNorm
from belamy.networks.dcgan import Discriminator, Generator, SmallDiscriminator, SmallGenerator

# counted from the tutorials' listings: PyTorch's for 64x64 RGB, TensorFlow's `summary()` for 28x28 grey
COUNTS = [
    (Generator(3, 64, 100, 64), 3_576_704),
    (Discriminator(3, 64, 64), 2_765_568),
    (SmallGenerator(1, 28, 100, 64), 2_305_472),
    (SmallDiscriminator(1, 28, 64), 212_865),
]


@pytest.mark.parametrize(("network", "count"), COUNTS, ids=lambda value: type(value).__name__)
def test_networks_are_as_large_as_the_tutorials(network: nn.Module, count: int) -> None:
    assert sum(parameter.numel() for parameter in network.parameters()) == count


@pytest.mark.parametrize("resolution", [8, 12, 28, 32, 64])
def test_any_size_comes_out_as_asked(resolution: int) -> None:
    pictures = Generator(1, resolution, 5, 2)(torch.randn(3, 5))
    assert pictures.shape == (3, 1, resolution, resolution) and pictures.abs().max() <= 1
    assert Discriminator(1, resolution, 2)(pictures).shape == (3,)


def test_batch_norm_of_one_process_is_that_of_torch() -> None:
    ours, theirs = BatchNorm(4), nn.BatchNorm2d(4)
    maps = torch.randn(6, 4, 3, 3)
    torch.testing.assert_close(ours(maps), theirs(maps))
    torch.testing.assert_close(ours.eval()(maps), theirs.eval()(maps))
