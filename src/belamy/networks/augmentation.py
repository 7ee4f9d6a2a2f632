"""Augmentation of what a discriminator sees: as strong as a recipe says, or as overfitting asks for."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from belamy.chance import Chance
from belamy.ops.augment import augment
from belamy.ops.schedule import cosine

TARGET = 0.6
ADAPTED_OVER = 500_000


class Augmentation(nn.Module):
    """Pictures [B, C, H, W] to such pictures, each transformation of ``policy`` with probability ``p``.

    ``end`` is what p rises to by half a cosine over the first ``over`` examples; None: at once. DiffAugment (Zhao et
    al., 2020) is a constant 1. With "adaptive" (ADA, Karras et al., 2020) p begins at 0 and rises while the mean sign
    of the logits of real pictures is above TARGET, or else falls, by 1 in ``over`` examples; None: 500,000. It is never
    less than ``least``, which begins at 0 and which ``raise_`` raises.
    """

    least: Tensor
    level: Tensor
    excess: Tensor
    examples: Tensor

    def __init__(self, end: float | str, over: int | None, flip: bool = False, **policy: float) -> None:
        super().__init__()
        self.adaptive = end == "adaptive"
        self.end = 1.0 if isinstance(end, str) else end
        if (isinstance(end, str) and not self.adaptive) or not 0 <= self.end <= 1:
            raise ValueError(f"augment {end!r} should be a probability, or 'adaptive'")
        self.over = (ADAPTED_OVER if self.adaptive else 0) if over is None else over
        self.p, self.flip, self.policy = 0.0, flip, policy
        self.register_buffer("least", torch.zeros(()))
        if self.adaptive:
            self.register_buffer("level", torch.zeros(()))
            self.register_buffer("excess", torch.zeros(()))
            self.register_buffer("examples", torch.zeros((), dtype=torch.int64))
        self.advance(0)

    def advance(self, examples: int) -> None:
        """Settles p for the step that begins at ``examples``."""
        if not self.adaptive:
            self.p = max(cosine(0.0, self.end, examples, self.over), self.least.item())
            return
        way = (examples - self.examples) / max(self.over, 1)
        self.level.add_(way * self.excess.sign()).clamp_(0, 1)
        self.examples.fill_(examples)
        self.p = max(self.level.item(), self.least.item())

    def observe(self, sign: float) -> None:
        """Takes the mean sign of a batch; theirs is the mean of four batches, this one fades as slowly."""
        self.excess.lerp_(self.excess.new_tensor(sign - TARGET), 0.25)

    def raise_(self, step: float, limit: float) -> bool:
        """Makes p larger by ``step``, from here on and for good, up to ``limit``; whether there was room to."""
        if self.p >= limit:
            return False
        self.least.fill_(min(self.p + step, limit))
        return True

    def forward(self, images: Tensor, rng: Chance) -> Tensor:
        return augment(images, rng, self.p, flip=self.flip, **self.policy)
