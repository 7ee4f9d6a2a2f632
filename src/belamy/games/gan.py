"""The first game (Goodfellow et al., 2014): two perceptrons, on points or on pictures, with any loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from belamy.chance import Chance
from belamy.duel import Duel
from belamy.game import Batch
from belamy.networks.perceptron import Perceptron


class GAN(Duel):
    """Points [B, ``dimensions``], or small pictures [B, ``channels``, R, R] as if they were points."""

    packs = True

    def __init__(
        self, dimensions: int = 0, resolution: int = 0, channels: int = 1, latent: int = 64,
        widths: Sequence[int] = (256, 256, 256), **others: Any,
    ) -> None:  # fmt: skip
        super().__init__(latent, **others)
        if not dimensions and not resolution:
            raise ValueError("it wants points (dimensions) or pictures (resolution)")
        self.sample_key = "points" if dimensions else "image"
        self.shape = (dimensions,) if dimensions else (channels, resolution, resolution)
        size = dimensions or channels * resolution**2
        self.generator = Perceptron(latent, widths, size)
        self.discriminator = Perceptron(size * self.pack, widths, 1, offset=not self.loss.pairs)

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        fake: Tensor = self.generator(rng.normal(self.latent)).unflatten(1, self.shape)
        return fake

    def judge(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> Tensor:
        logits: Tensor = self.discriminator(torch.cat(list(sets)).flatten(1))[:, 0]
        return logits

    def sample(self, given: Batch) -> Batch:
        return {self.sample_key: self.generator(given["latent"]).unflatten(1, self.shape)}
