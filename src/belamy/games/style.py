"""Style transfer by a feed-forward network (after Johnson et al., 2016): pictures painted as an example is."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.chance import Chance
from belamy.duel import Duel
from belamy.game import Batch
from belamy.networks.unet import SMALL, Patches, UNet
from belamy.ops.grain import placed
from belamy.ops.processes import mean_over_processes
from belamy.ops.values import Count, Counts, Share, Weight, Whole

WINDOW = 7


class Style(Duel):
    """"source" [B, ``channels``, H, W] in [-1, 1], painted so that its patches look like those of "style".

    Of the source's structure at least ``keep``, 0 to 1, should stay: the correlation of both in windows of 7 pixels, as
    in SSIM (Wang et al., 2004), on average. ``content`` weighs what is missing; above it the style alone decides. What
    is flat is painted from "grain" [B, 1, H, W] in [-1, 1], noise that belongs to the places of pixels and is made
    where it is not given. "strength" [B], 1 where it is not given, scales what is added: at 0 the source comes back.
    """

    sample_key = "style"
    scale = 1
    rowwise = False  # what is kept is that of all the batch

    def __init__(
        self, channels: Count, widths: Counts = (32, 64, 128), blocks: Whole = 3, content: Weight = 20.0,
        keep: Share = 0.5, reach: Counts = (64, 128, 128), loss: str = "hinge",
        normalise: str | None = "spectral", **others: Any,
    ) -> None:  # fmt: skip
        super().__init__(0, loss, normalise=normalise, **others)
        self.generator = UNet(channels + 1, channels, widths, blocks, SMALL)
        self.discriminator = Patches(channels, reach)
        self.stride, self.radius = self.generator.stride, self.generator.radius
        self.content, self.keep = content, keep

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        source = batch["source"]
        return source + self._added(source, 2 * rng.uniform(1, *source.shape[2:]) - 1)

    def _added(self, source: Tensor, grain: Tensor) -> Tensor:
        found: Tensor = self.generator(torch.cat([source, grain], dim=1)).float()
        return found

    def aims(self, samples: Tensor, batch: Batch, rng: Chance) -> dict[str, Tensor]:
        kept = mean_over_processes(structure(samples, batch["source"]))
        return {"content": self.content * F.relu(self.keep - kept)}

    def sample(self, given: Batch) -> Batch:
        source = given["source"]
        grain = given["grain"] if "grain" in given else placed(source)
        strength = given.get("strength", source.new_ones(source.shape[0]))[:, None, None, None]
        return {"image": source + strength * self._added(source, grain)}


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
