"""The portrait of a table as a run folder holds it: `belamy.metrics.portrait` says what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

FRAMES = ("real", "generated", "copula", "independent")
"""The frames that are drawn, in this order; the first two are always there."""

_LARGEST, _DAYS = 1e100, 3e6  # of a number, and of a date: the year 10,000
_SMALLEST = 1e-100  # of a bin

Share = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)]
Shares = Annotated[list[Share], Field(max_length=60)]
Matrix = Annotated[list[Annotated[list[Share], Field(max_length=60)]], Field(max_length=60)]


class Column(BaseModel):
    """The shares of one column by frame: of ``values`` and then of the bins between ``edges``, of others, missing."""

    name: str
    kind: Literal["number", "date", "category", "boolean"]
    distance: Share
    values: list[Finite | str]
    edges: list[Finite]
    log: bool
    shares: dict[str, Shares]
    other: dict[str, Share]
    missing: dict[str, Share]

    @property
    def frames(self) -> list[str]:
        return [frame for frame in FRAMES if frame in self.shares]

    def of(self, place: int) -> dict[str, float]:
        """The share of one value or bin in each frame."""
        return {frame: self.shares[frame][place] for frame in self.frames}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        bars = len(self.values) + max(len(self.edges) - 1, 0)
        rising = all(high - low > _SMALLEST for low, high in pairwise(self.edges))
        numbers = [*self.edges, *(value for value in self.values if isinstance(value, float))]
        possible = self.kind != "date" or all(abs(days) < _DAYS for days in numbers)
        possible = possible and not (self.log and min(self.edges, default=0) <= 0)
        alike = self.shares.keys() == self.other.keys() == self.missing.keys() >= set(FRAMES[:2])
        if not (rising and possible and alike and all(len(row) == bars for row in self.shares.values())):
            raise ValueError("not the shares of one column")
        return self


class Associations(BaseModel):
    """How strongly columns go together, in [0, 1], a matrix for each frame."""

    names: Annotated[list[str], Field(min_length=2)]
    frames: dict[str, Matrix]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        sizes = {len(matrix) for matrix in self.frames.values()}
        sizes |= {len(row) for matrix in self.frames.values() for row in matrix}
        if sizes != {len(self.names)} or not self.frames.keys() >= set(FRAMES[:2]):
            raise ValueError("not the matrices of one table")
        return self


def columns_of(portrait: Mapping[str, Any]) -> list[Column]:
    """The columns of a portrait, the farthest from real first; those that are broken are left out."""
    entries = portrait.get("columns")
    found = []
    for entry in entries if isinstance(entries, list) else []:
        try:
            found.append(Column.model_validate(entry))
        except ValidationError:
            continue
    return sorted(found, key=lambda column: -column.distance)


def associations_of(portrait: Mapping[str, Any]) -> Associations | None:
    try:
        return Associations.model_validate(portrait.get("associations"))
    except ValidationError:
        return None
