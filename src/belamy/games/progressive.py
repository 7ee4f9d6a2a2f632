"""Progressive growing (Karras et al., 2018): one run that begins with pictures of 4x4 and ends at the full size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.chance import Chance
from belamy.duel import Duel
from belamy.game import Batch, Score
from belamy.networks.progressive import Discriminator, Generator, shown
from belamy.ops.schedule import growth
from belamy.ops.sizes import doublings
from belamy.ops.values import Count, Counts, Weight

PAPER = {"wgan-gp": 10.0, "drift": 0.001}


class Progressive(Duel):
    """Pictures [B, ``channels``, R, R], R a power of two from 8 on.

    4x4 is played for ``stay`` examples; then each size fades in over ``fade`` examples and stays for as many as
    ``stay``, the last to the end of the run of ``examples``, which must hold all that; by default both are 20,000, or
    less in a run that is too short for it. Without ``penalties`` the
    Wasserstein loss has the paper's. ``widths`` are channels from 4x4 upwards: the paper's are 512 up to 32x32, then
    half as many whenever the size doubles, and its latents have 512 numbers. Samples and what ships are of the full
    size, at any time: pixels of a smaller one are repeated.
    """

    rowwise = False
    packs = True
    fewest = 2

    def __init__(
        self, resolution: Count, channels: Count, examples: int, latent: Count = 128, widths: Counts | None = None,
        fade: int | None = None, stay: int | None = None, loss: str = "wasserstein",
        penalties: Mapping[str, Weight] | None = None, **others: Any,
    ) -> None:  # fmt: skip
        if penalties is None and loss == "wasserstein":
            penalties = PAPER
        super().__init__(latent, loss, penalties, **others)
        self.resolution, self.top = resolution, doublings(resolution, 4)
        fitting = examples // (2 * self.top + 1)
        fade, stay = (min(20_000, fitting) if length is None else length for length in (fade, stay))
        self.fade, self.stay = fade, stay
        if min(fade, stay) < 0:
            raise ValueError(f"fade {fade} and stay {stay} are numbers of examples, 0 or more")
        if (needed := stay + self.top * (fade + stay)) > examples:
            raise ValueError(
                f"growing to {resolution}x{resolution} takes {needed:,} examples, the run has {examples:,}: "
                f"--examples {needed}, or --set game.fade={fitting} --set game.stay={fitting}"
            )
        widths = list(widths or default_widths(self.top))
        if len(widths) != self.top + 1:
            raise ValueError(f"widths has {len(widths)} entries; {resolution}x{resolution} wants {self.top + 1}")
        self.generator = Generator(channels, widths, latent)
        self.discriminator = Discriminator(channels * self.pack, widths)

    def moments(self) -> dict[str, int]:
        larger = {f"{side}x{side}": self.stay + number * (self.fade + self.stay)
                  for number, side in enumerate(8 << level for level in range(self.top))}  # fmt: skip
        return {"4x4": 0, **larger}

    def advance(self, examples: int) -> None:
        super().advance(examples)
        self.generator.level.fill_(growth(examples, self.stay, self.fade, self.top))

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        """New pictures, of the size that has been reached."""
        pictures: Tensor = self.generator(rng.normal(self.latent))
        return pictures

    def judge(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> Tensor:
        """Set by set: real and generated pictures are varied each in their own way."""
        level = self.generator.level.item()
        return torch.cat([self.discriminator(images, level) for images in sets])

    def discriminator_loss(self, batch: Batch, rng: Chance) -> Score:
        return super().discriminator_loss(self._shown(batch), rng)

    def generator_loss(self, batch: Batch, rng: Chance) -> Score:
        return super().generator_loss(self._shown(batch), rng)

    def realness(self, batch: Batch, rng: Chance) -> Tensor | None:
        return super().realness(self._shown(batch), rng)

    @property
    def steady(self) -> bool:
        return self.generator.level.item() == self.top

    def as_played(self, batch: Batch) -> Batch:
        small = self._shown({"image": batch["image"].to(self.generator.level.device)})["image"]
        return {**batch, "image": F.interpolate(small, size=(self.resolution,) * 2)}

    def _shown(self, batch: Batch) -> Batch:
        return {**batch, "image": shown(batch["image"], self.generator.level.item())}

    def settle(self) -> None:
        self.generator.settled = self.generator.level.item()

    def sample(self, given: Batch) -> Batch:
        return {"image": F.interpolate(self.generator(given["latent"]), size=(self.resolution,) * 2)}


def default_widths(top: int) -> list[int]:
    """Channels from 4x4 upwards: 64 up to 16x16, then half as many whenever the size doubles, but 16 at least."""
    return [max(16, min(64, 256 // 2**floor)) for floor in range(top + 1)]
