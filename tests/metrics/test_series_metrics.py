"""The judges of series: at their floors, at their ceilings, and in between."""

from __future__ import annotations

import numpy as np
import pytest

from belamy.errors import UserError
from belamy.metrics.series import discriminative, features, predictive, usefulness
from belamy.series.baselines import gaussian, independent_steps, noisy_copies
from swings import swings


def test_real_series_are_not_told_apart_and_trivial_ones_are() -> None:
    (train, _), (test, _), (other, _) = (swings(120, seed=seed) for seed in range(3))
    floor = discriminative(train, test, np.concatenate([other, swings(120, seed=3)[0]]))
    assert floor < 0.12
    stacked = train[:, :, None]
    assert discriminative(train, test, noisy_copies(stacked, 240)[0], 1) > floor
    assert discriminative(train, test, independent_steps(stacked, 240), 1) > 0.4
    assert discriminative(train, test, gaussian(stacked, 240), 1) > 0.05
    assert discriminative(train, test, noisy_copies(stacked, 240)[0], 1) == discriminative(
        train, test, noisy_copies(stacked, 240)[0], 1
    )


def test_synthetic_series_are_as_useful_as_they_are_like() -> None:
    train, test, other = swings(100, seed=0), swings(100, seed=1), swings(100, seed=2)
    found = usefulness(train, test, other)
    assert found["trtr"] > 0.85 and found["tstr"] > 0.85
    assert usefulness(train, test, train)["tstr"] == found["trtr"]
    assert usefulness(train, test, (other[0], 1 - other[1]))["tstr"] < 0.2
    assert usefulness(train, test, (other[0], 0 * other[1]))["tstr"] == pytest.approx((test[1] == 0).mean())


def test_the_next_step_is_foretold_from_likes() -> None:
    (train, _), (test, _), (other, _) = (swings(60, seed=seed) for seed in range(3))
    likes, steps = predictive(train, test, other), predictive(train, test, independent_steps(train[:, :, None], 60))
    assert likes["trtr"] == steps["trtr"]
    assert likes["tstr"] < 1.5 * likes["trtr"] < steps["tstr"]


def test_features_by_hand() -> None:
    found = features(np.array([[[0.0], [2.0], [1.0], [np.nan]]]))[0]
    values, steps, missing, sums = np.split(found, [4, 7, 11])
    assert values.tolist() == [0, 2, 1, 0] and steps.tolist() == [2, -1, 0] and missing.tolist() == [0, 0, 0, 1]
    assert sums[:8] == pytest.approx([1, np.sqrt(2 / 3), 0, 2, 1.5, 1.5, 3, 0], abs=1e-3)
    assert sums[8:] == pytest.approx([-0.5 / (2 / 3), 0], abs=1e-3)


def test_trivial_series() -> None:
    x = swings(200)[0][:, :, None]
    copies, rows = noisy_copies(x, 50, share=0.0)
    assert np.array_equal(copies, x[rows])
    made = gaussian(x, 4000)
    assert np.abs(made.mean(0) - x.mean(0)).max() < 0.1
    assert np.abs(np.cov(made[:, :, 0].T) - np.cov(x[:, :, 0].T)).max() < 0.15
    shuffled = independent_steps(x, 500)
    assert set(shuffled[:, 3, 0]) <= set(x[:, 3, 0])
    assert abs(np.corrcoef(shuffled[:, 3, 0], shuffled[:, 4, 0])[0, 1]) < 0.2


def test_what_is_refused() -> None:
    x = swings(30)[0]
    with pytest.raises(UserError, match="too few to tell apart"):
        discriminative(x[:5], x[5:10], x)
    with pytest.raises(UserError, match="have 1, 1, 2 channels"):
        discriminative(x, x, np.zeros((30, 12, 2)))
    with pytest.raises(UserError, match="no next one"):
        predictive(x[:, :1], x[:, :1], x[:, :1])
