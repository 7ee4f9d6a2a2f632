"""Holes: of the row alone, of the promised share, lines and boxes in equal numbers, at any size."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from belamy.chance import Chance
from belamy.ops.masks import LEAST, MOST, holes


def corners(mask: Tensor) -> int:
    """How many corners, inner and outer, the outline has."""
    wide = torch.nn.functional.pad(mask, (1, 1, 1, 1))
    around = wide[1:, 1:] + wide[:-1, 1:] + wide[1:, :-1] + wide[:-1, :-1]
    return int((around % 2 == 1).sum())


@pytest.mark.parametrize(("height", "width"), [(8, 8), (64, 64), (40, 100), (200, 9)])
def test_shares_are_within_bounds(height: int, width: int) -> None:
    masks = holes(Chance(0, range(100)), height, width)
    assert masks.shape == (100, 1, height, width) and masks.dtype == torch.float32
    assert set(masks.unique().tolist()) == {0, 1}
    shares = masks.mean((1, 2, 3))
    assert shares.min() >= LEAST and shares.max() <= MOST
    assert shares.std() > 0.05 and 0.1 < shares.mean() < 0.4


def test_a_row_is_the_same_whatever_the_others_are() -> None:
    together = holes(Chance(5, range(20)), 32, 48)
    assert torch.equal(together, holes(Chance(5, range(20)), 32, 48))
    for rows in ([3], [19, 0, 7]):
        assert torch.equal(holes(Chance(5, rows), 32, 48), together[rows])
    assert len({mask.numpy().tobytes() for mask in together}) == 20


def test_what_is_drawn_next_does_not_know_of_what_was_drawn_anew() -> None:
    few, many = Chance(0, [4]), Chance(0, range(50))
    holes(few, 16, 16), holes(many, 16, 16)
    assert torch.equal(few.uniform(3)[0], many.uniform(3)[4])


def test_half_are_boxes_and_all_grow_with_the_picture() -> None:
    small, large = (holes(Chance(1, range(400)), side, side) for side in (64, 128))
    boxes = sum(corners(mask[0]) <= 24 for mask in large)
    assert 160 < boxes < 240
    assert (small.mean((1, 2, 3)) - large.mean((1, 2, 3))).abs().mean() < 0.03
    assert large.mean(0).min() > 0.03, "every place is hidden at times"


def test_what_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="8 pixels"):
        holes(Chance(0, [0]), 7, 64)
