"""Sources as functions of position, and the loader that reads ahead."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from belamy.chance import Chance
from belamy.data.images import Images
from belamy.game import Batch
from belamy.source import Loader, Source, _scattered, shuffled


class Numbers(Source):
    """Row i is the number i, and a random number of its own."""

    def __init__(self, count: int, seed: int = 0, fail_from: int | None = None) -> None:
        self.facts, self.seed = {"count": count}, seed
        self._count, self._fail_from, self.threads = count, fail_from, set[str]()

    def __len__(self) -> int:
        return self._count

    def rows(self, indices: NDArray[np.int64], rng: Chance) -> Batch:
        self.threads.add(threading.current_thread().name)
        return {"number": torch.from_numpy(indices), "chance": rng.uniform(2)}

    def draw(self, position: int, size: int) -> Batch:
        if self._fail_from is not None and position + size > self._fail_from:
            raise OSError("the disk is gone")
        return super().draw(position, size)


def joined(*batches: Batch) -> Batch:
    return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}


def equal(ours: Batch, theirs: Batch) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("count", [1, 3, 7, 100])
def test_draws_join(count: int) -> None:
    source = Numbers(count)
    for position, a, b in ((0, 5, 9), (count - 1, 1, 2), (3 * count + 2, 2 * count, 1), (12345, 17, 0)):
        parts = joined(source.draw(position, a), source.draw(position + a, b)) if b else source.draw(position, a)
        assert equal(source.draw(position, a + b), parts)
    one_by_one = joined(*[source.draw(place, 1) for place in range(30)])
    assert equal(Numbers(count).draw(0, 30), one_by_one)


def test_draws_of_flipped_pictures_join(pictures: Path) -> None:
    source = Images(str(pictures), flip=True, seed=3)
    assert equal(source.draw(20, 15), joined(source.draw(20, 6), source.draw(26, 9)))
    again = Images(str(pictures), flip=True, seed=3)
    assert equal(again.draw(20, 15), source.draw(20, 15))
    plain = Images(str(pictures), seed=3).draw(0, 200)["image"]
    flipped = source.draw(0, 200)["image"]
    mirrored = (plain != flipped).flatten(1).any(1)
    assert 60 < mirrored.sum() < 140
    assert torch.equal(flipped[mirrored], plain[mirrored].flip(3))


def test_every_epoch_is_a_permutation_of_its_own() -> None:
    source = Numbers(50)
    epochs = [tuple(source.draw(50 * epoch, 50)["number"].tolist()) for epoch in range(5)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert len(set(epochs)) == 5 and tuple(range(50)) not in epochs
    assert tuple(Numbers(50, seed=1).draw(0, 50)["number"].tolist()) != epochs[0]


def test_chance_belongs_to_the_position() -> None:
    drawn = Numbers(10).draw(0, 40)["chance"]
    assert len(torch.unique(drawn)) == drawn.numel()


def test_take_gives_different_rows_in_one_order_for_all_seeds() -> None:
    first = Numbers(20).take(20)
    assert sorted(first["number"].tolist()) == list(range(20))
    assert equal(Numbers(20, seed=9).take(20), first)
    assert equal(joined(Numbers(20).take(8), Numbers(20).take(12, start=8)), first)
    assert len(Numbers(20).take(500)["number"]) == 20 and len(Numbers(20).take(5, start=18)["number"]) == 2


def test_the_loader_gives_each_process_its_rows() -> None:
    source = Numbers(30)
    whole = Loader(source, 8, slice(0, 8), position=16)
    parts = [Loader(source, 8, slice(start, start + 4), position=16) for start in (0, 4)]
    for step in range(9):
        expected = source.draw(16 + 8 * step, 8)
        assert equal(next(whole), expected)
        assert equal(joined(*[next(part) for part in parts]), expected)
    for loader in (whole, *parts):
        loader.close()
    assert source.threads >= {"belamy-loader"}


def test_the_loader_passes_errors_on() -> None:
    loader = Loader(Numbers(30, fail_from=16), 8, slice(0, 8))
    assert len(next(loader)["number"]) == len(next(loader)["number"]) == 8
    with pytest.raises(OSError, match="the disk is gone"):
        next(loader)
    loader.close()


def test_a_closed_loader_leaves_no_thread() -> None:
    before = threading.active_count()
    loaders = [Loader(Numbers(30), 8, slice(0, 8), ahead=2) for _ in range(3)]
    next(loaders[0])
    assert threading.active_count() == before + 3
    for loader in loaders:
        loader.close()
        loader.close()
    assert threading.active_count() == before


def test_the_loader_reads_no_further_ahead_than_told() -> None:
    class Counting(Numbers):
        drawn = 0

        def draw(self, position: int, size: int) -> Batch:
            self.drawn += 1
            return super().draw(position, size)

    source = Counting(30)
    loader = Loader(source, 8, slice(0, 8), ahead=4)
    while source.drawn < 4:
        time.sleep(0.01)
    time.sleep(0.1)
    assert source.drawn == 4
    next(loader)
    time.sleep(0.1)
    assert source.drawn == 4  # it wakes for two at once
    next(loader)
    while source.drawn < 6:
        time.sleep(0.01)
    loader.close()


# --- orders that are not kept as lists

@pytest.mark.parametrize("size", [1, 2, 5, 64, 1000, 4097])
def test_a_long_order_is_a_permutation(size: int) -> None:
    found = _scattered(np.arange(size), size, 7)
    assert sorted(found.tolist()) == list(range(size))


def test_a_long_order_is_shuffled_anew_each_epoch_and_known_anywhere() -> None:
    size = 10_000_000
    places = np.array([0, 1, 2, size // 2, size - 1])
    first, second = (shuffled(places, size, 3, epoch) for epoch in (0, 1))
    assert (first != second).all() and (np.diff(first) != 1).all()
    assert np.array_equal(shuffled(places[3:], size, 3, 0), first[3:])
    many = shuffled(np.arange(100_000), size, 3, 0)
    assert abs(many.mean() / size - 0.5) < 0.01  # 11 standard errors
    assert abs(np.corrcoef(many[:-1], many[1:])[0, 1]) < 0.02


def test_the_order_is_the_same_however_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("belamy.source.LISTED", 10)
    assert np.array_equal(
        np.concatenate([shuffled(np.arange(start, start + 20), 100, 5, 2) for start in range(0, 100, 20)]),
        shuffled(np.arange(100), 100, 5, 2),
    )
