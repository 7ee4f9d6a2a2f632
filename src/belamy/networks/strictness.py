"""How much heavier penalties weigh than a recipe says: as much as a discriminator that is ahead asks for."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

AHEAD, BEHIND = 0.9, 0.2
"""Mean signs of real logits above and below which penalties change; between them they are let be."""
REACH = 30.0


class Strictness(nn.Module):
    """A ``factor`` of all penalties, which ``raise_`` multiplies.

    It also grows while the mean sign of real logits is above AHEAD, and falls while that is below BEHIND, e-fold in
    ``over`` examples, but not beyond REACH either way; ``over`` None: it stays. The sign, +1 for a real sample taken
    for more real than a generated one and else -1, is that of ADA (Karras et al., 2020), faded over 64 batches.
    """

    logarithm: Tensor
    sign: Tensor
    examples: Tensor

    def __init__(self, over: int | None) -> None:
        super().__init__()
        if over is not None and over < 1:
            raise ValueError(f"correct {over} should be 1 example or more")
        self.over = over
        self.register_buffer("logarithm", torch.zeros(()))
        self.register_buffer("sign", torch.full((), (AHEAD + BEHIND) / 2))
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
        direction = int(self.sign.item() > AHEAD) - int(self.sign.item() < BEHIND)
        if direction and direction * self.logarithm.item() + way <= math.log(REACH):
            self.logarithm += direction * way

    def observe(self, sign: float) -> None:
        """Takes the mean sign of a batch."""
        if self.over is not None:
            self.sign.lerp_(self.sign.new_tensor(sign), 1 / 64)

    def raise_(self, times: float) -> None:
        """Makes penalties so many times as heavy from here on."""
        self.logarithm += math.log(times)
