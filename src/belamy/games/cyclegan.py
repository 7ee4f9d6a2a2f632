"""Unpaired image translation (Zhu et al., 2017): two generators that undo each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from belamy.chance import Chance
from belamy.game import Batch, Game, Score, Turn
from belamy.networks.pool import Pool
from belamy.networks.unet import SMALL, Patches, UNet
from belamy.ops.adversarial import LOSSES
from belamy.ops.penalties import squared_gradients
from belamy.ops.shown import shown
from belamy.ops.values import Count, Counts, Weight, Whole


class CycleGAN(Game):
    """"source" [B, ``channels``, R, R] and "target" [B, ``target_channels``, R, R] in [-1, 1], each of its own kind.

    ``cycle`` weighs how far a picture is from itself when it has been there and back, ``identity`` how far a generator
    changes what is of its kind already (0 where the kinds have different channels). Where the channels are equal, the
    generators say what to add to a picture, and begin by adding next to nothing. The discriminators see the last
    ``pool`` pictures as well as the newest, and pay R1 (Mescheder et al., 2018) of ``gamma`` for each patch. ``widths``
    are the generators' channels from full size downwards, with so many ``blocks`` at the smallest.
    """

    scale = 1
    reversible = True
    sample_key = "target"
    rowwise = False

    def __init__(
        self, channels: Count, target_channels: Count, resolution: Count, widths: Counts = (32, 64, 128),
        blocks: Whole = 3, cycle: Weight = 5.0, identity: Weight = 1.0, gamma: Weight = 0.3, pool: Whole = 50,
        loss: str = "non-saturating",
    ) -> None:  # fmt: skip
        super().__init__()
        counts = {"source": channels, "target": target_channels}
        self.adds = channels == target_channels
        share = SMALL if self.adds else 1.0
        forth = UNet(channels, target_channels, widths, blocks, share)
        back = UNet(target_channels, channels, widths, blocks, share)
        self.generator = nn.ModuleDict({"target": forth, "source": back})
        self.discriminator = nn.ModuleDict({kind: Patches(count, (64, 128, 128)) for kind, count in counts.items()})
        self.pools = nn.ModuleDict({
            kind: Pool(pool, (count, resolution, resolution)) for kind, count in counts.items()
        })  # fmt: skip
        alone = [name for name, each in LOSSES.items() if not each.pairs]
        if loss not in alone:
            raise ValueError(f"loss {loss!r} should be one that looks at pictures alone: {', '.join(alone)}")
        self.loss, self.cycle, self.gamma = LOSSES[loss], cycle, gamma
        self.identity = identity if self.adds else 0.0
        self.stride, self.radius = forth.stride, forth.radius

    def turns(self) -> list[Turn]:
        return [Turn("discriminator", self.discriminator_loss), Turn("generator", self.generator_loss)]

    def _translated(self, kind: str, pictures: Tensor) -> Tensor:
        """Pictures of the other kind as ones of this ``kind``."""
        found: Tensor = self.generator[kind](pictures).float()
        return shown(pictures + found if self.adds else found)

    def _logits(self, kind: str, pictures: Tensor) -> Tensor:
        logits: Tensor = self.discriminator[kind](pictures)
        return logits

    def discriminator_loss(self, batch: Batch, rng: Chance) -> Score:
        terms: dict[str, Tensor] = {}
        for kind, other in (("target", "source"), ("source", "target")):
            with torch.no_grad():
                fake = self.pools[kind](self._translated(kind, batch[other]), rng)
            real = batch[kind].detach().requires_grad_()
            logits = self._logits(kind, real)
            terms[f"{kind}/adversarial"] = self.loss.discriminator(logits, self._logits(kind, fake))
            if self.gamma:
                terms[f"{kind}/r1"] = self.gamma / 2 * squared_gradients(logits, real)[0].mean() / logits.shape[1]
        return Score(terms)

    def generator_loss(self, batch: Batch, rng: Chance) -> Score:
        terms: dict[str, Tensor] = {}
        for kind, other in (("target", "source"), ("source", "target")):
            fake = self._translated(kind, batch[other])
            logits = self._logits(kind, fake)
            terms[f"{kind}/adversarial"] = self.loss.generator(torch.zeros_like(logits), logits)
            back = self._translated(other, fake)
            terms[f"{kind}/cycle"] = self.cycle * (back - batch[other]).abs().mean()
            if self.identity:
                same = self._translated(kind, batch[kind])
                terms[f"{kind}/identity"] = self.identity * (same - batch[kind]).abs().mean()
        return Score(terms)

    def prior(self, n: int, rng: Chance) -> Batch:
        return {}

    def sample(self, given: Batch) -> Batch:
        """Pictures of A as ones of B; with "backwards" in ``given`` those of B as ones of A."""
        return {"image": self._translated("source" if "backwards" in given else "target", given["source"])}
