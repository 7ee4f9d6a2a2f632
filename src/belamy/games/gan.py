"""The first game (Goodfellow et al., 2014): two perceptrons, on points or on pictures, with any loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from belamy.chance import Chance
from belamy.duel import Duel
from belamy.game import Batch
from belamy.networks.perceptron import Perceptron
from belamy.ops.values import Count, Counts, Whole

SCATTER = 0.5
PRIORS = ("normal", "uniform")
CLOSE = 1 - 1e-6
"""How near to its ends the uniform prior is told from them."""


class GAN(Duel):
    """Points [B, ``dimensions``], or small pictures [B, ``channels``, R, R] as if they were points.

    ``widths`` are the units of the hidden layers, the generator's where it has none of its own. Latents are drawn from
    the ``prior``: "normal", or "uniform" between -1 and 1.
    """

    packs = True

    def __init__(
        self, dimensions: Whole = 0, resolution: Whole = 0, channels: Count = 1, latent: Count = 64,
        widths: Counts = (256, 256, 256), generator_widths: Counts | None = None, prior: str = "normal",
        **others: Any,
    ) -> None:  # fmt: skip
        super().__init__(latent, **others)
        if bool(dimensions) == bool(resolution):
            raise ValueError("it wants points (dimensions) or pictures (resolution), one of the two")
        if prior not in PRIORS:
            raise ValueError(f"prior {prior!r} should be 'normal' or 'uniform'")
        self.uniform = prior == "uniform"
        self.sample_key = "points" if dimensions else "image"
        self.shape = (dimensions,) if dimensions else (channels, resolution, resolution)
        size = dimensions or channels * resolution**2
        self.generator = Perceptron(latent, generator_widths or widths, size)
        scatter = SCATTER if dimensions else 0.0
        self.discriminator = Perceptron(size * self.pack, widths, 1, not self.loss.pairs, scatter)

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        fake: Tensor = self.generator(self.prior(len(rng), rng)["latent"]).unflatten(1, self.shape)
        return fake

    def judge(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> Tensor:
        logits: Tensor = self.discriminator(torch.cat(list(sets)).flatten(1))[:, 0]
        return logits

    def prior(self, n: int, rng: Chance) -> Batch:
        return {"latent": 2 * rng.uniform(self.latent) - 1} if self.uniform else super().prior(n, rng)

    def as_normal(self, latents: Tensor) -> Tensor:
        """By the inverse of the normal distribution function, where the prior is uniform."""
        return latents.clamp(-CLOSE, CLOSE).erfinv() * math.sqrt(2) if self.uniform else latents

    def from_normal(self, numbers: Tensor) -> Tensor:
        return (numbers / math.sqrt(2)).erf() if self.uniform else numbers

    def sample(self, given: Batch) -> Batch:
        return {self.sample_key: self.generator(given["latent"]).unflatten(1, self.shape)}
