"""Numbers that change with the number of examples seen."""

from __future__ import annotations

import math


def cosine(start: float, end: float, examples: int, over: int) -> float:
    """Half a cosine from ``start`` to ``end`` over the first ``over`` examples, constant after."""
    if over <= 0 or examples >= over:
        return end
    return end + (start - end) * (1 + math.cos(math.pi * examples / over)) / 2
