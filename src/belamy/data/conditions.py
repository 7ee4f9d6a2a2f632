"""What may be asked of a row that it fulfils: drawn for training, all rows of a batch at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from belamy.chance import Chance
from belamy.game import Batch
from belamy.tables.encoding import Encoding
from belamy.tables.rows import scores

ASKED = 0.5
"""The share of rows of which something is asked."""
MORE = 1.0
"""Columns beside the first that something is asked of, in the mean, at most."""
SEVERAL = 0.3
"""The share of conditions that leave more than one option."""


class Form:
    """Tensors of an encoding: rows in the form that networks take, and conditions on them."""

    def __init__(self, encoding: Encoding) -> None:
        self.choices, self.numbers, options = len(encoding.choices), encoding.numbers, sum(encoding.choices)
        self.columns, self.options = self.choices + self.numbers, options
        self._starts = torch.tensor(encoding.starts, dtype=torch.int64)
        sizes = torch.tensor(encoding.choices, dtype=torch.int64)
        self._choice = torch.arange(self.choices).repeat_interleave(sizes)
        self._owners = torch.tensor(encoding.owners, dtype=torch.int64)
        # Of a number's owner all options but the first, which says that it is there.
        first = torch.zeros(options, dtype=torch.bool).index_fill_(0, self._starts, True)
        self._absent = ((self._choice == self._owners[:, None]) & ~first).float()

    def row(self, codes: Tensor, places: Tensor) -> Tensor:
        """Codes [B, C] and places [B, J] as [B, J + K]: scores, 0 where a number is not there, and options."""
        return torch.cat([scores(places) * self._there(codes), self._taken(codes)], 1)

    def _there(self, codes: Tensor) -> Tensor:
        """Whether each number is there: float [B, J]."""
        always = codes.new_zeros(len(codes), 1)
        return (torch.cat([codes, always], 1)[:, self._owners] == 0).float()

    def _taken(self, codes: Tensor) -> Tensor:
        return torch.zeros(len(codes), self.options).scatter_(1, codes + self._starts, 1.0)

    def asked(self, rng: Chance, conditional: Tensor, first: Tensor, codes: Tensor, places: Tensor) -> Batch:
        """Conditions on the ``first`` column of each row that is ``conditional`` [B], and on some others of it."""
        chance = rng.uniform(self.columns + 2)
        wanted = chance[:, :-2] * self.columns < chance[:, -2:-1] * 2 * MORE
        wanted = (wanted.scatter(1, first[:, None], True)) & conditional[:, None]
        kept = (rng.uniform(self.options) < 0.5) & (chance[:, -1:] < SEVERAL)
        barred = wanted[:, self._choice] & ~kept & (self._taken(codes) == 0)
        ends = rng.uniform(3, self.numbers)
        low = torch.where(ends[:, 2] < 2 / 3, places * ends[:, 0], 0.0)
        high = torch.where(ends[:, 2] > 1 / 3, places + (1 - places) * ends[:, 1], 1.0)
        limits = wanted[:, self.choices :] & (self._there(codes) > 0)
        return {
            "barred": (barred | (limits.float() @ self._absent > 0)).float(),
            "lower": torch.where(limits, low, 0.0), "upper": torch.where(limits, high, 1.0),
        }  # fmt: skip

    def nothing(self, n: int) -> Batch:
        """That nothing is asked of ``n`` rows."""
        return {
            "barred": torch.zeros(n, self.options), "lower": torch.zeros(n, self.numbers),
            "upper": torch.ones(n, self.numbers),
        }  # fmt: skip


class Orders:
    """The rows of each choice in the order of their options, so that a row of an option is found at once."""

    def __init__(self, codes: Tensor, choices: Sequence[int]) -> None:
        self._rows = len(codes)
        if not choices:
            return
        self._order = torch.cat([codes[:, index].argsort(stable=True).to(torch.int32) for index in range(len(choices))])
        counts = [codes[:, index].bincount(minlength=size) for index, size in enumerate(choices)]
        weights = [torch.where(count > 0, count.add(1).double().log(), 0.0).cumsum(0) for count in counts]
        # The options of choice c lie between c and c + 1, in proportion to the logarithm of how often they are.
        self._edges = torch.cat([index + weight / weight[-1] for index, weight in enumerate(weights)])
        self._counts = torch.cat(counts)
        self._starts = self._counts.cumsum(0) - self._counts

    def pick(self, choice: Tensor, by: Tensor, which: Tensor) -> Tensor:
        """Rows [B] of an option of their ``choice`` [B], drawn ``by`` its logarithm, and ``which`` of those."""
        option = torch.searchsorted(self._edges, choice + by.double(), right=True).clamp(max=len(self._edges) - 1)
        place = self._starts[option] + (which.double() * self._counts[option]).long()
        return self._order[place.clamp(max=len(self._order) - 1)].long()
