"""What a discriminator pays for being steep."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from belamy.ops.convolution import input_gradients_only

Judge = Callable[[Tensor], Tensor]
"""Samples [B, ...] to logits [B]."""


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
    share = share.view(-1, *[1] * (real.dim() - 1))
    near = (real + share * 0.5 * real.std() * noise).detach().requires_grad_()
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
