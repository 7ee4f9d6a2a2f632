"""What every recipe that ships must keep: turns that move one player, exact resumes, samples that repeat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from belamy.engine import Engine
from belamy.errors import UserError
from belamy.model import Model
from belamy.planning import plan
from belamy.recipe import Recipe
from belamy.samples import Samples
from belamy.storage import read_tensors, write_tensors
from belamy.watchdog import Probe
from tiny import PLAYED, engine, roughen, same, state, steps, tiny


@pytest.fixture(params=PLAYED)
def recipe(request: pytest.FixtureRequest, pictures: Path) -> Recipe:
    return tiny(request.param, pictures)


def turns_of(player: Engine) -> list[str]:
    return [turn.player for turn in player.game.turns()]


def plain(samples: Samples) -> np.ndarray:
    """Samples as an array [N, ...]: rows of a table as text, in which what is missing equals itself."""
    table = samples.table
    if samples.series is not None:
        return samples.series.values
    return np.asarray(samples.values) if table is None else table.astype(str).to_numpy(dtype=str)


def test_each_turn_moves_its_player_alone(recipe: Recipe) -> None:
    for index, name in enumerate(turns_of(engine(recipe))):
        fresh = engine(recipe)
        roughen(fresh)
        turn = fresh.game.turns()[index]
        fresh.game.turns = lambda turn=turn: [turn]  # type: ignore[method-assign]
        before = {key: value.clone() for key, value in fresh.game.state_dict().items()}
        steps(fresh, 4)
        after = fresh.game.state_dict()
        # What no turn moves, such as an older copy of a player, goes its own way.
        parameters = [key for key, _ in fresh.game.named_parameters() if key.split(".")[0] in fresh.players]
        moved = {key for key in parameters if not torch.equal(before[key], after[key])}
        mine = {key for key in parameters if key.startswith(f"{name}.")}
        # A penalty that is played now and then leaves alone what it does not feel, such as the last bias.
        assert moved == mine if turn.every == 1 else moved and moved < mine


def test_every_parameter_learns(recipe: Recipe) -> None:
    player = engine(recipe)
    start = {name: value.detach().clone() for name, value in player.game.named_parameters()}
    learned, played = set(), set()
    for _ in range(4):
        steps(player, 1)
        played |= set(turns_of(player))
        learned |= {name for name, value in player.game.named_parameters() if value.grad is not None
                    and value.grad.abs().max() > 0}  # fmt: skip
    mine = {name for name in start if name.split(".")[0] in played}
    assert learned == mine
    moved = {name for name, value in player.game.named_parameters() if not torch.equal(value, start[name])}
    assert moved >= mine


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resume_is_exact(recipe: Recipe, precision: str, tmp_path: Path) -> None:
    whole = engine(recipe, precision)
    roughen(whole, seed=6)
    steps(whole, 3)
    tensors, clock = whole.state()
    write_tensors(tmp_path / "state.safetensors", tensors)
    steps(whole, 3)
    other = engine(recipe, precision)
    roughen(other)
    steps(other, 1)
    other.restore(read_tensors(tmp_path / "state.safetensors"), clock)
    steps(other, 3)
    assert same(end := state(other), state(whole))
    assert other.clock == whole.clock
    assert all(value.isfinite().all() for value in end.values())


def test_the_watchdog_can_look_at_any_moment(recipe: Recipe) -> None:
    settled = plan(recipe, "cpu")
    player = settled.engine()
    if player.game.answers or player.game.sample_key not in ("image", "points"):
        pytest.skip("its samples are not watched")
    for _ in range(3):
        player.averages.update(0.0)
        model = Model(player.averages.game, settled.spec, settled.source.facts)
        signs = Probe(settled.source, 8, player.game.pack).signs(player, model, 1.0)
        assert not signs.spread < 0 and not signs.coverage > 1
        steps(player, 2)


def test_a_seed_decides_a_run(recipe: Recipe) -> None:
    def end(seed: int) -> dict[str, Any]:
        player = engine(recipe.model_copy(update={"seed": seed}))
        steps(player, 2)
        return state(player)

    first = end(0)
    assert same(end(0), first)
    assert not same(end(1), first)


def test_samples_repeat_whatever_number_is_asked_for(recipe: Recipe) -> None:
    settled = plan(recipe, "cpu")
    player = settled.engine()
    if player.game.answers:
        pytest.skip("it answers pictures, with no chance of its own")
    roughen(player)
    player.averages.update(0.0)
    model = Model(player.averages.game, settled.spec, settled.source.facts)
    many = model.sample(100, seed=7, output_type="pt")
    few = model.sample(5, seed=7, output_type="pt")
    assert np.array_equal(plain(few), plain(many)[:5])
    late = model.sample(30, seed=7, start=50, output_type="pt")
    assert np.array_equal(plain(late), plain(many)[50:80])
    assert not np.array_equal(plain(model.sample(5, seed=8, output_type="pt")), plain(few))
    assert len(np.unique(plain(many).reshape(100, -1), axis=0)) == 100
    if settled.source.facts.get("classes"):
        assert many.labels is not None and few.labels is not None and late.labels is not None
        assert np.array_equal(few.labels, many.labels[:5]) and np.array_equal(late.labels, many.labels[50:80])
        kinds = range(len(settled.source.facts["classes"]))
        assert set(many.labels.tolist()) <= set(kinds) and len(set(many.labels.tolist())) > 1
        asked = model.sample(3, seed=7, classes=int(many.labels[0]), output_type="pt")
        assert np.array_equal(plain(asked)[0], plain(many)[0])


def test_a_shipped_model_samples_the_same(recipe: Recipe, tmp_path: Path) -> None:
    settled = plan(recipe, "cpu")
    player = settled.engine()
    roughen(player)
    player.averages.update(0.0)
    model = Model(player.averages.game, settled.spec, settled.source.facts)
    model.save_pretrained(tmp_path)
    mask = np.eye(16, dtype=bool) if settled.source.facts.get("task") == "inpaint" else None
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)

    def made(one: Model) -> np.ndarray:
        return one.apply(picture, mask=mask) if one.game.answers else plain(one.sample(4, seed=1, output_type="np"))

    assert np.array_equal(made(model), made(Model.from_pretrained(tmp_path)))


def test_micro_batches_add_up_to_a_whole_one(recipe: Recipe) -> None:
    def gradients(micro: int | None) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
        player = engine(recipe.model_copy(update={"micro": micro}))
        roughen(player)
        player._move = lambda name: None  # type: ignore[method-assign]
        report = player.step()
        player.close()
        found = {name: value.grad for name, value in player.game.named_parameters() if value.grad is not None}
        return found, {name: value.item() for name, value in report.terms.items()}

    whole, terms = gradients(None)
    if not plan(recipe, "cpu").game().rowwise:
        with pytest.raises(UserError, match="looks at the whole batch"):
            gradients(4)
        return
    for micro in (4, 2):
        parts, own = gradients(micro)
        assert parts.keys() == whole.keys()
        for name, value in whole.items():
            assert (parts[name] - value).norm() <= 1e-5 * value.norm(), name
        assert own == pytest.approx(terms, rel=1e-5)
