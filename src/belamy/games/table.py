"""Tables: rows under conditions, by a relativistic game (Huang et al., 2024) that begins at a Gaussian copula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from belamy.chance import Chance
from belamy.duel import Duel
from belamy.game import Batch
from belamy.networks.table import Discriminator, Generator
from belamy.ops.values import Count, Weight, Whole


class Table(Duel):
    """Rows [B, J + K] of J ``numbers``, as normal scores, and K options of several ``choices``; each takes one.

    Both networks are told what is asked of a row: options that are ``barred`` [B, K], and the places ``lower`` and
    ``upper`` [B, J] that numbers lie between; so what is asked for is what is made, always. ``owners``, ``factors``
    and ``levels`` are those of ``belamy.networks.table.Generator``.

    ``gamma`` weighs the penalties R1 and R2.
    """

    sample_key = "row"

    def __init__(
        self, choices: Sequence[int], numbers: int, owners: Sequence[int],
        factors: Sequence[Sequence[float]], levels: Sequence[float], width: Count = 128, blocks: Whole = 2,
        gamma: Weight = 1.0, loss: str = "relativistic", penalties: Mapping[str, Weight] | None = None, **others: Any,
    ) -> None:  # fmt: skip
        generator = Generator(choices, numbers, owners, factors, levels, width, blocks)
        super().__init__(generator.latent, loss, {"r1": gamma, "r2": gamma, **(penalties or {})}, **others)
        self.dice, self.options, self.numbers = len(choices), sum(choices), numbers
        self.generator = generator
        self.discriminator = Discriminator(choices, numbers, width, blocks)

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        """New rows, as they are asked for in ``batch``."""
        rows: Tensor = self.generator(
            rng.normal(self.latent), rng.uniform(self.dice), batch["barred"], batch["lower"], batch["upper"]
        )
        return rows

    def judge(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> Tensor:
        """In one pass; nothing is asked where the batch does not say what."""
        rows = torch.cat(list(sets))
        nothing = rows.new_zeros(len(rows), 1)
        asked = [
            batch[name].repeat(len(sets), 1) if name in batch else nothing.expand(-1, size) + (name == "upper")
            for name, size in (("barred", self.options), ("lower", self.numbers), ("upper", self.numbers))
        ]  # fmt: skip
        logits: Tensor = self.discriminator(rows, *asked)
        return logits

    def prior(self, n: int, rng: Chance) -> Batch:
        return {"latent": rng.normal(self.latent), "dice": rng.uniform(self.dice)}

    def sample(self, given: Batch) -> Batch:
        rows = self.generator(given["latent"], given["dice"], given["barred"], given["lower"], given["upper"])
        return {"row": rows}
