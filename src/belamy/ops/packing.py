"""Packs: several samples that a discriminator judges as one, so that it sees whether they differ.

PacGAN (Lin et al., 2018): a generator that has dropped modes shows more in several samples than in one.
"""

from __future__ import annotations

from torch import Tensor


def packed(samples: Tensor, count: int) -> Tensor:
    """Each ``count`` rows in a row become one: [B, C, ...] -> [B / count, count * C, ...]."""
    return samples if count == 1 else samples.unflatten(0, (-1, count)).flatten(1, 2)


def unpacked(packs: Tensor, count: int) -> Tensor:
    """The samples again: [B / count, count * C, ...] -> [B, C, ...]."""
    return packs if count == 1 else packs.unflatten(1, (count, -1)).flatten(0, 1)
