"""Which sizes of pictures a tower of doublings can make."""

from __future__ import annotations


def doublings(resolution: int, base: int, least: int = 1) -> int:
    """How often ``base`` is doubled to ``resolution``; ValueError names the nearest size that works."""
    count = max(least, (resolution // base).bit_length() - 1)
    if base * 2**count != resolution:
        sizes = ", ".join(str(base * 2**more) for more in range(least, least + 3))
        near = min((base * 2**count, base * 2 ** (count + 1)), key=lambda size: abs(size - resolution))
        raise ValueError(f"it makes pictures of {sizes}, ... pixels, not {resolution}: --set game.resolution={near}")
    return count
