"""Time series, whole or around what is known of them, by a relativistic game that begins at a Gaussian copula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from belamy.chance import Chance
from belamy.duel import Duel
from belamy.game import Batch
from belamy.networks.series import Discriminator, Form, Generator
from belamy.ops.values import Count, Weight, Whole


class Series(Duel):
    """Series [B, C', T] of ``variables`` values as normal scores, and of what else belongs to them, ``length`` steps.

    ``irregular`` ones have a channel of gaps between steps; where ``ends`` [T] are given, lengths differ and a channel
    says until when a series is alive; static attributes are numbers, and options of ``choices``, the same at all
    steps: ``owners`` say of each number which choice's first option stands for it (-1: none). What is "known"
    [B, C', T] of the series of a batch is kept; what is not "seen" is not judged. ``means``, ``factors`` and ``own``
    are those of ``belamy.networks.series.Generator``.

    ``gamma`` weighs the penalties R1 and R2 (Huang et al., 2024): little, since neighbouring steps hardly differ, and
    how they do tells much.
    """

    sample_key = "series"

    def __init__(
        self, length: int, variables: int, means: Sequence[Sequence[float]], factors: Sequence[Any],
        own: Sequence[Sequence[float]], irregular: bool = False, ends: Sequence[float] = (), owners: Sequence[int] = (),
        choices: Sequence[int] = (), classes: Whole = 0, width: Count = 128, blocks: Whole = 2, gamma: Weight = 0.03,
        loss: str = "relativistic", penalties: Mapping[str, Weight] | None = None, **others: Any,
    ) -> None:  # fmt: skip
        shape = (length, variables + irregular, ends, owners, choices)
        generator = Generator(Form(*shape), means, factors, own, classes, width, blocks)
        super().__init__(generator.latent, loss, {"r1": gamma, "r2": gamma, **(penalties or {})}, **others)
        self.classes, self.dice = classes, len(choices)
        self.generator = generator
        self.discriminator = Discriminator(Form(*shape), means, factors, own, classes, width, blocks)

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        """New series around what is known of those of ``batch``, of their classes."""
        return self.sample({**self.prior(len(batch["series"]), rng), **batch})["series"]

    def judge(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> Tensor:
        """In one pass."""
        known = batch["known"].repeat(len(sets), 1, 1)
        seen = batch["seen"].repeat(len(sets), 1, 1) if "seen" in batch else torch.ones_like(known)
        kinds = batch["class"].repeat(len(sets)) if self.classes else None
        logits: Tensor = self.discriminator(torch.cat(list(sets)), known, seen, kinds)
        return logits

    def prior(self, n: int, rng: Chance) -> Batch:
        return {"latent": rng.normal(self.latent), "dice": rng.uniform(self.dice)}

    def sample(self, given: Batch) -> Batch:
        """Of "series" and "known" [B, C', T] where something is known, else of the latents alone."""
        form = self.generator.form
        nothing = given["latent"].new_zeros(given["latent"].shape[0], form.channels, form.length)
        known, series = given.get("known", nothing), given.get("series", nothing)
        kinds = given["class"] if self.classes else None
        return {"series": self.generator(given["latent"], given["dice"], series, known, kinds)}
