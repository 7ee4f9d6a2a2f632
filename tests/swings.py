"""Small sets of series for the tests: swings of a random rate and phase, plain or with all that series may have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from belamy.series.recorded import Recorded, recorded


def swings(count: int = 60, steps: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Waves [N, T] of two classes, slow and quick, with a phase of their own; and the classes [N]."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(2, size=count)
    phase, size = rng.uniform(0, 2, (count, 1)), rng.lognormal(0, 0.3, (count, 1))
    waves = size * np.sin(np.arange(steps) * (0.4 + 0.5 * kinds[:, None]) + phase)
    return 5 + waves + 0.05 * rng.standard_normal(waves.shape), kinds


def visits(count: int = 60, seed: int = 0) -> Recorded:
    """Two channels at irregular times, of 3 to 9 steps, with static attributes, a class and missing cells."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 10, count)
    gone = np.arange(9) >= lengths[:, None]
    times = np.cumsum(rng.lognormal(0, 0.5, (count, 9)), 1)
    kinds = np.array(["ill", "well"])[rng.integers(2, size=count)]
    site = rng.choice(["north", "south", "west"], count)
    age = rng.normal(50, 10, count).round(1)
    level = age[:, None] / 10 + (kinds == "ill")[:, None] * np.sin(times)
    values = np.stack([level, level**2 + rng.standard_normal((count, 9))], 2)
    values[rng.random(values.shape) < 0.05] = np.nan
    values[gone], times[gone] = np.nan, np.nan
    static = pd.DataFrame({"site": site, "age": age})
    return recorded(
        values, kinds, lengths=lengths, times=times, static=static, channels=["pulse", "pressure"], label="state",
        identity="patient",
    )  # fmt: skip


def long_visits(**options: Any) -> pd.DataFrame:
    """``visits`` as a long table."""
    from belamy.series.decoding import long_table

    return long_table(visits(**options))
