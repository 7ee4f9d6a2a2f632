"""The form that every kind of picture storage is brought to: what is known of each picture, and how to open it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

Opener = Callable[[], "BinaryIO | NDArray[np.uint8]"]
"""Gives the bytes of a picture file, or its pixels [H, W] or [H, W, C]; raises where there are none."""

HELDOUT = ("val", "validation", "valid", "test", "heldout")
"""Names of the part that training does not see, the likeliest first."""


class PictureError(Exception):
    """A picture that is left out; the message says why."""


class Item(NamedTuple):
    """One picture: the name to call it by, its class, its side (None: the hash of its content decides), its attributes.

    ``attributes`` are the names of those that it has; None where nothing is said of them. ``texts`` are its captions.
    """

    name: str
    label: str | None
    heldout: bool | None
    attributes: frozenset[str] | None = None
    texts: tuple[str, ...] = ()


Run = tuple[int, Callable[[], Iterable[Opener]]]
"""So many pictures in a row, of one file or a part of it, and what opens them one after the other."""


@dataclass(frozen=True)
class Shelf:
    """Pictures in a fixed order, in ``runs``.

    ``classes`` names them in an order of the data's own; None: natural order. ``attributes`` are the names of all that
    a picture may have or not.
    """

    items: list[Item]
    runs: Sequence[Run]
    classes: list[str] | None = None
    attributes: Sequence[str] = ()

    def openers(self, rows: range | None = None) -> Iterator[Opener]:
        """Of the pictures ``rows``, or of all; a run without any of them is not opened."""
        start, stop = (0, len(self.items)) if rows is None else (rows.start, rows.stop)
        for count, run in self.runs:
            if start < count and stop > 0:
                yield from islice(run(), max(0, start), min(stop, count))
            start, stop = start - count, stop - count


def halves(words: Iterable[str]) -> dict[str, bool]:
    """``{"train": False, "val": True}`` (is it held out?) where ``words`` has such a pair, else nothing."""
    known = {word.lower(): word for word in words}
    train = known.get("train", known.get("training"))
    heldout = next((known[name] for name in HELDOUT if name in known), None)
    return {train: False, heldout: True} if train and heldout else {}


def natural(name: str) -> tuple[list[str | int], str]:
    """A sorting key that puts "10" after "9"."""
    parts = re.split(r"([0-9]+)", name)  # every second one is a number
    return [int(part) if place % 2 else part.lower() for place, part in enumerate(parts)], name
