"""Image generation after R3GAN (Huang et al., 2024): a relativistic loss, and penalties on both sides of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from belamy.chance import Chance
from belamy.duel import Duel, suited_to_pictures
from belamy.game import Batch
from belamy.networks.r3gan import Discriminator, Generator, layout
from belamy.ops.values import Count, Counts, Positive, Weight, Whole


class R3GAN(Duel):
    """Pictures [B, ``channels``, R, R], of ``classes`` kinds or of one.

    ``gamma`` weighs the penalties and falls to a tenth over the first ``burn_in`` examples, in which the
    probability of augmentation rises from 0 to ``augment``: .3, or nothing where the data has 5,000 pictures or more
    (``count``). By default gamma grows with the number of pixels and falls with the size of the ``batch``, as that of
    StyleGAN2-ADA does: 2 at 32x32 with batches of 32. ``correct`` is that of Duel: by it gamma follows the
    discriminator from there.

    ``widths`` are channels from the smallest maps upwards; by default they follow from the resolution. The largest maps
    have one position for each square of ``stride`` pixels, 2 to a side from 24x24 on: at the full size half of a step's
    time would go there, measured at 32x32 on a CPU. The paper's networks, for a GPU, are
    ``widths=[768] * 4, blocks=2, expansion=2, group=16, stride=1``; these are small and dense.
    """

    packs = True
    piecewise = True

    def __init__(
        self, resolution: Count, channels: Count, classes: Whole = 0, latent: Count = 64, widths: Counts | None = None,
        blocks: Count = 1, expansion: Positive = 1.0, group: Count = 32, gamma: Weight | None = None,
        burn_in: Whole = 100_000, stride: int | None = None, loss: str = "relativistic",
        penalties: Mapping[str, Weight] | None = None, augment: float | str | None = None,
        augment_over: Whole | None = None, correct: int | None = 2000, count: Whole = 0, batch: Count = 32,
        **others: Any,
    ) -> None:  # fmt: skip
        suited = suited_to_pictures(resolution, batch, count, burn_in, gamma, penalties, augment, augment_over)
        super().__init__(latent, loss, correct=correct, **suited, **others)
        base, widths, stride = layout(resolution, widths, stride)
        self.generator = Generator(channels, base, widths, latent, classes, blocks, expansion, group, stride)
        seen = channels * self.pack
        self.discriminator = Discriminator(seen, base, widths, classes, blocks, expansion, group, stride)
        self.classes = classes

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        """New pictures, of the classes of ``batch``."""
        pictures: Tensor = self.generator(rng.normal(self.latent), batch.get("class"))
        return pictures

    def judge(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> Tensor:
        """In one pass."""
        classes = batch["class"].repeat(len(sets)) if self.classes else None
        logits: Tensor = self.discriminator(torch.cat(list(sets)), classes)
        return logits

    def sample(self, given: Batch) -> Batch:
        return {"image": self.generator(given["latent"], given.get("class"))}
