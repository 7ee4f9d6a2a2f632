"""Paired translation (Isola et al., 2017): a picture is answered by another of the same size, as examples show."""

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


class Pix2Pix(Duel):
    """"source" [B, ``channels``, H, W] to "target" [B, ``target_channels``, H, W], all in [-1, 1].

    The discriminator judges patches of both together. ``pixels`` weighs the mean absolute difference to the target, by
    100 in the paper. The networks are neither the paper's in size nor normalised: ``widths`` are the channels from
    full size downwards, ``blocks`` those at the smallest, so that each pixel sees a bounded part of the source.
    """

    sample_key = "target"
    scale = 1

    def __init__(
        self, channels: Count, target_channels: Count, widths: Counts = (32, 64, 128, 128), blocks: Whole = 2,
        pixels: Weight = 100.0, loss: str = "hinge", normalise: str | None = "spectral", **others: Any,
    ) -> None:  # fmt: skip
        super().__init__(0, loss, normalise=normalise, **others)
        self.generator = UNet(channels, target_channels, widths, blocks)
        self.discriminator = Patches(channels + target_channels, (64, 128, 128))
        self.stride, self.radius, self.pixels = self.generator.stride, self.generator.radius, pixels

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        pictures: Tensor = self.generator(batch["source"]).float()
        return pictures

    def judge(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> Tensor:
        """Beside their sources, and all sets in one pass."""
        sources = batch["source"].repeat(len(sets), 1, 1, 1)
        return super().judge([torch.cat([sources, torch.cat(list(sets))], dim=1)], batch, rng)

    def aims(self, samples: Tensor, batch: Batch, rng: Chance) -> dict[str, Tensor]:
        return {"pixels": self.pixels * (samples - batch["target"]).abs().mean()}

    def sample(self, given: Batch) -> Batch:
        return {"image": self.generator(given["source"]).float()}
