"""What a generator of series has to beat: copies with noise, one Gaussian, and steps that are independent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def noisy_copies(series: Floats, n: int, seed: int = 0, share: float = 0.1) -> tuple[Floats, NDArray[np.int64]]:
    """``n`` of the series [N, T, C] with normal noise of a ``share`` of their channels' deviations; and which ones."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(series), size=n)
    noise = share * np.nanstd(series, axis=(0, 1)) * rng.standard_normal((n, *series.shape[1:]))
    return series[rows] + noise, rows


def gaussian(series: Floats, n: int, seed: int = 0) -> Floats:
    """``n`` series of the mean and the covariance of those given [N, T, C]; what is missing counts as the mean."""
    rng = np.random.default_rng(seed)
    flat = series.reshape(len(series), -1)
    mean = np.nan_to_num(np.nanmean(flat, axis=0))
    apart = np.nan_to_num(flat - mean) / np.sqrt(max(1, len(flat) - 1))
    # Sums of deviations have their covariance, with no need to take its root.
    drawn = mean + rng.standard_normal((n, len(flat))) @ apart
    return np.asarray(drawn.reshape(n, *series.shape[1:]))


def independent_steps(series: Floats, n: int, seed: int = 0) -> Floats:
    """``n`` series [N, T, C] of which each step is one of those given, whatever the others are."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(series), size=(n, series.shape[1]))
    return np.asarray(series[rows, np.arange(series.shape[1])])
