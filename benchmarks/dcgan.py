"""The baseline: DCGAN (Radford et al., 2016) in the form of PyTorch's tutorial, as a plain loop.

Its networks, loss, optimizer, initial weights and batch; eager, float32, NCHW. For 32x32 there is one layer less.
It uses nothing of the package, whose mistakes would then be in both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LATENT, WIDTH, BATCH = 100, 64, 128


class Dcgan:
    """``step`` trains on one batch of ``pictures`` [N, C, R, R] in [-1, 1]; ``samples`` are the raw generator's."""

    def __init__(self, pictures: Tensor, seed: int) -> None:
        torch.manual_seed(seed)
        channels, resolution = pictures.shape[1:3]
        self.pictures, self.examples = pictures, 0
        self.generator = _generator(channels, resolution).apply(_first_weights)
        self.discriminator = _discriminator(channels, resolution).apply(_first_weights)
        self.generator_moves = torch.optim.Adam(self.generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.discriminator_moves = torch.optim.Adam(self.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.loss = nn.BCELoss()
        self._waiting: list[Tensor] = []

    def step(self) -> int:
        """One batch further; returns the examples seen."""
        if not self._waiting:
            self._waiting = list(torch.randperm(len(self.pictures)).split(BATCH))
        real = self.pictures[self._waiting.pop()]
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))

        self.discriminator.zero_grad()
        self.loss(self.discriminator(real).view(-1), ones).backward()
        fake = self.generator(torch.randn(len(real), LATENT, 1, 1))
        self.loss(self.discriminator(fake.detach()).view(-1), zeros).backward()
        self.discriminator_moves.step()

        self.generator.zero_grad()
        self.loss(self.discriminator(fake).view(-1), ones).backward()
        self.generator_moves.step()
        self.examples += len(real)
        return self.examples

    @torch.no_grad()
    def samples(self, n: int) -> Tensor:
        """Pictures of the same latents as ever; batch norm goes by each batch, since the tutorial never calls eval."""
        latents = torch.randn(n, LATENT, 1, 1, generator=torch.Generator().manual_seed(1))
        return torch.cat([self.generator(some) for some in latents.split(BATCH)])


def _widths(resolution: int) -> list[int]:
    """Channels of the inner maps, from 4x4 to half the resolution."""
    return [WIDTH * 2**level for level in range(resolution.bit_length() - 4, -1, -1)]


def _generator(channels: int, resolution: int) -> nn.Sequential:
    widths = _widths(resolution)
    layers: list[nn.Module] = []
    for level, (before, after) in enumerate(zip([LATENT, *widths], widths, strict=False)):
        stride, padding = (2, 1) if level else (1, 0)
        layers += [nn.ConvTranspose2d(before, after, 4, stride, padding, bias=False), nn.BatchNorm2d(after)]
        layers += [nn.ReLU(True)]
    return nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1, bias=False), nn.Tanh())


def _discriminator(channels: int, resolution: int) -> nn.Sequential:
    widths = _widths(resolution)[::-1]
    layers: list[nn.Module] = []
    for level, (before, after) in enumerate(zip([channels, *widths], widths, strict=False)):
        layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(after)] if level else []
        layers += [nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False), nn.Sigmoid())


def _first_weights(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
        nn.init.zeros_(layer.bias)
