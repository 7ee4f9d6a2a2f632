"""DCGAN (Radford et al., 2016), as PyTorch's tutorial plays it at 64x64, or TensorFlow's at 28x28."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from belamy.chance import Chance
from belamy.duel import Duel
from belamy.game import Batch
from belamy.networks.dcgan import Discriminator, Generator, SmallDiscriminator, SmallGenerator

DROPPED = 0.3


class DCGAN(Duel):
    """Pictures [B, ``channels``, R, R]. ``form`` is ``pytorch`` or ``tensorflow``: whose tutorial it follows.

    ``width`` is the channels of the largest maps. Networks that normalise by the batch look at all of it.
    """

    rowwise = False
    packs = True

    def __init__(
        self, resolution: int, channels: int, latent: int = 100, width: int = 64, form: str = "pytorch",
        **others: Any,
    ) -> None:  # fmt: skip
        super().__init__(latent, **others)
        if form not in ("pytorch", "tensorflow"):
            raise ValueError(f"form {form!r} should be 'pytorch' or 'tensorflow'")
        if resolution % 4 or resolution < 8:
            raise ValueError(f"it makes pictures of a multiple of 4 pixels from 8 on, not {resolution}")
        small = form == "tensorflow"
        self.generator = (SmallGenerator if small else Generator)(channels, resolution, latent, width)
        self.discriminator = (SmallDiscriminator if small else Discriminator)(channels * self.pack, resolution, width)

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        fake: Tensor = self.generator(rng.normal(self.latent)).float()
        return fake

    def judge(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> Tensor:
        """Set by set: each is normalised by its own statistics, as in the tutorials."""
        return torch.cat([self._judged(samples, rng).float() for samples in sets])

    def _judged(self, samples: Tensor, rng: Chance) -> Tensor:
        logits: Tensor
        if isinstance(self.discriminator, SmallDiscriminator):
            kept = [(rng.uniform(*shape) >= DROPPED).float() / (1 - DROPPED) for shape in self.discriminator.shapes]
            logits = self.discriminator(samples, kept)
        else:
            logits = self.discriminator(samples)
        return logits

    def sample(self, given: Batch) -> Batch:
        return {"image": self.generator(given["latent"]).float()}
