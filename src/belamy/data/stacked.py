"""Stacked digits (Metz et al., 2017): three digits as red, green and blue make a thousand modes, easy to count."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray

from belamy.chance import Chance, key
from belamy.data.images import Images
from belamy.errors import UserError
from belamy.game import Batch
from belamy.source import Source

HELDOUT = 26_000
BORDER = 2  # pixels around 28x28, so that the size can be halved three times


class Stacked(Source):
    """Rows ``{"image": float32 [B, 3, 32, 32] in [-1, 1]}``: three digits of 28x28 each, drawn with replacement.

    ``path`` holds grey digits with their classes; K classes make K^3 modes. A tenth of the digits is held out, and
    held-out rows are made of these alone. Row i is the same for every seed of a run. Raises UserError for pictures
    without classes.
    """

    def __init__(self, path: str, count: int = 128_000, seed: int = 0) -> None:
        self.seed = seed
        self.digits = Images(path, resolution=28, channels=1).padded(BORDER)
        if not self.digits.facts["classes"]:
            raise UserError(f"{path} has no classes, by which stacked digits are counted: give x and y in an .npz")
        self._drawn, self._count = self.digits, count
        self.facts = {
            "kind": "stacked", "resolution": self.digits.facts["resolution"], "channels": 3, "classes": None,
            "count": count, "heldout": HELDOUT, "fingerprint": self.digits.facts["fingerprint"],
        }  # fmt: skip

    def __len__(self) -> int:
        return self._count

    def rows(self, indices: NDArray[np.int64], rng: Chance) -> Batch:
        drawn = Chance(key("stacked"), torch.from_numpy(indices)).integers(len(self._drawn), 3).numpy()
        return {"image": torch.cat([self._drawn.plain(column)["image"] for column in drawn.T], 1)}

    def heldout(self) -> Stacked | None:
        """Rows of the digits that training does not see; ``digits`` stay those of training."""
        unseen = self._drawn.heldout()
        if unseen is None:
            return None
        other = copy.copy(self)
        other._drawn, other._count = unseen, HELDOUT
        return other
