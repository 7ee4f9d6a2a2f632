"""What most games are: a generator against a discriminator, with a loss and penalties that a recipe chooses."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from belamy.chance import Chance
from belamy.errors import nearest
from belamy.game import Batch, Game, Score, Turn
from belamy.ops.adversarial import LOSSES
from belamy.ops.penalties import consistency, dragan, finite_difference, gradient_penalty, lecam, squared_gradients
from belamy.ops.schedule import cosine

PENALTIES = ("r1", "r2", "r1-finite", "r2-finite", "wgan-gp", "dragan", "lecam", "consistency")


class Duel(Game):
    """A subclass builds ``generator`` and ``discriminator``, and says what ``imagine`` and ``judge`` do with them.

    ``sample_key`` is what batches call a sample. ``loss`` is one of ``belamy.ops.adversarial.LOSSES``; ``penalties``
    are weights by name, of PENALTIES, and fall to a tenth over ``burn_in`` examples (0: they stay). R1 and R2 are
    weighted by half (Mescheder et al., 2018).
    """

    sample_key = "image"
    anchors: Tensor

    def __init__(
        self, latent: int, loss: str = "non-saturating", penalties: Mapping[str, float] | None = None, burn_in: int = 0
    ) -> None:
        super().__init__()
        penalties = dict(penalties or {})
        for name, known in [(loss, tuple(LOSSES)), *((name, PENALTIES) for name in penalties)]:
            if name not in known:
                raise ValueError(f"{name!r} is unknown{nearest(name, known)}; there are {', '.join(known)}")
        self.latent, self.loss, self._weights, self.burn_in = latent, LOSSES[loss], penalties, burn_in
        if "lecam" in penalties:
            self.register_buffer("anchors", torch.zeros(2))
        self.rowwise = self.rowwise and loss != "relativistic-average" and "dragan" not in penalties
        self.advance(0)

    def advance(self, examples: int) -> None:
        self.penalties = {
            name: cosine(weight, weight / 10, examples, self.burn_in) if self.burn_in else weight
            for name, weight in self._weights.items()
        }

    def turns(self) -> list[Turn]:
        return [Turn("discriminator", self.discriminator_loss), Turn("generator", self.generator_loss)]

    def imagine(self, batch: Batch, rng: Chance) -> Tensor:
        """New samples, under the conditions of ``batch``."""
        raise NotImplementedError

    def judge(self, samples: Tensor, batch: Batch, rng: Chance) -> Tensor:
        """Logits [B] of samples under the conditions of ``batch``; each row depends on its own sample alone."""
        raise NotImplementedError

    def discriminator_loss(self, batch: Batch, rng: Chance) -> Score:
        real = batch[self.sample_key].detach().requires_grad_()
        fake = self.imagine(batch, rng).detach().requires_grad_()
        real_logits, fake_logits = self.judge(real, batch, rng), self.judge(fake, batch, rng)
        terms = {"adversarial": self.loss.discriminator(real_logits, fake_logits)}
        for name, weight in self.penalties.items():
            terms[name] = weight * self._penalty(name, real, fake, real_logits, fake_logits, batch, rng)
        return Score(terms, {"real": real_logits.mean(), "fake": fake_logits.mean()})

    def _penalty(
        self, name: str, real: Tensor, fake: Tensor, real_logits: Tensor, fake_logits: Tensor, batch: Batch, rng: Chance
    ) -> Tensor:
        def judge(samples: Tensor) -> Tensor:
            return self.judge(samples, batch, rng)

        samples, logits = (real, real_logits) if name.startswith("r1") else (fake, fake_logits)
        if name in ("r1", "r2"):
            return squared_gradients(logits, samples)[0].mean() / 2
        if name in ("r1-finite", "r2-finite"):
            return finite_difference(judge, samples.detach(), logits, rng.normal(*real.shape[1:])).mean() / 2
        if name == "wgan-gp":
            return gradient_penalty(judge, real.detach(), fake.detach(), rng.uniform(1))
        if name == "dragan":
            return dragan(judge, real.detach(), rng.uniform(*real.shape[1:]), rng.uniform(1))
        if name == "lecam":
            return lecam(real_logits, fake_logits, *self.anchors.unbind())
        return consistency(real_logits, judge(real)) + consistency(fake_logits, judge(fake))

    def observe(self, seen: Mapping[str, float]) -> None:
        if "lecam" in self.penalties and "real" in seen:
            self.anchors.lerp_(torch.tensor([seen["real"], seen["fake"]], device=self.anchors.device), 0.01)

    def generator_loss(self, batch: Batch, rng: Chance) -> Score:
        fake_logits = self.judge(self.imagine(batch, rng), batch, rng)
        real_logits = fake_logits.detach()
        if self.loss.pairs:
            with torch.no_grad():
                real_logits = self.judge(batch[self.sample_key], batch, rng)
        return Score({"adversarial": self.loss.generator(real_logits, fake_logits)})

    def prior(self, n: int, rng: Chance) -> Batch:
        return {"latent": rng.normal(self.latent)}

    def truncate(self, given: Batch, amount: float) -> Batch:
        """Latents drawn towards their mean: less variety, more typical samples for an ``amount`` below 1."""
        return {**given, "latent": given["latent"] * amount}
