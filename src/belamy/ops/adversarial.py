"""What the two sides of a game want, as functions of logits."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def relativistic(winner: Tensor, loser: Tensor) -> Tensor:
    """Mean of softplus(loser - winner) over pairs of logits [B] (Jolicoeur-Martineau, 2019; Huang et al., 2024)."""
    return F.softplus(loser - winner).mean()
