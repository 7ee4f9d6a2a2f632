"""Penalties that follow the discriminator."""

from __future__ import annotations

import math

import pytest

from belamy.networks.strictness import AHEAD, BEHIND, REACH, Strictness


def played(strictness: Strictness, sign: float, steps: int, batch: int = 10) -> float:
    for _ in range(steps):
        strictness.observe(sign)
        strictness.advance(int(strictness.examples) + batch)
    return strictness.factor


@pytest.mark.parametrize(("sign", "direction"), [(1.0, 1), (0.0, -1), (0.5, 0), (AHEAD, 0), (BEHIND, 0)])
def test_the_factor_follows_the_sign_efold_in_so_many_examples(sign: float, direction: int) -> None:
    strictness = Strictness(5000)
    played(strictness, sign, 1000)
    before = strictness.factor
    assert math.log(played(strictness, sign, 500) / before) == pytest.approx(direction, abs=1e-3)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_it_stays_within_reach(sign: float) -> None:
    strictness = Strictness(1000)
    found = played(strictness, sign, 2000)
    assert abs(math.log(found)) == pytest.approx(math.log(REACH), abs=0.02)


def test_without_a_rate_it_stays_where_it_was_raised_to() -> None:
    strictness = Strictness(None)
    strictness.raise_(3.0)
    assert played(strictness, 1.0, 1000) == pytest.approx(3)


def test_what_was_raised_beyond_reach_comes_back_within() -> None:
    strictness = Strictness(1000)
    strictness.raise_(10 * REACH)
    assert played(strictness, 1.0, 500) == pytest.approx(10 * REACH)
    assert played(strictness, 0.0, 2000) < REACH


def test_a_rate_of_no_examples_is_refused() -> None:
    with pytest.raises(ValueError, match="correct 0"):
        Strictness(0)
