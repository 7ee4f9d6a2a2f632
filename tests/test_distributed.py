"""Two processes that share a batch end where one with the whole batch ends."""

from __future__ import annotations

import contextlib
import os
import socket
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from belamy import planning, training
from belamy import recipe as recipes
from belamy.chance import Chance
from belamy.data.images import Images
from belamy.engine import Engine
from belamy.errors import UserError
from belamy.ops.processes import dealing, joined
from belamy.recipe import Recipe
from belamy.run import Run
from belamy.source import Source
from belamy.storage import read_json, read_tensors, write_json, write_tensors
from tiny import PLAYED, draw_pictures, engine, processes, roughen, same, state, tiny

TOLERANCE = {"float64": 1e-12, "float32": 1e-6}
ROUNDINGS = 8
"""In float32, how often what one process alone loses against float64 may come on top: it depends on the processor, and
finite differences divide it by their step."""


@contextlib.contextmanager
def doubled(dtype: str) -> Iterator[None]:
    """Inside, what draws or asks for float32 gets float64: only there do 1e-12 mean anything."""
    if dtype == "float32":
        yield
        return
    patch = pytest.MonkeyPatch()
    normal, uniform, rows, to_float = Chance.normal, Chance.uniform, Source.draw, Tensor.float

    def draw(source: Source, position: int, size: int) -> dict[str, Tensor]:
        batch = rows(source, position, size)
        return {name: value.double() if value.is_floating_point() else value for name, value in batch.items()}

    patch.setattr(Chance, "normal", lambda self, *shape: normal(self, *shape).double())
    patch.setattr(Chance, "uniform", lambda self, *shape: uniform(self, *shape).double())
    patch.setattr(Source, "draw", draw)
    patch.setattr(Tensor, "float", lambda self: self if self.dtype == torch.float64 else to_float(self))
    try:
        yield
    finally:
        patch.undo()


def fresh(recipe: Recipe, dtype: str) -> Engine:
    settled = planning.plan(recipe, "cpu")
    player = Engine(settled.game().to(getattr(torch, dtype)), settled.source, settled.recipe, settled.device, "fp32")
    roughen(player)
    return player


def gradients(recipe: Recipe, dtype: str) -> dict[str, Tensor]:
    """Of every turn of the first step; nothing moves, so that each turn sees the same networks."""
    with doubled(dtype):
        player = fresh(recipe, dtype)
        player._move = lambda name: None  # type: ignore[method-assign]
        report = player.step()
        player.close()
    found = {name: value.grad for name, value in player.game.named_parameters() if value.grad is not None}
    return found | {f"term {name}": value for name, value in (report.terms | report.seen).items()}


def played(recipe: Recipe, dtype: str, count: int) -> dict[str, Tensor]:
    with doubled(dtype):
        player = fresh(recipe, dtype)
        for _ in range(count):
            player.step()
        player.close()
    return state(player)


def resumed(recipe: Recipe) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The ends of four steps, and of two and two more."""
    whole, tensors, clock = engine(recipe), {}, {}
    roughen(whole, seed=6)
    for count in range(4):
        whole.step()
        if count == 1:
            tensors, clock = state(whole), whole.state()[1]
    whole.close()
    other = engine(recipe)
    roughen(other)
    other.restore(tensors, clock)
    for _ in range(2):
        other.step()
    other.close()
    return state(whole), state(other)


def decoded(folder: Path) -> dict[str, Tensor]:
    """What is made of the pictures in a folder."""
    source = Images(str(folder))
    pack = source._pack
    named = {name: torch.from_numpy(getattr(pack, name).copy()) for name in ("pixels", "labels", "hashes", "heldout")}
    return named | {"bad": torch.tensor([len(pack.index["bad"]), len(pack.names)])}


def work(rank: int, port: int, all_recipes: list[Recipe], folder: Path) -> None:
    """What each of the two processes does; all it finds goes into a file."""
    torch.set_num_threads(1)
    (folder / str(rank)).mkdir()
    os.environ |= {"WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    found: dict[str, dict[str, Tensor]] = {}
    words: dict[str, str] = {}
    try:
        with joined():
            for recipe in all_recipes:
                for dtype in TOLERANCE:
                    found[f"{recipe.name} gradients {dtype}"] = gradients(recipe, dtype)
                found[f"{recipe.name} played"] = played(recipe, "float64", 3)
                found[f"{recipe.name} whole"], found[f"{recipe.name} parts"] = resumed(recipe)
                try:
                    engine(recipe.model_copy(update={"batch": 7}))
                except UserError as error:
                    words[f"{recipe.name} odd"] = str(error)
            with dealing("all"):
                write_tensors(folder / str(rank) / "decoded", decoded(folder / "unseen"))
            long = all_recipes[0].model_copy(update={"examples": 32})
            training.train(long, out=folder / "run", device="cpu", report_to="none")
            os.chdir(folder)
            words["unnamed"] = str(training.train(long, device="cpu", report_to="none").path)
    except BaseException:
        words["error"] = traceback.format_exc()
    for name, tensors in found.items():
        write_tensors(folder / str(rank) / name, tensors)
    write_json(folder / f"{rank}.json", words)


def unseen(folder: Path) -> Path:
    """Pictures in two classes that nobody has looked at yet, one of them broken."""
    draw_pictures(folder, {"even": 12, "odd": 9})
    (folder / "odd" / "4.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def shared(pictures: Path) -> list[Recipe]:
    return [tiny(name, pictures) for name in PLAYED]


@pytest.fixture(scope="module")
def ranks(shared: list[Recipe], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two processes left what they found."""
    folder = tmp_path_factory.mktemp("ranks")
    unseen(folder / "unseen")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = [processes.Process(target=work, args=(rank, port, shared, folder)) for rank in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    for rank in range(2):
        assert "error" not in (words := read_json(folder / f"{rank}.json")), words["error"]
    return folder


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", PLAYED)
def test_gradients_are_those_of_one_process(name: str, dtype: str, shared: list[Recipe], ranks: Path) -> None:
    recipe = next(one for one in shared if one.name == name)
    alone = gradients(recipe, dtype)
    exact = alone if dtype == "float64" else gradients(recipe, "float64")
    ours, theirs = (read_tensors(ranks / rank / f"{name} gradients {dtype}") for rank in "01")
    assert same(ours, theirs)
    assert ours.keys() == alone.keys()
    rounded = min(max(_apart(alone[key], exact[key]) for key in exact), 1e-4)
    for key, value in alone.items():
        logged = "float32" if key.startswith("term") else dtype
        limit = TOLERANCE[logged] + (ROUNDINGS * rounded if logged == "float32" else 0)
        assert value.abs().max() > 0 and _apart(ours[key], value) <= limit, key


def _apart(one: Tensor, other: Tensor) -> float:
    """The largest difference, as a share of the largest value where that is above 1."""
    return float((one - other).abs().max() / max(1, other.abs().max()))


@pytest.mark.parametrize("name", PLAYED)
def test_steps_end_where_those_of_one_process_end(name: str, shared: list[Recipe], ranks: Path) -> None:
    alone = played(next(one for one in shared if one.name == name), "float64", 3)
    ours, theirs = (read_tensors(ranks / rank / f"{name} played") for rank in "01")
    assert same(ours, theirs)
    assert ours.keys() == alone.keys()
    for key, value in alone.items():
        assert torch.allclose(ours[key], value, rtol=1e-6, atol=1e-8), key


@pytest.mark.parametrize("name", PLAYED)
def test_resume_on_two_processes_is_exact(name: str, ranks: Path) -> None:
    for rank in "01":
        assert same(read_tensors(ranks / rank / f"{name} whole"), read_tensors(ranks / rank / f"{name} parts"))


@pytest.mark.parametrize("name", [name for name in recipes.names() if name in PLAYED])
def test_a_batch_that_does_not_divide_is_refused(name: str, ranks: Path) -> None:
    assert read_json(ranks / "1.json")[f"{name} odd"] == "batch 7 does not divide by 2 processes; try 6"


def test_pictures_are_decoded_by_both_and_kept_once(ranks: Path, tmp_path: Path) -> None:
    alone = decoded(unseen(tmp_path / "alone"))
    assert alone["bad"].tolist() == [1, 20]
    for rank in "01":
        assert same(read_tensors(ranks / rank / "decoded"), alone)
    (kept,) = {path.parent for path in (ranks / "unseen" / ".belamy").glob("*/*/pixels.npy")}
    assert not list(kept.glob("*.part"))


def test_one_run_folder_is_written_by_two_processes(shared: list[Recipe], ranks: Path, tmp_path: Path) -> None:
    run = Run.open(ranks / "run")
    events = run.events()
    assert events[0]["event"] == "start" and events[0]["processes"] == 2
    assert [event["event"] for event in events].count("end") == 1
    tensors, about = run.read(run.saved()[-1])
    assert about["clock"]["examples"] == 32
    alone = training.train(shared[0].model_copy(update={"examples": 32}), out=tmp_path / "run", report_to="none")
    for name, value in alone.read(alone.saved()[-1])[0].items():
        assert torch.allclose(tensors[name], value, rtol=1e-2, atol=1e-3), name


def test_processes_agree_on_a_name_that_is_not_in_use(ranks: Path) -> None:
    ours, theirs = (read_json(ranks / f"{rank}.json")["unnamed"] for rank in range(2))
    assert ours == theirs == f"runs/{recipes.names()[0]}-1"
