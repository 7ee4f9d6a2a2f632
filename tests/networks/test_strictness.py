"""Penalties that follow the discriminator."""

from __future__ import annotations

import math

import pytest

from belamy.networks.strictness import NARROW, REACH, WIDE, Strictness


def played(strictness: Strictness, gap: float, steps: int, batch: int = 10) -> float:
    for _ in range(steps):
        strictness.observe(gap)
        strictness.advance(int(strictness.examples) + batch)
    return strictness.factor


@pytest.mark.parametrize(("gap", "direction"), [(4.0, 1), (0.0, -1), (1.0, 0), (WIDE, 0), (NARROW, 0)])
def test_the_factor_follows_the_gap_efold_in_so_many_examples(gap: float, direction: int) -> None:
    strictness = Strictness(5000)
    played(strictness, gap, 1000)
    before = strictness.factor
    assert math.log(played(strictness, gap, 500) / before) == pytest.approx(direction, abs=1e-3)


@pytest.mark.parametrize("gap", [9.0, 0.0])
def test_it_stays_within_reach(gap: float) -> None:
    strictness = Strictness(1000)
    found = played(strictness, gap, 2000)
    assert abs(math.log(found)) == pytest.approx(math.log(REACH), abs=0.02)


def test_without_a_rate_it_stays_where_it_was_raised_to() -> None:
    strictness = Strictness(None)
    strictness.raise_(3.0)
    assert played(strictness, 9.0, 1000) == pytest.approx(3)


def test_it_is_raised_within_reach_alone() -> None:
    strictness = Strictness(1000)
    assert [strictness.raise_(3.0) for _ in range(5)] == [True, True, True, False, False]
    assert strictness.factor == pytest.approx(27)


def test_a_rate_of_no_examples_is_refused() -> None:
    with pytest.raises(ValueError, match="correct 0"):
        Strictness(0)
