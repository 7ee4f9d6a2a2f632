"""Several processes: how they meet, what is over the batch that they share, and work that they deal out."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.distributed.nn.functional import all_reduce

T = TypeVar("T")

PARENT_DEATH = 1
"""PR_SET_PDEATHSIG of prctl(2)."""

_dealing: str | None = None


@contextmanager
def joined() -> Iterator[None]:
    """Joins the other processes when torchrun has started several; leaves them at the end."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    _follow_parent()
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def _follow_parent() -> None:
    """On Linux, one of several processes is told to stop when the one that started it is gone, however it ended."""
    if sys.platform == "linux" and "TORCHELASTIC_RUN_ID" in os.environ:
        ctypes.CDLL(None).prctl(PARENT_DEATH, signal.SIGTERM)


@contextmanager
def speaking() -> Iterator[None]:
    """Around what processes say to each other, which fails with a RuntimeError when one of them has stopped.

    Raises ConnectionError for it.
    """
    try:
        yield
    except RuntimeError as error:
        said = (str(error).splitlines() or ["no reason given"])[0]
        raise ConnectionError(f"the other processes cannot be spoken to; one may have stopped ({said})") from error


def leads() -> bool:
    """Whether this process is the only one, or the one that writes and speaks."""
    return not dist.is_initialized() or dist.get_rank() == 0


@contextmanager
def dealing(to: str | None) -> Iterator[None]:
    """Inside, ``dealt`` has its work done by all processes, which must all ask for the same; ``to`` "all", or "one".

    Outside, each process does its own, whatever the others do.
    """
    global _dealing
    before, _dealing = _dealing, to
    try:
        yield
    finally:
        _dealing = before


def seat() -> tuple[int, int]:
    """The number of this process, and how many there are to deal work to: (0, 1) outside of ``dealing``."""
    return (dist.get_rank(), processes()) if _dealing is not None and processes() > 1 else (0, 1)


def exchanged(value: T) -> list[T]:
    """What each of the processes that work is dealt to has, in their order."""
    if seat()[1] == 1:
        return [value]
    found: list[Any] = [None] * processes()
    with speaking():
        dist.all_gather_object(found, value)
    return found


@contextmanager
def one_at_first() -> Iterator[None]:
    """Within ``dealing``, the others come in when the first is through: what it keeps, they find."""
    number, _ = seat()
    if number:
        exchanged(None)
    try:
        yield
    finally:
        if not number:
            exchanged(None)


def dealt(make: Callable[[int], T], places: Sequence[int]) -> Iterator[T]:
    """``make(place)`` for each of ``places``, in order; within ``dealing`` each is made by one process.

    What it makes may be anything that pickles: it comes from processes of the same run, which trust each other. Where
    it is dealt to "one", the others get nothing.
    """
    to, (number, count) = _dealing, seat()
    if count == 1:
        yield from map(make, places)
        return
    for first in range(0, len(places), count):
        mine = places[first + number : first + number + 1]
        with dealing(None):  # work within work is its maker's own
            made = [make(place) for place in mine]
        parts: list[Any] | None = [None] * count if to == "all" or leads() else None
        with speaking():
            if to == "all":
                dist.all_gather_object(parts, made)
            else:
                dist.gather_object(made, parts)
        for part in parts or ():
            yield from part


def processes() -> int:
    """How many processes share the batch."""
    return dist.get_world_size() if dist.is_initialized() else 1


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of what each process has as ``value``, of any shape, differentiable."""
    mean: Tensor = all_reduce(value) / processes() if processes() > 1 else value
    return mean


def whole_batch(rows: Tensor) -> Tensor:
    """The rows [B, D] of the global batch, in its order, for those [B / processes, D] held here; differentiable."""
    if processes() == 1:
        return rows
    before = dist.get_rank() * len(rows)
    whole: Tensor = all_reduce(F.pad(rows, (0, 0, before, (processes() - 1) * len(rows) - before)))
    return whole


def gathered(rows: Tensor) -> Tensor:
    """The rows [B, ...] of the global batch, in its order, for those [B / processes, ...] held here; no gradients."""
    if processes() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(processes())]
    dist.all_gather(parts, rows.contiguous())
    return torch.cat(parts)
