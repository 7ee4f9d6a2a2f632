"""StyleGAN2 (Karras et al., 2020): pictures from styles that can be mixed, with lazy penalties on both sides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from belamy.chance import Chance
from belamy.duel import Duel, suited_gamma
from belamy.game import Batch, Score, Turn
from belamy.networks.equivariant import EquivariantSynthesis
from belamy.networks.stylegan import Discriminator, Generator, MappingNetwork, Synthesis, map_sizes
from belamy.ops.convolution import input_gradients_only
from belamy.ops.packing import packed
from belamy.ops.penalties import squared_gradients
from belamy.ops.values import Count, Counts, Share, Weight, Whole


class StyleGAN(Duel):
    """Pictures [B, ``channels``, R, R], of ``classes`` kinds or of one.

    ``gamma`` weighs R1, at every ``r1_every``-th step, by default as StyleGAN2-ADA's grows with the number of pixels
    and falls with the size of the ``batch``; ``path`` weighs the path lengths, at every ``path_every``-th; 0 leaves
    them out. A share ``mixing`` of the generated pictures takes its finer layers from a second latent.
    ``equivariant`` synthesises in the manner of StyleGAN3 (Karras et al., 2021), and by default without path lengths,
    as there. ``widths`` are channels from the smallest maps upwards; by default they follow from the resolution. The
    paper's networks are ``latent=512, depth=8, widths=[512] * 5 + [256, 128]`` at 256x256; these are small.
    """

    rowwise = False
    packs = True
    fewest = 2
    length: Tensor

    def __init__(
        self, resolution: Count, channels: Count, classes: Whole = 0, latent: Count = 128, depth: Count = 2,
        widths: Counts | None = None, equivariant: bool = False, gamma: Weight | None = None, r1_every: Count = 16,
        path: Weight | None = None, path_every: Count = 4, mixing: Share = 0.9, batch: Count = 32, **others: Any,
    ) -> None:  # fmt: skip
        super().__init__(latent, **others)
        sizes = map_sizes(resolution)
        fitting = [default_width(size) for size in sizes]
        widths = list(widths or fitting)
        if len(widths) != len(sizes):
            raise ValueError(f"widths has {len(widths)} entries; {resolution}x{resolution} wants as many as {fitting}")
        if min(depth, r1_every, path_every) < 1:
            raise ValueError("depth, r1_every and path_every should be 1 or more")
        form = EquivariantSynthesis if equivariant else Synthesis
        self.generator = Generator(MappingNetwork(latent, classes, depth), form(channels, sizes, widths, latent))
        self.discriminator = Discriminator(channels * self.pack, sizes[0], widths, classes)
        self.gamma = suited_gamma(0.01, resolution, batch) if gamma is None else gamma
        # Karras et al. (2020), appendix B, for noise that is divided by the resolution.
        self.path = (0.0 if equivariant else 1 / (math.log2(resolution) - 1)) if path is None else path
        self.classes, self.resolution, self.mixing = classes, resolution, mixing
        self.r1_every, self.path_every = r1_every, path_every
        self.register_buffer("length", torch.zeros(()))

    def turns(self) -> list[Turn]:
        discriminator, generator = super().turns()
        r1 = [Turn("discriminator", self.r1_loss, every=self.r1_every)] if self.gamma else []
        path = [Turn("generator", self.path_loss, every=self.path_every)] if self.path else []
        return [*r1, discriminator, *path, generator]

    def r1_loss(self, batch: Batch, rng: Chance) -> Score:
        real = packed(batch["image"].detach(), self.pack).requires_grad_()
        logits, _ = self.verdict([real], batch, rng.every(self.pack))
        (squares,) = squared_gradients(logits, real)
        return Score({"r1": self.strictness.factor * self.gamma / 2 * squares.mean()})

    @property
    def penalised(self) -> bool:
        return super().penalised or self.gamma > 0

    def path_loss(self, batch: Batch, rng: Chance) -> Score:
        """A step in W should change the picture as much wherever it leads: ``(|J' y| - a)^2`` for noise y (eq. 4)."""
        given = self.prior(len(rng), rng)
        style = self.generator.mapping(given["latent"], batch.get("class"))
        layers = style[:, None].expand(-1, self.generator.synthesis.layers, -1)
        images = self.generator.synthesis(layers, given.get("noise"))
        noise = rng.normal(*images.shape[1:]) / self.resolution
        with input_gradients_only():
            (slopes,) = torch.autograd.grad((images * noise).sum(), style, create_graph=True)
        lengths = slopes.float().square().sum(1).clamp(min=1e-12).sqrt()
        return Score({"path": self.path * (lengths - self.length).square().mean()}, {"length": lengths.mean()})

    def observe(self, seen: Mapping[str, float]) -> None:
        super().observe(seen)
        if "length" in seen:
            self.length.lerp_(self.length.new_tensor(seen["length"]), 0.01)

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        """New pictures, of the classes of ``batch``, some of two latents each."""
        given, classes, layers = self.prior(len(rng), rng), batch.get("class"), self.generator.synthesis.layers
        coarse, fine = (self.generator.styles(each, classes) for each in (given["latent"], rng.normal(self.latent)))
        self.generator.mapping.remember(coarse[:, 0].detach(), classes)
        mixed = rng.uniform() < self.mixing
        crossover = torch.where(mixed, 1 + rng.integers(layers - 1), layers)
        kept = torch.arange(layers, device=crossover.device) < crossover[:, None]
        pictures: Tensor = self.generator.synthesis(torch.where(kept[..., None], coarse, fine), given.get("noise"))
        return pictures

    def judge(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> Tensor:
        """Set by set: the discriminator sees how much each varies."""
        return torch.cat([self.discriminator(images, batch.get("class")) for images in sets])

    def prior(self, n: int, rng: Chance) -> Batch:
        given = {"latent": rng.normal(self.latent)}
        return given | ({"noise": rng.normal(self.generator.synthesis.noise)} if self.generator.synthesis.noise else {})

    def styles(self, given: Batch) -> Tensor:
        """W+ [B, layers, ``latent``] of latents; ``sample`` takes them as ``styles`` in their place."""
        return given["styles"] if "styles" in given else self.generator.styles(given["latent"], given.get("class"))

    def truncate(self, given: Batch, amount: float) -> Batch:
        """Styles drawn towards the mean style, that of their class where there are classes."""
        typical = self.generator.mapping.typical(given.get("class"))[:, None]
        return {**given, "styles": torch.lerp(typical, self.styles(given), amount)}

    def sample(self, given: Batch) -> Batch:
        return {"image": self.generator.synthesis(self.styles(given), given.get("noise"))}


def default_width(size: int) -> int:
    """Channels of maps of a size: 96, and from 16x16 on fewer as maps grow, in steps of 32."""
    return max(32, min(96, 1024 // size // 32 * 32))  # 128 would take half as long again on a CPU
