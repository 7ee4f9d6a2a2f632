"""How much heavier penalties weigh than a recipe says: as much as a discriminator that is ahead asks for."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

WIDE, NARROW = 3.0, 0.1
"""Mean gaps above and below which penalties change; between them they are let be."""
REACH = 30.0


class Strictness(nn.Module):
    """A ``factor`` of all penalties, which ``raise_`` multiplies.

    It also grows while the gap between the logits of real and of generated samples is above WIDE, where a sigmoid has
    next to no slope left for the generator, and falls while it is below NARROW, where the discriminator says next to
    nothing: e-fold in ``over`` examples, but not beyond REACH either way; ``over`` None: it stays. The gap is the mean
    of the pairs' absolute ones, faded over 64 batches.
    """

    logarithm: Tensor
    gap: Tensor
    examples: Tensor

    def __init__(self, over: int | None) -> None:
        super().__init__()
        if over is not None and over < 1:
            raise ValueError(f"correct {over} should be 1 example or more")
        self.over = over
        self.register_buffer("logarithm", torch.zeros(()))
        self.register_buffer("gap", torch.ones(()))
        self.register_buffer("examples", torch.zeros((), dtype=torch.int64))

    @property
    def factor(self) -> float:
        return math.exp(self.logarithm.item())

    def advance(self, examples: int) -> None:
        """Settles the factor for the step that begins at ``examples``."""
        if self.over is None:
            return
        way = (examples - self.examples.item()) / self.over
        self.examples.fill_(examples)
        direction = int(self.gap.item() > WIDE) - int(self.gap.item() < NARROW)
        if direction and direction * self.logarithm.item() + way <= math.log(REACH):
            self.logarithm += direction * way

    def observe(self, gap: float) -> None:
        """Takes the mean gap of a batch."""
        if self.over is not None:
            self.gap.lerp_(self.gap.new_tensor(gap), 1 / 64)

    def raise_(self, times: float) -> bool:
        """Makes penalties so many times as heavy from here on, if that is within REACH; whether it is."""
        within = self.logarithm.item() + math.log(times) <= math.log(REACH)
        if within:
            self.logarithm += math.log(times)
        return within
