"""What always holds between columns, and so has to hold in rows that are made: kept by construction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from belamy.errors import UserError, nearest
from belamy.tables.columns import Column, plain
from belamy.tables.encoding import Encoding, cells_of, numbers_of, unique_rows
from belamy.tables.scale import Floats
from belamy.tables.where import PRESENT, Reach, Wish, learnt, reach

if TYPE_CHECKING:
    import pandas as pd

Numbers = dict[str, Any]
KINDS = {"inequality": (), "sum": ("of",), "fixed": (), "depends": ("on",), "unique": ()}
"""Kinds of constraints, and what else each tells."""


@dataclass(frozen=True)
class Rising:
    """``inequality: [start, end]``: no column is less than the one before it; learnt as gaps."""

    columns: list[str]

    def reduce(self, values: dict[str, Floats]) -> None:
        for before, after in reversed(list(zip(self.columns, self.columns[1:], strict=False))):
            values[after] = values[after] - values[before]

    def restore(self, values: Numbers, reaches: Mapping[str, Reach]) -> None:
        for before, after in zip(self.columns, self.columns[1:], strict=False):
            values[after] = values[before] + np.maximum(values[after], 0)
        tops, least = self._tops(reaches), np.array(-np.inf)
        for name, top in zip(self.columns, tops, strict=True):
            found = reaches[name].near(values[name])
            found = np.where(found < least, reaches[name].up(least), found)
            values[name] = least = np.where(found > top, top, found)

    def broken(self, values: Mapping[str, Floats]) -> Any:
        """Also where a column is there, and one before it is missing."""
        pairs = [(values[before], values[after]) for before, after in zip(self.columns, self.columns[1:], strict=False)]
        return np.any([(before > after) | (np.isnan(before) & ~np.isnan(after)) for before, after in pairs], axis=0)

    def refuse(self, reaches: Mapping[str, Reach]) -> None:
        wished = [name for name in self.columns if reaches[name].wish != Wish()]
        if self._tops(reaches)[0] == -np.inf:
            always = " <= ".join(self.columns)
            raise UserError(f"no row can be as asked of {' and '.join(wished)}: {always} always holds")

    def _tops(self, reaches: Mapping[str, Reach]) -> list[Any]:
        """The most that each column can be, so that those after it can be more."""
        found: list[Any] = [np.array(np.inf)]
        for name in reversed(self.columns):
            found.insert(0, found[0] if reaches[name].wish.absent else reaches[name].down(found[0]))
        return found[:-1]

    def learnt(self, wished: Mapping[str, Wish]) -> dict[str, Wish]:
        """What wishes for the columns ask of what is learnt: that gaps are there, or missing."""
        found = {self.columns[0]: wished.get(self.columns[0], Wish())}
        for index, name in enumerate(self.columns[1:], 1):
            wish = wished.get(name, Wish())
            if wish.present:
                found |= {one: found.get(one, Wish()) & PRESENT for one in self.columns[: index + 1]}
            elif wish.absent:
                found[name] = wish
        return found

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

    def restore(self, values: Numbers, reaches: Mapping[str, Reach]) -> None:
        parts = {name: reaches[name].near(values[name]) for name in self.columns}
        total = np.sum(list(parts.values()), axis=0)
        wanted = self._possible(reaches).near(total)
        other = wanted != total
        share = np.divide(wanted, total, out=np.ones_like(total), where=other & (wanted * total > 0))
        for name in self.columns:
            parts[name] = np.where(other, reaches[name].near(parts[name] * share), parts[name])
        # Twice, since only later ones may have room for what is left.
        for name in self.columns * 2:
            left = np.where(other, wanted - np.sum(list(parts.values()), axis=0), 0.0)
            parts[name] = np.where(left == 0, parts[name], reaches[name].near(parts[name] + left))
        values.update({**parts, self.of: wanted})

    def broken(self, values: Mapping[str, Floats]) -> Any:
        """Also where the total is missing, or a part, but not both."""
        total = np.sum([values[name] for name in self.columns], axis=0)
        apart = np.abs(total - values[self.of]) > 1e-6 * np.maximum(1.0, np.abs(total))
        return apart | (np.isnan(total) != np.isnan(values[self.of]))

    def refuse(self, reaches: Mapping[str, Reach]) -> None:
        both = [name for name in self.columns if reaches[name].wish != Wish()]
        if reaches[self.of].wish != Wish() and both:
            raise UserError(f"{self.of} is the sum of {', '.join(self.columns)}: ask for it, or for {', '.join(both)}")
        if reaches[self.of].wish.absent:
            raise UserError(f"{self.of} is the sum of {', '.join(self.columns)}: ask for one of them to be missing")
        reach = self._possible(reaches)
        if reach.up(np.array(-np.inf)) == np.inf:
            raise UserError(f"no row can be as asked: {self.of} lies between {reach.low:g} and {reach.high:g}")

    def _possible(self, reaches: Mapping[str, Reach]) -> Reach:
        """What the total can be, as far as its parts reach."""
        low, high = (sum(getattr(reaches[name], end) for name in self.columns) for end in ("low", "high"))
        total = reaches[self.of]
        return replace(total, low=max(low, total.low), high=min(high, total.high))

    def learnt(self, wished: Mapping[str, Wish]) -> dict[str, Wish]:
        """What wishes for the columns ask of what is learnt: that parts are there."""
        asked = PRESENT if wished.get(self.of, Wish()).present else Wish()
        return {name: wished.get(name, Wish()) & asked for name in self.columns}

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

    def asked(self, wished: Mapping[str, Wish], reaches: Mapping[str, Reach]) -> dict[str, Wish]:
        """What wishes ask of the columns that are learnt. Raises UserError where they contradict what always holds."""
        found = {name: wish for name, wish in wished.items() if name not in self.derived}
        for one in self.arithmetic:
            one.refuse(reaches)
            found |= {name: wish for name, wish in one.learnt(wished).items() if wish != Wish()}
        return found

    def reaches(self, wished: Mapping[str, Wish], kinds: Mapping[str, Column], encoding: Encoding) -> dict[str, Reach]:
        """What each column of a constraint can be: one that is derived, as far as its dtype goes."""
        found = {}
        for one in self.arithmetic:
            steps = {name: encoding.step(name) for name in one.columns}
            if isinstance(one, Total):
                # Where one part is a multiple of 10, and another small, only ones make up every total.
                steps = {name: kinds[name].resolution if kinds[name].whole else step for name, step in steps.items()}
            for name in {*one.columns, *one.derived}:
                column, wish = kinds[name], wished.get(name, Wish())
                if name in one.derived:
                    step = max(min(steps.values()), column.resolution)
                    found[name] = Reach(wish, *column.ends, step, column.precision)
                else:
                    found[name] = replace(reach(encoding, name, wish), step=steps[name])
        return found

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
        reduced = [replace(each, kind="number", low=0.0, high=None) if each.name in gaps else each for each in columns]
        return found, [column for column in reduced if column.name not in gone]

    def restore(self, values: Numbers, reaches: Mapping[str, Reach]) -> None:
        """Puts into ``values`` what the learnt columns stand for, as far as each ``reaches``."""
        for one in self.arithmetic:
            one.restore(values, reaches)

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
        kind, named = _named(one, kinds)
        if kind == "inequality":
            rising.append(Rising(named))
        elif kind == "sum":
            totals.append(Total(named[:-1], named[-1]))
        elif kind == "unique":
            unique += named
        else:
            fixed.append(named[::-1] if kind == "depends" else named)
            if kind == "depends":
                _check_depends(named, frame, kinds)
    joint = {name for names in fixed for name in names}
    fixed += [list(names) for names in found if not joint & set(names)]
    whole = Constraints(rising, totals, fixed, unique)
    _hold(whole, frame, kinds)
    return whole


def _named(one: Mapping[str, Any], kinds: Mapping[str, Column]) -> tuple[str, list[str]]:
    """The kind of a constraint, and the columns that it names. Raises UserError for what is none."""
    kind = next((kind for kind in KINDS if kind in one), None)
    if kind is None:
        word = str(next(iter(one), ""))
        raise UserError(f"the constraint {dict(one)} is none of {', '.join(KINDS)}{nearest(word, KINDS)}")
    if set(one) != {kind, *KINDS[kind]}:
        more = "".join(f", {other}: COLUMN" for other in KINDS[kind])
        raise UserError(f"the constraint {dict(one)} should be written as {{{kind}: [COLUMN, COLUMN]{more}}}")
    told = [one[word] for word in (kind, *KINDS[kind])]
    named = [name for value in told for name in (value if isinstance(value, list) else [value])]
    if len(set(map(str, named))) < max(len(named), 1 if kind == "unique" else 2 + (kind == "sum")):
        raise UserError(f"the constraint {dict(one)} should name more columns, and none of them twice")
    for name in named:
        if name not in kinds:
            raise UserError(f"the constraint {kind} names {name!r}, which is no column{nearest(str(name), kinds)}")
        if kind != "unique":
            learnt(name, kinds)
    wanted = {"inequality": ("number", "date"), "sum": ("number",)}.get(kind, ())
    for name in named if wanted else ():
        if kinds[name].kind not in wanted or kinds[name].kind != kinds[named[0]].kind:
            each = " and ".join(f"{one} is a {kinds[one].kind}" for one in dict.fromkeys([named[0], name]))
            raise UserError(f"the constraint {kind} is about {'s or '.join(wanted)}s of one kind, and {each}")
    return kind, named


def _check_depends(named: Sequence[str], frame: pd.DataFrame, kinds: Mapping[str, Column]) -> None:
    """Raises UserError where the last of the columns does not tell the others."""
    rows, _ = unique_rows([cells_of(frame[name], kinds[name]) for name in named])
    for cell, count in Counter(row[-1] for row in rows).items():
        if count > 1:
            raise UserError(f"{' and '.join(named[:-1])} should depend on {named[-1]}, but vary where it is {cell!r}")


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
            names = ", ".join([*one.columns, *(one.derived if isinstance(one, Total) else [])])
            raise UserError(f"the constraint on {names} is broken in {broken.sum():,} rows, first in row {row}")
    for name in whole.unique:
        again = frame[name].duplicated()
        if again.any():
            raise UserError(f"{name} should be unique, but holds {plain(frame[name][again].iloc[0])!r} twice")
