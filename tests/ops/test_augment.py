"""Augmentation: by chance of the row alone, of the same shape, and differentiable twice."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from belamy.chance import Chance
from belamy.ops.augment import augment, flipped

KINDS: dict[str, dict[str, float]] = {
    "default": {},
    "shift": {"cut": 0, "colour": 0},
    "cut": {"shift": 0, "colour": 0},
    "colour": {"shift": 0, "cut": 0},
    "scale": {"scale": 0.3},
    "turn": {"turn": 0.5, "cut": 0, "colour": 0},
    "flip": {"flip": True, "shift": 0, "cut": 0, "colour": 0},
    "all": {"scale": 0.2, "turn": 0.3, "flip": True},
}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


def images(count: int = 6, channels: int = 3, side: int = 8) -> Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


@each_kind
def test_p_0_leaves_pictures_alone(kind: dict[str, Any]) -> None:
    given = images()
    assert torch.equal(augment(given, Chance(0, range(6)), 0.0, **kind), given)


@each_kind
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_p_1_changes_pictures_but_not_their_shape(kind: dict[str, Any], channels: int) -> None:
    given = images(channels=channels)
    seen = augment(given, Chance(0, range(6)), 1.0, **kind)
    assert seen.shape == given.shape and seen.dtype == given.dtype and seen.isfinite().all()
    assert (seen != given).flatten(1).any(1).sum() >= 4  # a shift may round to none, and four turns are none


@each_kind
def test_chance_decides(kind: dict[str, Any]) -> None:
    given = images()
    first, again, other = (augment(given, Chance(seed, range(6)), 0.7, **kind) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


@each_kind
def test_rows_do_not_know_each_other(kind: dict[str, Any]) -> None:
    given = images()
    together = augment(given, Chance(1, range(10, 16)), 0.7, **kind)
    for rows in ([2], [5, 0], [1, 2, 3]):
        apart = augment(given[rows], Chance(1, [10 + row for row in rows]), 0.7, **kind)
        assert torch.equal(apart, together[rows])


@each_kind
def test_it_differentiates_twice(kind: dict[str, Any]) -> None:
    given = images(count=3, side=4).double().requires_grad_()

    def seen(pictures: Tensor) -> Tensor:
        return torch.sin(augment(pictures, Chance(3, range(3)), 0.9, **kind).double())

    assert torch.autograd.gradcheck(seen, given, fast_mode=True)
    assert torch.autograd.gradgradcheck(seen, given, fast_mode=True)


def test_p_is_the_share_that_is_treated() -> None:
    given = images(count=1).expand(2000, -1, -1, -1)
    for p in (0.1, 0.5):
        seen = augment(given, Chance(0, range(2000)), p, shift=0, cut=0, colour=0.5)
        share = ((seen - given).abs() > 1e-4).flatten(1).any(1).float().mean().item()
        assert share == pytest.approx(p, abs=0.05)


def test_a_shift_moves_whole_pixels_and_repeats_the_edge() -> None:
    given = images(count=800, side=8)
    seen = augment(given, Chance(0, range(800)), 1.0, shift=0.25, cut=0, colour=0)
    index = torch.arange(8)
    moves = set()
    for row in range(800):
        fits = [
            (down, right) for down in range(-2, 3) for right in range(-2, 3)
            if torch.equal(seen[row], given[row][:, (index + down).clamp(0, 7)][:, :, (index + right).clamp(0, 7)])
        ]  # fmt: skip
        assert fits, row
        moves.add(fits[0])
    assert len(moves) == 25


def test_a_cut_hides_a_square() -> None:
    seen = augment(torch.ones(100, 2, 8, 8), Chance(0, range(100)), 1.0, shift=0, cut=0.5, colour=0)
    assert set(seen.unique().tolist()) == {0.0, 1.0}
    hidden = seen == 0
    assert torch.equal(hidden[:, 0], hidden[:, 1])
    sides = hidden[:, 0].any(2).sum(1), hidden[:, 0].any(1).sum(1)
    assert torch.equal(hidden[:, 0].sum((1, 2)), sides[0] * sides[1])
    assert max(side.max() for side in sides) == 4 and min(side.min() for side in sides) >= 2


def test_colours_stay_near() -> None:
    given = images(count=100)
    seen = augment(given, Chance(0, range(100)), 1.0, shift=0, cut=0, colour=0.5)
    moved = seen.mean((1, 2, 3)) - given.mean((1, 2, 3))
    assert moved.abs().max() <= 0.25 + 1e-6 and moved.std() > 0.05
    contrast = seen.std((1, 2, 3)) / given.std((1, 2, 3))
    assert 0.3 < contrast.min() < 0.9 and 1.1 < contrast.max() < 2


def test_a_turn_by_nothing_is_an_identity() -> None:
    given = images()
    seen = augment(given, Chance(0, range(6)), 1.0, shift=0, cut=0, colour=0, turn=1e-9)
    assert torch.allclose(seen, given, atol=1e-5)


def test_flips_and_quarter_turns_are_those_of_the_square() -> None:
    given = images(8)
    mirrored, turns = torch.arange(8) >= 4, torch.arange(8) % 4
    seen = flipped(given, mirrored, turns)
    for row in range(8):
        picture = given[row].flip(2) if mirrored[row] else given[row]
        assert torch.equal(seen[row], torch.rot90(picture, int(turns[row]), (1, 2)))
    never, none = mirrored & ~mirrored, 0 * turns
    assert torch.equal(flipped(given, never, none), given)
    assert torch.equal(flipped(flipped(given, ~never, none), ~never, none), given)
    assert torch.equal(flipped(flipped(given, never, turns), never, 4 - turns), given)
    assert torch.equal(flipped(flipped(given, ~never, turns), ~never, turns), given)


@pytest.mark.parametrize("p", [0.1, 0.5, 1.0])
def test_flips_come_as_often_as_in_ada(p: float) -> None:
    """Of what is drawn with p, mirrored or not is an even chance, and so are the four turns."""
    count, square = 8000, torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    seen = augment(square.expand(count, 1, 2, 2), Chance(0, range(count)), p, shift=0, cut=0, colour=0, flip=True)
    share = {(mirrored, turns): 0.0 for mirrored in (False, True) for turns in range(4)}
    for mirrored, turns in share:
        one = flipped(square.view(1, 1, 2, 2), torch.tensor([mirrored]), torch.tensor([turns]))
        share[mirrored, turns] = (seen == one).flatten(1).all(1).float().mean().item()
    for (mirrored, turns), found in share.items():
        expected = (p / 2 if mirrored else 1 - p / 2) * (p / 4 if turns else 1 - 3 * p / 4)
        assert found == pytest.approx(expected, abs=0.02)
    assert p == 1 or max(share, key=lambda place: share[place]) == (False, 0)  # by which nothing leaks
