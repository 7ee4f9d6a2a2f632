"""Schedules of a recipe: a number, half a cosine, or steps by examples or by the sizes that a game grows through."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from belamy.errors import UserError
from belamy.ops.schedule import cosine
from belamy.ops.values import Weight


class Cosine(BaseModel):
    """Half a cosine from ``start`` to ``end`` over the first ``over`` examples, constant after.

    None: over the whole run.
    """

    model_config = ConfigDict(extra="forbid")
    start: Weight
    end: Weight
    over: Annotated[int | None, Field(ge=0)] = None


def _form(value: Any) -> str:
    if isinstance(value, Mapping) and all(re.fullmatch(r"\d+(x\d+)?", str(name)) for name in value):
        return "<steps>"
    return "<cosine>" if isinstance(value, Mapping | Cosine) else "<number>"


def _moment(name: Any) -> int | str:
    if not re.fullmatch(r"\d+(x\d+)?", str(name)):
        raise ValueError("input should be a valid integer, or a size such as 64x64")
    return name if "x" in str(name) else int(name)


def _from_the_start(steps: Mapping[int | str, Number]) -> Mapping[int | str, Number]:
    if 0 not in steps and not any(isinstance(moment, str) for moment in steps):
        raise ValueError("steps should say what holds from 0 examples on")
    return steps


Number = TypeVar("Number", int, float)
Rows = Annotated[int, Field(gt=0)]
Moment = Annotated[int | str, BeforeValidator(_moment)]
"""A number of examples, or the size of pictures from which on something holds, in a game that grows."""

# Told apart by their form, so that an error is about the one that was meant.
Schedule = Annotated[
    Annotated[Weight, Tag("<number>")] | Annotated[Cosine, Tag("<cosine>")]
    | Annotated[Mapping[Moment, Weight], AfterValidator(_from_the_start), Tag("<steps>")],
    Discriminator(_form),
]  # fmt: skip
Size = Annotated[
    Annotated[Rows, Tag("<number>")]
    | Annotated[Mapping[Moment, Rows], AfterValidator(_from_the_start), Tag("<steps>")],
    Discriminator(lambda value: "<steps>" if isinstance(value, Mapping) else "<number>"),
]


def below_one(schedule: Any) -> Any:
    """A schedule whose values are all below 1, such as a share that is kept; ValueError for others."""
    ends = (schedule.start, schedule.end) if isinstance(schedule, Cosine) else (schedule,)
    if max(schedule.values() if isinstance(schedule, Mapping) else ends) >= 1:
        raise ValueError("input should be less than 1")
    return schedule


def at(schedule: float | Cosine | Mapping[Moment, float], examples: int) -> float:
    """The value of a schedule after so many examples; one that goes by sizes wants ``Recipe.growing`` first."""
    if isinstance(schedule, Cosine):
        if schedule.over is None:
            raise ValueError("a schedule over the whole run wants its length: see Recipe.lasting")
        return cosine(schedule.start, schedule.end, examples, schedule.over)
    if isinstance(schedule, Mapping):
        return schedule[max(start for start in schedule if isinstance(start, int) and start <= examples)]
    return schedule


def by_size(schedule: Any) -> bool:
    """Whether it goes by sizes of pictures."""
    return isinstance(schedule, Mapping) and any(isinstance(moment, str) for moment in schedule)


def timed(path: str, schedule: Any, moments: Mapping[str, int]) -> Any:
    """``schedule`` with numbers of examples for the sizes that it goes by: their ``moments``.

    Sizes beyond the largest of these are left out. Raises UserError, with the ``path`` of the schedule in the recipe,
    for others that are not among them.
    """
    if not by_size(schedule):
        return schedule
    if not moments:
        raise UserError(f"{path} goes by sizes of pictures, but the game does not grow: say numbers of examples")
    largest = max(map(_side, moments))
    known = {moment: value for moment, value in schedule.items() if moment in moments or isinstance(moment, int)}
    for moment in schedule.keys() - known.keys():
        if _side(moment) <= largest:
            raise UserError(f"{path}: the run has no pictures of {moment}; it goes through {', '.join(moments)}")
    found = {moments.get(str(moment), moment): value for moment, value in known.items()}
    if 0 not in found:
        raise UserError(f"{path} should say what holds from {next(iter(moments))} on")
    return found


def _side(size: str) -> int:
    return int(size.split("x")[0])
