"""What the two sides of a game want, as functions of logits [B] of real and of generated samples.

Each loss is a pair: what the discriminator minimises, and what the generator minimises. A recipe names one of LOSSES.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from belamy.ops.processes import mean_over_processes


class Loss(NamedTuple):
    """Both take (real, fake) logits [B] and return a scalar.

    ``pairs``: the generator's depends on the real ones. ``boundary`` is the logit that parts real from fake; None where
    differences alone count. ``formula`` is the game in a line, for a signature: the discriminator maximises it.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    pairs: bool = False
    boundary: float | None = 0.0
    formula: str = "min max E[log D(x)] + E[log(1 - D(G(z)))]"


def relativistic(winner: Tensor, loser: Tensor) -> Tensor:
    """Mean of softplus(loser - winner) over pairs of logits [B] (Jolicoeur-Martineau, 2019; Huang et al., 2024)."""
    return F.softplus(loser - winner).mean()


def relativistic_average(winner: Tensor, loser: Tensor) -> Tensor:
    """Each logit against the mean of the other side's (Jolicoeur-Martineau, 2019, eq. 17, halved)."""
    low, high = mean_over_processes(loser.mean()), mean_over_processes(winner.mean())
    return (F.softplus(low - winner).mean() + F.softplus(loser - high).mean()) / 2


def cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    """-log sigmoid(real) - log(1 - sigmoid(fake)) (Goodfellow et al., 2014, eq. 1)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def least_squares(real: Tensor, fake: Tensor) -> Tensor:
    """((real - 1)^2 + fake^2) / 2 (Mao et al., 2017, eq. 9)."""
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """relu(1 - real) + relu(1 + fake) (Lim and Ye, 2017; Miyato et al., 2018)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def wasserstein(real: Tensor, fake: Tensor) -> Tensor:
    """fake - real (Arjovsky et al., 2017)."""
    return fake.mean() - real.mean()


LOSSES = {
    "minimax": Loss(cross_entropy, lambda real, fake: -F.softplus(fake).mean()),
    "non-saturating": Loss(cross_entropy, lambda real, fake: F.softplus(-fake).mean()),
    "least-squares": Loss(
        least_squares, lambda real, fake: (fake - 1).square().mean() / 2, boundary=0.5,
        formula="min max -E[(D(x) - 1)^2] - E[D(G(z))^2]",
    ),
    "hinge": Loss(
        hinge, lambda real, fake: -fake.mean(), formula="min max -E[(1 - D(x))+] - E[(1 + D(G(z)))+]"
    ),
    "wasserstein": Loss(
        wasserstein, lambda real, fake: -fake.mean(), boundary=None, formula="min max E[D(x)] - E[D(G(z))]"
    ),
    "relativistic": Loss(
        relativistic, lambda real, fake: relativistic(fake, real), pairs=True, boundary=None,
        formula="min max -E[log(1 + exp(D(G(z)) - D(x)))]",
    ),
    "relativistic-average": Loss(
        relativistic_average, lambda real, fake: relativistic_average(fake, real), pairs=True, boundary=None,
        formula="min max -E[log(1 + exp(E[D(G(z))] - D(x)))]",
    ),
}  # fmt: skip
