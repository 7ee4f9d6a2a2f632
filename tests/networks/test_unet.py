"""Networks that answer pictures: what they declare of their reach is so, and they begin where they should."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F

from belamy.networks.unet import Enlarger, Patches, UNet
from radius import seen
from tiny import roughened


@pytest.mark.parametrize(("widths", "blocks"), [([4], 1), ([3, 4], 0), ([3, 4], 2), ([2, 3, 4, 4], 1)])
def test_no_pixel_of_a_u_net_sees_further_than_it_says(widths: Sequence[int], blocks: int) -> None:
    network = roughened(UNet(2, 3, widths, blocks)).double()
    assert network.stride == 2 ** (len(widths) - 1)
    reach = seen(network, 2, 16 * network.stride, network.stride)
    assert reach <= network.radius <= reach + 2 * network.stride + 1


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_an_enlarger_begins_as_bicubic_and_sees_as_far_as_it_says(scale: int) -> None:
    network = Enlarger(3, scale, width=4, blocks=2)
    images = torch.rand(2, 3, 12, 10)
    assert torch.equal(network(images), F.interpolate(images, scale_factor=float(scale), mode="bicubic"))
    assert network(images).shape == (2, 3, 12 * scale, 10 * scale)
    assert seen(roughened(network), 3, 32, 1) == network.radius


def test_patches_are_judged_alone() -> None:
    network = roughened(Patches(2, [4, 4]))
    images = torch.randn(1, 2, 32, 32)
    assert network(images).shape == (1, 64)
    logits = network(images).view(8, 8)
    other = images.clone()
    other[..., 24:] += 1
    assert torch.equal(network(other).view(8, 8)[:, 0], logits[:, 0])
    assert not torch.equal(network(other).view(8, 8)[:, -1], logits[:, -1])
