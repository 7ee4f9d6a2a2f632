"""Recipes: typed, with signatures as their schema, and errors that name the nearest right word."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from belamy import recipe as recipes
from belamy.errors import UserError
from belamy.game import Game
from belamy.games.r3gan import R3GAN
from belamy.recipe import Cosine, bind, build, load, parse, resolve
from belamy.schedules import at
from belamy.source import Source


@pytest.mark.parametrize("name", recipes.names())
def test_shipped_recipes_survive_a_round_trip(name: str) -> None:
    recipe = load(name)
    assert parse(yaml.safe_load(recipe.dump())) == recipe
    assert recipe.name == name and recipe.summary
    assert issubclass(resolve(recipe.game["use"]), Game) and issubclass(resolve(recipe.data["use"]), Source)


def test_a_round_trip_keeps_settings_and_awkward_values() -> None:
    settings = {"game.widths": [16, 8], "optimizers.generator.rate": {"start": 1e-3, "end": 1e-7, "over": 10},
                "data.path": "Bilder/ä: #1", "seed": 2**40, "checkpoints.every": 77,
                "batch": {0: 8, 100: 4}, "optimizers.discriminator.rate": {0: 0.1, 7: 0.2}}  # fmt: skip
    recipe = load("r3gan", settings)
    again = parse(yaml.safe_load(recipe.dump()))
    assert again == recipe and again.optimizers["generator"].rate == Cosine(start=1e-3, end=1e-7, over=10)
    assert again.data["path"] == "Bilder/ä: #1" and again.seed == 2**40
    assert again.batch == {0: 8, 100: 4} and again.optimizers["discriminator"].rate == {0: 0.1, 7: 0.2}


def test_settings_reach_deep_and_leave_the_rest() -> None:
    plain, changed = load("digits"), load("digits", {"optimizers.generator.rate": 0.5, "game.gamma": 3})
    assert changed.optimizers["generator"].rate == 0.5 and changed.game["gamma"] == 3
    assert changed.optimizers["discriminator"] == plain.optimizers["discriminator"]
    assert changed.optimizers["generator"].beta2 == plain.optimizers["generator"].beta2
    assert load("digits") == plain


@pytest.mark.parametrize(("settings", "told"), [
    ({"exampels": 1}, r"unknown key exampels \(did you mean 'examples'\?\)"),
    ({"average.half": 1}, r"unknown key average.half \(did you mean 'halflife'\?\)"),
    ({"checkpoints.evry": 1}, r"unknown key checkpoints.evry \(did you mean 'every'\?\)"),
    ({"optimizers.generator.beta": 1}, r"unknown key optimizers.generator.beta \(did you mean 'beta[12]'\?\)"),
    ({"game.width": [1]}, r"unknown key game.width \(did you mean 'widths'\?\)"),
    ({"game.qqqqqq": 1}, r"^unknown key game.qqqqqq$"),
    ({"data.sed": 1}, r"unknown key data.sed \(did you mean 'seed'\?\)"),
    ({"examples": "long"}, r"^examples: input should be a valid integer.*not 'long'"),
    ({"examples": 1.5}, "^examples: input should be a valid integer"),
    ({"batch": -1}, "^batch: input should be greater than 0"),
    ({"batch": {10: 4}}, r"^batch: steps should say what holds from 0 examples on, not '\{10: 4\}'"),
    ({"batch": {0: 4, 10: 0}}, "^batch.10: input should be greater than 0"),
    ({"batch": {"start": 4}}, "^batch.start: input should be a valid integer"),
    ({"optimizers.generator.rate": {0: 0.1, 10: "fast"}}, "^optimizers.generator.rate.10: input should be"),
    ({"optimizers.generator.rate": {}}, "^optimizers.generator.rate: steps should say"),
    ({"game.widths": "wide"}, "^game.widths: .*not 'wide'$"),
    ({"game.widths": ["a"]}, "^game.widths.0: input should be a valid integer"),
    ({"optimizers.generator.beta1": 1}, "^optimizers.generator.beta1: input should be less than 1"),
    ({"optimizers.generator.rate": "fast"}, "^optimizers.generator.rate: input should be"),
    ({"optimizers.generator.rate": {"start": 1, "over": 2}}, "^optimizers.generator.rate.end is missing"),
    ({"optimizers.generator.rate": {"start": 1, "ovr": 3}}, "^optimizers.generator.rate.end is missing"),
    ({"optimizers.generator.rate": {"start": 1, "end": 2, "over": 3, "strat": 4}},
     r"^unknown key optimizers.generator.rate.strat \(did you mean 'start'\?\)"),
    ({"game.gamma": {"start": 1}}, "^game.gamma: input should be a valid number"),
    ({"optimizers.generator": 5}, "^optimizers.generator: input should be a valid dictionary"),
    ({"judging": None}, "^judging: input should be"),
    ({"batch.size": 1}, "^batch.size: batch is a single value"),
    ({"game": {}}, "^game.use is missing"),
    ({"data": {"seed": 1}}, "^data.use is missing"),
    ({"game.use": "R3GAN"}, "should read 'module:Class' or './file.py:Class'"),
    ({"game.use": "belamy.game:Gmae"}, r"belamy.game has no class 'Gmae' \(did you mean 'Game'\?\)"),
    ({"game.use": "belamy.chance:key"}, "belamy.chance has no class 'key'"),
    ({"game.use": "no.such:Game"}, "No module named 'no'"),
    ({"game.use": "./none.py:Game"}, "there is no file none.py"),
])  # fmt: skip
def test_mistakes_are_named_with_the_nearest_right_word(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told) as raised:
        load("digits", settings)
    assert "\n" not in str(raised.value)


def test_recipes_that_are_not_there_or_not_recipes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no recipe 'digts' \(did you mean 'digits'\?\)"):
        load("digts")
    with pytest.raises(UserError, match="no recipe 'xyzzy'; `belamy recipes` lists them"):
        load("xyzzy")
    with pytest.raises(UserError, match="there is no recipe file"):
        load(str(tmp_path / "none.yaml"))
    mine = tmp_path / "mine.yaml"
    mine.write_text("- a\n- b")
    with pytest.raises(UserError, match="is not a recipe: it should be a mapping"):
        load(str(mine))
    mine.write_text("game: [")
    with pytest.raises(UserError, match="is not YAML") as raised:
        load(str(mine))
    assert "\n" not in str(raised.value)
    mine.write_text("game: {use: 'belamy.games.r3gan:R3GAN'}")
    with pytest.raises(UserError, match="data is missing"):
        load(str(mine))
    mine.write_text(load("digits").dump().replace("name: digits\n", ""))
    assert load(str(mine)).name == "mine"


def test_yaml_cannot_build_objects(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("game: !!python/object/apply:os.system ['touch /tmp/owned']")
    with pytest.raises(UserError, match="is not YAML"):
        load(str(mine))


def test_a_class_that_is_no_game_is_never_called(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("class Mine:\n    def __init__(self):\n        raise SystemExit('called')\n")
    with pytest.raises(UserError, match="is not a Game"):
        build({"use": f"{mine}:Mine"}, Game)
    with pytest.raises(UserError, match="is not a Game"):
        build({"use": "belamy.data.digits:Digits"}, Game)
    with pytest.raises(UserError, match="is not a Source"):
        build({"use": "belamy.games.r3gan:R3GAN", "resolution": 8, "channels": 1}, Source)


def test_a_file_of_ones_own_is_found_from_the_folder_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_game.py").write_text(
        "from belamy.games.r3gan import R3GAN\n\nclass MyGame(R3GAN):\n"
        "    def __init__(self, resolution: int, channels: int, speed: float = 2.0) -> None:\n"
        "        super().__init__(resolution, channels, latent=4, widths=[4, 4])\n        self.speed = speed\n"
    )
    monkeypatch.chdir(tmp_path)
    recipe = load("digits", {"game": {"use": "./my_game.py:MyGame", "speed": 3}})
    game = build(bind(recipe.game, {"resolution": 8, "channels": 1}), R3GAN)
    assert type(game).__name__ == "MyGame" and game.speed == 3  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"unknown key game.sped \(did you mean 'speed'\?\)"):
        load("digits", {"game": {"use": "./my_game.py:MyGame", "sped": 3}})
    with pytest.raises(UserError, match=r"my_game.py has no class 'MyGme' \(did you mean 'MyGame'\?\)"):
        load("digits", {"game": {"use": "./my_game.py:MyGme"}})
    with pytest.raises(UserError, match="there is no file"):
        load("digits", {"game": {"use": "./your_game.py:MyGame"}})


def test_what_a_recipe_leaves_out_comes_from_the_facts() -> None:
    spec = {"use": "belamy.games.r3gan:R3GAN", "latent": 5, "classes": None}
    facts = {"resolution": 16, "channels": 3, "classes": 4, "latent": 9, "colour": None}
    assert bind(spec, facts) == {**spec, "resolution": 16, "channels": 3, "classes": 4}
    with pytest.raises(UserError, match=r"R3GAN needs channels, which the data does not tell: --set game\.channels"):
        bind(spec, {"resolution": 16})


def test_options_of_the_class_above_are_known_where_they_are_handed_up(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from belamy.games.r3gan import R3GAN\n"
        "class Mine(R3GAN):\n"
        "    def __init__(self, mine: int = 3, gamma: float = 7.0, **others) -> None:\n"
        "        super().__init__(gamma=gamma, **others)\n"
    )
    spec = {"use": f"{tmp_path}/mine.py:Mine", "augment": 0.0}
    assert recipes.bind(spec, {"resolution": 8, "channels": 1}) == {**spec, "resolution": 8, "channels": 1}
    assert recipes.accepts(spec, "latent")
    fields = recipes.schema(recipes.resolve(spec["use"])).model_fields
    assert fields["gamma"].default == 7.0
    assert fields["latent"].annotation is int
    assert not {"others", "self"} & set(fields)


def test_constructors_that_refuse_are_told_in_words() -> None:
    spec = {"use": "belamy.games.r3gan:R3GAN", "resolution": 8, "channels": 1, "widths": [6, 6], "group": 4}
    with pytest.raises(UserError, match="6 inner channels do not divide by groups of 4"):
        build(spec, Game)


def test_schedules() -> None:
    assert at(0.25, 10**9) == 0.25
    schedule = Cosine(start=2.0, end=1.0, over=100)
    assert at(schedule, 0) == 2 and at(schedule, 100) == at(schedule, 10**6) == 1
    assert math.isclose(at(schedule, 50), 1.5) and math.isclose(at(schedule, 25), 1.5 + math.sqrt(0.125))
    assert at(Cosine(start=2.0, end=1.0, over=0), 0) == 1
    steps = {0: 0.5, 200: 0.1, 30: 0.2}
    assert [at(steps, examples) for examples in (0, 29, 30, 199, 200, 10**9)] == [0.5, 0.5, 0.2, 0.2, 0.1, 0.1]
    falling = [at(schedule, examples) for examples in range(0, 101, 5)]
    assert falling == sorted(falling, reverse=True)


def test_the_seed_decides_the_first_weights() -> None:
    from belamy.planning import plan

    def weights(seed: int) -> torch.Tensor:
        torch.rand(seed + 3)  # what was drawn before does not matter
        return plan(load("digits", {"seed": seed, "game.widths": [4, 4]}), "cpu").game().generator.basis

    assert torch.equal(weights(0), weights(0)) and not torch.equal(weights(0), weights(1))
