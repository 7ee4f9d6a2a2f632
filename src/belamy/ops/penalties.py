"""What a discriminator pays for being steep, unsteady or too sure. A recipe names some of PENALTIES."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from belamy.chance import Chance
from belamy.ops.augment import augment
from belamy.ops.convolution import input_gradients_only
from belamy.ops.precision import in_full
from belamy.ops.processes import mean_over_processes

Judge = Callable[[Tensor], Tensor]
"""Samples [B, ...] to logits [B]."""

STEP = 0.01  # of finite differences


def squared_gradients(logits: Tensor, *inputs: Tensor) -> list[Tensor]:
    """For each of ``inputs`` the squared norms [B] of d(logits)/d(input), differentiable once more.

    Times gamma / 2, on real pictures this is R1 (Mescheder et al., 2018), on generated ones R2. ``logits`` [N] may
    come from several inputs at once; each row must depend on one row of one input.
    """
    with input_gradients_only():
        slopes = torch.autograd.grad(logits.sum(), inputs, create_graph=True)
    return [slope.float().square().flatten(1).sum(1) for slope in slopes]


def gradient_penalty(judge: Judge, real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """Mean of (|gradient| - 1)^2 between real and generated samples (WGAN-GP, Gulrajani et al., 2017).

    ``share`` [B, 1] in [0, 1) says where between.
    """
    share = share.view(-1, *[1] * (real.dim() - 1))
    between = (share * real + (1 - share) * fake).detach().requires_grad_()
    (squares,) = squared_gradients(judge(between), between)
    return (squares.clamp(min=1e-12).sqrt() - 1).square().mean()


def dragan(judge: Judge, real: Tensor, noise: Tensor, share: Tensor) -> Tensor:
    """Mean of (|gradient| - 1)^2 around real samples (Kodali et al., 2017).

    ``noise`` is uniform in [0, 1), of the shape of ``real``; it is scaled by half the deviation of the whole batch.
    """
    variance = mean_over_processes((real - mean_over_processes(real.mean())).square().mean())
    share = share.view(-1, *[1] * (real.dim() - 1))
    near = (real + share * 0.5 * variance.sqrt() * noise).detach().requires_grad_()
    (squares,) = squared_gradients(judge(near), near)
    return (squares.clamp(min=1e-12).sqrt() - 1).square().mean()


def finite_difference(logits: Tensor, moved: Tensor, step: float) -> Tensor:
    """Squared slopes [B] between ``logits`` and those of the samples ``moved`` by ``step`` times a standard normal.

    Their mean over the normal is the squared norm of the gradient: one more pass in place of a double backward
    (Lin et al., 2025). It wants float32: in bfloat16 the difference drowns in rounding.
    """
    return ((moved - logits) / step).square()


def lecam(real: Tensor, fake: Tensor, real_mean: Tensor, fake_mean: Tensor) -> Tensor:
    """Logits [B] drawn towards the other side's running mean (Tseng et al., 2021, eq. 4)."""
    return (real - fake_mean).square().mean() + (fake - real_mean).square().mean()


def drift(real: Tensor) -> Tensor:
    """Mean of squared logits [B] of real samples, which keeps a Wasserstein critic near 0 (Karras et al., 2018)."""
    return real.square().mean()


def consistency(logits: Tensor, altered: Tensor) -> Tensor:
    """Mean squared change of logits [B] of samples that were altered but mean the same.

    Of real ones (CR, Zhang et al., 2020), and of generated ones too (balanced CR, Zhao et al., 2021).
    """
    return (altered - logits).square().mean()


@dataclass
class Trial:
    """Samples [B, ...] of both sides, the ``logits`` [2B] of real and fake ones, and how to ask for more.

    ``judge(sets, rng)`` gives logits of several sets of samples; ``same`` is the chance that ``logits`` came by.
    ``means`` are those of both sides' logits over the past.
    """

    real: Tensor
    fake: Tensor
    logits: Tensor
    judge: Callable[[Sequence[Tensor], Chance], Tensor]
    rng: Chance
    same: Chance
    means: Tensor | None = None

    @property
    def sides(self) -> tuple[Tensor, Tensor]:
        return self.real.detach(), self.fake.detach()

    def again(self, sets: Sequence[Tensor]) -> Tensor:
        """Logits by the chance of the first ones, so that nothing but the samples differs."""
        return self.judge(sets, copy.copy(self.same))

    def anew(self, samples: Tensor) -> Tensor:
        return self.judge([samples], self.rng)

    @cached_property
    def exact(self) -> list[Tensor]:
        """R1 and R2 (Mescheder et al., 2018), in one pass."""
        return [squares.mean() / 2 for squares in squared_gradients(self.logits, self.real, self.fake)]

    @cached_property
    def finite(self) -> list[Tensor]:
        """The same by finite differences, in float32: under autocast that takes two passes, not one."""
        moved = [side + STEP * self.rng.normal(*side.shape[1:]) for side in self.sides]
        rounded = torch.is_autocast_enabled(self.real.device.type)
        with in_full(self.real):
            logits = self.again(self.sides) if rounded else self.logits
            return [slopes.mean() / 2 for slopes in finite_difference(logits, self.again(moved), STEP).chunk(2)]

    @cached_property
    def changes(self) -> list[Tensor]:
        """Of logits where pictures are shifted by up to an eighth, as theirs."""
        shifted = [augment(side, self.rng, 1.0, shift=0.125, cut=0.0, colour=0.0) for side in self.sides]
        pairs = zip(self.logits.chunk(2), self.again(shifted).chunk(2), strict=True)
        return [consistency(*pair) for pair in pairs]


def _lecam(trial: Trial) -> Tensor:
    assert trial.means is not None
    return lecam(*trial.logits.chunk(2), *trial.means.unbind())


PENALTIES: dict[str, Callable[[Trial], Tensor]] = {
    "r1": lambda trial: trial.exact[0],
    "r2": lambda trial: trial.exact[1],
    "r1-finite": lambda trial: trial.finite[0],
    "r2-finite": lambda trial: trial.finite[1],
    "wgan-gp": lambda trial: gradient_penalty(trial.anew, *trial.sides, trial.rng.uniform(1)),
    "dragan": lambda trial: dragan(
        trial.anew, trial.sides[0], trial.rng.uniform(*trial.real.shape[1:]), trial.rng.uniform(1)
    ),
    "lecam": _lecam,
    "drift": lambda trial: drift(trial.logits.chunk(2)[0]),
    "consistency": lambda trial: trial.changes[0],
    "consistency-fake": lambda trial: trial.changes[1],
}
