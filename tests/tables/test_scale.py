"""Numbers as places in the unit interval, and back."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from belamy.tables.scale import CALENDAR, DECIMAL, KNOTS, Scale, above, grid_step

RANDOM = np.random.default_rng(0)
N = 3000

SHAPES = {
    "whole": RANDOM.integers(-50, 50, N).astype(float),
    "from zero": RANDOM.integers(0, 100, N).astype(float),
    "wide": RANDOM.integers(0, 10**6, N).astype(float),
    "cents": np.round(RANDOM.exponential(30, N), 2),
    "twentieths": np.round(RANDOM.integers(0, 90, N) * 0.05, 2),
    "normal": RANDOM.normal(size=N),
    "positive": RANDOM.exponential(size=N),
    "heavy": RANDOM.standard_cauchy(N),
    "constant": np.full(N, 3.5),
    "two": RANDOM.choice([0.1, 0.7], N),
    "huge": RANDOM.integers(2**60, 2**61, N).astype(float),
}


@pytest.fixture(params=SHAPES)
def values(request: pytest.FixtureRequest) -> np.ndarray:
    return SHAPES[request.param]


def test_places_rise_and_values_come_back(values: np.ndarray) -> None:
    scale = Scale.fit(values)
    assert (np.diff(scale.values) >= 0).all() and (np.diff(scale.places) >= 0).all()
    assert scale.places[0] == 0 and scale.places[-1] == pytest.approx(1)
    lower, upper = scale.span(values)
    assert ((lower >= 0) & (lower <= upper) & (upper <= 1)).all()
    back = scale.value((lower + upper) / 2)
    middle = (values > np.quantile(values, 0.01)) & (values < np.quantile(values, 0.99))
    if scale.step:
        assert np.allclose(back[middle], values[middle], rtol=0, atol=scale.step / 2)
    else:
        assert np.allclose(back[middle], values[middle], rtol=1e-6, atol=1e-9 * np.abs(values).max())


def test_the_distribution_is_kept(values: np.ndarray) -> None:
    drawn = Scale.fit(values).value((np.arange(N) + 0.5) / N)
    spread = np.quantile(values, 0.9) - np.quantile(values, 0.1)
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert np.quantile(drawn, share) == pytest.approx(np.quantile(values, share), abs=0.05 * spread + 1e-9)


def test_support(values: np.ndarray) -> None:
    scale = Scale.fit(values)
    drawn = scale.value(np.linspace(0, 1, 4001))
    if (values >= 0).all():
        assert (drawn >= 0).all() and not np.signbit(drawn).any()
    if scale.step:
        assert np.array_equal(drawn, np.round(drawn / scale.step) * scale.step) or np.allclose(
            drawn / scale.step, np.round(drawn / scale.step), rtol=0, atol=1e-6
        )
    assert drawn.min() == scale.low and drawn.max() == scale.high


def test_a_grid_of_few_values_is_exact() -> None:
    values = np.repeat([0.0, 1.0, 2.0, 7.0], [100, 50, 30, 20])
    scale = Scale.fit(values)
    assert (scale.low, scale.high, scale.step) == (0, 7, 1)
    drawn = scale.value((np.arange(200) + 0.5) / 200)
    assert np.array_equal(np.unique(drawn, return_counts=True)[1][:3], [100, 50, 30])


def test_bounds_that_are_known() -> None:
    scale = Scale.fit(SHAPES["normal"], low=-1.0, high=1.5)
    assert (scale.low, scale.high) == (-1, 1.5)
    drawn = scale.value(np.linspace(0, 1, 1001))
    assert drawn.min() == -1 and drawn.max() == 1.5
    whole = Scale.fit(SHAPES["from zero"], low=0, high=200)
    assert (whole.low, whole.high) == (0, 200)


def test_a_scale_holds_nobodys_number() -> None:
    for name in ("normal", "positive", "heavy"):
        scale = Scale.fit(SHAPES[name])
        assert len(scale.values) <= KNOTS + 2
        assert not set(SHAPES[name]) & {*scale.values, scale.low, scale.high}


def test_few_numbers() -> None:
    for count in (1, 2, 6):
        scale = Scale.fit(RANDOM.normal(size=count))
        assert np.isfinite(scale.value(np.linspace(0, 1, 11))).all()


@pytest.mark.parametrize(("numbers", "step"), [
    ([0.0, 0.15, 0.3], 0.05), ([19.99, 3.5], 0.01), ([5.0, 100.0], 5), ([0.0, 0.0], 1), ([1e9, 2e9], 1e9),
    ([1 / 3], 0), ([2.0**60 + 4096], 0), ([], 1), ([1e-6, 2e-6], 1e-6),
])  # fmt: skip
def test_grids_are_found(numbers: list[float], step: float) -> None:
    assert grid_step(np.array(numbers)) == pytest.approx(step)


def test_grids_of_times() -> None:
    day = 86_400.0
    assert grid_step(np.array([3 * day, 9 * day]), CALENDAR) == day
    assert grid_step(np.array([3 * day + 3600]), CALENDAR) == 3600
    assert grid_step(np.array([1e9 + 0.001]), CALENDAR) == 1e-3
    assert grid_step(np.array([1.7e9 + 0.5e-6 * 7]), CALENDAR) == 0


@pytest.mark.parametrize("step", [one for one in DECIMAL if one < 1e4])
def test_the_least_multiple_that_is_no_less(step: float) -> None:
    numbers = np.concatenate([RANDOM.normal(scale=1e3 * step, size=500), np.arange(-50, 50) * step])
    found = above(numbers, step)
    assert (found >= numbers).all() and (found - numbers <= step * (1 + 1e-5)).all()
    assert np.array_equal(above(found, step), found)


def test_json() -> None:
    scale = Scale.fit(SHAPES["cents"])
    assert Scale(**json.loads(json.dumps(asdict(scale)))) == scale
