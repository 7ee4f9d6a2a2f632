"""The one loop, on a game so small that every number can be worked out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from belamy.chance import Chance, key
from belamy.engine import Clock, DivergedError, Engine
from belamy.errors import UserError
from belamy.game import Batch, Game, Score, Turn
from belamy.recipe import Recipe
from belamy.source import Source


class Counting(Source):
    facts: dict[str, Any] = {}  # noqa: RUF012

    def __len__(self) -> int:
        return 10**6

    def rows(self, indices: NDArray[np.int64], rng: Chance) -> Batch:
        return {"x": rng.uniform(3), "position": rng.rows.clone()}


class Linear(Game):
    """Two linear players; all that they are shown is written down."""

    def __init__(self, turns: list[tuple[str, int, int]]) -> None:
        super().__init__()
        self.generator, self.critic = nn.Linear(3, 1, bias=False), nn.Linear(3, 1, bias=False)
        self.plan, self.told = turns, list[Any]()
        self.frozen: list[tuple[bool, bool]] = []
        self.observed: list[dict[str, float]] = []

    def turns(self) -> list[Turn]:
        return [Turn(player, getattr(self, f"{player}_loss"), every, repeats) for player, every, repeats in self.plan]

    def advance(self, examples: int) -> None:
        self.told.append(("advance", examples))

    def observe(self, seen: Mapping[str, float]) -> None:
        self.observed.append(dict(seen))

    def _loss(self, player: str, batch: Batch, rng: Chance) -> Score:
        self.told.append((player, batch["position"].tolist(), rng.rows.tolist(), rng.uniform().tolist()))
        own = (self.generator.weight.requires_grad, self.critic.weight.requires_grad)
        self.frozen.append(own)
        out = getattr(self, player)(batch["x"])
        return Score({"main": out.square().mean(), "extra": 0.5 * out.mean()}, {"level": batch["x"].mean()})

    def generator_loss(self, batch: Batch, rng: Chance) -> Score:
        return self._loss("generator", batch, rng)

    def critic_loss(self, batch: Batch, rng: Chance) -> Score:
        return self._loss("critic", batch, rng)


def recipe(**more: Any) -> Recipe:
    adam = {"rate": 0.01, "beta1": 0.5, "beta2": 0.9}
    return Recipe.model_validate({
        "name": "linear", "game": {}, "data": {}, "optimizers": {"generator": adam, "critic": adam},
        "examples": 100, "batch": 4, "average": {"halflife": 0}, **more,
    })  # fmt: skip


def engine(*turns: tuple[str, int, int], game: Game | None = None, **more: Any) -> Engine:
    torch.manual_seed(0)
    return Engine(game or Linear(list(turns)), Counting(), recipe(**more), torch.device("cpu"), "fp32")


def told(player: Engine, kind: str) -> list[Any]:
    return [entry[1:] for entry in player.game.told if entry[0] == kind]  # type: ignore[union-attr]


def test_turns_are_played_in_order_on_fresh_rows_and_with_chance_of_their_own() -> None:
    player = engine(("critic", 1, 3), ("generator", 1, 1))
    player.step()
    report = player.step()
    player.close()
    order = [entry[0] for entry in player.game.told]
    assert order == ["advance", "critic", "critic", "critic", "generator"] * 2
    assert told(player, "advance") == [(0,), (4,)]
    plays = [entry[1:] for entry in player.game.told if entry[0] != "advance"]
    assert [place for positions, _, _ in plays for place in positions] == list(range(32))
    assert all(rows == [0, 1, 2, 3] for _, rows, _ in plays)
    assert len({chance for _, _, drawn in plays for chance in drawn}) == 32
    step = ("step", 0, 0, 4, 0, 2)  # seed, attempt, examples, turn, repeat
    assert plays[6][2] == Chance(key(*step), range(4)).uniform().tolist()
    assert player.clock == Clock(examples=8, steps=2, position=32)
    assert set(report.terms) == {"critic/main", "critic/extra", "generator/main", "generator/extra"}
    assert set(report.seen) == {"critic/level", "generator/level"} and set(report.norms) == {"critic", "generator"}
    assert set(report.seconds) == {"data", "critic", "generator"}


def test_idle_players_are_frozen() -> None:
    player = engine(("critic", 1, 1), ("generator", 1, 1))
    player.step()
    player.close()
    assert player.game.frozen == [(False, True), (True, False)]


def test_a_lazy_turn_is_played_rarely_and_weighs_more() -> None:
    player = engine(("generator", 1, 1), ("critic", 3, 1))
    before = player.game.critic.weight.detach().clone()
    player._move = lambda name: None  # type: ignore[method-assign]
    for _ in range(7):
        player.step()
    player.close()
    assert len(told(player, "critic")) == 3 and len(told(player, "generator")) == 7
    positions = told(player, "critic")[-1][0]
    x = Counting().draw(positions[0], 4)["x"]
    weight = before.requires_grad_()
    out = x @ weight.T
    (expected,) = torch.autograd.grad(3 * (out.square().mean() + 0.5 * out.mean()), weight)
    assert torch.allclose(player.game.critic.weight.grad, expected, rtol=1e-5)


def test_a_step_is_that_of_torchs_adam() -> None:
    rate = {"start": 0.1, "end": 0.01, "over": 8}
    adam = {"rate": rate, "beta1": 0.5, "beta2": {"start": 0.5, "end": 0.9, "over": 8}, "decay": 0.1}
    player = engine(("generator", 1, 1), optimizers={"generator": adam})
    weight = nn.Parameter(player.game.generator.weight.detach().clone())
    optimizer = torch.optim.AdamW([weight], lr=0.1, betas=(0.5, 0.5), weight_decay=0.1)
    for step, (lr, beta2) in enumerate(((0.1, 0.5), (0.055, 0.7), (0.01, 0.9))):
        player.step()
        out = Counting().draw(4 * step, 4)["x"] @ weight.T
        optimizer.zero_grad()
        (out.square().mean() + 0.5 * out.mean()).backward()
        optimizer.param_groups[0] |= {"lr": lr, "betas": (0.5, beta2)}
        optimizer.step()
        assert torch.allclose(player.game.generator.weight, weight, rtol=1e-5, atol=1e-7)
    player.close()


def test_long_gradients_are_shortened() -> None:
    player = engine(("generator", 1, 1), optimizers={"generator": {"rate": 0.1, "clip": 1e-3}})
    report = player.step()
    player.close()
    gradients = [value.grad for value in player.game.generator.parameters() if value.grad is not None]
    assert report.norms["generator"] > 1e-2
    assert torch.nn.utils.get_total_norm(gradients).item() == pytest.approx(1e-3, rel=1e-2)


def test_averages_have_a_halflife_in_examples() -> None:
    player = engine(("generator", 1, 1), average={"halflife": 8, "ramp": 1.0})
    expected = player.game.generator.weight.detach().clone()
    for examples in (4, 8, 12, 16):
        player.step()
        keep = 0.5 ** (4 / min(8, examples))
        expected = keep * expected + (1 - keep) * player.game.generator.weight.detach()
        assert torch.allclose(player.averages.state()["generator.weight"], expected, rtol=1e-5)
    player.close()
    assert torch.equal(player.averages.game.critic.weight, player.game.critic.weight)


@pytest.mark.parametrize("micro", [1, 2, 4])
def test_what_is_seen_is_the_mean_of_the_whole_batch(micro: int) -> None:
    player = engine(("generator", 1, 1), micro=micro)
    report = player.step()
    player.close()
    x = Counting().draw(0, 4)["x"]
    assert player.game.observed == [{"level": pytest.approx(x.mean().item())}]
    assert report.seen["generator/level"].item() == pytest.approx(x.mean().item())
    assert [rows for _, rows, _ in told(player, "generator")] == [
        list(range(start, start + micro)) for start in range(0, 4, micro)
    ]
    drawn = [number for _, _, chance in told(player, "generator") for number in chance]
    assert drawn == Chance(key("step", 0, 0, 0, 0, 0), range(4)).uniform().tolist()


class Poisoned(Linear):
    def critic_loss(self, batch: Batch, rng: Chance) -> Score:
        score = super().critic_loss(batch, rng)
        return Score({**score.terms, "main": score.terms["main"] * float("inf")}, score.seen)


def test_a_bad_gradient_skips_its_turn_alone_and_patience_ends() -> None:
    player = engine(game=Poisoned([("critic", 1, 1), ("generator", 1, 1)]), patience=3)
    critic, generator = (part.weight.detach().clone() for part in (player.game.critic, player.game.generator))
    report = player.step()
    assert len(report.skipped) == 1 and report.skipped[0].startswith("the gradient of critic is ")
    assert "main inf" in report.skipped[0] and player.clock.skipped == 1
    assert torch.equal(player.game.critic.weight, critic)
    assert not torch.equal(player.game.generator.weight, generator)
    assert len(player.game.observed) == 1
    player.step()
    with pytest.raises(DivergedError, match="the gradient of critic"):
        player.step()
    player.close()
    assert player.clock.examples == 12


def test_attempt_changes_chance_and_brake_the_rate() -> None:
    plain, other, slow = (engine(("generator", 1, 1)) for _ in range(3))
    other.clock.attempt, slow.clock.brake = 1, 0.5
    start = plain.game.generator.weight.detach().clone()
    for player in (plain, other, slow):
        player.step()
        player.close()
    assert told(plain, "generator")[0][0] == told(other, "generator")[0][0]
    assert told(plain, "generator")[0][2] != told(other, "generator")[0][2]
    moved, less = (player.game.generator.weight.detach() - start for player in (plain, slow))
    assert torch.allclose(less, moved / 2, rtol=1e-4)


def test_a_batch_in_steps_changes_with_the_examples_and_resumes_exactly() -> None:
    sizes = {"batch": {0: 4, 8: 2, 10: 6}, "average": {"halflife": 8, "ramp": 1.0}}
    whole, other = (engine(("critic", 1, 1), ("generator", 1, 1), **sizes) for _ in range(2))
    states = []
    for _ in range(5):
        whole.step()
        states.append(({name: value.clone() for name, value in whole.state()[0].items()}, whole.state()[1]))
    whole.close()
    assert [clock["examples"] for _, clock in states] == [4, 8, 10, 16, 22]
    seen = [positions for positions, _, _ in told(whole, "critic") + told(whole, "generator")]
    assert sorted(place for positions in seen for place in positions) == list(range(44))
    assert [len(positions) for positions in seen] == [4, 4, 2, 6, 6] * 2
    for tensors, clock in states[1:3]:  # on the last step before a change, and right after one
        other.restore(tensors, clock)
        while other.clock.examples < 22:
            other.step()
        assert other.clock == whole.clock
        assert all(torch.equal(value, other.state()[0][name]) for name, value in states[-1][0].items())
    other.close()


def test_restoring_what_belongs_to_another_game_is_refused() -> None:
    player = engine(("generator", 1, 1))
    tensors, clock = player.state()
    with pytest.raises(UserError, match=r"another game: game\.critic\.weight is in one of them only"):
        player.restore({name: value for name, value in tensors.items() if name != "game.critic.weight"}, clock)
    with pytest.raises(UserError, match=r"another game: game\.strange is in one of them only"):
        player.restore({**tensors, "game.strange": torch.zeros(1)}, clock)
    with pytest.raises(UserError, match=r"game\.critic\.weight is \[1, 5\] there, \[1, 3\] here"):
        player.restore({**tensors, "game.critic.weight": torch.zeros(1, 5)}, clock)


def test_recipes_that_do_not_fit_are_refused() -> None:
    adam = {"rate": 0.01}
    with pytest.raises(UserError, match=r"the recipe has no optimizers\.critic"):
        engine(("critic", 1, 1), optimizers={"generator": adam})
    with pytest.raises(UserError, match="micro 3 does not divide the 4 rows"):
        engine(("critic", 1, 1), micro=3)


def test_a_failing_source_fails_the_step() -> None:
    player = engine(("generator", 1, 1))
    player.source.rows = None  # type: ignore[method-assign,assignment]
    with pytest.raises(TypeError):
        player.step()
    player.close()
