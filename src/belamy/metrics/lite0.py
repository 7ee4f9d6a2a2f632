"""EfficientNet-Lite0 (Tan and Le, 2019), made for speed: its norms folded in, one convolution after the other."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STAGES = ((1, 3, 1), (2, 3, 2), (2, 5, 2), (3, 3, 2), (3, 5, 1), (4, 5, 2), (1, 3, 1))
"""Each stage's number of blocks, kernel size, and the stride of its first block."""


class Lite0(nn.Module):
    """Images [B, 3, H, W] in [-1, 1] to pooled features [B, 1280], with the weights of the published ``state``.

    Built from weights, not trained: the twin of ``efficientnet_lite_pytorch.EfficientNet`` in eval mode.
    """

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.stem = _convolution(state, "_conv_stem", "_bn0", stride=2)
        plan = [(stride if first == 0 else 1) for blocks, _, stride in STAGES for first in range(blocks)]
        self.blocks = nn.ModuleList(_Block(state, f"_blocks.{i}.", stride) for i, stride in enumerate(plan))
        self.head = _convolution(state, "_conv_head", "_bn1")

    def forward(self, images: Tensor) -> Tensor:
        # trained on (pixel - 127) / 128
        hidden = F.hardtanh_(self.stem(images * (127.5 / 128) + 0.5 / 128), 0.0, 6.0)
        for block in self.blocks:
            hidden = block(hidden)
        return F.hardtanh_(self.head(hidden), 0.0, 6.0).mean((2, 3), dtype=torch.float32)


class _Block(nn.Module):
    """An inverted bottleneck: 1x1 wider, depthwise, 1x1 narrower, around it a skip where the shape stays."""

    def __init__(self, state: dict[str, Tensor], prefix: str, stride: int) -> None:
        super().__init__()
        widens = f"{prefix}_expand_conv.weight" in state
        self.widen = _convolution(state, f"{prefix}_expand_conv", f"{prefix}_bn0") if widens else None
        self.depthwise = _convolution(state, f"{prefix}_depthwise_conv", f"{prefix}_bn1", stride, depthwise=True)
        self.narrow = _convolution(state, f"{prefix}_project_conv", f"{prefix}_bn2")
        first = self.depthwise if self.widen is None else self.widen
        self.skips = stride == 1 and first.in_channels == self.narrow.out_channels

    def forward(self, images: Tensor) -> Tensor:
        hidden = images if self.widen is None else F.hardtanh_(self.widen(images), 0.0, 6.0)
        hidden = F.hardtanh_(self.depthwise(hidden), 0.0, 6.0)
        narrow: Tensor = self.narrow(hidden)
        return narrow + images if self.skips else narrow


def _convolution(state: dict[str, Tensor], name: str, norm: str, stride: int = 1, depthwise: bool = False) -> nn.Conv2d:
    """The convolution ``name`` with its batch norm folded in, padded as TensorFlow pads even sizes."""
    weight = state[f"{name}.weight"]
    scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + 1e-3).sqrt()
    padding = weight.shape[-1] // 2
    if stride == 2:  # a zero row and column turn TensorFlow's lopsided padding into an even one, without a copy
        weight = F.pad(weight, (1, 0, 1, 0))
    outputs, inputs = weight.shape[:2]
    groups = outputs if depthwise else 1
    convolution = nn.Conv2d(inputs * groups, outputs, weight.shape[-1], stride, padding, groups=groups)
    convolution.load_state_dict(
        {
            "weight": weight * scale[:, None, None, None],
            "bias": state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale,
        }
    )
    return convolution
