"""Pictures that are decoded already, in memory or mapped from a disk, as a source."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from belamy.chance import Chance
from belamy.errors import UserError
from belamy.game import Batch
from belamy.source import Source

COMBINATIONS = 1000
"""Of class and attributes, that a model keeps at most."""


class Pictures(Source):
    """Rows ``{"image": float32 [B, C, R, R] in [-1, 1], "class": int64 [B], "attributes": float32 [B, A] of 0 and 1}``.

    ``pixels`` is uint8 [N, C, R, R], ``heldout`` bool [N], ``labels`` int64 [N] into ``classes``, ``flags`` int8
    [N, A] of the ``attributes``. Where there are no classes, rows have no "class"; the same of attributes. With
    ``flip``, half of the rows are mirrored; held-out rows never are.
    """

    def __init__(
        self,
        pixels: NDArray[np.uint8],
        heldout: NDArray[np.bool_],
        labels: NDArray[np.int64],
        classes: list[str] | None,
        fingerprint: str,
        flip: bool = False,
        seed: int = 0,
        flags: NDArray[np.int8] | None = None,
        attributes: list[str] | None = None,
    ) -> None:
        self.seed = seed
        self._pixels, self._labels, self._flags, self._flip = pixels, labels, flags, flip
        self._rows, self._others = np.flatnonzero(~heldout), np.flatnonzero(heldout)
        kinds = labels if classes else np.zeros_like(labels)
        counts = np.bincount(labels[self._rows], minlength=len(classes)).tolist() if classes else None
        self.facts = {
            "kind": "images",
            "resolution": pixels.shape[-1],
            "channels": pixels.shape[1],
            "classes": classes,
            "class_counts": counts,
            "attributes": attributes or None,
            "attribute_counts": None if flags is None else _combinations(kinds[self._rows], flags[self._rows]),
            "count": len(self._rows),
            "heldout": len(self._others),
            "fingerprint": fingerprint,
        }

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def own(self) -> NDArray[np.int64]:
        """Which of all pictures these rows are."""
        return self._rows

    def rows(self, indices: NDArray[np.int64], rng: Chance) -> Batch:
        mirrored = (rng.uniform() < 0.5).numpy() if self._flip else None
        return self._batch(indices, mirrored)

    def plain(self, indices: NDArray[np.int64]) -> Batch:
        return self._batch(indices, None)

    def heldout(self) -> Pictures | None:
        """The rows that training does not see; its facts are those of the whole."""
        if not len(self._others):
            return None
        other = copy.copy(self)
        other._rows, other._others, other._flip = self._others, self._others[:0], False
        return other

    def whole(self, classes: list[str] | None) -> Pictures:
        """All rows, on whichever side, with their classes numbered as in ``classes``.

        Raises UserError for a class that is not among those.
        """
        other = copy.copy(self)
        other._rows, other._others, other._flip = np.arange(len(self._pixels)), self._others[:0], False
        names = self.facts["classes"] if classes else None
        if names:
            assert classes is not None
            strange = [name for name in names if name not in classes]
            if strange:
                raise UserError(f"the data has a class {strange[0]!r} that the model was not trained on")
            other._labels = np.array([classes.index(name) for name in names])[self._labels]
        other.facts = {**self.facts, "classes": classes if names else None, "count": len(self._pixels), "heldout": 0}
        return other

    def padded(self, border: int) -> Pictures:
        """The same rows with so many black pixels on each side."""
        other = copy.copy(self)
        other._pixels = np.pad(self._pixels, ((0, 0), (0, 0), (border, border), (border, border)))
        other.facts = {**self.facts, "resolution": other._pixels.shape[-1]}
        return other

    def _batch(self, indices: NDArray[np.int64], mirrored: NDArray[np.bool_] | None) -> Batch:
        own = self._rows[indices]
        pixels = self._pixels[own]
        if mirrored is not None:
            pixels[mirrored] = pixels[mirrored, ..., ::-1]
        batch = {"image": torch.from_numpy(pixels).float().div_(127.5).sub_(1)}
        if self.facts["classes"]:
            batch["class"] = torch.from_numpy(self._labels[own])
        if self._flags is not None:
            batch["attributes"] = torch.from_numpy(self._flags[own]).float()
        return batch


def _combinations(kinds: NDArray[np.int64], flags: NDArray[np.int8]) -> list[list[Any]]:
    """How many of ``kinds`` [N] and ``flags`` [N, A] are alike: ``[kind, "0110", count]``, the commonest first.

    Where there are more than COMBINATIONS of them, so many pictures drawn at random stand for all.
    """
    table = np.column_stack([kinds, flags])
    found, counts = np.unique(table, axis=0, return_counts=True)
    if len(found) > COMBINATIONS:
        drawn = np.random.default_rng(0).choice(len(table), COMBINATIONS, replace=False)
        found, counts = np.unique(table[drawn], axis=0, return_counts=True)
    return [
        [int(found[row, 0]), "".join(map(str, found[row, 1:])), int(counts[row])]
        for row in np.argsort(-counts, kind="stable")
    ]
