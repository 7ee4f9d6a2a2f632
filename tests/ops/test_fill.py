"""Fills: against a direct solution, against what is known of flat and sloping pictures, and never beyond the holes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from belamy.chance import Chance
from belamy.ops.fill import _distances, harmonic, telea
from belamy.ops.masks import holes


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def box(height: int, width: int, top: int, bottom: int, left: int, right: int) -> Tensor:
    mask = torch.zeros(1, height, width)
    mask[:, top:bottom, left:right] = 1
    return mask


MASKS = {
    "half": box(64, 64, 0, 32, 0, 64),
    "middle": box(64, 64, 10, 54, 9, 55),
    "corner": box(64, 64, 18, 64, 20, 64),
    "noise": (images(1, 64, 64, seed=3) > 0).float(),
    "stripes": (torch.arange(64) % 2).float().expand(1, 64, 64),
    "odd": box(61, 50, 3, 61, 13, 40),
    "small": box(3, 2, 0, 2, 0, 1),
} | {f"hole {row}": mask for row, mask in enumerate(holes(Chance(0, range(6)), 64, 64))}


def solved(image: Tensor, mask: Tensor) -> Tensor:
    """Laplace's equation by a dense linear solve."""
    missing = mask[0].numpy() > 0.5
    height, width = missing.shape
    places = np.argwhere(missing)
    number = np.full((height, width), -1)
    number[missing] = np.arange(len(places))
    matrix, known = np.zeros((len(places), len(places))), np.zeros((len(places), len(image)))
    for row, (y, x) in enumerate(places):
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if 0 <= v < height and 0 <= u < width:
                matrix[row, row] += 1
                if missing[v, u]:
                    matrix[row, number[v, u]] -= 1
                else:
                    known[row] += image[:, v, u].numpy()
    result = image.clone()
    result[:, mask[0] > 0.5] = torch.from_numpy(np.linalg.solve(matrix, known).T).float()
    return result


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
def test_harmonic_is_the_solution(mask: Tensor) -> None:
    image = images(2, *mask.shape[1:])
    image[1] = image[1].sign()
    found = harmonic(image[None], mask[None])[0]
    assert (found - solved(image, mask)).abs().max() < 0.01
    assert torch.equal(found * (1 - mask), image * (1 - mask))


def test_harmonic_of_flat_and_sloping_pictures_is_exact() -> None:
    masks = holes(Chance(1, range(12)), 96, 128)
    assert (harmonic(torch.full((12, 3, 96, 128), 0.3), masks) - 0.3).abs().max() < 1e-5
    slope = (torch.linspace(-0.5, 0.5, 96)[:, None] + torch.linspace(-0.4, 0.4, 128)).expand(1, 1, 96, 128)
    inner = box(96, 128, 20, 80, 30, 100)[None]
    assert (harmonic(slope, inner) - slope).abs().max() < 5e-3


def test_rows_do_not_know_each_other_nor_what_the_hole_holds() -> None:
    image, masks = images(4, 3, 40, 56), holes(Chance(2, range(4)), 40, 56)
    together = harmonic(image, masks)
    assert torch.allclose(harmonic(image[2:3], masks[2:3]), together[2:3], atol=1e-5)
    hidden = image.masked_fill(masks.bool(), float("nan"))
    assert torch.equal(harmonic(hidden, masks), together)
    assert torch.equal(telea(hidden[0], masks[0]), telea(image[0], masks[0]))


def test_nothing_known_is_grey_and_nothing_missing_is_the_picture() -> None:
    image = images(2, 3, 16, 16)
    mask = torch.stack([torch.ones(1, 16, 16), torch.zeros(1, 16, 16)])
    assert torch.equal(harmonic(image, mask), torch.stack([torch.zeros(3, 16, 16), image[1]]))
    assert torch.equal(telea(image[0], mask[0]), torch.zeros(3, 16, 16))
    assert torch.equal(telea(image[1], mask[1]), image[1])


def test_telea_keeps_what_is_known_and_continues_what_is_flat() -> None:
    image = images(3, 48, 40)
    for mask in holes(Chance(3, range(6)), 48, 40):
        found = telea(image, mask)
        assert torch.equal(found * (1 - mask), image * (1 - mask))
        assert found.abs().max() <= 1
        assert (telea(torch.full((1, 48, 40), -0.7), mask) + 0.7).abs().max() < 1e-5


def test_telea_continues_a_slope_and_an_edge() -> None:
    slope = (torch.linspace(-0.5, 0.5, 48)[:, None] + torch.linspace(-0.4, 0.4, 40)).expand(2, 48, 40)
    assert (telea(slope, box(48, 40, 20, 23, 5, 35)) - slope).abs().max() < 0.02
    for mask in holes(Chance(3, range(6)), 48, 40):
        errors = (telea(slope, mask) - slope).abs()
        assert errors.max() < 0.2 and errors.sum((1, 2)).max() / mask.sum() < 0.06
    edge = torch.where(torch.arange(40) < 20, -0.8, 0.8).expand(1, 48, 40)
    assert (telea(edge, box(48, 40, 18, 30, 14, 26)) - edge).abs().mean() < 0.02


def test_the_front_marches_at_speed_one() -> None:
    hole = box(40, 40, 8, 33, 8, 33)[0].bool().numpy()
    distance, order = _distances(hole, 4.0)
    assert distance[20, 3:12].tolist() == list(range(-4, 5))
    assert sorted(order) == [tuple(place) for place in np.argwhere(hole).tolist()]
    assert (np.diff([distance[place] for place in order]) >= 0).all()
    around = np.ones((41, 41), bool)
    around[20, 20] = False
    disc, _ = _distances(around, 1.0)
    assert np.abs(disc - np.hypot(*(np.mgrid[:41, :41] - 20))).max() < 0.06 * 20
