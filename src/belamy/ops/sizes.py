"""Which sizes of pictures a tower of doublings can make."""

from __future__ import annotations

import math


def doublings(resolution: int, base: int, least: int = 1) -> int:
    """How often ``base`` is doubled to ``resolution``; ValueError names the nearest size where that is not whole."""
    count = max(least, round(math.log2(max(resolution, 1) / base)))
    if base * 2**count != resolution:
        sizes = ", ".join(str(base * 2**more) for more in range(least, least + 3))
        near = base * 2**count
        raise ValueError(f"it makes pictures of {sizes}, ... pixels, not {resolution}: --set game.resolution={near}")
    return count
