"""Helpers of the tests of data: tiny pictures, and what a source holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from belamy.source import Source

Folder = Callable[..., Path]


def noise(seed: int, *shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape or (8, 8), dtype=np.uint8)


def everything(source: Source) -> list[bytes]:
    return sorted(row.numpy().tobytes() for row in source.plain(np.arange(len(source)))["image"])
