"""The pool of old pictures, beside the loop that CycleGAN's paper describes."""

from __future__ import annotations

import torch

from belamy.chance import Chance
from belamy.networks.pool import Pool


def test_it_does_what_a_plain_list_does() -> None:
    pool, kept = Pool(3, (1,)), list[float]()
    for step in range(20):
        rng, same = Chance(step, range(4)), Chance(step, range(4))
        pictures = torch.arange(4.0)[:, None] + 10 * step
        places, chances = same.integers(3).tolist(), same.uniform().tolist()
        expected = []
        for row, value in enumerate(pictures[:, 0].tolist()):
            if len(kept) < 3:
                kept.append(value)
                expected.append(value)
            elif chances[row] < 0.5:
                expected.append(kept[places[row]])
                kept[places[row]] = value
            else:
                expected.append(value)
        assert pool(pictures, rng)[:, 0].tolist() == expected
        assert pool.kept[:, 0].tolist()[: len(kept)] == kept


def test_half_of_what_comes_back_is_older() -> None:
    pool, older = Pool(50, (1,)), 0
    for step in range(100):
        found = pool(torch.full((8, 1), float(step)), Chance(step, range(8)))
        older += int((found < step).sum())
    assert 0.4 < older / (8 * 100 - 50) < 0.55


def test_a_pool_of_none_gives_back_what_it_is_given() -> None:
    pictures = torch.randn(4, 3)
    assert torch.equal(Pool(0, (3,))(pictures, Chance(0, range(4))), pictures)
