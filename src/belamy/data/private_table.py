"""Rows of a table as differential privacy wants them: each drawn or not by itself, and nothing else told of them."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch
from numpy.typing import NDArray

from belamy.chance import Chance, key
from belamy.data.table import LEAST, Table
from belamy.errors import UserError
from belamy.game import Batch
from belamy.tables.columns import read_schema
from belamy.tables.declared import declared
from belamy.tables.reading import read_table


class PrivateTable(Table):
    """Batches ``{"row": [B, D], "present": [B], ...}`` of the table at ``path``, of which about ``lot`` are present.

    Each row is there with the same probability, whichever others are (Poisson sampling, which accountants of privacy
    suppose): so their number varies, and places that are left over are not ``present``. ``types`` is the file that
    tells kinds, bounds and categories; nothing is found in the data but the number of rows. Which rows are drawn hangs
    on ``secret``, a number that nobody else may know; it stays in the run's folder and out of the model.
    """

    def __init__(self, path: str, types: str | None = None, lot: int = 200, secret: int | None = None, seed: int = 0):
        if types is None:
            raise UserError("privacy wants kinds, bounds and categories of columns told: --set data.types=types.yaml")
        if secret is None:
            raise UserError("a private table wants a secret: data.secret")
        self.frame, self.seed = read_table(path), seed
        if len(self.frame) < LEAST or not 0 < lot < len(self.frame):
            raise UserError(f"data.lot {lot} should be less than the table's {len(self.frame):,} rows")
        self._others = self.frame[:0]
        self.layout = declared(self.frame, read_schema(types))
        self._secret, self._lot = int(secret), lot
        self._take(self.layout.encode(self.frame))
        encoding = self.layout.encoding
        options = sum(encoding.choices)
        self.facts = {
            "kind": "table", "count": len(self.frame), "heldout": 0, "choices": encoding.choices, "lot": lot,
            "numbers": encoding.numbers, "owners": encoding.owners, "private": True, "target": None,
            "factors": np.zeros((encoding.numbers + options, 1)).tolist(),
            "levels": [math.log(share) for field in encoding.fields for share in field.shares],
            "table": self.layout.as_json(),
            "fingerprint": hashlib.sha256(repr(sorted(self.layout.columns)).encode()).hexdigest()[:16],
        }  # fmt: skip

    def draw(self, position: int, size: int) -> Batch:
        """The batch of step ``position / size``; only whole batches are drawn."""
        step, rest = divmod(position, size)
        if rest or size < self._lot + 4 * math.sqrt(self._lot):
            raise UserError(f"a private batch is whole, and larger than data.lot {self._lot}: --batch {2 * self._lot}")
        chance = Chance(key("poisson", self._secret, step), torch.arange(len(self)))
        indices = np.flatnonzero((chance.uniform() < self._lot / len(self)).numpy())[:size]
        filled = np.zeros(size, dtype=np.int64)
        filled[: len(indices)] = indices
        present = (torch.arange(size) < len(indices)).float()
        rng = Chance(key("private", self._secret, step), torch.arange(size))
        return {**self.rows(filled, rng), "present": present}

    def rows(self, indices: NDArray[np.int64], rng: Chance) -> Batch:
        """Of which nothing is asked: conditions are drawn from the data elsewhere."""
        rows = torch.from_numpy(indices)
        row = self.form.row(self._codes[rows], self._placed(rows, rng))
        return {"row": row, **self.form.nothing(len(rows)), "present": torch.ones(len(rows))}
