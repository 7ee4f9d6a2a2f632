"""What most games are: a generator against a discriminator, with a loss and penalties that a recipe chooses."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from belamy.chance import Chance
from belamy.errors import nearest
from belamy.game import Batch, Game, Score, Turn
from belamy.ops.adversarial import LOSSES
from belamy.ops.penalties import dragan, drift, finite_difference, gradient_penalty, lecam, squared_gradients
from belamy.ops.schedule import cosine

PENALTIES = ("r1", "r2", "r1-finite", "r2-finite", "wgan-gp", "dragan", "lecam", "drift")
STEP = 0.01  # of finite differences


class Duel(Game):
    """A subclass builds ``generator`` and ``discriminator``, and says how to ``imagine``, ``judge`` and ``sample``.

    ``sample_key`` is what batches call a sample. ``loss`` is one of ``belamy.ops.adversarial.LOSSES``; ``penalties``
    are weights by name, of PENALTIES, and fall to a tenth over ``burn_in`` examples (None: they stay). R1 and R2,
    exact or by finite differences, are halved as usual (Mescheder et al., 2018).
    """

    sample_key = "image"
    anchors: Tensor

    def __init__(
        self, latent: int, loss: str = "non-saturating", penalties: Mapping[str, float] | None = None,
        burn_in: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        weights = dict(penalties or {})
        for name, known in [(loss, tuple(LOSSES)), *((name, PENALTIES) for name in weights)]:
            if name not in known:
                raise ValueError(f"{name!r} is unknown{nearest(name, known)}; there are {', '.join(known)}")
        self.latent, self.loss, self.burn_in = latent, LOSSES[loss], burn_in
        self.penalties, self._weights = weights, weights
        self.rowwise = self.rowwise and loss != "relativistic-average" and "dragan" not in weights
        if "lecam" in weights:
            self.register_buffer("anchors", torch.zeros(2))

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        """New samples [B, ...], under the conditions of ``batch``."""
        raise TypeError(f"{type(self).__name__} must say how to imagine(batch, rng)")

    def judge(self, sets: Sequence[Tensor], batch: Batch, rng: Chance) -> Tensor:
        """Logits [len(sets) * B] of several sets of samples [B, ...], each under the conditions of ``batch``."""
        raise TypeError(f"{type(self).__name__} must say how to judge(sets, batch, rng)")

    def advance(self, examples: int) -> None:
        if self.burn_in is not None:
            self.penalties = {
                name: cosine(weight, weight / 10, examples, self.burn_in) for name, weight in self._weights.items()
            }

    def turns(self) -> list[Turn]:
        return [Turn("discriminator", self.discriminator_loss), Turn("generator", self.generator_loss)]

    def discriminator_loss(self, batch: Batch, rng: Chance) -> Score:
        real = batch[self.sample_key].detach().requires_grad_()
        fake = self.imagine(batch, rng).detach().requires_grad_()
        again = copy.copy(rng)
        logits = self.judge([real, fake], batch, rng)
        real_logits, fake_logits = logits.chunk(2)
        costs = self._steepness(real, fake, logits, batch, rng, again)
        costs |= self._regularity(real, fake, logits, batch, rng)
        return Score(
            {"adversarial": self.loss.discriminator(real_logits, fake_logits)}
            | {name: weight * costs[name] for name, weight in self.penalties.items()},
            {"real": real_logits.mean(), "fake": fake_logits.mean()},
        )

    def _steepness(
        self, real: Tensor, fake: Tensor, logits: Tensor, batch: Batch, rng: Chance, again: Chance
    ) -> dict[str, Tensor]:
        """R1 and R2; ``again`` repeats the chance by which ``logits`` were judged."""
        sides, costs = {"r1": real, "r2": fake}, dict[str, Tensor]()
        if exact := [name for name in sides if name in self.penalties]:
            squares = squared_gradients(logits, *(sides[name] for name in exact))
            costs |= {name: square.mean() / 2 for name, square in zip(exact, squares, strict=True)}
        if any(f"{name}-finite" in self.penalties for name in sides):
            moved = [side.detach() + STEP * rng.normal(*side.shape[1:]) for side in sides.values()]
            slopes = finite_difference(logits, self.judge(moved, batch, again), STEP).chunk(2)
            costs |= {f"{name}-finite": slope.mean() / 2 for name, slope in zip(sides, slopes, strict=True)}
        return costs

    def _regularity(self, real: Tensor, fake: Tensor, logits: Tensor, batch: Batch, rng: Chance) -> dict[str, Tensor]:
        """The other penalties that were chosen."""

        def judge(samples: Tensor) -> Tensor:
            return self.judge([samples], batch, rng)

        costs = dict[str, Tensor]()
        if "wgan-gp" in self.penalties:
            costs["wgan-gp"] = gradient_penalty(judge, real.detach(), fake.detach(), rng.uniform(1))
        if "dragan" in self.penalties:
            costs["dragan"] = dragan(judge, real.detach(), rng.uniform(*real.shape[1:]), rng.uniform(1))
        if "lecam" in self.penalties:
            costs["lecam"] = lecam(*logits.chunk(2), *self.anchors.unbind())
        if "drift" in self.penalties:
            costs["drift"] = drift(logits.chunk(2)[0])
        return costs

    def observe(self, seen: Mapping[str, float]) -> None:
        if "lecam" in self.penalties and "real" in seen:
            self.anchors.lerp_(self.anchors.new_tensor([seen["real"], seen["fake"]]), 0.01)

    def generator_loss(self, batch: Batch, rng: Chance) -> Score:
        fake = self.imagine(batch, rng)
        real_logits = torch.zeros(len(fake), device=fake.device)
        if self.loss.pairs:
            with torch.no_grad():
                real_logits = self.judge([batch[self.sample_key]], batch, rng)
        return Score({"adversarial": self.loss.generator(real_logits, self.judge([fake], batch, rng))})

    def prior(self, n: int, rng: Chance) -> Batch:
        return {"latent": rng.normal(self.latent)}

    def truncate(self, given: Batch, amount: float) -> Batch:
        """Latents drawn towards their mean: less variety, more typical samples for an ``amount`` below 1."""
        return {**given, "latent": given["latent"] * amount}
