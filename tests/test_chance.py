"""Randomness without state: rows that do not know each other, moments, and seeds that keep their meaning."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from belamy.chance import Chance, key

UNIFORM = [[0.5833388566970825, 0.17169123888015747], [0.9642585515975952, 0.6451876759529114],
           [0.7481553554534912, 0.7195070385932922]]  # fmt: skip
NORMAL = [[-0.8620834946632385, -0.1252656728029251], [-1.0623688697814941, -0.917395293712616],
          [-1.167478084564209, 0.5775539875030518]]  # fmt: skip
INTEGERS = [[558, 737], [33, 724], [530, 765]]
CHOICE = [2, 3, 1]
SEEDS = [[0.6524484753608704], [0.2501945495605469], [0.8160721063613892]]

DRAWS = {
    "uniform": lambda rng: rng.uniform(3, 2),
    "normal": lambda rng: rng.normal(7),
    "integers": lambda rng: rng.integers(1000, 4),
    "choice": lambda rng: rng.choice([1, 2, 3]),
}


def test_seeds_keep_their_meaning() -> None:
    """These numbers are those of version 0.1.0: whoever changes them changes every run and every sample."""
    assert key("sample", 0) == 6616978609835074433
    assert key("step", 0, 1, 64, 0, 0) == -5144314680775470577
    rng = Chance(42, [0, 1, 1_000_000])
    assert torch.equal(rng.uniform(2), torch.tensor(UNIFORM))
    assert torch.allclose(rng.normal(2), torch.tensor(NORMAL), rtol=0, atol=1e-6)
    assert rng.integers(1000, 2).tolist() == INTEGERS
    assert rng.choice([1, 2, 3, 4]).tolist() == CHOICE
    assert torch.equal(Chance.of_seeds([0, -5, 2**63]).uniform(1), torch.tensor(SEEDS))


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
def test_a_row_draws_the_same_whatever_other_rows_are_there(draw) -> None:  # type: ignore[no-untyped-def]
    together = Chance(7, range(50))
    first, second = draw(together), draw(together)
    for rows in ([3], [49, 3, 3], list(range(20, 40))):
        apart = Chance(7, rows)
        assert torch.equal(draw(apart), first[rows])
        assert torch.equal(draw(apart), second[rows])


@pytest.mark.parametrize("draw", [DRAWS["uniform"], DRAWS["normal"]], ids=["uniform", "normal"])
def test_draws_rows_and_seeds_differ(draw) -> None:  # type: ignore[no-untyped-def]
    rng = Chance(7, range(4))
    values = torch.cat([draw(rng), draw(rng), draw(Chance(8, range(4))), draw(Chance(7, range(4, 8)))])
    assert len(torch.unique(values)) == values.numel()


def test_of_seeds_is_row_0_of_each_seed() -> None:
    seeds = [0, 1, -(2**63), 2**63 - 1, 12345]
    rng = Chance.of_seeds(seeds)
    for row, seed in enumerate(seeds):
        assert torch.equal(Chance(seed, [0]).normal(3)[0], Chance.of_seeds(seeds).normal(3)[row])
    assert len(rng) == 5


def test_uniform_is_uniform() -> None:
    values = Chance(0, range(1000)).uniform(200).double()
    assert values.min() >= 0 and values.max() < 1
    counts = torch.histc(values, 50, 0, 1)
    expected = values.numel() / 50
    assert ((counts - expected) ** 2 / expected).sum() < 100  # chi-squared of 49 degrees: p < 1e-5
    assert abs(values.mean() - 0.5) < 5 / math.sqrt(12 * values.numel())


def test_normal_has_the_moments_of_a_normal() -> None:
    values = Chance(1, range(1000)).normal(400).double()
    count = values.numel()
    assert values.isfinite().all()
    assert abs(values.mean()) < 5 / math.sqrt(count)
    assert abs(values.var() - 1) < 5 * math.sqrt(2 / count)
    assert abs((values**3).mean()) < 5 * math.sqrt(15 / count)
    assert abs((values**4).mean() - 3) < 5 * math.sqrt(96 / count)
    assert abs((values.abs() < 1).double().mean() - 0.682689) < 5 * math.sqrt(0.2166 / count)


def test_rows_draws_and_columns_are_not_correlated() -> None:
    rng = Chance(2, range(5000))
    first, second = rng.normal(20).double(), rng.normal(20).double()
    limit = 5 / math.sqrt(5000)
    between = torch.corrcoef(torch.cat([first, second], 1).T) - torch.eye(40)
    assert between.abs().max() < limit
    neighbours = (first[1:] * first[:-1]).mean(0)
    assert neighbours.abs().max() < limit
    seeds = torch.stack([Chance(seed, [0]).normal(20)[0] for seed in range(2000)]).double()
    assert (seeds[1:] * seeds[:-1]).mean(0).abs().max() < 5 / math.sqrt(2000)


def test_integers_cover_their_range_evenly() -> None:
    values = Chance(3, range(1000)).integers(7, 70)
    counts = torch.bincount(values.flatten(), minlength=7).double()
    assert len(counts) == 7 and ((counts - 10_000) ** 2 / 10_000).sum() < 35
    assert set(Chance(3, range(100)).integers(1).tolist()) == {0}


def test_choice_keeps_the_proportions() -> None:
    weights = [5.0, 0.0, 1.0, 2.0]
    counts = torch.bincount(Chance(4, range(40_000)).choice(weights), minlength=4)
    assert counts[1] == 0
    expected = torch.tensor(weights) / 8 * 40_000
    assert (((counts - expected) ** 2)[expected > 0] / expected[expected > 0]).sum() < 25


def test_keys_tell_parts_apart() -> None:
    found = [key(), key(0), key("0"), key(0, 0), key((0, 0)), key("a", "b"), key("ab"), key(0.0), key(True)]
    assert len(set(found)) == len(found)
    assert all(-(2**63) <= one < 2**63 for one in found)


def test_numbers_arrive_on_the_device() -> None:
    rng = Chance(0, [0, 1], "meta")
    for name in ("uniform", "normal", "integers"):
        assert DRAWS[name](rng).device.type == "meta"


def test_types_and_shapes() -> None:
    rng = Chance(0, torch.tensor([5, 6, 7]))
    assert rng.uniform().shape == (3,) and rng.uniform(2, 4).shape == (3, 2, 4)
    assert rng.uniform(1).dtype == rng.normal(1).dtype == torch.float32
    assert rng.integers(3, 2).dtype == rng.choice([1, 1]).dtype == torch.int64
    assert Chance(0, []).normal(4).shape == (0, 4)


def test_packs_have_the_chance_of_their_first_rows() -> None:
    whole, part = Chance(1, range(12)), Chance(1, range(6, 12))
    for rng in (whole, part):
        rng.normal(3)
    expected = copy.copy(whole).normal(2)[::3]
    packs = whole.every(3)
    assert torch.equal(packs.normal(2), expected) and packs.rows.tolist() == [0, 3, 6, 9]
    assert torch.equal(part.every(3).normal(2), expected[2:])
    assert whole.every(1) is whole


def test_rows_split_into_independent_ones() -> None:
    rng = Chance(1, range(5000))
    again = copy.copy(rng)
    parts = rng.split(2)
    drawn = parts.normal()
    assert len(parts) == 10_000 and torch.equal(again.split(2).normal(), drawn)
    assert torch.equal(Chance(1, range(40, 50)).split(2).normal(), drawn[80:100])
    others = [rng.normal(), parts.normal()[::2], drawn[1::2]]
    assert max(abs(torch.corrcoef(torch.stack([drawn[::2], other]))[0, 1].item()) for other in others) < 0.05


def test_several_draws_in_one_go_are_the_same_draws() -> None:
    one, other = Chance(3, range(5)), Chance(3, range(5))
    for found, size in zip(one.uniforms(4, 1, 3), (4, 1, 3), strict=True):
        assert torch.equal(found, other.uniform(size))
    assert torch.equal(one.normal(2), other.normal(2))
