"""FastGAN (Liu et al., 2021): pictures from 50 to 500 examples."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.chance import Chance
from belamy.duel import Duel
from belamy.game import Batch, Score
from belamy.networks.fastgan import Discriminator, Generator, quarter
from belamy.ops.sizes import doublings
from belamy.ops.values import Count, Share, Weight


class FastGAN(Duel):
    """Pictures [B, ``channels``, R, R], R a power of two from 16 on.

    The discriminator also learns to redraw real pictures from its own maps, which keeps it from learning few pictures
    by heart; ``reconstruction`` weighs that. What is redrawn is compared pixel by pixel, where the paper asks a
    network trained on other pictures. Both real and generated pictures are augmented with probability ``augment``
    before they are judged. ``width`` is the channels of the generator's maps at 128x128: 64 in the paper.
    """

    rowwise = False
    fewest = 2

    def __init__(
        self, resolution: Count, channels: Count, latent: Count = 256, width: Count = 8, reconstruction: Weight = 1.0,
        augment: float = 1.0, shift: Share = 0.125, cut: Share = 0.0, colour: Weight = 0.5,
    ) -> None:  # fmt: skip
        super().__init__(latent, "hinge", augment=augment, shift=shift, cut=cut, colour=colour)
        count = doublings(resolution, 4, least=2)
        self.generator = Generator(channels, count, latent, width)
        self.discriminator = Discriminator(channels, count, width)
        self.reconstruction = reconstruction

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        pictures: Tensor = self.generator(rng.normal(self.latent))
        return pictures

    def judge(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> Tensor:
        """Set by set, each normalised by its own statistics; logits [len(sets) * B, n]."""
        return torch.cat([self.discriminator(images)[0] for images in sets])

    def discriminator_loss(self, batch: Batch, rng: Chance) -> Score:
        real = self.augmentation(batch["image"], rng)
        fake_logits, _ = self.verdict([self.imagine(batch, rng).detach()], batch, rng)
        real_logits, maps = self.discriminator(real)
        which = rng.integers(4)
        redrawn = self.discriminator.redraw(maps, which)
        wanted = (F.adaptive_avg_pool2d(one, self.discriminator.side) for one in (real, quarter(real, which)))
        distances = [(one - other).abs().mean() for one, other in zip(redrawn, wanted, strict=True)]
        return Score(
            {
                "adversarial": self.loss.discriminator(real_logits, fake_logits),
                "reconstruction": self.reconstruction * torch.stack(distances).sum(),
            },
            {"real": real_logits.mean(), "fake": fake_logits.mean()},
        )

    def sample(self, given: Batch) -> Batch:
        return {"image": self.generator(given["latent"])}
