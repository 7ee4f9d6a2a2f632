"""Grain: noise that belongs to the place of a pixel, so that a picture always gets the same."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from belamy.chance import Chance, key

_ROWS = 64
"""Made at once: their numbers take 8 bytes for a while."""


def grain(height: int, width: int) -> NDArray[np.uint8]:
    """Uniform bytes [H, W, 1]; those of a smaller picture are the upper left ones of a larger."""
    found = np.empty((height, width, 1), np.uint8)
    for top in range(0, height, _ROWS):
        rows = range(top, min(top + _ROWS, height))
        found[top : rows.stop] = Chance(key("grain"), rows).integers(256, width, 1).numpy()
    return found


def placed(pictures: Tensor) -> Tensor:
    """The grain of pictures [B, C, H, W]: float32 [B, 1, H, W] in [-1, 1]."""
    own = torch.from_numpy(grain(*pictures.shape[2:])).to(pictures.device).permute(2, 0, 1) / 127.5 - 1
    return own.expand(len(pictures), -1, -1, -1)
