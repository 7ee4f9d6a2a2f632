"""What series have in common, as a Gaussian copula over channels and steps: means, factors, and what each has alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from belamy.chance import Chance, key
from belamy.series.layout import Encoded, Layout

MOST, NUMBERS = 64, 200_000
"""Factors, and numbers of those of all classes, at most."""
LOOKED = 5_000
"""Series that are looked at."""
GROUP = 5
"""Series of a class, or at a step, of fewer than so many: their mean is that of all, so that it tells of none."""
SHARES = (0.0, 0.1, 0.3, 0.6, 1.0)
"""How much of a class's covariance may be that of all."""
PULLS = (0.0, 0.05, 0.15, 0.3, 0.5)
"""How much of it may be that of the same lag."""
PARTS = 5
LEAST = 1e-5
"""Variance that each number has of its own, at least."""
LARGE = 200
"""Numbers of a series from which on nothing is tried out."""


@dataclass(frozen=True)
class Statistics:
    """Of vectors [M] of a series, [C * T values, T gaps, 1 end, J numbers, K options], for each of K classes.

    Around the ``means`` [K, M] a vector's covariance is ``factors`` [K, M, R] times themselves, with ``own`` [K, M]
    squared on its diagonal. Options are shares in ``means``, and count over the root of their share.
    """

    means: Tensor
    factors: Tensor
    own: Tensor

    @classmethod
    def fit(cls, encoded: Encoded, layout: Layout, labels: Tensor | None, classes: int) -> Statistics:
        """Of all series, or of as many as say it."""
        rows = np.random.default_rng(abs(key("statistics"))).permutation(len(encoded.seen))[:LOOKED]
        at = Chance(key("statistics"), torch.from_numpy(rows)).uniform(*encoded.lower.shape[1:])
        vectors, present = _vectors(encoded.scores(rows, at), torch.from_numpy(encoded.seen[rows]), layout)
        kinds = torch.zeros(len(rows), dtype=torch.int64) if labels is None else labels[torch.from_numpy(rows)]
        means = _means(vectors, present, kinds, max(1, classes))
        options = sum(layout.attributes[1])
        spread = torch.ones(vectors.shape[1], dtype=torch.float64)
        if options:
            spread[-options:] = vectors[:, -options:].mean(0).clamp(min=1e-4).sqrt()
        apart = (vectors - means[kinds]) * present / spread
        blocks = [layout.length] * (len(layout.channels) + int(layout.gaps is not None))
        covariances = _covariances(apart, present, kinds, max(1, classes), blocks)
        most = max(8, min(MOST, NUMBERS // (len(covariances) * len(spread))))
        factors, own = zip(*(_factored(one, most) for one in covariances), strict=True)
        return cls(means.float(), torch.stack(factors).float(), torch.stack(own).float())


def _vectors(series: Tensor, seen: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """Series [N, C', T] as vectors [N, M], and what is there of them: nothing after the end."""
    series, seen = series.double(), seen.double()
    values, gaps, alive, static = series.split(layout.sections, 1)
    there = (seen[:, : values.shape[1] + gaps.shape[1]] * (alive if layout.ends else 1.0)).flatten(1)
    parts, present = [torch.cat([values, gaps], 1).flatten(1)], [there]
    if layout.ends:
        parts.append(_end(alive[:, 0].sum(1).long(), layout.ends)[:, None])
        present.append(torch.ones(len(series), 1, dtype=torch.float64))
    if static.shape[1]:
        parts.append(static[:, :, 0])
        present.append(seen[:, -static.shape[1] :, 0])
    return torch.cat(parts, 1), torch.cat(present, 1)


def _end(lengths: Tensor, ends: list[float]) -> Tensor:
    """The score [N] in the middle of those at which a series is of its length [N]."""
    over = torch.special.ndtr(torch.tensor([*ends, 10.0], dtype=torch.float64))
    middle: Tensor = torch.special.ndtri((over[lengths - 1] + over[lengths]) / 2)
    return middle


def _means(vectors: Tensor, present: Tensor, kinds: Tensor, classes: int) -> Tensor:
    """Of each class [K, M]; where there is too little, of all classes, and of all where there is too little, too."""
    counts = present.sum(0)
    whole = torch.where(counts < GROUP, 0.0, (vectors * present).sum(0) / counts.clamp(min=1))
    member = torch.nn.functional.one_hot(kinds, classes).double()
    shares = member.T @ present
    return torch.where(shares < GROUP, whole, (member.T @ (vectors * present)) / shares.clamp(min=1))


def _covariances(apart: Tensor, present: Tensor, kinds: Tensor, classes: int, blocks: list[int]) -> list[Tensor]:
    """Of deviations [N, M] of each class, drawn to that of all, and to that of the same lag.

    As far as foretells other series best, where there is time to try it out.
    """
    if apart.shape[1] > LARGE or len(apart) < 4 * PARTS:
        return _shrunk(apart, present, kinds, classes, blocks, [(0.5, 0.0)])[0]
    ways = [(share, pull) for share in (SHARES if classes > 1 else (1.0,)) for pull in PULLS]
    fold, gains = torch.arange(len(apart)) % PARTS, torch.zeros(len(ways), dtype=torch.float64)
    for part in range(PARTS):
        inside, outside = fold != part, fold == part
        found = _shrunk(apart[inside], present[inside], kinds[inside], classes, blocks, ways)
        others = [apart[outside & (kinds == kind)] for kind in range(classes)]
        gains += torch.stack([sum(map(_likelihood, one, others), gains.new_zeros(())) for one in found])
    return _shrunk(apart, present, kinds, classes, blocks, [ways[int(gains.argmax())]])[0]


def _shrunk(
    apart: Tensor, present: Tensor, kinds: Tensor, classes: int, blocks: list[int], ways: list[tuple[float, float]]
) -> list[list[Tensor]]:
    """For each of several ``ways``, a share of all classes and one of all lags, the covariances of the classes.

    What classes share is how numbers correlate; their deviations are their own.
    """
    each = [_empirical(apart[kinds == kind], present[kinds == kind]) for kind in range(classes)]
    spread = torch.stack([one.diagonal().clamp(min=LEAST).sqrt() for one in each])
    whole = _empirical(apart / spread[kinds], present)
    own = [whole * one[:, None] * one for one in spread]
    return [
        [_pulled(share * target + (1 - share) * one, blocks, pull) for one, target in zip(each, own, strict=True)]
        for share, pull in ways
    ]


def _empirical(apart: Tensor, present: Tensor) -> Tensor:
    """[M, M], of the pairs of which both are there; drawn to nothing where these are few."""
    return (apart.T @ apart) / (present.T @ present + 1)


def _pulled(covariance: Tensor, blocks: list[int], pull: float) -> Tensor:
    """The covariance [M, M] of which a share of ``pull`` is what its lags have in common, in each pair of ``blocks``.

    Correlations of the same lag are averaged (as a Toeplitz matrix), and each step keeps its own variance.
    """
    if not pull:
        return covariance
    scale = covariance.diagonal().clamp(min=1e-9).sqrt()
    target = covariance / scale[:, None] / scale
    start = 0
    for size in blocks:
        other = 0
        for width in blocks:
            part = target[start : start + size, other : other + width]
            target[start : start + size, other : other + width] = _toeplitz(part)
            other += width
        start += size
    return (1 - pull) * covariance + pull * target * scale[:, None] * scale


def _toeplitz(part: Tensor) -> Tensor:
    """A square [T, T] whose diagonals are their means."""
    steps = torch.arange(len(part))
    lags = (steps[:, None] - steps + len(part) - 1).flatten()
    sums = torch.zeros(2 * len(part) - 1, dtype=part.dtype).index_add(0, lags, part.flatten())
    return (sums / lags.bincount().double())[lags].view_as(part)


def _likelihood(covariance: Tensor, apart: Tensor) -> Tensor:
    """The logarithm of the density of deviations [N, M], but for a constant."""
    factors, own = _factored(covariance)
    lower = torch.linalg.cholesky(factors @ factors.T + own.square().diag())
    inner = torch.linalg.solve_triangular(lower, apart.T, upper=False)
    density: Tensor = -inner.square().sum() / 2 - len(apart) * lower.diagonal().log().sum()
    return density


def _factored(covariance: Tensor, most: int = MOST) -> tuple[Tensor, Tensor]:
    """Factors [M, R] of a covariance [M, M] and what they leave of each [M], which is never quite nothing.

    What they leave counts as far as neighbours do not share it: noise would roughen series that are smooth.
    """
    power, axes = _axes((covariance + covariance.T) / 2, most)
    factors = (axes * power.clamp(min=0).sqrt()).flip(1)
    rest = covariance - factors @ factors.T
    shared = rest.diagonal(1).abs().sum() / rest.diagonal().sum().clamp(min=1e-12)
    return factors, (rest.diagonal() * (1 - shared).clamp(0, 1)).clamp(min=LEAST).sqrt()


def _axes(covariance: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The largest eigenvalues [R] of a symmetric matrix [M, M], rising, and their vectors [M, R]; R is ``most``, or M.

    Of large matrices by iteration (Lanczos), since all of them would take minutes.
    """
    if len(covariance) <= max(LARGE, 4 * most):
        power, axes = torch.linalg.eigh(covariance)
        return power[-most:], axes[:, -most:]
    from scipy.sparse.linalg import eigsh

    start = np.random.default_rng(abs(key("axes"))).standard_normal(len(covariance))
    found, vectors = eigsh(covariance.numpy(), most, v0=start)
    return torch.from_numpy(found), torch.from_numpy(vectors)
