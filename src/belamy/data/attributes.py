"""What pictures have and have not, as their metadata tell: names in a list, or ones and zeros."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from belamy.data.tellings import COLUMNS
from belamy.errors import UserError

Rows = Mapping[str, Mapping[str, Any]]
"""Of each picture the line of metadata.jsonl that is about it."""

OTHERS = ("file_name", "label", "class", *COLUMNS)


def attributes(rows: Rows) -> dict[str, frozenset[str]]:
    """The attributes of each picture that tells them, of those that some pictures have and some have not.

    ``attributes`` in a row lists their names, or maps names to ones and zeros. Where no row has it, all columns of
    ones and zeros are attributes. Instead of 0 and 1 there may be false and true, or CelebA's -1 and 1.
    Raises UserError for anything else.
    """
    if any("attributes" in row for row in rows.values()):
        told = {picture: row["attributes"] for picture, row in rows.items() if row.get("attributes") is not None}
    else:
        columns = list(_columns(rows))
        told = {picture: {name: row[name] for name in columns} for picture, row in rows.items()}
    found = {picture: _had(picture, value) for picture, value in told.items()}
    varying = frozenset().union(*found.values()) - frozenset.intersection(*found.values()) if found else frozenset()
    return {picture: own & varying for picture, own in found.items()} if varying else {}


def _columns(rows: Rows) -> Iterator[str]:
    """What every row has as one or zero."""
    for name in next(iter(rows.values()), {}):
        if name in OTHERS or not all(name in row for row in rows.values()):
            continue
        odd = {picture: row[name] for picture, row in rows.items() if not _is_flag(row[name])}
        if not odd:
            yield name
        elif len(odd) < len(rows) and all(isinstance(value, str) for value in odd.values()):
            picture, value = next(iter(odd.items()))
            raise UserError(f"{name!r} of {picture} is {value!r}, and 0 or 1 elsewhere: write 0 or 1")


def _had(picture: str, told: Any) -> frozenset[str]:
    """The names of what a picture has."""
    if isinstance(told, list) and all(isinstance(name, str) for name in told):
        return frozenset(told)
    if isinstance(told, dict) and all(map(_is_flag, told.values())):
        return frozenset(name for name, value in told.items() if value > 0)
    form = '["smiling", "hat"] or {"smiling": 1, "hat": 0}'
    raise UserError(f"the attributes of {picture} are {str(told)[:60]!r}; write names or ones and zeros, {form}")


def _is_flag(value: Any) -> bool:
    return isinstance(value, int | float) and value in (-1, 0, 1)
