"""Identifiers made anew: of the same form as those that were seen, each of its own, and none of them kept."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

SAMPLE = 1000
LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
SETS = (DIGITS, DIGITS + "abcdef", DIGITS + "ABCDEF", UPPER, LOWER, UPPER + DIGITS, UPPER + LOWER + DIGITS)


def pattern_of(texts: Sequence[str]) -> list[str]:
    """For each place of ``texts`` the characters that stand there, as one of ``SETS`` or as the only one.

    Of texts of different lengths: what all begin with, and then a number.
    """
    sample = texts[:SAMPLE]
    if len({len(text) for text in texts}) > 1:
        begin = [min(pair) for pair in takewhile(lambda pair: len(set(pair)) == 1, zip(*sample, strict=False))]
        return [*begin, ""]
    return [_set(set(place)) for place in zip(*sample, strict=True)]


def _set(seen: set[str]) -> str:
    if len(seen) == 1:
        return seen.pop()
    return next((known for known in SETS if seen <= set(known)), "".join(sorted(seen)))


def renewed(pattern: Sequence[str], start: int, n: int) -> NDArray[np.object_]:
    """The identifiers ``start`` to ``start + n - 1`` of a pattern, no two of them alike."""
    sizes = [len(place) for place in pattern]
    space = 0 if "" in pattern else math.prod(sizes)
    begin = "".join(place for place in pattern if len(place) == 1)
    # Longer than all that are spelt, so that it is none of them.
    width = sum(size > 1 for size in sizes) + 1
    stride = next((each for each in range(int(space * 0.618) | 1, 2 * space + 3) if math.gcd(each, space) == 1), 1)
    return np.array([
        _spelt(pattern, sizes, (row + 1) * stride % space) if row < space else f"{begin}{row + 1:0{width}}"
        for row in range(start, start + n)
    ], dtype=object)  # fmt: skip


def _spelt(pattern: Sequence[str], sizes: Sequence[int], number: int) -> str:
    found = []
    for place, size in zip(reversed(pattern), reversed(sizes), strict=True):
        number, which = divmod(number, size)
        found.append(place[which])
    return "".join(reversed(found))
