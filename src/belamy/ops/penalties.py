"""What a discriminator pays for being steep."""

from __future__ import annotations

import torch
from torch import Tensor

from belamy.ops.convolution import input_gradients_only


def squared_gradients(logits: Tensor, *inputs: Tensor) -> list[Tensor]:
    """For each of ``inputs`` the squared norms [B] of d(logits)/d(input), differentiable once more.

    Times gamma / 2, on real pictures this is R1 (Mescheder et al., 2018), on generated ones R2. ``logits`` [N] may
    come from several inputs at once; each row must depend on one row of one input.
    """
    with input_gradients_only():
        slopes = torch.autograd.grad(logits.sum(), inputs, create_graph=True)
    return [slope.float().square().flatten(1).sum(1) for slope in slopes]
