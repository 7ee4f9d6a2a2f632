"""Spectral normalisation (Miyato et al., 2018): weights over their largest singular values."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from belamy.ops.normalisation import stretched, turned

FIRST_ITERATIONS = 30


class SpectralNorm(nn.Module):
    """Holds for each weight of ``network`` the unit vector that it stretches most, which ``follow`` keeps up to date.

    The network's own parameters stay what they are. Its weights are the parameters of two dimensions or more, of
    layers of any class, as matrices [first dimension, all others]. A layer that multiplies them whenever they are used
    has a number ``scale``, which is divided out too: their norm is 1 as they are used.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        start = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for name, weight, _ in self._weights(network):
                if not weight.any():  # nothing but its direction will count, and zero has none
                    weight.copy_(torch.randn(weight.shape, generator=start))
                direction = torch.randn(weight.shape[1:], generator=start).to(weight)
                self.register_buffer(_key(name), direction / direction.norm())
        for _ in range(FIRST_ITERATIONS):
            self.follow(network)

    @staticmethod
    def _weights(network: nn.Module) -> list[tuple[str, nn.Parameter, float]]:
        """Names, weights, and what these are multiplied by."""
        return [
            (name, value, getattr(network.get_submodule(name.rpartition(".")[0]), "scale", 1.0))
            for name, value in network.named_parameters()
            if value.dim() > 1
        ]

    @torch.no_grad()
    def follow(self, network: nn.Module) -> None:
        """One power iteration, which is enough where weights move little: once a step."""
        for name, weight, _ in self._weights(network):
            direction = self.get_buffer(_key(name))
            direction.copy_(turned(weight, direction))

    def normalised(self, network: nn.Module) -> dict[str, Tensor]:
        """The weights by name, each over its largest singular value, which gradients know to depend on it."""
        return {
            name: weight / (scale * stretched(weight, self.get_buffer(_key(name))).norm())
            for name, weight, scale in self._weights(network)
        }


def _key(name: str) -> str:
    return name.replace(".", "/")  # torch wants no dots in names of buffers
