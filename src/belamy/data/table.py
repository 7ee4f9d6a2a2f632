"""Rows of a table, and what may be asked of them: conditions that the row itself fulfils."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from belamy.chance import Chance, key
from belamy.errors import UserError
from belamy.game import Batch
from belamy.source import Source
from belamy.tables.columns import read_schema
from belamy.tables.encoding import Encoded
from belamy.tables.rows import Rows, scores

if TYPE_CHECKING:
    import pandas as pd

FIRST, PER_ROW, ROWS = 80_000, 20, 60_000
"""Examples that training lasts: so many, and so many for each row up to a number of rows."""
FACTORED = 20_000
"""Rows that are looked at for what columns share."""
LEAST = 20
"""Rows of which a table can be learnt."""
ASKED = 0.5
"""The share of rows of which something is asked."""
MOST = 3
"""Columns that something is asked of, at most."""
RARELY = 0.3
"""The share of conditions that leave more than one option, or less than all on one side."""


class Table(Source):
    """Rows ``{"row": float32 [B, J + K], "barred": [B, K], "lower": [B, J], "upper": [B, J]}`` of the file at ``path``.

    Of half of the rows something is asked, of one to three columns: an option, which is drawn among all that there are
    with the logarithm of how often they are (Xu et al., 2019), and the row is one that has it; or a part of a number's
    scale that the row lies in. ``types`` is a file of kinds and constraints; ``heldout`` is the share of rows that
    are held out by their content; ``target`` a column that rows are judged by how well they teach to predict.
    """

    def __init__(
        self, path: str, types: str | None = None, target: str | None = None, heldout: float = 0.1, seed: int = 0
    ) -> None:
        from belamy.tables.reading import read_table

        self._open(read_table(path), types, target, heldout, seed, {})

    @classmethod
    def of(
        cls, frame: pd.DataFrame, types: str | None = None, target: str | None = None, heldout: float = 0.0,
        seed: int = 0, told: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Table:
        """The rows of a frame in memory; ``told`` are kinds of columns that ``types`` does not say."""  # fmt: skip
        found = cls.__new__(cls)
        found._open(frame, types, target, heldout, seed, told or {})
        return found

    def _open(
        self, frame: pd.DataFrame, types: str | None, target: str | None, heldout: float, seed: int,
        told: Mapping[str, Mapping[str, Any]],
    ) -> None:  # fmt: skip
        if len(frame) < LEAST:
            raise UserError(f"the table has {len(frame)} rows: one of at least {LEAST} can be learnt")
        if not 0 <= heldout < 1:
            raise UserError(f"data.heldout {heldout} should be a share from 0 to less than 1")
        hashes = hashes_of(frame)
        out = _chosen(hashes, heldout)
        self.frame, self._others, self.seed = frame[~out].reset_index(drop=True), frame[out], seed
        schema = read_schema(types)
        self.layout = Rows.fit(self.frame, replace(schema, columns={**told, **schema.columns}))
        if target is not None:
            self.layout.learns(target)
        self._take(self.layout.encode(self.frame))
        encoding = self.layout.encoding
        self.facts = {
            "kind": "table", "count": len(self.frame), "heldout": len(self._others), "choices": encoding.choices,
            "numbers": encoding.numbers, "owners": encoding.owners,
            "shares": [share for field in encoding.fields for share in field.shares], "factors": self._factors(),
            "table": self.layout.as_json(), "target": target, "fingerprint": fingerprint(hashes),
        }  # fmt: skip
        self.length = FIRST + PER_ROW * min(len(self.frame), ROWS)

    @classmethod
    def like(cls, frame: pd.DataFrame, layout: Rows) -> Table:
        """Rows of a layout that is known, from which nothing is learnt."""
        found = cls.__new__(cls)
        found.layout, found.facts, found.seed = layout, {"kind": "table", "count": len(frame)}, 0
        return found.seen_as(frame)

    def _take(self, encoded: Encoded) -> None:
        self._codes = torch.from_numpy(encoded.codes).long()
        self._lower, self._upper = torch.from_numpy(encoded.lower), torch.from_numpy(encoded.upper)
        self._orders = _Orders(self._codes, self.layout.encoding.choices)

    def _factors(self) -> list[list[float]]:
        """What columns share, of as many rows as say it."""
        rows = torch.from_numpy(self.order(FACTORED))
        lower, upper = self._lower[rows], self._upper[rows]
        at = Chance(key("factors"), rows).uniform(self.layout.encoding.numbers)
        found = factors(self._row(self._codes[rows], lower, upper, at), self.layout.encoding.numbers)
        return [[round(one, 4) for one in row] for row in found.tolist()]

    def __len__(self) -> int:
        return len(self._codes)

    def heldout(self) -> Table | None:
        return self.seen_as(self._others) if len(self._others) else None

    def seen_as(self, frame: pd.DataFrame) -> Table:
        """Other rows of the same columns."""
        found = copy.copy(self)
        found.frame, found._others = frame.reset_index(drop=True), frame[:0]
        found._take(self.layout.encode(found.frame))
        return found

    def rows(self, indices: NDArray[np.int64], rng: Chance) -> Batch:
        rows = torch.from_numpy(indices)
        asked = rng.uniform(2 + MOST)
        which = rng.uniform(2, MOST)
        conditional = asked[:, 0] < ASKED
        columns = len(self.layout.encoding.choices) + self.layout.encoding.numbers
        first = (which[:, 0, 0] * columns).long().clamp(max=columns - 1)
        by_option = conditional & (first < len(self.layout.encoding.choices))
        rows = torch.where(by_option, self._orders.pick(first, asked[:, 1], which[:, 1, 0]), rows)
        codes, lower, upper = self._codes[rows], self._lower[rows], self._upper[rows]
        at = rng.uniform(self.layout.encoding.numbers)
        batch = {"row": self._row(codes, lower, upper, at)}
        return batch | self._asked(rng, conditional, first, codes, lower + (upper - lower) * at, asked)

    def _row(self, codes: Tensor, lower: Tensor, upper: Tensor, at: Tensor) -> Tensor:
        numbers = scores(lower, upper, at)
        for index, owner in enumerate(self.layout.encoding.owners):
            if owner >= 0:
                numbers[:, index] = numbers[:, index] * (codes[:, owner] == 0)
        return torch.cat([numbers, self._options(codes)], 1)

    def _options(self, codes: Tensor) -> Tensor:
        """Codes [B, C] as [B, K] of 0 and 1."""
        found = torch.zeros(len(codes), sum(self.layout.encoding.choices))
        return found.scatter_(1, codes + torch.tensor(self.layout.encoding.starts, dtype=torch.int64), 1.0)

    def _asked(
        self, rng: Chance, conditional: Tensor, first: Tensor, codes: Tensor, places: Tensor, asked: Tensor
    ) -> Batch:
        """Conditions on the ``first`` column of each row that has any, and on others of it."""
        encoding = self.layout.encoding
        columns = len(encoding.choices) + encoding.numbers
        chance = rng.uniform(columns)
        wanted = (chance * columns < asked[:, 1:2] * MOST / 2) & conditional[:, None]
        wanted |= torch.nn.functional.one_hot(first, columns).bool() & conditional[:, None]
        many = rng.uniform(sum(encoding.choices)) < 0.5 if encoding.choices else torch.zeros(len(codes), 0).bool()
        several = rng.uniform() < RARELY
        mine = self._options(codes)
        sizes = torch.tensor(encoding.choices, dtype=torch.int64)
        options = torch.arange(len(sizes)).repeat_interleave(sizes)
        barred = wanted[:, : len(encoding.choices)][:, options] & ~(several[:, None] & many) & (mine == 0)
        ends = rng.uniform(3, encoding.numbers)
        low = torch.where(ends[:, 2] < 2 / 3, places * ends[:, 0], 0.0)
        high = torch.where(ends[:, 2] > 1 / 3, places + (1 - places) * ends[:, 1], 1.0)
        limits = wanted[:, len(encoding.choices) :]
        # A number that is asked for is there.
        for index, owner in enumerate(encoding.owners):
            if owner >= 0:
                limits[:, index] &= codes[:, owner] == 0
                start = encoding.starts[owner]
                end = start + encoding.choices[owner]
                barred[:, start + 1 : end] |= limits[:, index, None]
        return {
            "barred": barred.float(), "lower": torch.where(limits, low, 0.0), "upper": torch.where(limits, high, 1.0)
        }  # fmt: skip


def factors(rows: Tensor, numbers: int, most: int = 64) -> Tensor:
    """What the columns of encoded rows [N, J + K] share, as [J + K, R]: their covariance is about ``f @ f.T``.

    Numbers count as they are where they are there; options, as in the analysis of mixed data (Pages, 2004), by the
    root of how often they are taken.
    """
    there = (rows[:, :numbers] != 0).float().mean(0).clamp(min=1e-3).sqrt()
    shares = rows[:, numbers:].mean(0)
    spread = torch.cat([there, shares.clamp(min=1e-4).sqrt()])
    values = (rows - rows.mean(0)) / spread
    power, axes = torch.linalg.eigh((values.T @ values / len(rows)).double())
    kept = power[-most:].clamp(min=0).sqrt()
    found: Tensor = (axes[:, -most:] * kept).float().flip(1)
    return found


class _Orders:
    """For each choice its rows in the order of their options, so that a row of an option is found at once."""

    def __init__(self, codes: Tensor, choices: list[int]) -> None:
        self._order = [codes[:, index].argsort(stable=True).to(torch.int32) for index in range(len(choices))]
        counts = [codes[:, index].bincount(minlength=size) for index, size in enumerate(choices)]
        self._ends = [count.cumsum(0) for count in counts]
        self._weights = [count.add(1).double().log() for count in counts]

    def pick(self, choice: Tensor, by: Tensor, which: Tensor) -> Tensor:
        """Rows [B] that have an option of their ``choice`` [B], drawn ``by`` its logarithm, and ``which`` of those."""
        found = torch.zeros_like(choice)
        for index in choice.unique().tolist():
            if index >= len(self._order):
                continue
            mine = choice == index
            edges = self._weights[index].cumsum(0)
            option = torch.searchsorted(edges / edges[-1], by[mine].double(), right=True).clamp(max=len(edges) - 1)
            ends = self._ends[index]
            starts = torch.cat([ends.new_zeros(1), ends[:-1]])
            count = (ends - starts)[option]
            place = starts[option] + (which[mine] * count).long().clamp(max=count - 1)
            found[mine] = self._order[index][place.clamp(min=0)].long()
        return found


def hashes_of(frame: pd.DataFrame) -> NDArray[np.uint64]:
    """A hash of each row's content."""
    from pandas.util import hash_pandas_object

    return np.asarray(hash_pandas_object(frame, index=False).to_numpy(dtype=np.uint64))


def fingerprint(hashes: NDArray[np.uint64]) -> str:
    """What tells a table from others, in whatever order its rows are."""
    return hashlib.sha256(np.sort(hashes).tobytes()).hexdigest()[:16]


def _chosen(hashes: NDArray[np.uint64], share: float) -> NDArray[np.bool_]:
    """Rows [N] that are held out: equal ones all or none."""
    mixed = hashes * np.uint64(0x9E3779B97F4A7C15 | 1) ^ np.uint64(abs(key("heldout")))
    return np.asarray(mixed < np.uint64(int(share * (2**64 - 1)))) if share else np.zeros(len(hashes), dtype=bool)
