"""Super-resolution (Ledig et al., 2017; Wang et al., 2018): first faithful, then sharp, in one run."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from belamy.chance import Chance
from belamy.duel import Duel
from belamy.game import Batch
from belamy.networks.unet import Enlarger, Patches
from belamy.ops.values import Count, Weight, Whole

SLOWEST = 0.02
"""How much of the way to the generator the faithful network goes in a step, at least."""


class SuperRes(Duel):
    """"source" [B, ``channels``, H, W] to "target" [B, ``channels``, H * ``scale``, W * ``scale``], all in [-1, 1].

    Over the first ``warmup`` examples, by default half of all, the generator learns to be near the target pixel by
    pixel; what it is then, averaged, stays as the player ``faithful``. From then on the discriminator has a say, too;
    ``pixels`` weighs the mean absolute difference against it. ``width`` and ``blocks`` are those of the generator.
    """

    shipped = ("generator", "faithful")
    sample_key = "target"

    def __init__(
        self, channels: Count, scale: int = 2, width: Count = 64, blocks: Whole = 8, warmup: Whole | None = None,
        pixels: Weight = 100.0, loss: str = "relativistic", normalise: str | None = "spectral", examples: int = 0,
        **others: Any,
    ) -> None:  # fmt: skip
        alone = examples // 2 if warmup is None else warmup
        super().__init__(0, loss, normalise=normalise, warmup=alone, **others)
        if scale not in (2, 3, 4):
            raise ValueError(f"scale {scale} should be 2, 3 or 4")
        self.generator = Enlarger(channels, scale, width, blocks)
        self.faithful = copy.deepcopy(self.generator)
        self.discriminator = Patches(channels, (64, 128, 128))
        self.scale, self.radius, self.pixels = scale, self.generator.radius, pixels

    def advance(self, examples: int) -> None:
        super().advance(examples)
        if self.alone:
            self._follow(max(SLOWEST, 500 / (500 + examples)))

    @torch.no_grad()
    def _follow(self, share: float) -> None:
        """Moves the faithful network so much of the way to the generator: once a step it is a moving average."""
        for own, live in zip(self.faithful.parameters(), self.generator.parameters(), strict=True):
            own.lerp_(live, share)

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        pictures: Tensor = self.generator(batch["source"])
        return pictures

    def aims(self, samples: Tensor, batch: Batch, rng: Chance) -> dict[str, Tensor]:
        return {"pixels": self.pixels * (samples - batch["target"]).abs().mean()}

    def sample(self, given: Batch) -> Batch:
        return {"image": self.generator(given["source"])}
