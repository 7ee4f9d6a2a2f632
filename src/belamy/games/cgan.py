"""Conditional GANs: pictures of a class, or with attributes, that one asks for; the condition enters in three ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.chance import Chance
from belamy.duel import Duel, suited_gamma
from belamy.errors import nearest
from belamy.game import Batch
from belamy.networks.conditional import CONDITIONINGS, Discriminator, Generator
from belamy.ops.values import Count, Weight, Whole


class CGAN(Duel):
    """Pictures [B, ``channels``, R, R] of ``classes`` kinds, with ``attributes`` that they have or not, or both.

    ``conditioning`` says how the discriminator learns what was asked for: by "concatenation" (Mirza and Osindero,
    2014), "projection" (Miyato and Koyama, 2018), or as an "auxiliary" classifier (AC-GAN, Odena et al., 2017), whose
    cross-entropy on real and on generated pictures, times ``auxiliary``, both players minimise as in the paper; there
    it weighs 1, under which each class showed one picture here. Without ``penalties`` R1 and R2 weigh 2 at 32x32
    with batches of 64, in proportion to the number of pixels, and the less the larger the ``batch``; by ``correct``
    they follow the discriminator, as those of ``r3gan`` do.
    """

    rowwise = False  # the generator normalises by the batch
    fewest = 2

    def __init__(
        self, resolution: Count, channels: Count, classes: Whole = 0, attributes: Whole = 0,
        conditioning: str = "projection", latent: Count = 100, width: Count = 32, embedding: Count = 64,
        hidden: Count = 256, auxiliary: Weight = 0.1, loss: str = "relativistic",
        penalties: Mapping[str, Weight] | None = None, correct: int | None = 2000, batch: Count = 64, **others: Any,
    ) -> None:  # fmt: skip
        gamma = suited_gamma(4.0, resolution, batch)
        weights = {"r1": gamma, "r2": gamma} if penalties is None else penalties
        super().__init__(latent, loss, weights, correct=correct, **others)
        if conditioning not in CONDITIONINGS:
            hint = nearest(conditioning, CONDITIONINGS)
            raise ValueError(f"conditioning {conditioning!r} is unknown{hint}; there are {', '.join(CONDITIONINGS)}")
        if not classes + attributes:
            raise ValueError(
                "the data has neither classes nor attributes to ask for: put pictures in a folder for each class, or "
                "list attributes in metadata.jsonl; without them play r3gan"
            )
        if resolution % 4 or resolution < 8:
            raise ValueError(f"it makes pictures of a multiple of 4 pixels from 8 on, not {resolution}")
        self.classes, self.attributes, self.auxiliary = classes, attributes, auxiliary
        conditions = classes + attributes
        self.generator = Generator(channels, resolution, latent, conditions, width, embedding)
        self.discriminator = Discriminator(
            channels, resolution, conditions, width, hidden, conditioning, offset=not self.loss.pairs
        )

    def condition(self, batch: Batch) -> Tensor:
        """What is asked for, [B, classes + attributes]: ones and zeros."""
        parts = [F.one_hot(batch["class"], self.classes)] if self.classes else []
        return torch.cat([*parts, *([batch["attributes"]] if self.attributes else [])], 1)

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        """New pictures, under the conditions of ``batch``."""
        pictures: Tensor = self.generator(rng.normal(self.latent), self.condition(batch))
        return pictures

    def judge(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> Tensor:
        return self.assess(sets, batch, rng)[0]

    def assess(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> tuple[Tensor, dict[str, Tensor]]:
        condition = self.condition(batch)
        logits, answers = self.discriminator(torch.cat(list(sets)), condition.repeat(len(sets), 1))
        if answers is None:
            return logits, {}
        costs = [self._surprise(part, batch) for part in answers.chunk(len(sets))]
        return logits, {"classification": self.auxiliary * torch.stack(costs).sum()}

    def _surprise(self, answers: Tensor, batch: Batch) -> Tensor:
        """The cross-entropy of ``answers`` [B, classes + attributes] to what was asked for."""
        kinds, traits = answers.split([self.classes, self.attributes], 1)
        cost = F.cross_entropy(kinds, batch["class"]) if self.classes else answers.new_zeros(())
        if self.attributes:
            cost = cost + F.binary_cross_entropy_with_logits(traits, batch["attributes"].to(traits))
        return cost

    def sample(self, given: Batch) -> Batch:
        return {"image": self.generator(given["latent"], self.condition(given))}
