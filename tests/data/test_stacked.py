"""Stacked digits as a source: three digits a row, others held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from made_pictures import noise

from belamy.data.stacked import Stacked
from belamy.errors import UserError


@pytest.fixture
def digits(tmp_path: Path) -> str:
    np.savez(tmp_path / "digits.npz", x=np.stack([noise(seed, 28, 28) for seed in range(60)]), y=np.arange(60) % 10)
    return str(tmp_path / "digits.npz")


def channels(source: Stacked, rows: int) -> set[bytes]:
    return {one.numpy().tobytes() for one in source.draw(0, rows)["image"][:, :, 2:-2, 2:-2].flatten(0, 1)}


def test_rows_are_three_digits_in_black_borders(digits: str) -> None:
    source = Stacked(digits, count=300)
    images = source.draw(0, 300)["image"]
    assert images.shape == (300, 3, 32, 32) and len(source) == source.facts["count"] == 300
    border = torch.ones(32, 32, dtype=torch.bool)
    border[2:-2, 2:-2] = False
    assert (images[..., border] == -1).all()
    known = {one.numpy().tobytes() for one in source.digits.plain(np.arange(len(source.digits)))["image"][
        :, 0, 2:-2, 2:-2]}  # fmt: skip
    assert channels(source, 300) == known
    assert (source.facts["resolution"], source.facts["channels"], source.facts["classes"]) == (32, 3, None)


def test_held_out_rows_are_made_of_held_out_digits(digits: str) -> None:
    source = Stacked(digits)
    other = source.heldout()
    assert other is not None and other.heldout() is None
    assert len(source.digits) + len(source.digits.heldout() or []) == 60
    assert not channels(source, 400) & channels(other, 400)
    assert other.digits is source.digits


def test_draw_is_a_function_of_position_and_rows_are_the_same_for_every_seed(digits: str) -> None:
    source = Stacked(digits, count=50, seed=1)
    whole, first, second = (source.draw(*place)["image"] for place in ((30, 40), (30, 15), (45, 25)))
    assert torch.equal(whole, torch.cat([first, second]))
    assert torch.equal(Stacked(digits, count=50, seed=2).take(50)["image"], source.take(50)["image"])


def test_digits_without_classes_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.stack([noise(seed, 28, 28) for seed in range(20)]))
    with pytest.raises(UserError, match="has no classes, by which stacked digits are counted"):
        Stacked(str(tmp_path / "x.npz"))
