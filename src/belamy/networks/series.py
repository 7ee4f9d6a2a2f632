"""Series: a Gaussian copula over channels and steps that knows what is known of them, and what bends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from belamy.networks.table import Residual, drawn
from belamy.ops.normal import quantile
from belamy.ops.precision import in_full

BEND = 1e-2
"""Deviation of what is added to the copula, at first, over its own."""
EDGE = 2e-5
SMALLEST = 0.03
"""Deviations that count as so much, where they are less."""
HIGHEST = 4.1
"""Normal scores of values are within so much of 0."""


class Form(nn.Module):
    """Vectors [B, M] of [C * T values, T gaps, 1 end, J numbers, K options], and series [B, C', T] that they stand for.

    ``ends`` [T] are the scores of its end up to which a series is over by each step, or are none where all series are
    ``length`` steps long; then there is no end in the vector, and no channel that says whether it is still alive.
    ``owners`` say of each number which choice's first option stands for it (-1: none): else it is 0.
    """

    ends: Tensor

    def __init__(
        self, length: int, courses: int, ends: Sequence[float], owners: Sequence[int], choices: Sequence[int]
    ) -> None:  # fmt: skip
        super().__init__()
        self.length, self.courses, self.owners, self.choices = length, courses, list(owners), list(choices)
        self.numbers = numbers = len(owners)
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
    return (margin > 0).to(soft) + (soft - soft.detach())  # in this order exact


class Copula(nn.Module):
    """Normal vectors [B, M] of the ``means`` [K, M] of their classes, and covariances of ``factors`` and ``own``.

    Those are [K, M, R] and [K, M]; the last ``options`` of a vector have nothing of their own. Where parts of a vector
    are known, the others follow by Matheron's rule: what was drawn is moved by what the known parts are off it (Wilson
    et al., 2020).
    """

    means: Tensor
    factors: Tensor
    own: Tensor

    def __init__(self, means: Tensor, factors: Tensor, own: Tensor, options: int) -> None:
        super().__init__()
        self.options = options
        for name, value in (("means", means), ("factors", factors), ("own", own)):
            self.register_buffer(name, value)

    @property
    def rank(self) -> int:
        return self.factors.shape[2]

    @property
    def latent(self) -> int:
        return self.rank + self.own.shape[1] - self.options

    def forward(self, latent: Tensor, given: Tensor, known: Tensor, kinds: Tensor) -> Tensor:
        """Of normal ``latent`` [B, latent], and ``given`` [B, M] where ``known`` is 1, of classes ``kinds`` [B]."""
        common, alone = latent.tensor_split([self.rank], 1)
        drawn = self.means[kinds] + self.spread(common, F.pad(alone, (0, self.options)), kinds)
        if torch.compiler.is_exporting():  # of which nothing is known: what runs exports solves no equations
            return drawn
        return drawn + self._follows((given - drawn) * known, known, kinds)

    def spread(self, common: Tensor, alone: Tensor, kinds: Tensor) -> Tensor:
        """Deviations [B, M] that are so much of the factors, ``common`` [B, R], and of each by itself [B, M]."""
        return _times(self.factors[kinds], common) + alone * self.own[kinds]

    def _follows(self, off: Tensor, known: Tensor, kinds: Tensor) -> Tensor:
        """The mean [B, M] of a vector of which the ``known`` parts are ``off``, by Woodbury's identity."""
        some = known.any(1).nonzero()[:, 0]
        # What each has of its own may be a thousandth of the rest: too little for the digits of float32.
        factors, own = self.factors[kinds[some]].double(), self.own[kinds[some]].double()
        weighed = factors * (known[some] / own.square())[:, :, None]
        inner = weighed.mT @ factors + torch.eye(self.rank, device=off.device)
        found = torch.linalg.solve(inner, _times(weighed.mT, off[some].double()))
        return torch.zeros_like(off).index_copy(0, some, _times(factors, found).to(off))


def _times(matrices: Tensor, vectors: Tensor) -> Tensor:
    """[B, M] of matrices [B, M, R] and vectors [B, R]."""
    return (matrices @ vectors[:, :, None])[:, :, 0]


class Generator(nn.Module):
    """Latents [B, ``latent``] and dice [B, S] to series [B, C', T] that have what is ``known`` [B, C', T] of ``given``.

    It begins as the copula; what a network of ``width`` and ``blocks`` makes of its vectors is added, of factors and
    of each number by itself. ``means``, ``factors`` and ``own`` are those of ``belamy.series.statistics.Statistics``.
    """

    shares: Tensor

    def __init__(
        self, form: Form, means: Sequence[Sequence[float]], factors: Sequence[Any], own: Sequence[Sequence[float]],
        classes: int, width: int, blocks: int,
    ) -> None:  # fmt: skip
        super().__init__()
        options, centres = form.sizes[3], torch.tensor(means)
        centres, shares = centres.split([len(own[0]) - options, options], 1)
        self.form, self.classes = form, classes
        self.copula = Copula(F.pad(centres, (0, options)), torch.tensor(factors), torch.tensor(own), options)
        self.register_buffer("shares", shares.clamp(min=1e-4))
        self.latent, size = self.copula.latent, len(own[0])
        self.body = Residual(2 * size + classes, width, blocks)
        self.head = nn.Linear(width, self.copula.rank + size)
        nn.init.normal_(self.head.weight, std=BEND / width**0.5)
        nn.init.zeros_(self.head.bias)

    def forward(self, latent: Tensor, dice: Tensor, given: Tensor, known: Tensor, kinds: Tensor | None) -> Tensor:
        among = torch.zeros(latent.shape[0], dtype=torch.int64, device=latent.device) if kinds is None else kinds
        with in_full(latent), torch.no_grad():
            flags, lowest = self._flags(given, known)
            vectors = self.copula(latent, self._vectors(given * known, among), flags, among)
        hidden = self.body(torch.cat([vectors, flags, *as_flags(kinds, self.classes)], 1))
        with in_full(latent):
            common, alone = self.head(hidden.float()).tensor_split([self.copula.rank], 1)
            bend = self.copula.spread(common, alone, among)
            series = self.form.series(self._settled(vectors + bend, dice, among, lowest))
            return torch.where(known > 0, given, series)

    def _flags(self, given: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """What is known of vectors [B, M], and the score [B, 1] that their end is above: it may be known in part."""
        courses, form = self.form.courses, self.form
        course, alive, static = known.split([courses, form.sizes[1], known.shape[1] - courses - form.sizes[1]], 1)
        found, lowest = [course.flatten(1)], known.new_full((known.shape[0], 1), -HIGHEST)
        if form.sizes[1]:
            there = alive * given[:, courses : courses + 1]
            found = [(course * there).flatten(1), alive.amin(2)]
            last = there[:, 0].sum(1).long()
            lowest = torch.where(last > 0, form.ends[(last - 1).clamp(min=0)], lowest[:, 0])[:, None]
        return torch.cat([*found, static[:, :, 0]], 1), lowest

    def _vectors(self, given: Tensor, kinds: Tensor) -> Tensor:
        """Vectors [B, M] of series as the copula has them: options as they are off their shares."""
        shares = self.shares[kinds]
        vectors = self.form.vectors(given)
        vectors, options = vectors.tensor_split([vectors.shape[1] - shares.shape[1]], 1)
        return torch.cat([vectors, (options - shares) / shares.sqrt()], 1)

    def _settled(self, vectors: Tensor, dice: Tensor, kinds: Tensor, lowest: Tensor) -> Tensor:
        """Vectors [B, M] with scores within their range, ends that are late enough, and options that are taken."""
        course, end, numbers, options = vectors.split(self.form.sizes, 1)
        end = quantile(later(torch.special.ndtr(end), torch.special.ndtr(lowest)).clamp(EDGE, 1 - EDGE))
        shares = self.shares[kinds]
        power = self.copula.factors.square().sum(2)[kinds, self.copula.own.shape[1] - shares.shape[1] :]
        weights = shares.log() - power / shares / 2 + options / shares.sqrt()
        parts = weights.split(self.form.choices, 1) if self.form.choices else ()
        taken = [drawn(part, dice[:, index]) for index, part in enumerate(parts)]
        course, numbers = course.clamp(-HIGHEST, HIGHEST), numbers.clamp(-HIGHEST, HIGHEST)
        there = [taken[owner][:, :1] if owner >= 0 else torch.ones_like(vectors[:, :1]) for owner in self.form.owners]
        numbers = numbers * torch.cat(there, 1) if there else numbers
        return torch.cat([course, end, numbers, *taken], 1)


def later(places: Tensor, lowest: Tensor) -> Tensor:
    """Places [B, 1] moved to the same place of what is above the ``lowest`` [B, 1]."""
    return lowest + (1 - lowest) * places


def as_flags(kinds: Tensor | None, classes: int) -> list[Tensor]:
    """Classes [B] as [B, K] of 0 and 1, in a list that is empty where there are none."""
    return [] if kinds is None or not classes else [F.one_hot(kinds, classes).float()]


class Discriminator(nn.Module):
    """Series [B, C', T], what was ``known`` and what is ``seen`` of them, and their classes, to logits [B].

    It looks at each value and at each step's change, over the deviations that the ``means``, ``factors`` and ``own`` of
    the generator tell: what changes little would else be overlooked.
    """

    deviations: Tensor

    def __init__(
        self, form: Form, means: Sequence[Sequence[float]], factors: Sequence[Any], own: Sequence[Sequence[float]],
        classes: int, width: int, blocks: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.form, self.classes = form, classes
        found = deviations(form, torch.tensor(means), torch.tensor(factors), torch.tensor(own))
        self.register_buffer("deviations", found.clamp(min=SMALLEST))
        size = form.length * (form.courses + form.sizes[1]) + form.numbers + form.sizes[3]
        changes = form.courses * (form.length - 1)
        self.body = Residual(3 * size + changes + classes, width, blocks)
        self.answer = nn.Linear(width, 1, bias=False)

    def forward(self, series: Tensor, known: Tensor, seen: Tensor, kinds: Tensor | None) -> Tensor:
        series = series * seen
        values, changes = self.deviations.split([self.form.length, self.form.length - 1], 1)
        course = series[:, : self.form.courses]
        changes = (course.diff(dim=2) / changes).flatten(1)
        series = torch.cat([course / values, series[:, self.form.courses :]], 1)
        parts = [self._flat(part) for part in (series, known, 1 - seen)]
        logits: Tensor = self.answer(self.body(torch.cat([*parts, changes, *as_flags(kinds, self.classes)], 1)))
        return logits[:, 0].float()

    def _flat(self, series: Tensor) -> Tensor:
        """[B, C', T] as one row each, static attributes once."""
        moving = self.form.courses + self.form.sizes[1]
        return torch.cat([series[:, :moving].flatten(1), series[:, moving:, 0]], 1)


def deviations(form: Form, means: Tensor, factors: Tensor, own: Tensor) -> Tensor:
    """Of values, and of their changes, [C, T + T - 1] over all classes, by their copulas."""
    size = form.courses * form.length
    courses = factors[:, :size].unflatten(1, (form.courses, form.length))
    centres, alone = (part[:, :size].unflatten(1, (form.courses, form.length)) for part in (means, own.square()))
    values = courses.square().sum(3) + alone
    changes = courses.diff(dim=2).square().sum(3) + alone[:, :, 1:] + alone[:, :, :-1]
    within = torch.cat([values, changes], 2).mean(0)
    between = torch.cat([centres, centres.diff(dim=2)], 2).var(0, correction=0)
    return (within + between).sqrt()
