"""Series, and parts of them that are known: beginnings to forecast from, holes to fill, attributes to begin with."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from belamy.chance import Chance
from belamy.data.parts import chosen
from belamy.errors import UserError
from belamy.game import Batch
from belamy.series.layout import Encoded, Layout
from belamy.series.reading import read_series
from belamy.series.recorded import FEWEST, Recorded, recorded
from belamy.series.statistics import Statistics
from belamy.source import Source

ASKED = 0.5
"""The share of rows of which something is known."""


class Series(Source):
    """Rows ``{"series": float32 [B, C', T], "known": [B, C', T]}`` of the file at ``path``, and "class" int64 [B].

    Channels are those of ``belamy.series.layout.Layout``. Of half of the rows some is known, 1 in ``known``: their
    beginning (to be forecast from), all but some spans and steps (to be filled), and static attributes. Where values
    are missing, "seen" [B, C', T] is 0, and so are they.

    ``id``, ``time``, ``label`` and ``static`` are columns of a long table; ``heldout`` is the share of series that are
    held out by their content.
    """

    def __init__(
        self, path: str, id: str | None = None, time: str | None = None, label: str | None = None,
        static: list[str] | None = None, heldout: float = 0.1, seed: int = 0,
    ) -> None:  # fmt: skip
        self._open(read_series(path, id, time, label, static or []), heldout, seed, Path(path).name)

    @classmethod
    def of(
        cls, series: Any, labels: Any = None, *, heldout: float = 0.0, seed: int = 0, **options: Any
    ) -> Series:
        """Of series in memory: a ``Recorded``, or arrays as ``belamy.series.recorded.recorded`` takes them."""
        found = cls.__new__(cls)
        series = series if isinstance(series, Recorded) else recorded(series, labels, **options)
        found._open(series, heldout, seed, "the data")
        return found

    def _open(self, series: Recorded, heldout: float, seed: int, name: str) -> None:
        self.seed, self.hashes, self.everything = seed, hashes_of(series), series
        out = chosen(self.hashes, heldout)
        if (~out).sum() < FEWEST:
            raise UserError(f"of {name}, {(~out).sum()} series are left to learn from; at least {FEWEST} are needed")
        self.recorded, self._other = series.part(~out), series.part(out)
        self.layout = Layout.fit(self.recorded)
        self._take(self.layout.encode(self.recorded), self.recorded.labels)
        self.facts = self._facts()

    def _take(self, encoded: Encoded, labels: NDArray[np.int64] | None) -> None:
        self._encoded, self._whole = encoded, bool(encoded.seen.all())
        self._labels = None if labels is None else torch.from_numpy(labels)

    def _facts(self) -> dict[str, Any]:
        layout, classes = self.layout, self.recorded.classes or []
        found = Statistics.fit(self._encoded, layout, self._labels, len(classes))
        counts = None if self._labels is None else self._labels.bincount(minlength=len(classes)).tolist()
        return {
            "kind": "series", "count": len(self), "heldout": len(self._other), "classes": classes or None,
            "class_counts": counts, "variables": len(layout.channels), "length": layout.length,
            "irregular": layout.gaps is not None, "ends": layout.ends, "choices": layout.attributes[1],
            "owners": layout.owners,
            "means": _rounded(found.means), "factors": _rounded(found.factors), "own": _rounded(found.own),
            "series": layout.as_json(),
            "fingerprint": hashlib.sha256(np.sort(self.hashes).tobytes()).hexdigest()[:16],
        }  # fmt: skip

    def __len__(self) -> int:
        return len(self._encoded.seen)

    def heldout(self) -> Series | None:
        if not len(self._other):
            return None
        found = copy.copy(self)
        found.recorded, found._other = self._other, self._other.part(np.zeros(0, dtype=np.int64))
        found._take(self.layout.encode(found.recorded), found.recorded.labels)
        return found

    def rows(self, indices: NDArray[np.int64], rng: Chance) -> Batch:
        at = rng.uniform(*self._encoded.lower.shape[1:])
        seen = torch.from_numpy(self._encoded.seen[indices])
        batch = {"series": self._encoded.scores(indices, at), "known": self._known(indices, rng) * seen}
        if not self._whole:
            batch["seen"] = seen
        if self._labels is not None:
            batch["class"] = self._labels[torch.from_numpy(indices)]
        return batch

    def _known(self, indices: NDArray[np.int64], rng: Chance) -> Tensor:
        """1 for what is known [B, C', T] of rows: a beginning, all but holes, or nothing of a series' course."""
        variables, gaps, ends, static = self.layout.sections
        lengths = torch.from_numpy(self.recorded.lengths[indices])
        chance = rng.uniform(4)
        # Without static attributes something is known of the course wherever anything is.
        course = (chance[:, 1] * (3 if static else 2)).long()
        begun = _beginnings(lengths, self.layout.length, rng)[:, None].expand(-1, variables + gaps + ends, -1)
        holes = _holes(variables, self.layout.length, lengths, rng)
        filled = torch.cat([holes, torch.ones_like(begun[:, variables:])], 1)
        known = torch.where(course[:, None, None] == 0, begun, filled) * (course < 2)[:, None, None]
        told = ((course == 2) | (chance[:, 2] < 0.5)).float()[:, None, None].expand(-1, static, self.layout.length)
        return torch.cat([known, told], 1) * (chance[:, 0] < ASKED)[:, None, None]


def _beginnings(lengths: Tensor, span: int, rng: Chance) -> Tensor:
    """1 for as many first steps [B, T] as are known, from one to all but one of the ``lengths`` [B]."""
    ends = 1 + (rng.uniform() * (lengths - 1)).long()
    return (torch.arange(span) < ends[:, None]).float()


def _holes(variables: int, span: int, lengths: Tensor, rng: Chance) -> Tensor:
    """0 for the values [B, C, T] to be filled: a span of one channel or of all, and in half of the rows others, too."""
    chance, each = rng.uniform(5), rng.uniform(variables, span)
    steps = torch.arange(span)
    width = 1 + (chance[:, 0] * lengths * 2 / 3).long()
    start = (chance[:, 1] * (lengths - width + 1).clamp(min=1)).long()
    hole = (steps >= start[:, None]) & (steps < (start + width)[:, None])
    channel = (chance[:, 2] * 2 * variables).long()
    chosen = (channel[:, None] == torch.arange(variables)) | (channel >= variables)[:, None]
    rare = chance[:, 3] * (chance[:, 4] < 0.5)
    return ((~(hole[:, None] & chosen[:, :, None])) & (each >= rare[:, None, None])).float()


def _rounded(values: Tensor) -> Any:
    """Nested lists of values to four digits after the point."""
    return np.round(values.double().numpy(), 4).tolist()


def hashes_of(series: Recorded) -> NDArray[np.uint64]:
    """A hash of each series' values, times and label."""
    found = []
    for index, length in enumerate(series.lengths):
        digest = hashlib.blake2b(series.values[index, :length].tobytes(), digest_size=8)
        if series.times is not None:
            digest.update(series.times[index, :length].tobytes())
        if series.labels is not None:
            digest.update(int(series.labels[index]).to_bytes(8, "little"))
        found.append(int.from_bytes(digest.digest(), "little"))
    return np.array(found, dtype=np.uint64)
