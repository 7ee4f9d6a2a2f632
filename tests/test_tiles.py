"""Tiles: whatever their size, the result is that of the whole picture, and no call sees more than a tile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from belamy.errors import UserError
from belamy.tiles import padded_to, tiled
from radius import seen

Array = NDArray[Any]


def stack(channels: int = 3) -> nn.Module:
    """Sees 3 pixels far."""
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 2, 3, padding=1),
    )


def enlarger() -> nn.Module:
    """Sees 2 pixels far, and doubles the sides."""
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GELU(), nn.Conv2d(8, 12, 3, padding=1), nn.PixelShuffle(2))


class Hourglass(nn.Module):
    """Goes down to a quarter of the sides and up again, with a skip: repeats itself every 4 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.down = nn.Sequential(
            nn.Conv2d(8, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1)
        )
        self.up = nn.ConvTranspose2d(8, 8, 4, 4)
        self.last = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        skip = self.first(picture).relu()
        return self.last(torch.cat([skip, self.up(self.down(skip))], 1))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int, int]] = {
    "stack": (stack, 1, 1),
    "hourglass": (Hourglass, 4, 1),
    "enlarger": (enlarger, 1, 2),
}
"""Maker, stride and scale."""


def made(name: str) -> tuple[nn.Module, int, int, int]:
    """A network with random weights, its stride, its scale, and its radius as measured."""
    maker, stride, scale = NETWORKS[name]
    torch.manual_seed(0)
    network = maker().double()
    return network, stride, scale, seen(network, 3, 64, stride)


def through(network: nn.Module, sizes: list[int] | None = None) -> Callable[..., Array]:
    def function(*cuts: Array) -> Array:
        if sizes is not None:
            sizes.append(max(cuts[0].shape[:2]))
        inputs = torch.from_numpy(np.concatenate(cuts, -1)).double().permute(2, 0, 1)[None] / 255
        with torch.no_grad():
            return network(inputs)[0].permute(1, 2, 0).numpy()

    return function


def picture(height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def test_the_measure_knows_how_far_networks_see() -> None:
    assert made("stack")[3] == 3 and made("enlarger")[3] == 2
    assert seen(nn.Conv2d(3, 1, 1), 3, 16, 1) == 0
    assert seen(nn.Conv2d(1, 1, 5, padding=8, dilation=4), 1, 32, 1) == 8
    assert seen(nn.Sequential(nn.AvgPool2d(4), nn.Upsample(scale_factor=4)), 1, 32, 4) == 3
    assert made("hourglass")[3] == 12


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("tile", [1, 5, 16, 33, 500])
@pytest.mark.parametrize(("height", "width"), [(41, 54), (64, 30), (3, 70), (1, 1)])
def test_tiles_give_what_the_whole_gives(name: str, tile: int, height: int, width: int) -> None:
    network, stride, scale, radius = made(name)
    source = picture(height, width)
    whole = through(network)(padded_to(source, stride))
    expected = whole[: height * scale, : width * scale]
    for size in tile, None:
        out = np.full(expected.shape, np.nan)
        tiled(through(network), source, out, tile=size, stride=stride, radius=radius, scale=scale)
        assert np.abs(out - expected).max() < 1e-10


@pytest.mark.parametrize("name", NETWORKS)
def test_a_smaller_radius_would_show(name: str) -> None:
    network, stride, scale, radius = made(name)
    source = picture(64, 64)
    expected = through(network)(source)
    out = np.empty_like(expected)
    tiled(through(network), source, out, tile=16, stride=stride, radius=radius - stride, scale=scale)
    assert np.abs(out - expected).max() > 1e-6


def test_no_call_sees_more_than_a_tile_and_its_margins() -> None:
    network, stride, _, radius = made("hourglass")
    sizes: list[int] = []
    out = np.empty((120, 90, 3))
    tiled(through(network, sizes), picture(120, 90), out, tile=14, stride=stride, radius=radius)
    assert radius == 12 and max(sizes) == 16 + 2 * 12 and len(sizes) == 8 * 6


def test_a_mask_is_cut_beside_its_picture() -> None:
    torch.manual_seed(0)
    function = through(stack(4).double())
    source, mask = picture(30, 41), picture(30, 41, 1)
    expected, out = function(source, mask), np.empty((30, 41, 2))
    tiled(function, [source, mask], out, tile=8, stride=1, radius=3)
    assert np.abs(out - expected).max() < 1e-10


def test_bits_are_not_touched_and_progress_is_told() -> None:
    deep, told = np.arange(11 * 7 * 2, dtype=np.uint16).reshape(11, 7, 2) * 400, []
    out = np.zeros_like(deep)
    tiled(lambda cut: cut, deep, out, tile=4, stride=2, radius=1, progress=lambda *done: told.append(done))
    assert np.array_equal(out, deep) and told == [(number, 6) for number in range(1, 7)]


def test_padding_repeats_the_last_row_and_column() -> None:
    assert padded_to(picture(8, 12), 4).shape == (8, 12, 3)
    small = picture(1, 2)
    padded = padded_to(small, 4)
    assert padded.shape == (4, 4, 3) and (padded[:, 1:] == small[:, 1:]).all() and (padded[:, 0] == small[:, 0]).all()


def test_errors_pass() -> None:
    def failing(cut: Array) -> Array:
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        tiled(failing, picture(8, 8), np.empty((8, 8, 3)), tile=4, stride=1, radius=0)
    for tile in 0, -3:
        with pytest.raises(UserError, match="a tile has 1 pixel or more"):
            tiled(failing, picture(8, 8), np.empty((8, 8, 3)), tile=tile, stride=1, radius=0)
    with pytest.raises(ValueError, match="broadcast"):  # of the wrong scale
        tiled(lambda cut: cut, picture(8, 8), np.empty((16, 16, 3)), tile=4, stride=1, radius=0, scale=2)
