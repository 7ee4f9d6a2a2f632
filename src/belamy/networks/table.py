"""Rows of a table: options that are drawn, and numbers as normal scores, within what is asked of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from belamy.ops.normal import quantile
from belamy.ops.precision import in_full

EDGE = 2e-5
"""Places of numbers stay so far from 0 and 1: scores are within 4.1."""


BEND = 0.1
"""Deviation of what is not linear in scores and logits, at first."""


class Residual(nn.Module):
    """[B, ``inputs``] to [B, ``width``] through ``blocks`` of two layers, each added to what it was given."""

    def __init__(self, inputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.enter = nn.Linear(inputs, width)
        inner, outer = ([nn.Linear(width, width) for _ in range(blocks)] for _ in range(2))
        for layer in [self.enter, *inner]:
            nn.init.kaiming_normal_(layer.weight, 0.2)
            nn.init.normal_(layer.bias, std=0.1)
        for layer in outer:
            nn.init.normal_(layer.weight, std=1e-2 / width**0.5)
            nn.init.zeros_(layer.bias)
        self.inner, self.outer = nn.ModuleList(inner), nn.ModuleList(outer)

    def forward(self, values: Tensor) -> Tensor:
        hidden: Tensor = F.leaky_relu(self.enter(values), 0.2)
        for inner, outer in zip(self.inner, self.outer, strict=True):
            hidden = hidden + outer(F.leaky_relu(inner(hidden), 0.2))
        return F.leaky_relu(hidden, 0.2)


class Generator(nn.Module):
    """Latents [B, ``latent``] and dice [B, C] to rows [B, J + K]: J scores, then K options of C choices, one of each 1.

    ``choices`` are their sizes, and ``owners`` say of each number which choice's first option it belongs to (-1: to
    none); where another is taken it is 0. Of the options those that are ``barred`` [B, K] are never taken, and numbers
    lie between the places ``lower`` and ``upper`` [B, J] of their distribution.

    It begins as a Gaussian copula: ``factors`` [J + K, R] are the weights of R latents that columns share, ``levels``
    [K] the biases of options, and each number has one latent more for what it shares with none. Nothing is bent yet.
    """

    def __init__(
        self, choices: Sequence[int], numbers: int, owners: Sequence[int], factors: Sequence[Sequence[float]],
        levels: Sequence[float], width: int, blocks: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.choices, self.numbers, self.owners = list(choices), numbers, list(owners)
        options, common = sum(choices), torch.tensor(factors)
        self.latent = common.shape[1] + numbers
        self.body = Residual(self.latent + options + 2 * numbers, width, blocks)
        self.head, self.linear = nn.Linear(width, numbers + options), nn.Linear(self.latent, numbers + options)
        nn.init.normal_(self.head.weight, std=BEND / width**0.5)
        nn.init.zeros_(self.head.bias)
        own = (1 - common[:numbers].square().sum(1)).clamp(min=0).sqrt().diag()
        with torch.no_grad():
            self.linear.weight.copy_(torch.cat([common, F.pad(own, (0, 0, 0, options))], 1))
            self.linear.bias.copy_(torch.cat([torch.zeros(numbers), torch.tensor(list(levels))]))

    def forward(self, latent: Tensor, dice: Tensor, barred: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
        hidden = self.body(torch.cat([latent, barred, lower, 1 - upper], 1))
        with in_full(latent):
            scores, logits = (self.head(hidden.float()) + self.linear(latent)).tensor_split([self.numbers], 1)
            logits = logits.masked_fill(barred > 0, -torch.inf)
            parts = logits.split(self.choices, 1) if self.choices else ()
            taken = [drawn(part, dice[:, index]) for index, part in enumerate(parts)]
            scores = within(scores, lower, upper)
            there = [taken[owner][:, 0] if owner >= 0 else torch.ones_like(lower[:, 0]) for owner in self.owners]
            if there:
                scores = scores * torch.stack(there, 1)
            return torch.cat([scores, *taken], 1)


def drawn(logits: Tensor, dice: Tensor) -> Tensor:
    """One option of each row of ``logits`` [B, K], by its probability and a uniform number [B], as [B, K] of 0 and 1.

    The gradient is that of the probabilities (straight through: Bengio et al., 2013).
    """
    shares = logits.softmax(1)
    reached = shares.detach().cumsum(1)
    # Scaled to the last sum, so that rounding never leads beyond the last option that is possible.
    place = (reached <= dice[:, None] * reached[:, -1:]).sum(1, keepdim=True).clamp(max=logits.shape[1] - 1)
    taken = torch.zeros_like(shares).scatter_(1, place, 1.0)
    return taken + shares - shares.detach()


def within(scores: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """Normal scores [B, J] moved to the same place of the part of their distribution between two places [B, J].

    As they are, where that is all of it.
    """
    places = torch.special.ndtr(scores)
    moved = quantile((lower + (upper - lower) * places).clamp(EDGE, 1 - EDGE))
    whole = (lower <= 0) & (upper >= 1)
    return torch.where(whole, scores.clamp(-4.1, 4.1), torch.where(whole, 0.0, moved))


class Discriminator(nn.Module):
    """Rows [B, J + K] and what is asked of them, ``barred`` [B, K], ``lower`` and ``upper`` [B, J], to logits [B]."""

    def __init__(self, choices: Sequence[int], numbers: int, width: int, blocks: int, pack: int = 1) -> None:
        super().__init__()
        options = sum(choices)
        self.body = Residual(pack * (numbers + options) + options + 2 * numbers, width, blocks)
        self.answer = nn.Linear(width, 1, bias=False)

    def forward(self, rows: Tensor, barred: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
        logits: Tensor = self.answer(self.body(torch.cat([rows, barred, lower, 1 - upper], 1)))
        return logits[:, 0].float()
