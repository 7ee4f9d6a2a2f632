"""Numbers that change with the number of examples seen."""

from __future__ import annotations

import math


def cosine(start: float, end: float, examples: int, over: int) -> float:
    """Half a cosine from ``start`` to ``end`` over the first ``over`` examples, constant after."""
    if over <= 0 or examples >= over:
        return end
    return end + (start - end) * (1 + math.cos(math.pi * examples / over)) / 2


def growth(examples: int, stay: int, fade: int, top: int) -> float:
    """0 for ``stay`` examples, then again and again over ``fade`` examples to the next whole number, for ``stay``.

    It ends at ``top``.
    """
    whole, since = divmod(examples, max(1, stay + fade))
    return min(top, whole + max(0, since - stay) / max(1, fade))
