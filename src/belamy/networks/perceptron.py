"""Layers that are fully connected, for points and for small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn


class Perceptron(nn.Module):
    """[B, ``inputs``] to [B, ``outputs``] through hidden layers of ``widths``, with leaky rectifiers between.

    ``offset``: whether the last layer has a bias. ``scatter`` is the deviation of the hidden ones' at first: at 0 all
    the kinks of the first layer go through the origin, which few numbers take long to undo.
    """

    def __init__(
        self, inputs: int, widths: Sequence[int], outputs: int, offset: bool = True, scatter: float = 0.0
    ) -> None:
        super().__init__()
        sizes = [inputs, *widths, outputs]
        last = len(sizes) - 2
        layers = [nn.Linear(*pair, bias=offset or index < last) for index, pair in enumerate(pairwise(sizes))]
        self.layers = nn.ModuleList(layers)
        for index, layer in enumerate(layers):
            nn.init.kaiming_normal_(layer.weight, 0.2)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, std=scatter if index < last else 0.0)

    def forward(self, values: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            values = F.leaky_relu(layer(values), 0.2)
        answer: Tensor = self.layers[-1](values)
        return answer
