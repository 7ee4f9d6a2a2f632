"""What always holds between columns, and so has to hold in rows that are made: kept by construction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from belamy.errors import UserError, nearest
from belamy.tables.columns import Column
from belamy.tables.encoding import cells_of, numbers_of, unique_rows
from belamy.tables.scale import Floats
from belamy.tables.where import Wish

if TYPE_CHECKING:
    import pandas as pd

Numbers = dict[str, Any]
KINDS = ("inequality", "sum", "fixed", "depends", "unique")


@dataclass(frozen=True)
class Rising:
    """``inequality: [start, end]``: no column is less than the one before it; learnt as gaps."""

    columns: list[str]

    def reduce(self, values: dict[str, Floats]) -> None:
        for before, after in reversed(list(zip(self.columns, self.columns[1:], strict=False))):
            values[after] = values[after] - values[before]

    def restore(self, values: Numbers, wished: Mapping[str, Wish]) -> None:
        low = -np.inf
        for index, name in enumerate(self.columns):
            if index:
                values[name] = values[self.columns[index - 1]] + np.maximum(values[name], 0)
        for name in self.columns:
            wish = wished.get(name, Wish())
            low = max(low, wish.low)
            values[name] = np.clip(values[name], low, wish.high)
        for before, after in reversed(list(zip(self.columns, self.columns[1:], strict=False))):
            values[before] = np.fmin(values[before], values[after])

    def broken(self, values: Mapping[str, Floats]) -> Any:
        pairs = zip(self.columns, self.columns[1:], strict=False)
        return np.any([values[before] > values[after] for before, after in pairs], axis=0)

    def refuse(self, wished: Mapping[str, Wish]) -> None:
        low = -np.inf
        for name in self.columns:
            wish = wished.get(name, Wish())
            low = max(low, wish.low)
            if low > wish.high:
                raise UserError(f"no row can be as asked: {' <= '.join(self.columns)} always holds")

    @property
    def derived(self) -> list[str]:
        """Columns that are not learnt as they are."""
        return self.columns[1:]


@dataclass(frozen=True)
class Total:
    """``sum: [parts], of: total``: the total is made from its parts."""

    columns: list[str]
    of: str

    def reduce(self, values: dict[str, Floats]) -> None:
        del values[self.of]

    def restore(self, values: Numbers, wished: Mapping[str, Wish]) -> None:
        parts = np.stack([values[name] for name in self.columns])
        wish = wished.get(self.of, Wish())
        total = parts.sum(0)
        wanted = np.clip(total, wish.low, wish.high)
        if wish.among is not None:
            choices = np.array(sorted(wish.among))
            wanted = choices[np.abs(choices[:, None] - np.nan_to_num(total)).argmin(0)]
        largest = np.abs(np.nan_to_num(parts)).argmax(0)
        # The largest part takes what is missing, so that whole numbers stay whole.
        parts[largest, np.arange(parts.shape[1])] += np.where(np.isnan(total), 0.0, wanted - total)
        values.update(zip(self.columns, parts, strict=True))
        values[self.of] = np.round(parts.sum(0), 9)

    def broken(self, values: Mapping[str, Floats]) -> Any:
        total = np.sum([values[name] for name in self.columns], axis=0)
        return np.abs(total - values[self.of]) > 1e-6 * np.maximum(1.0, np.abs(total))

    def refuse(self, wished: Mapping[str, Wish]) -> None:
        both = [name for name in self.columns if name in wished]
        if self.of in wished and both:
            raise UserError(f"{self.of} is the sum of {', '.join(self.columns)}: ask for it, or for {', '.join(both)}")
        if self.of in wished and wished[self.of].without:
            raise UserError(f"{self.of} is a sum: ask for it by =, >=, <=, > or <")

    @property
    def derived(self) -> list[str]:
        return [self.of]


@dataclass(frozen=True)
class Constraints:
    """Those of a table: arithmetic ones, columns whose combinations are ``fixed``, and ``unique`` ones."""

    rising: list[Rising]
    totals: list[Total]
    fixed: list[list[str]]
    unique: list[str]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Constraints:
        rising, totals = [Rising(**one) for one in content["rising"]], [Total(**one) for one in content["totals"]]
        return cls(rising, totals, content["fixed"], content["unique"])

    @property
    def arithmetic(self) -> list[Rising | Total]:
        return [*self.rising, *self.totals]

    @property
    def derived(self) -> set[str]:
        return {name for one in self.arithmetic for name in one.derived}

    def refuse(self, wished: Mapping[str, Wish]) -> None:
        """Raises UserError for wishes that contradict what always holds."""
        for one in self.arithmetic:
            one.refuse(wished)

    def reduce(self, frame: pd.DataFrame, columns: Sequence[Column]) -> tuple[pd.DataFrame, list[Column]]:
        """The table that is learnt: gaps in place of columns that rise, and no totals."""
        import pandas as pd

        if not self.arithmetic:
            return frame, list(columns)
        kinds = {column.name: column for column in columns}
        names = {name for one in self.arithmetic for name in [*one.columns, *one.derived]}
        values = {name: numbers_of(frame[name], kinds[name]) for name in names}
        for one in self.arithmetic:
            one.reduce(values)
        found, gone = frame.drop(columns=[name for name in names if name not in values]), set(names) - set(values)
        gaps = {name for one in self.rising for name in one.derived}
        found = found.assign(**{name: pd.Series(values[name], index=frame.index) for name in gaps})
        plain = [replace(each, kind="number", low=0.0) if each.name in gaps else each for each in columns]
        return found, [column for column in plain if column.name not in gone]

    def restore(self, values: Numbers, wished: Mapping[str, Wish]) -> None:
        """Puts into ``values`` what the learnt columns stand for, as it is wished."""
        for one in self.arithmetic:
            one.restore(values, wished)

    def broken(self, frame: pd.DataFrame, columns: Sequence[Column], seen: Mapping[tuple[str, ...], set[Any]]) -> int:
        """How many rows break a constraint; ``seen`` are the combinations of the fixed ones."""
        kinds = {column.name: column for column in columns}
        bad = np.zeros(len(frame), dtype=bool)
        for one in self.arithmetic:
            names = {*one.columns, *one.derived}
            bad |= one.broken({name: numbers_of(frame[name], kinds[name]) for name in names})
        for group in self.fixed:
            unique, place = unique_rows([cells_of(frame[name], kinds[name]) for name in group])
            known = seen[tuple(group)]
            bad |= np.array([row not in known for row in unique], dtype=bool)[place]
        for name in self.unique:
            bad |= frame[name].duplicated(keep=False).to_numpy()
        return int(bad.sum())


def constraints_of(
    told: Sequence[Mapping[str, Any]], frame: pd.DataFrame, columns: Sequence[Column], found: Sequence[Sequence[str]]
) -> Constraints:
    """What a schema tells, and groups of columns ``found`` in which the first determines the others.

    Raises UserError for what names unknown columns, or does not hold in the data.
    """
    kinds = {column.name: column for column in columns}
    rising, totals, fixed, unique = list[Rising](), list[Total](), list[list[str]](), list[str]()
    for one in told:
        kind = next((kind for kind in KINDS if kind in one), None)
        if kind is None:
            raise UserError(f"the constraint {dict(one)} is none of {', '.join(KINDS)}")
        named = [one[kind]] if isinstance(one[kind], str) else list(one[kind])
        named += [one[other] for other in ("of", "on") if other in one]
        for name in named:
            if name not in kinds:
                raise UserError(f"the constraint {kind} names {name!r}, which is no column{nearest(name, list(kinds))}")
        if kind in ("inequality", "sum"):
            for name in named:
                if kinds[name].kind not in ("number", "date"):
                    raise UserError(f"the constraint {kind} is about numbers, and {name} is a {kinds[name].kind}")
        if kind == "inequality":
            rising.append(Rising(named))
        elif kind == "sum":
            if "of" not in one or len(named) < 3:
                raise UserError("write the constraint as - {sum: [part, part], of: total}")
            totals.append(Total(named[:-1], one["of"]))
        elif kind == "unique":
            unique += named
        else:
            fixed.append(named[::-1] if kind == "depends" else named)
    joint = {name for names in fixed for name in names}
    fixed += [list(names) for names in found if not joint & set(names)]
    whole = Constraints(rising, totals, fixed, unique)
    _hold(whole, frame, kinds)
    return whole


def _hold(whole: Constraints, frame: pd.DataFrame, kinds: Mapping[str, Column]) -> None:
    used = [name for one in whole.arithmetic for name in {*one.columns, *one.derived}]
    used += [name for group in whole.fixed for name in group] + whole.unique
    twice = next((name for name in used if used.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"{twice} stands in two constraints; a column can be in one")
    for one in whole.arithmetic:
        broken = one.broken({name: numbers_of(frame[name], kinds[name]) for name in {*one.columns, *one.derived}})
        if broken.any():
            row = int(np.flatnonzero(broken)[0])
            names = ", ".join(one.columns)
            raise UserError(f"the constraint on {names} is broken in {broken.sum():,} rows, first in row {row}")
    for name in whole.unique:
        again = frame[name].duplicated()
        if again.any():
            raise UserError(f"{name} should be unique, but holds {frame[name][again].iloc[0]!r} twice")
