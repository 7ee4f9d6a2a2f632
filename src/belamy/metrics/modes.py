"""How many modes of a known mixture samples reach, how well, and how evenly: the protocol of PacGAN (Lin et al., 2018).

A sample is of high quality within three deviations of its nearest mode; a mode is reached by one such sample. KL is
that of the shares of samples nearest to each mode from equal shares, in nats. Of 2,500 points of the grid itself,
98.9 % are of high quality, and KL is .0048.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

NAMES = ("modes", "high_quality", "kl")


def measure(points: Tensor, centres: Tensor, deviation: float) -> dict[str, float]:
    """``modes`` reached, share of ``high_quality``, and ``kl``, of points [N, 2] against centres [M, 2]."""
    distance, mode = torch.cdist(points.double(), centres.double()).min(1)
    good = distance <= 3 * deviation
    counts = torch.bincount(mode, minlength=len(centres)).double()
    share = counts[counts > 0] / len(points)
    return {
        "modes": float(len(mode[good].unique())),
        "high_quality": good.double().mean().item(),
        "kl": (share * share.log()).sum().item() + math.log(len(centres)),
    }
