"""FastGAN (Liu et al., 2021): pictures from 50 to 500 examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.chance import Chance
from belamy.duel import Duel
from belamy.game import Batch
from belamy.networks.fastgan import Discriminator, Generator, quarter
from belamy.ops.sizes import doublings
from belamy.ops.values import Count, Share, Weight


class FastGAN(Duel):
    """Pictures [B, ``channels``, R, R], R a power of two from 16 on.

    The discriminator also learns to redraw real pictures from its own maps, which keeps it from learning few pictures
    by heart; ``reconstruction`` weighs that. What is redrawn is compared pixel by pixel, where the paper asks a
    network trained on other pictures. ``width`` is the channels of the generator's maps at 128x128: 64 in the paper.
    """

    rowwise = False
    packs = True
    fewest = 2

    def __init__(
        self, resolution: Count, channels: Count, latent: Count = 256, width: Count = 8, reconstruction: Weight = 1.0,
        loss: str = "hinge", augment: float | str = 1.0, cut: Share = 0.0, **others: Any,
    ) -> None:  # fmt: skip
        super().__init__(latent, loss, augment=augment, cut=cut, **others)
        count = doublings(resolution, 4, least=2)
        self.generator = Generator(channels, count, latent, width)
        self.discriminator = Discriminator(channels * self.pack, count, width)
        self.reconstruction = reconstruction

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        pictures: Tensor = self.generator(rng.normal(self.latent))
        return pictures

    def judge(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> Tensor:
        return self.assess(sets, batch, rng)[0]

    def assess(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> tuple[Tensor, dict[str, Tensor]]:
        """Set by set, each normalised by its own statistics; logits [len(sets) * B, n].

        The first of several sets, real pictures, is redrawn.
        """
        found = [self.discriminator(images) for images in sets]
        logits = torch.cat([each for each, _ in found])
        if len(sets) == 1:
            return logits, {}
        return logits, {"reconstruction": self.reconstruction * self._redrawn(sets[0], found[0][1], rng)}

    def _redrawn(self, images: Tensor, maps: list[Tensor], rng: Chance) -> Tensor:
        """How far the images, and a quarter of each, are from what their maps tell of them."""
        which = rng.integers(4)
        wanted = (F.adaptive_avg_pool2d(one, self.discriminator.side) for one in (images, quarter(images, which)))
        drawn = self.discriminator.redraw(maps, which)
        return torch.stack([(one - other).abs().mean() for one, other in zip(drawn, wanted, strict=True)]).sum()

    def sample(self, given: Batch) -> Batch:
        return {"image": self.generator(given["latent"])}
