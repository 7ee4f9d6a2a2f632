"""Windowed sincs keep what the pixels can carry, and move with it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from belamy.ops.sinc import resampled, sinc_matrix


def wave(count: int, density: float, cycles: float, phase: float = 0.3) -> Tensor:
    """A wave of so many cycles per pixel, sampled ``density`` times a pixel around the same centre."""
    place = (torch.arange(count) + 0.5 - count / 2) / density
    return (2 * math.pi * (cycles * place + phase)).cos()


def test_waves_are_carried_over() -> None:
    for cycles in (0.0, 0.05, 0.2, 0.3):
        finer = sinc_matrix(40, 80, 2.0) @ wave(40, 1, cycles)
        assert (finer - wave(80, 2, cycles))[12:-12].abs().max() < 0.06
        again = sinc_matrix(80, 40, 0.5) @ wave(80, 2, cycles)
        assert (again - wave(40, 1, cycles))[6:-6].abs().max() < 0.06
    assert (sinc_matrix(40, 80, 2.0, 0.5) @ wave(40, 1, 0.4))[12:-12].abs().max() < 0.1  # beyond the cutoff
    alias = sinc_matrix(80, 40, 0.5) @ wave(80, 2, 0.75)  # what the coarser pixels cannot carry
    assert alias[6:-6].abs().max() < 0.06


def test_maps_are_resampled_along_both_sides_and_cropped_around_the_centre() -> None:
    maps = wave(30, 1, 0.1)[:, None] * wave(30, 1, 0.04)
    found = resampled(maps[None, None].expand(2, 3, 30, 30), sinc_matrix(30, 40, 2.0))
    expected = wave(40, 2, 0.1)[:, None] * wave(40, 2, 0.04)
    assert found.shape == (2, 3, 40, 40) and (found - expected).abs().max() < 0.05
