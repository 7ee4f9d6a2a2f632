"""DCGAN (Radford et al., 2016), as PyTorch's tutorial plays it at 64x64, or TensorFlow's at 28x28, or penalised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from belamy.chance import Chance
from belamy.duel import Duel
from belamy.game import Batch
from belamy.networks.dcgan import Discriminator, Generator, PlainDiscriminator, SmallDiscriminator, SmallGenerator
from belamy.ops.values import Count

DROPPED = 0.3
FORMS = ("pytorch", "tensorflow", "plain")


class DCGAN(Duel):
    """Pictures [B, ``channels``, R, R]. ``form`` is ``pytorch`` or ``tensorflow``: whose tutorial it follows.

    Or it is ``plain``: PyTorch's generator and a discriminator without batch norm, which has no place under penalties.
    ``width`` is the channels of the largest maps. Networks that normalise by the batch look at all of it.
    """

    rowwise = False
    fewest = 2
    packs = True
    unmixed = ", or game.form plain"

    def __init__(
        self, resolution: Count, channels: Count, latent: Count = 100, width: Count = 64, form: str = "pytorch",
        **others: Any,
    ) -> None:  # fmt: skip
        super().__init__(latent, **others)
        if form not in FORMS:
            raise ValueError(f"form {form!r} should be 'pytorch', 'tensorflow' or 'plain'")
        if resolution % 4 or resolution < 8:
            raise ValueError(f"it makes pictures of a multiple of 4 pixels from 8 on, not {resolution}")
        small, seen = form == "tensorflow", channels * self.pack
        self.generator = (SmallGenerator if small else Generator)(channels, resolution, latent, width)
        self.discriminator: nn.Module
        if form == "plain":
            self.discriminator = PlainDiscriminator(seen, resolution, width, offset=not self.loss.pairs)
        else:
            self.discriminator = (SmallDiscriminator if small else Discriminator)(seen, resolution, width)

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
