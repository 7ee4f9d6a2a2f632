"""The first game (Goodfellow et al., 2014): two perceptrons, on points or on pictures, with any loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from belamy.chance import Chance
from belamy.game import Batch, Game, Score, Turn
from belamy.networks.perceptron import Perceptron
from belamy.ops.adversarial import LOSSES
from belamy.ops.penalties import squared_gradients
from belamy.ops.schedule import cosine


class GAN(Game):
    """Points [B, ``dimensions``], or small pictures [B, ``channels``, R, R] as if they were points.

    ``loss`` is one of ``belamy.ops.adversarial.LOSSES``. ``r1`` and ``r2`` weigh the squared gradients at real and
    at generated samples (Mescheder et al., 2018), and fall to a tenth over ``burn_in`` examples.
    """

    def __init__(
        self, dimensions: int = 0, resolution: int = 0, channels: int = 1, latent: int = 64,
        widths: Sequence[int] = (256, 256, 256), loss: str = "non-saturating", r1: float = 0.0, r2: float = 0.0,
        burn_in: int = 1_000_000,
    ) -> None:  # fmt: skip
        super().__init__()
        if loss not in LOSSES:
            raise ValueError(f"loss {loss!r} is unknown; there are {', '.join(LOSSES)}")
        if not dimensions and not resolution:
            raise ValueError("it wants points (dimensions) or pictures (resolution)")
        self.kind = "points" if dimensions else "image"
        self.shape = (dimensions,) if dimensions else (channels, resolution, resolution)
        size = dimensions or channels * resolution**2
        self.generator = Perceptron(latent, widths, size)
        self.discriminator = Perceptron(size, widths, 1)
        self.latent, self.loss, self.weights, self.burn_in = latent, LOSSES[loss], (r1, r2), burn_in
        self.advance(0)

    def advance(self, examples: int) -> None:
        self.r1, self.r2 = (cosine(weight, weight / 10, examples, self.burn_in) for weight in self.weights)

    def turns(self) -> list[Turn]:
        return [Turn("discriminator", self.discriminator_loss), Turn("generator", self.generator_loss)]

    def discriminator_loss(self, batch: Batch, rng: Chance) -> Score:
        real = batch[self.kind].flatten(1).requires_grad_()
        fake = self.generator(rng.normal(self.latent)).detach().requires_grad_()
        real_logits, fake_logits = self.judge(real), self.judge(fake)
        terms = {"adversarial": self.loss.discriminator(real_logits, fake_logits)}
        for name, weight, logits, samples in (("r1", self.r1, real_logits, real), ("r2", self.r2, fake_logits, fake)):
            if weight:
                terms[name] = weight / 2 * squared_gradients(logits, samples)[0].mean()
        return Score(terms, {"real": real_logits.mean(), "fake": fake_logits.mean()})

    def generator_loss(self, batch: Batch, rng: Chance) -> Score:
        fake_logits = self.judge(self.generator(rng.normal(self.latent)))
        with torch.no_grad():
            real_logits = self.judge(batch[self.kind].flatten(1))
        return Score({"adversarial": self.loss.generator(real_logits, fake_logits)})

    def judge(self, samples: Tensor) -> Tensor:
        logits: Tensor = self.discriminator(samples)[:, 0]
        return logits

    def prior(self, n: int, rng: Chance) -> Batch:
        return {"latent": rng.normal(self.latent)}

    def truncate(self, given: Batch, amount: float) -> Batch:
        """Latents drawn towards their mean: less variety, more typical samples for an ``amount`` below 1."""
        return {**given, "latent": given["latent"] * amount}

    def sample(self, given: Batch) -> Batch:
        return {self.kind: self.generator(given["latent"]).unflatten(1, self.shape)}
