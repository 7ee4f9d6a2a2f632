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


class Table(Duel):
    """Rows [B, J + K] of J ``numbers``, as normal scores, and K options of several ``choices``; each takes one.

    Both networks are told what is asked of a row: options that are ``barred`` [B, K], and the places ``lower`` and
    ``upper`` [B, J] that numbers lie between; so what is asked for is what is made, always. ``owners``, ``shares``
    and ``factors`` are those of ``belamy.networks.table.Generator``.

    ``gamma`` weighs the penalties R1 and R2.
    """

    sample_key = "row"

    def __init__(
        self, choices: Sequence[int], numbers: int, owners: Sequence[int], shares: Sequence[float],
        factors: Sequence[Sequence[float]], width: int = 128, blocks: int = 2, gamma: float = 1.0,
        loss: str = "relativistic", penalties: Mapping[str, float] | None = None, **others: Any,
    ) -> None:  # fmt: skip
        generator = Generator(choices, numbers, owners, shares, factors, width, blocks)
        super().__init__(generator.latent, loss, {"r1": gamma, "r2": gamma, **(penalties or {})}, **others)
        self.dice = len(choices)
        self.generator = generator
        self.discriminator = Discriminator(choices, numbers, width, blocks)

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        """New rows, as they are asked for in ``batch``."""
        rows: Tensor = self.generator(
            rng.normal(self.latent), rng.uniform(self.dice), batch["barred"], batch["lower"], batch["upper"]
        )
        return rows

    def judge(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> Tensor:
        """In one pass."""
        asked = [batch[name].repeat(len(sets), 1) for name in ("barred", "lower", "upper")]
        logits: Tensor = self.discriminator(torch.cat(list(sets)), *asked)
        return logits

    def prior(self, n: int, rng: Chance) -> Batch:
        return {"latent": rng.normal(self.latent), "dice": rng.uniform(self.dice)}

    def sample(self, given: Batch) -> Batch:
        rows = self.generator(given["latent"], given["dice"], given["barred"], given["lower"], given["upper"])
        return {"row": rows}
