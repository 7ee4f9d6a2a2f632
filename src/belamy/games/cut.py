"""Unpaired translation one way (CUT, Park et al., 2020): each patch of the result knows which it was made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from belamy.chance import Chance
from belamy.duel import Duel
from belamy.game import Batch
from belamy.networks.unet import LEAK, SMALL, Patches, UNet
from belamy.ops.shown import shown
from belamy.ops.values import Count, Counts, Weight, Whole

TEMPERATURE = 0.07


class CUT(Duel):
    """"source" [B, ``channels``, H, W] as pictures of the kind of "target", all in [-1, 1].

    The generator says what to add to a picture, at first next to nothing. ``contrast`` weighs PatchNCE: among
    ``patches`` places of a picture, the generator's own maps of the result must be nearest to its maps of the source at
    the same place; ``identity`` asks the same of pictures that are of the target's kind already. The discriminator pays
    R1 of ``gamma`` for each patch. ``widths`` are the generator's channels from full size downwards, ``blocks`` those
    at the smallest.
    """

    sample_key = "target"
    scale = 1

    def __init__(
        self, channels: Count, resolution: Count, widths: Counts = (32, 64, 128), blocks: Whole = 3,
        contrast: Weight = 1.0, identity: Weight = 1.0, patches: Count = 64, loss: str = "non-saturating",
        gamma: Weight = 0.3, penalties: Mapping[str, Weight] | None = None, target_channels: Count | None = None,
        **others: Any,
    ) -> None:  # fmt: skip
        reach = (64, 128, 128)
        r1 = gamma / max(1, resolution >> len(reach)) ** 2
        super().__init__(0, loss, penalties={"r1": r1, **(penalties or {})}, **others)
        if target_channels not in (None, channels):
            raise ValueError(f"both kinds need as many channels, not {channels} and {target_channels}: take cyclegan")
        self.generator = Compared(UNet(channels, channels, widths, blocks, SMALL), widths)
        self.discriminator = Patches(channels, reach)
        self.stride, self.radius = self.generator.network.stride, self.generator.network.radius
        self.contrast, self.identity, self.patches = contrast, identity, patches

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        pictures: Tensor = self.generator(batch["source"])
        return pictures

    def aims(self, samples: Tensor, batch: Batch, rng: Chance) -> dict[str, Tensor]:
        terms = {"contrast": self.contrast * self._contrast(samples, batch["source"], rng)}
        if self.identity:
            target = batch["target"]
            terms["identity"] = self.identity * self._contrast(self.generator(target), target, rng)
        return terms

    def _contrast(self, results: Tensor, sources: Tensor, rng: Chance) -> Tensor:
        """Cross-entropy of telling, among places drawn for each picture, which one each was made of."""
        costs = []
        for head, made, was in self.generator.compared(results, sources):
            places = rng.integers(made[0, 0].numel(), self.patches)[..., None].expand(-1, -1, made.shape[1])
            ours, theirs = (
                F.normalize(head(maps.flatten(2).transpose(1, 2).gather(1, places)).float(), dim=-1)
                for maps in (made, was)
            )
            alike = ours @ theirs.detach().transpose(1, 2) / TEMPERATURE
            own = torch.arange(self.patches, device=alike.device).repeat(len(alike))
            costs.append(F.cross_entropy(alike.flatten(0, 1), own))
        return torch.stack(costs).mean()

    def sample(self, given: Batch) -> Batch:
        return {"image": self.generator(given["source"])}


class Compared(nn.Module):
    """A U-Net, and a small network for the maps of each of its sizes by which places are compared."""

    def __init__(self, network: UNet, widths: Sequence[int], size: int = 64) -> None:
        super().__init__()
        self.network = network
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width, size), nn.LeakyReLU(LEAK), nn.Linear(size, size)) for width in widths
        )

    def forward(self, pictures: Tensor) -> Tensor:
        return shown(pictures + self.network(pictures).float())

    def compared(self, results: Tensor, sources: Tensor) -> Iterator[tuple[nn.Module, Tensor, Tensor]]:
        """Of each size the small network, and the maps [B, D, h, w] of both."""
        return zip(self.heads, self.network.encode(results), self.network.encode(sources), strict=True)
