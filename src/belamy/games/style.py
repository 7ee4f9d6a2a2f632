"""Style transfer by a feed-forward network (after Johnson et al., 2016): pictures painted as an example is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from belamy.chance import Chance
from belamy.duel import Duel
from belamy.game import Batch
from belamy.networks.unet import Patches, UNet

WINDOW = 7


class Style(Duel):
    """"source" [B, ``channels``, H, W] in [-1, 1], painted so that its patches look like those of "style".

    ``content`` weighs how far the structure of the result is from the source's: 1 less the correlation of both in
    windows of 7 pixels, as in SSIM (Wang et al., 2004). "strength" [B], 1 where it is not given, scales what is
    added: at 0 the source comes back.
    """

    sample_key = "style"
    scale = 1

    def __init__(
        self, channels: int, widths: Sequence[int] = (32, 64, 128), blocks: int = 3, content: float = 4.0,
        reach: Sequence[int] = (64, 128, 128), loss: str = "hinge", normalise: str | None = "spectral", **others: Any,
    ) -> None:  # fmt: skip
        super().__init__(0, loss, normalise=normalise, **others)
        self.generator = UNet(channels, channels, widths, blocks)
        self.discriminator = Patches(channels, reach)
        self.stride, self.radius, self.content = self.generator.stride, self.generator.radius, content

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        pictures: Tensor = batch["source"] + self.generator(batch["source"]).float()
        return pictures

    def aims(self, samples: Tensor, batch: Batch, rng: Chance) -> dict[str, Tensor]:
        return {"content": self.content * (1 - structure(samples, batch["source"]))}

    def sample(self, given: Batch) -> Batch:
        source = given["source"]
        strength = given.get("strength", source.new_ones(source.shape[0]))[:, None, None, None]
        return {"image": source + strength * self.generator(source).float()}


def structure(images: Tensor, others: Tensor) -> Tensor:
    """Mean correlation of two batches of pictures [B, C, H, W], of their mean channel in windows of 7 pixels."""
    ours, theirs = images.mean(1, keepdim=True), others.mean(1, keepdim=True)

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, WINDOW, 1)

    centre, other = mean(ours), mean(theirs)
    spread, their_spread = mean(ours.square()) - centre.square(), mean(theirs.square()) - other.square()
    together = mean(ours * theirs) - centre * other
    small = 1e-3
    return ((2 * together + small) / (spread + their_spread + small)).mean()
