"""Series: a Gaussian copula over channels and steps that knows what is known of them, and what bends it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from belamy.networks.table import Residual

HIGHEST = 4.1
"""Normal scores of values are within so much of 0."""


class Form(nn.Module):
    """Vectors [B, M] of [C * T values, T gaps, 1 end, J numbers, K options], and series [B, C', T] that they stand for.

    ``ends`` [T] are the scores of its end up to which a series is over by each step, or are none where all series are
    ``length`` steps long; then there is no end in the vector, and no channel that says whether it is still alive.
    """

    ends: Tensor

    def __init__(self, length: int, courses: int, ends: Sequence[float], numbers: int, choices: Sequence[int]) -> None:
        super().__init__()
        self.length, self.courses, self.numbers, self.choices = length, courses, numbers, list(choices)
        self.register_buffer("ends", torch.tensor(list(ends)), persistent=False)
        self.sizes = [courses * length, int(bool(ends)), numbers, sum(choices)]
        self.channels = courses + int(bool(ends)) + numbers + sum(choices)

    def series(self, vectors: Tensor) -> Tensor:
        """[B, C', T] of vectors whose options are 0 and 1: what comes after the end is 0."""
        course, end, numbers, options = vectors.split(self.sizes, 1)
        found = [course.view(-1, self.courses, self.length)]
        if self.sizes[1]:
            alive = hard(end - self.ends)
            found = [found[0] * alive[:, None], alive[:, None]]
        static = torch.cat([numbers, options], 1)
        return torch.cat([*found, static[:, :, None].expand(-1, -1, self.length)], 1)

    def vectors(self, series: Tensor) -> Tensor:
        """[B, M] of series, of which an end is in the middle of where it may be."""
        course, alive, static = series.split([self.courses, self.sizes[1], self.numbers + self.sizes[3]], 1)
        found = [course.flatten(1)]
        if self.sizes[1]:
            edges = torch.cat([self.ends, self.ends.new_tensor([HIGHEST])])
            last = alive[:, 0].sum(1).long().clamp(min=1)
            found.append(((edges[last - 1] + edges[last]) / 2)[:, None])
        return torch.cat([*found, static[:, :, 0]], 1)


def hard(margin: Tensor) -> Tensor:
    """1 where the ``margin`` is above 0, else 0, with the gradient of a sigmoid (Bengio et al., 2013)."""
    soft = (4 * margin).sigmoid()
    return (margin > 0).to(soft) + soft - soft.detach()


class Copula(nn.Module):
    """Normal vectors [B, M] of the ``means`` [K, M] of their classes, and a covariance of ``factors`` and ``own``.

    Those are [M, R] and [M]. Where parts of a vector are known, the others follow by Matheron's rule: what was drawn is
    moved by what the known parts are off it (Wilson et al., 2020).
    """

    means: Tensor
    factors: Tensor
    own: Tensor

    def __init__(self, means: Sequence[Sequence[float]], factors: Sequence[Sequence[float]], own: Sequence[float]) -> None:
        super().__init__()
        for name, value in (("means", means), ("factors", factors), ("own", own)):
            self.register_buffer(name, torch.tensor(value))

    @property
    def latent(self) -> int:
        return sum(self.factors.shape)

    def forward(self, latent: Tensor, known: Tensor, given: Tensor, kinds: Tensor | None) -> Tensor:
        """Of normal ``latent`` [B, R + M], and ``given`` [B, M] where ``known`` is 1."""
        common, alone = latent.split([self.factors.shape[1], len(self.own)], 1)
        means = self.means[kinds] if kinds is not None else self.means.mean(0)
        apart = common @ self.factors.T + alone * self.own
        off = (given - means - apart) * known
        if known.any():
            apart = apart + self.follows(off, known)
        return means + torch.where(known > 0, given - means, apart)

    def follows(self, off: Tensor, known: Tensor) -> Tensor:
        """The mean [B, M] of a vector of which the ``known`` parts are ``off``, by Woodbury's identity."""
        weights = known / self.own.square()
        inner = torch.einsum("bm,mr,ms->brs", weights, self.factors, self.factors)
        inner = inner + torch.eye(inner.shape[1], device=off.device)
        found: Tensor = torch.linalg.solve(inner, (weights * off) @ self.factors)
        return found @ self.factors.T


class Generator(nn.Module):
    """Latents [B, ``latent``] and dice [B, S] to series [B, C', T] that have what is ``known`` [B, C', T] of ``given``.

    It begins as the copula; what a network of ``width`` and ``blocks`` makes of its vectors is added.
    """

    def __init__(
        self, form: Form, means: Sequence[Sequence[float]], factors: Sequence[Sequence[float]], own: Sequence[float],
        classes: int, width: int, blocks: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.form, self.copula, self.classes = form, Copula(means, factors, own), classes
        self.latent, size = self.copula.latent, len(own)
        self.body = Residual(2 * size + classes, width, blocks)
        self.head = nn.Linear(width, self.copula.factors.shape[1] + size)
        nn.init.normal_(self.head.weight, std=1e-2 / width**0.5)
        nn.init.zeros_(self.head.bias)
        shares = torch.tensor(list(means))[:, size - form.sizes[3] :]
        self.register_buffer("shares", shares.clamp(min=1e-4), persistent=False)

    def forward(self, latent: Tensor, dice: Tensor, given: Tensor, known: Tensor, kinds: Tensor | None) -> Tensor:
        flags = self._flags(known)
        vectors = self.copula(latent, flags, self.form.vectors(given), kinds)
        hidden = self.body(torch.cat([vectors, flags, *kinds_of(kinds, self.classes)], 1))
        common, alone = self.head(hidden).split([self.copula.factors.shape[1], vectors.shape[1]], 1)
        vectors = vectors + common @ self.copula.factors.T + alone * self.copula.own
        series = self.form.series(self._settled(vectors, dice, kinds))
        return torch.where(known > 0, given, series)
