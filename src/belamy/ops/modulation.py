"""Convolutions whose weights each row scales by a style of its own, in the form that exports."""

from __future__ import annotations

import torch
from torch import Tensor

from belamy.ops.convolution import conv2d


def demodulation(weight: Tensor, style: Tensor) -> Tensor:
    """Per row and output channel [B, D] one over the norm of ``weight`` [D, C, k, k] scaled by ``style`` [B, C].

    Where the inputs have unit variance, the outputs times this have it too (Karras et al., 2020, eq. 3).
    """
    return (style.square() @ weight.square().sum((2, 3)).t() + 1e-8).rsqrt()


def modulated_conv2d(maps: Tensor, weight: Tensor, style: Tensor, bias: Tensor, gain: float = 1.0) -> Tensor:
    """``gain`` times a modulated and demodulated convolution and its bias [D]: [B, C, H, H] -> [B, D, H, H].

    The input is scaled, not the weights: the same numbers as a convolution with weights of its own for each row
    (Karras et al., 2020), but one dense convolution for all, which exporters understand and CPUs are fast at.
    """
    factor = gain * demodulation(weight, style)
    convolved = conv2d(scaled(maps, style), weight, padding=weight.shape[2] // 2)
    return torch.addcmul(
        (gain * bias).to(convolved.dtype)[:, None, None], convolved, factor.to(convolved.dtype)[:, :, None, None]
    )


def scaled(maps: Tensor, style: Tensor) -> Tensor:
    """Maps [B, C, H, W] times ``style`` [B, C], in the maps' precision."""
    return maps * style.to(maps.dtype)[:, :, None, None]
