"""Inpainting (after Suvorov et al., 2022): holes are filled with what could have been there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from belamy.chance import Chance
from belamy.duel import Duel
from belamy.game import Batch
from belamy.networks.unet import Patches, UNet
from belamy.ops.values import Count, Counts, Weight, Whole


class Inpaint(Duel):
    """"source" [B, ``channels``, H, W] in [-1, 1], harmonically filled, and "mask" [B, 1, H, W], 1 in its holes.

    The generator says what to add to the fill, which is smooth; what is known stays. ``pixels`` weighs the mean
    absolute difference to "target" within the holes, which decides alone over the first ``warmup`` examples, by default
    two thirds of all. Then the discriminator sees whole pictures, so that it minds the edges of holes, and where these
    are. ``widths`` are the channels from full size downwards, with so many ``blocks`` at the smallest.
    """

    sample_key = "target"
    scale = 1

    def __init__(
        self, channels: Count, widths: Counts = (32, 64, 128, 128), blocks: Whole = 2, pixels: Weight = 30.0,
        loss: str = "hinge", normalise: str | None = "spectral", warmup: Whole | None = None, examples: int = 0,
        **others: Any,
    ) -> None:  # fmt: skip
        alone = 2 * examples // 3 if warmup is None else warmup
        super().__init__(0, loss, normalise=normalise, warmup=alone, **others)
        self.generator = UNet(channels + 1, channels, widths, blocks)
        self.discriminator = Patches(channels + 1, (64, 128, 128))
        self.stride, self.radius, self.pixels = self.generator.stride, self.generator.radius, pixels

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        return self._filled(batch)

    def _filled(self, given: Batch) -> Tensor:
        source, mask = given["source"], given["mask"]
        added: Tensor = self.generator(torch.cat([source, mask], dim=1)).float()
        return source + mask * added

    def judge(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> Tensor:
        """Beside their masks, and all sets in one pass."""
        masks = batch["mask"].repeat(len(sets), 1, 1, 1)
        return super().judge([torch.cat([torch.cat(list(sets)), masks], dim=1)], batch, rng)

    def aims(self, samples: Tensor, batch: Batch, rng: Chance) -> dict[str, Tensor]:
        mask = batch["mask"].expand_as(samples)
        missed = ((samples - batch["target"]).abs() * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3)).clamp(min=1)
        return {"pixels": self.pixels * missed.mean()}

    def sample(self, given: Batch) -> Batch:
        return {"image": self._filled(given)}
