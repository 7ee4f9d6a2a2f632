"""The run folder, and finding the model in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from belamy import recipe as recipes
from belamy.errors import UserError
from belamy.run import Run, load
from belamy.storage import write_tensors
from tiny import DIGITS, contents


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", recipes.load("digits", DIGITS))


def save(run: Run, examples: int, value: float, limit: int = 2) -> Path:
    return run.save({"x": torch.full((2,), value)}, {"clock": {"examples": examples}}, limit)


def test_what_is_created_is_found_again(run: Run) -> None:
    again = Run.open(run.path)
    assert again.recipe == recipes.load("digits", DIGITS)
    assert again.saved() == [] and again.events() == []


def test_a_folder_with_anything_in_it_is_left_alone(run: Run, tmp_path: Path) -> None:
    before = contents(tmp_path)
    with pytest.raises(UserError, match="exists"):
        Run.create(run.path, run.recipe)
    with pytest.raises(UserError, match="is not a run folder"):
        Run.open(tmp_path)
    assert contents(tmp_path) == before


def test_checkpoints_are_kept_in_order_up_to_a_limit(run: Run) -> None:
    for step in range(1, 13):
        save(run, step * 10, float(step), limit=3)
    assert [int(path.name) for path in run.saved()] == [100, 110, 120]
    tensors, state = run.read(run.saved()[-1])
    assert torch.equal(tensors["x"], torch.full((2,), 12.0)) and state == {"clock": {"examples": 120}}
    assert sorted(path.name for path in run.checkpoints.iterdir()) == [f"{count:012}" for count in (100, 110, 120)]


def test_the_best_is_kept_however_old(run: Run) -> None:
    for examples in range(10, 70, 10):
        state = {"clock": {"examples": examples}, "best": {"value": 0.5, "examples": 20}}
        run.save({"x": torch.zeros(2)}, state, limit=2)
    assert [int(path.name) for path in run.saved()] == [20, 50, 60]


def test_saving_again_replaces(run: Run) -> None:
    save(run, 10, 1.0, limit=1)
    save(run, 10, 2.0, limit=1)
    assert run.read(run.saved()[0])[0]["x"].tolist() == [2, 2]


def test_what_a_kill_left_is_mended_by_the_next_writer(run: Run) -> None:
    save(run, 10, 1.0)
    place = save(run, 20, 2.0)
    place.rename(run.checkpoints / f".{place.name}.old")  # killed between the two renames
    half = run.checkpoints / f".{place.name}.4242"
    half.mkdir()
    (half / "state.safetensors").write_bytes(b"half")
    assert [int(path.name) for path in run.saved()] == [10]
    with run.lock():
        assert [int(path.name) for path in run.saved()] == [10, 20]
    assert run.read(place)[0]["x"].tolist() == [2, 2]
    assert len(list(run.checkpoints.iterdir())) == 2


def test_the_lock_is_free_again_after_its_block(run: Run) -> None:
    with run.lock(), pytest.raises(UserError, match="another process"), Run(run.path).lock():
        pass
    with run.lock():
        pass


def test_the_log_is_read_past_a_line_that_was_cut(run: Run) -> None:
    run.log("step", 10, value=torch.tensor(0.5))
    with (run.path / "log.jsonl").open("a") as file:
        file.write('{"event": "ste\n')
    run.log("end", 20)
    assert run.events() == [{"event": "step", "examples": 10, "value": 0.5}, {"event": "end", "examples": 20}]


def test_loading_says_what_is_not_there(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no model yet: train it further with --resume"):
        load(run.path)
    with pytest.raises(UserError, match="there is no run or model at"):
        load(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"config\.json cannot be read"):
        load(tmp_path)


def test_damaged_files_are_named(run: Run) -> None:
    (run.path / "facts.json").write_text("{")
    with pytest.raises(UserError, match=r"facts\.json is damaged"):
        _ = run.facts
    for text in ("- a", "game: [", "1", ""):
        (run.path / "recipe.yaml").write_text(text)
        with pytest.raises(UserError):
            _ = run.recipe
    place = save(run, 10, 1.0)
    (place / "state.json").unlink()
    with pytest.raises(UserError, match=r"state\.json cannot be read"):
        run.read(place)
    shutil.rmtree(place)
    write_tensors(run.path / "x.safetensors", {})
    assert run.saved() == []
