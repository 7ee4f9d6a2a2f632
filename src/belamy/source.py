"""Training data as a pure function of position, and the loader that fetches ahead."""

from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from belamy.chance import Chance, key, mix
from belamy.game import Batch

Facts = dict[str, Any]
"""Plain JSON about the data that networks must match: resolution, channels, classes, count, ..."""


class Source(ABC):
    """Rows in an endless, shuffled order that is keyed by ``seed``.

    ``draw(p, a + b)`` is ``draw(p, a)`` followed by ``draw(p + a, b)``: every epoch is a permutation of its own,
    and the chance of a row (crops, flips, masks) is keyed by its position. So workers and ranks agree, and
    resuming needs one integer.
    """

    facts: Facts
    seed: int = 0
    length: int | None = None
    """Examples that a training lasts where its recipe does not say, or None."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of rows."""

    @abstractmethod
    def rows(self, indices: NDArray[np.int64], rng: Chance) -> Batch:
        """The rows at ``indices``, with their random treatment drawn from ``rng`` (one row each)."""

    def heldout(self) -> Source | None:
        """The data that training does not see, in the same form; None where there is none."""
        return None

    def draw(self, position: int, size: int) -> Batch:
        """The ``size`` rows of the endless order that begin at ``position``."""
        positions = np.arange(position, position + size)
        epochs, offsets = positions // len(self), positions % len(self)
        indices = np.empty(size, dtype=np.int64)
        for epoch in np.unique(epochs):
            mine = epochs == epoch
            indices[mine] = shuffled(offsets[mine], len(self), self.seed, int(epoch))
        return self.rows(indices, Chance(key("data", self.seed), torch.from_numpy(positions)))

    def take(self, size: int, start: int = 0) -> Batch:
        """``size`` different rows in an order that is fixed for all seeds, untreated by chance where that can be."""
        return self.plain(self.order(size, start))

    def order(self, size: int, start: int = 0) -> NDArray[np.int64]:
        """The indices of the rows that ``take`` gives."""
        return shuffled(np.arange(start, min(start + size, len(self))), len(self), -1, 0)

    def plain(self, indices: NDArray[np.int64]) -> Batch:
        """The rows at ``indices`` as evaluation sees them: without flips and the like."""
        return self.rows(indices, Chance(key("plain"), torch.from_numpy(indices)))


LISTED = 1 << 20
"""Rows up to which the order of an epoch is kept as a list; that of more is computed where it is asked for."""
ROUNDS = 6


def shuffled(places: NDArray[np.int64], size: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The rows at ``places`` of an epoch's order, which is a permutation of 0 to ``size`` - 1."""
    if size <= LISTED:
        return _permutation(seed, epoch, size)[places]
    return _scattered(places, size, key("epoch", seed, epoch))


def _scattered(places: NDArray[np.int64], size: int, code: int) -> NDArray[np.int64]:
    """A Feistel network over the next power of four, walked until inside (Black and Rogaway, 2002)."""
    half = np.uint64(((size - 1).bit_length() + 1) // 2)
    mask = (np.uint64(1) << half) - np.uint64(1)
    keys = [np.uint64(key(code, number) % (1 << 64)) for number in range(ROUNDS)]
    found, outside = places.astype(np.uint64), np.ones(len(places), np.bool_)
    while outside.any():
        left, right = found[outside] >> half, found[outside] & mask
        for one in keys:
            left, right = right, left ^ (mix(right ^ one) & mask)
        found[outside] = (left << half) | right
        outside = found >= size
    return found.astype(np.int64)


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, size: int) -> NDArray[np.int64]:
    return np.random.default_rng(abs(key("epoch", seed, epoch))).permutation(size)


class Loader:
    """Fetches a source's batches ahead in a thread: item k holds this rank's rows of the k-th global batch.

    Decoding and copying release the interpreter's lock, so that a thread hides them; a source that decodes uses
    its own pool. ``rows`` is the slice of each global batch that this process plays.
    """

    def __init__(self, source: Source, batch: int, rows: slice, position: int = 0, ahead: int = 4, pin: bool = False):
        self._ahead: queue.Queue[Batch | BaseException] = queue.Queue()
        self._taken, self._bundle = 0, max(1, ahead // 2)
        self._room = threading.Semaphore(ahead // self._bundle)  # threads that wake each other at every batch cost time
        self._closed = threading.Event()
        self._source, self._batch, self._rows, self._pin = source, batch, rows, pin
        torch.get_num_threads()  # this thread settles its own number before the other sets one for those to come
        self._thread = threading.Thread(target=self._fill, args=(position,), daemon=True, name="belamy-loader")
        self._thread.start()

    def _fill(self, position: int) -> None:
        item: Batch | BaseException
        # More OpenMP threads than cores make libgomp sleep at every barrier: measured 30 times slower training.
        torch.set_num_threads(1)
        while True:
            self._room.acquire()
            for _ in range(self._bundle):
                if self._closed.is_set():
                    return
                try:
                    item = self._source.draw(position + self._rows.start, self._rows.stop - self._rows.start)
                    if self._pin:
                        item = {name: value.pin_memory() for name, value in item.items()}
                except BaseException as error:  # handed to the reader, which raises it
                    item = error
                position += self._batch
                self._ahead.put(item)
                if isinstance(item, BaseException):
                    return

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        item = self._ahead.get()
        if isinstance(item, BaseException):
            raise item
        self._taken += 1
        if self._taken % self._bundle == 0:
            self._room.release()
        return item

    def close(self) -> None:
        self._closed.set()
        self._room.release()
        self._thread.join(timeout=5)
