"""Which caption a picture shows, by a judge that learnt it from real pictures alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""Ridge penalties to choose among, as a share of the features' mean variance."""
UNSEEN = 0.2
"""Share of the training pairs by which the penalty is chosen."""


class CaptionJudge:
    """Ridge regression from features [N, D] of real pictures to their encoded captions [N, E], of a norm of 1.

    The penalty is the one by which most of a fifth of the pictures find their own captions, after it was fitted on
    the others.
    """

    def __init__(self, features: Tensor, texts: Tensor) -> None:
        features, texts = features.double(), texts.double()
        kept = max(1, int(len(features) * (1 - UNSEEN)))
        trials = {
            strength: _recall(_answered(_fit(features[:kept], texts[:kept], strength), features[kept:]), texts[kept:])
            for strength in STRENGTHS
        }
        self._fitted = _fit(features, texts, max(trials, key=lambda strength: trials[strength]))

    def ranks(self, features: Tensor, texts: Tensor, right: Tensor) -> Tensor:
        """How many of ``texts`` [M, E] seem to fit better than the right one, whose number ``right`` [N] tells: [N].

        Equal likeness counts half.
        """
        likeness = _answered(self._fitted, features.double()) @ F.normalize(texts.double(), dim=1).T
        own = likeness.gather(1, right[:, None])
        return (likeness > own).sum(1) + ((likeness == own).sum(1) - 1) / 2


def recalls(ranks: Tensor, at: Sequence[int] = (1, 5, 10)) -> dict[str, float]:
    """``retrieval_r1`` and so on: the shares of pictures whose own caption is among the first so many."""
    return {f"retrieval_r{k}": (ranks < k).double().mean().item() for k in at}


Fitted = tuple[Tensor, Tensor, Tensor]


def _fit(features: Tensor, texts: Tensor, strength: float) -> Fitted:
    middle, target = features.mean(0), texts.mean(0)
    spread = features.std(0).clamp(min=1e-6)
    rows = (features - middle) / spread
    # In the space of the samples where these are fewer than the features: the same solution at less cost.
    penalty = strength * len(rows)
    if len(rows) < rows.shape[1]:
        gram = rows @ rows.T + penalty * torch.eye(len(rows), dtype=rows.dtype)
        weights = rows.T @ torch.linalg.solve(gram, texts - target)
    else:
        gram = rows.T @ rows + penalty * torch.eye(rows.shape[1], dtype=rows.dtype)
        weights = torch.linalg.solve(gram, rows.T @ (texts - target))
    return middle, spread, weights


def _answered(fitted: Fitted, features: Tensor) -> Tensor:
    middle, spread, weights = fitted
    return F.normalize((features - middle) / spread @ weights, dim=1)


def _recall(answers: Tensor, texts: Tensor) -> float:
    likeness = answers @ F.normalize(texts, dim=1).T
    return float((likeness > likeness.diagonal()[:, None]).double().sum(1).add(1).reciprocal().mean())
