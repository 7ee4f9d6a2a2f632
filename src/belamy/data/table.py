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
from belamy.data.conditions import ASKED, Form, Orders
from belamy.data.factors import factors, levels
from belamy.errors import UserError
from belamy.game import Batch
from belamy.source import Source
from belamy.tables.columns import read_schema
from belamy.tables.encoding import Encoded
from belamy.tables.rows import Rows

if TYPE_CHECKING:
    import pandas as pd

FIRST, PER_ROW, ROWS = 40_000, 40, 40_000
"""Examples that training lasts: so many, and so many for each row up to a number of rows."""
FACTORED = 20_000
"""Rows that are looked at for what columns share."""
LEAST = 20
"""Rows of which a table can be learnt."""


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
            **self._copula(), "table": self.layout.as_json(), "target": target, "fingerprint": fingerprint(hashes),
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
        self.form, self._orders = Form(self.layout.encoding), Orders(self._codes, self.layout.encoding.choices)

    def _copula(self) -> dict[str, Any]:
        """The facts of a copula of as many rows as tell it."""
        rows = torch.from_numpy(self.order(FACTORED))
        encoded = self.form.row(self._codes[rows], self._placed(rows, Chance(key("factors"), rows)))
        weights = factors(encoded, self.form.numbers)
        shares = torch.tensor([share for field in self.layout.encoding.fields for share in field.shares])
        biases = levels(weights[self.form.numbers :], shares, self.layout.encoding.choices)
        rounded = [[round(one, 4) for one in row] for row in weights.tolist()]
        return {"factors": rounded, "levels": [round(one, 4) for one in biases.tolist()]}

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
        rows, chance = torch.from_numpy(indices), rng.uniform(4)
        conditional = chance[:, 0] < ASKED
        first = (chance[:, 1] * self.form.columns).long().clamp(max=self.form.columns - 1)
        by_option = conditional & (first < self.form.choices)
        if self.form.choices:
            picked = self._orders.pick(first.clamp(max=self.form.choices - 1), chance[:, 2], chance[:, 3])
            rows = torch.where(by_option, picked, rows)
        codes, places = self._codes[rows], self._placed(rows, rng)
        return {"row": self.form.row(codes, places), **self.form.asked(rng, conditional, first, codes, places)}

    def _placed(self, rows: Tensor, rng: Chance) -> Tensor:
        """The places [B, J] of the rows' numbers, somewhere between where their values begin and end."""
        lower, upper = self._lower[rows], self._upper[rows]
        return lower + (upper - lower) * rng.uniform(self.form.numbers)


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
