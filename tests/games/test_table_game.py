"""The game of tables: its turns, what it samples, and where it begins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from belamy.chance import Chance
from belamy.data.table import Table as Rows
from belamy.games.table import Table
from belamy.model import Model
from belamy.planning import compose, plan
from tiny import untrained

pd = pytest.importorskip("pandas")


def crossed(count: int) -> Any:
    """Two signs, whether they are equal, and a number."""
    random = np.random.default_rng(0)
    one, two = random.choice(["-", "+"], (2, count))
    return pd.DataFrame({"one": one, "two": two, "same": np.where(one == two, "yes", "no"),
                         "size": random.normal(size=count)})  # fmt: skip


@pytest.fixture(scope="module")
def source() -> Rows:
    return Rows.of(crossed(400))


def game(source: Rows, **options: Any) -> Table:
    torch.manual_seed(0)
    facts = ("choices", "numbers", "owners", "factors", "levels")
    return Table(**{name: source.facts[name] for name in facts}, width=16, blocks=1, **options)


def test_turns_and_their_terms(source: Rows) -> None:
    player, batch = game(source), source.draw(0, 32)
    assert [turn.player for turn in player.turns()] == ["discriminator", "generator"]
    for turn in player.turns():
        score = turn.loss(dict(batch), Chance(1, range(32)))
        assert all(value.isfinite() and value.ndim == 0 for value in score.terms.values())
        score.total.backward()
    mute = game(source, gamma=0.0)
    assert not mute.turns()[0].loss(dict(batch), Chance(1, range(32))).terms.keys() - {"adversarial", "r1", "r2"}


def test_samples_are_a_function_of_what_is_given(source: Rows) -> None:
    player = game(source)
    given = player.prior(64, Chance(3, range(64))) | {
        name: source.draw(0, 64)[name] for name in ("barred", "lower", "upper")
    }  # fmt: skip
    rows = player.sample(given)["row"]
    assert rows.shape == (64, source.facts["numbers"] + sum(source.facts["choices"]))
    assert torch.equal(rows, player.sample(given)["row"])
    assert not (rows[:, source.facts["numbers"] :].round() * given["barred"]).any()
    late = player.prior(4, Chance(3, range(60, 64)))
    assert all(torch.equal(value, given[name][60:]) for name, value in late.items())


def test_it_begins_at_what_pairs_of_columns_share() -> None:
    random = np.random.default_rng(0)
    first = random.normal(size=2000)
    second = 0.8 * first + 0.6 * random.normal(size=2000)
    frame = pd.DataFrame({"a": np.exp(first), "b": second, "c": np.where(first + second > 0, "more", "less")})
    found = untrained(frame).sample(2000, seed=0).table
    assert np.corrcoef(np.log(found["a"]), found["b"])[0, 1] == pytest.approx(0.8, abs=0.08)
    assert found["c"].eq("more").mean() == pytest.approx(0.5, abs=0.1)
    assert found.groupby("c")["b"].mean().diff().iloc[-1] > 0.8


def test_a_few_steps_keep_what_is_asked(source: Rows) -> None:
    settled = plan(compose("table", "memory", {"game.width": 16, "batch": 50}, examples=500), "cpu", source)
    engine = settled.engine()
    for _ in range(10):
        assert not engine.step().skipped
    engine.close()
    found = Model(engine.averages.game, settled.spec, source.facts).sample(200, where=["one=-", "size>1.5"]).table
    assert found["one"].eq("-").all() and (found["size"] > 1.5).all()
