"""A run from its first checkpoint to its report: signals, kills, trouble with numbers, and what is kept."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from belamy import critic, hardware, planning
from belamy import recipe as recipes
from belamy.engine import Engine
from belamy.errors import UserError
from belamy.model import Model
from belamy.recipe import Recipe
from belamy.run import Run
from belamy.storage import read_json, read_tensors
from belamy.training import Display, train
from tiny import DIGITS, contents, draw_pictures, processes, same, state

SLOW = '''
import time
from pathlib import Path
from belamy.games.r3gan import R3GAN

class Slow(R3GAN):
    """The same game, that waits at each step while there is a file `slow` beside it."""

    piecewise = True

    def advance(self, examples):
        super().advance(examples)
        if examples and Path(__file__).with_name("slow").exists():
            time.sleep(0.3)
'''

TROUBLED = '''
from belamy.game import Score
from belamy.games.r3gan import R3GAN

class Troubled(R3GAN):
    """Its generator's loss is not a number for ``times`` steps from ``first`` examples on."""

    piecewise = True

    def __init__(self, resolution: int, channels: int, classes: int = 0, first: int = 32, times: int = 1):
        super().__init__(resolution, channels, classes, latent=4, widths=[4, 4])
        self.first, self.times, self.examples = first, times, 0

    def advance(self, examples):
        super().advance(examples)
        self.examples = examples

    def generator_loss(self, batch, rng):
        score = super().generator_loss(batch, rng)
        if self.examples < self.first or self.times <= 0:
            return score
        self.times -= 1
        return Score({"adversarial": score.total * float("nan")})
'''


def digits(out: Path, display: Display | None = None, **settings: Any) -> Run:
    return train("digits", settings={**DIGITS, **settings}, out=out, report_to="none", device="cpu", display=display)


def resume(out: Path, display: Display | None = None) -> Run:
    return train(resume=out, report_to="none", device="cpu", display=display)


def last(run: Run) -> dict[str, torch.Tensor]:
    return run.read(run.saved()[-1])[0]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of six steps that nothing disturbed."""
    return digits(tmp_path_factory.mktemp("finished") / "run")


class Told(Display):
    """Remembers what was said, and does something once so many examples are played."""

    def __init__(self, at: int = 0, action: Callable[[], None] | None = None) -> None:
        self.lines: list[str] = []
        self.closed, self._at, self._action = False, at, action

    def say(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, line: Mapping[str, Any], total: int) -> None:
        if self._action and line["examples"] >= self._at:
            self._action()

    def close(self) -> None:
        self.closed = True


def signalling(number: int, at: int) -> Told:
    return Told(at, lambda: os.kill(os.getpid(), number))


def test_a_run_folder_holds_what_is_promised(finished: Run) -> None:
    path = finished.path
    for name in ("recipe.yaml", "facts.json", "log.jsonl", "report.html", "samples/generated.png",
                 "model/model.safetensors", "model/config.json", "model/README.md"):  # fmt: skip
        assert (path / name).stat().st_size > 0, name
    assert [folder.name for folder in finished.saved()] == [f"{80:012d}", f"{96:012d}"]
    assert read_json(path / "facts.json")["classes"] == [str(digit) for digit in range(10)]
    events = finished.events()
    kinds = [event["event"] for event in events]
    assert kinds[0] == "start" and kinds[-1] == "end" and kinds.count("step") == 6
    line = next(event for event in events if event["event"] == "step")
    expected = {"generator/adversarial", *(f"discriminator/{term}" for term in ("adversarial", "r1", "r2"))}
    assert set(line["terms"]) == expected
    assert set(line["norms"]) == {"discriminator", "generator"}
    assert {"data", "discriminator", "generator"} <= set(line["share"])
    assert 0 < sum(line["share"].values()) <= 1.001
    assert [event["examples"] for event in events if event["event"] == "step"] == [16, 32, 48, 64, 80, 96]


def test_without_a_metric_the_last_averages_ship(finished: Run) -> None:
    averages = {name.removeprefix("average."): value for name, value in last(finished).items() if "average." in name}
    assert same(read_tensors(finished.model / "model.safetensors"), averages)


def test_the_folder_and_checkpoint_0_are_there_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(self: Engine) -> None:
        raise KeyError("stop here")

    monkeypatch.setattr(Engine, "step", step)
    with pytest.raises(KeyError, match="stop here"):
        digits(tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert run.recipe.examples == 96 and run.facts["resolution"] == 8
    assert [folder.name for folder in run.saved()] == ["0" * 12]
    assert run.read(run.saved()[0])[1]["clock"]["examples"] == 0


def test_a_finished_run_resumed_changes_nothing(finished: Run) -> None:
    before, told = contents(finished.path), Told()
    resume(finished.path, told)
    assert contents(finished.path) == before
    assert "is finished" in told.lines[0] and told.closed


def test_an_existing_folder_is_refused(finished: Run, tmp_path: Path) -> None:
    before = contents(finished.path)
    with pytest.raises(UserError, match="exists: go on with it by --resume"):
        digits(finished.path)
    assert contents(finished.path) == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="exists"):
        digits(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert digits(tmp_path / "empty", examples=16).saved()


def test_a_second_writer_is_kept_out(finished: Run, tmp_path: Path) -> None:
    shutil.copytree(finished.path, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    (run.path / "report.html").unlink()  # so that there is something left to do
    before = contents(run.path)
    with run.lock(), pytest.raises(UserError, match="is being written by another process"):
        resume(run.path)
    assert contents(run.path) == before
    resume(run.path)


@pytest.mark.parametrize(("number", "code", "word"), [(signal.SIGTERM, 75, "SIGTERM"), (signal.SIGINT, 130, "Ctrl-C")])
def test_a_signal_stops_with_a_checkpoint_and_the_rest_is_the_same(
    number: int, code: int, word: str, finished: Run, tmp_path: Path
) -> None:
    told = signalling(number, 48)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as stopped:
        digits(tmp_path / "run", told, **{"checkpoints.every": 64})  # so that none is due here
    assert stopped.value.code == code and signal.getsignal(number) is before
    run = Run.open(tmp_path / "run")
    assert int(run.saved()[-1].name) == 48
    assert told.lines[-1] == f"{word}: saved at 48 examples; go on with --resume {run.path}" and told.closed
    assert not (run.path / "report.html").exists()
    resume(run.path)
    assert same(last(run), last(finished))
    assert [event["event"] for event in run.events()].count("resume") == 1


def test_resume_auto_begins_or_goes_on(finished: Run, tmp_path: Path) -> None:
    def auto(display: Display | None = None) -> Run:
        return train("digits", settings=DIGITS, out=tmp_path / "run", resume="auto", report_to="none", display=display)

    with pytest.raises(SystemExit):
        auto(signalling(signal.SIGTERM, 32))
    assert same(last(auto()), last(finished))


def test_a_run_keeps_the_precision_that_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "fast_bf16", lambda device: True)
    with pytest.raises(SystemExit):
        digits(tmp_path / "run", signalling(signal.SIGTERM, 48), precision="auto")
    monkeypatch.setattr(hardware, "fast_bf16", lambda device: False)
    begun = Run.open(tmp_path / "run").recipe
    assert begun.precision == "bf16" and planning.plan(begun, "cpu").engine().precision == "bf16"
    assert resume(tmp_path / "run").finished
    assert planning.plan(begun.model_copy(update={"precision": "auto"}), "cpu").precision == "fp32"


@pytest.mark.parametrize("amx", [False, True])
@pytest.mark.parametrize("flagged", [False, True])
@pytest.mark.parametrize("quicker", [False, True])
def test_bf16_is_chosen_where_it_is_quicker(
    amx: bool, flagged: bool, quicker: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: flagged)
    seconds = {torch.float32: 0.01, torch.bfloat16: 0.002 if quicker else 0.03}
    monkeypatch.setattr(hardware, "_convolution", lambda device, dtype, **sizes: lambda: time.sleep(seconds[dtype]))
    monkeypatch.setattr(hardware, "_quicker_in_bf16", hardware._quicker_in_bf16.__wrapped__)  # which remembers nothing
    assert hardware.fast_bf16(torch.device("cpu")) == (amx or (flagged and quicker))


def test_checkpoints_at_other_times_change_nothing(finished: Run, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        digits(tmp_path / "run", signalling(signal.SIGTERM, 32), **{"checkpoints.every": 1000})
    recipe = tmp_path / "run" / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("every: 1000", "every: 48"))
    assert same(last(resume(tmp_path / "run")), last(finished))


def test_the_number_of_checkpoints_is_limited(tmp_path: Path) -> None:
    run = train("digits", settings=DIGITS, out=tmp_path / "run", checkpoints_total_limit=4, report_to="none")
    assert [int(folder.name) for folder in run.saved()] == [48, 64, 80, 96]


def test_a_damaged_checkpoint_is_named(finished: Run, tmp_path: Path) -> None:
    shutil.copytree(finished.path, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    (run.path / "report.html").unlink()
    place = run.saved()[-1] / "state.safetensors"
    whole = place.read_bytes()
    place.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"0096/state\.safetensors is damaged .*remove its folder"):
        resume(run.path)
    shutil.rmtree(place.parent)  # as it says
    assert same(last(resume(run.path)), last(finished))
    (run.path / "report.html").unlink()
    state = run.saved()[-1] / "state.json"
    state.write_text(state.read_text()[:20])
    with pytest.raises(UserError, match=r"0096/state\.json is damaged"):
        resume(run.path)


def test_a_checkpoint_of_another_recipe_is_refused(finished: Run, tmp_path: Path) -> None:
    run = digits(tmp_path / "run", **{"game.widths": [8, 4], "examples": 16})
    (run.path / "report.html").unlink()
    shutil.rmtree(run.checkpoints)
    shutil.copytree(finished.checkpoints, run.checkpoints)
    with pytest.raises(UserError, match="the checkpoint is of another game"):
        resume(run.path)


def test_a_finish_that_was_cut_short_is_done_again(finished: Run, tmp_path: Path) -> None:
    shutil.copytree(finished.path, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    (run.path / "report.html").unlink()
    before = last(run)
    resume(run.path)
    assert (run.path / "report.html").is_file() and same(last(run), before)


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from belamy import storage

    real, saves = storage.save_file, [0]

    def save(tensors: Any, path: Path, about: Any) -> None:
        saves[0] += any(name.startswith("optimizer.") for name in tensors)
        if saves[0] > 2:
            Path(path).write_bytes(b"half")
            raise RuntimeError("No space left on device (os error 28)")
        real(tensors, path, about)

    monkeypatch.setattr(storage, "save_file", save)
    with pytest.raises(OSError, match="No space left"):
        digits(tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert [int(folder.name) for folder in run.saved()] == [16, 32]
    assert not list(run.path.rglob(".*.*"))
    last(run)


@pytest.fixture
def troubled(tmp_path: Path) -> Recipe:
    (tmp_path / "troubled.py").write_text(TROUBLED)
    adam = {"rate": 1e-3}
    return recipes.parse({
        "name": "troubled", "game": {"use": f"{tmp_path}/troubled.py:Troubled"},
        "data": {"use": "belamy.data.digits:Digits"}, "optimizers": {"generator": adam, "discriminator": adam},
        "examples": 96, "batch": 16, "precision": "fp32", "patience": 4, "judging": {"metric": "none", "times": 1},
    })  # fmt: skip


def with_times(recipe: Recipe, times: int) -> Recipe:
    return recipe.model_copy(update={"game": {**recipe.game, "times": times}})


def test_a_step_with_nan_is_skipped_and_logged(troubled: Recipe, tmp_path: Path) -> None:
    told = Told()
    run = train(with_times(troubled, 3), out=tmp_path / "run", report_to="none", display=told)
    skips = [event for event in run.events() if event["event"] == "skip"]
    assert [event["examples"] for event in skips] == [48, 64, 80]
    assert "the gradient of generator is nan (adversarial nan)" in skips[0]["message"]
    assert sum("a step was skipped" in line for line in told.lines) == 3
    assert all(value.isfinite().all() for value in last(run).values())
    clock = run.read(run.saved()[-1])[1]["clock"]
    assert (clock["skipped"], clock["attempt"], clock["brake"]) == (0, 0, 1.0)
    assert not [event for event in run.events() if event["event"] == "rollback"]


def test_a_skipped_turn_moves_nothing(troubled: Recipe) -> None:
    player = planning.plan(with_times(troubled, 1), "cpu").engine()
    for _ in range(2):
        player.step()
    before = state(player)
    report = player.step()
    player.close()
    after = state(player)
    assert len(report.skipped) == 1
    moved = {name.split(".")[1] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"discriminator", "strictness", "generator"}  # the latter for its average alone
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("game.generator"))
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("optimizer.generator"))


def test_nan_again_and_again_rolls_back_with_a_lower_rate(troubled: Recipe, tmp_path: Path) -> None:
    run = train(with_times(troubled, 4), out=tmp_path / "run", report_to="none")
    (event,) = [event for event in run.events() if event["event"] == "rollback"]
    assert "the gradient of generator is nan" in event["message"] and "rates times 0.5" in event["message"]
    clock = run.read(run.saved()[-1])[1]["clock"]
    assert (clock["examples"], clock["attempt"], clock["brake"]) == (96, 1, 0.5)
    assert all(value.isfinite().all() for value in last(run).values())
    plain = train(with_times(troubled, 0), out=tmp_path / "plain", report_to="none")
    assert not same(last(run), last(plain))


def test_a_restart_remembers_a_rollback(troubled: Recipe, tmp_path: Path) -> None:
    whole = train(with_times(troubled, 4), out=tmp_path / "whole", report_to="none")

    class StopAtRollback(Told):
        def say(self, text: str) -> None:
            if "rates times" in text:
                os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit):
        train(with_times(troubled, 4), out=tmp_path / "run", report_to="none", display=StopAtRollback())
    run = Run.open(tmp_path / "run")
    assert run.read(run.saved()[-1])[1]["rollbacks"] == 1
    recipe = tmp_path / "run" / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("times: 4", "times: 0"))  # its trouble is behind it
    assert same(last(resume(run.path)), last(whole))


def test_nan_for_ever_ends_with_its_cause(troubled: Recipe, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"diverged 4 times, .*gradient of generator is nan \(adversarial nan\).*lower"):
        train(with_times(troubled, 10**9), out=tmp_path / "run", report_to="none")
    run = Run.open(tmp_path / "run")
    assert all(value.isfinite().all() for value in last(run).values())
    assert [event["event"] for event in run.events()].count("rollback") == 3


def judged(monkeypatch: pytest.MonkeyPatch, values: list[float | None], **entry: Any) -> list[dict[str, torch.Tensor]]:
    """Lets the judge find these values, one after the other; returns the models that it was shown."""
    shown: list[dict[str, torch.Tensor]] = []
    left = iter(values)

    def compared(model: Model, heldout: Any, train: Any, **options: Any) -> dict[str, Any]:
        shown.append({name: value.clone() for name, value in model.game.generator.state_dict().items()})
        metrics = options.get("metrics", ["kid"])
        value = next(left) if train is None else 1.0
        found = {name: {"value": value, "floor": 0.0, "trivial": None, "features": "x", **entry} for name in metrics}
        return {"metrics": found, "n": 2, "heldout": 2, "features": "x", "seconds": 0.0, "notes": []}

    monkeypatch.setattr(critic, "compared", compared)
    return shown


@pytest.mark.parametrize(("metric", "values", "best"), [
    ("kid", [5.0, 3.0, 4.0], 1), ("coverage", [0.1, 0.9, 0.5], 1), ("kid", [5.0, 3.0, 1.0], 2),
    ("kid", [None, 3.0, 4.0], 1),
])  # fmt: skip
def test_the_best_model_by_the_metric_ships(
    metric: str, values: list[float | None], best: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = judged(monkeypatch, values, reason="too few")
    run = digits(tmp_path / "run", **{"judging.metric": metric, "judging.times": 3})
    shipped = read_tensors(run.model / "model.safetensors")
    assert same({name.removeprefix("generator."): value for name, value in shipped.items()}, shown[best])
    assert not same(shown[0], shown[1]) and not same(shown[1], shown[2])
    assert run.read(run.saved()[-1])[1]["best"]["examples"] == 32 * (best + 1)
    told = [event["values"][metric] for event in run.events() if event["event"] == "metric"]
    assert told == [value for value in values if value is not None]


def test_the_best_so_far_survives_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = judged(monkeypatch, [3.0, 5.0, 4.0])
    with pytest.raises(SystemExit):
        digits(tmp_path / "run", signalling(signal.SIGTERM, 48), **{"judging.metric": "kid", "judging.times": 3})
    run = resume(tmp_path / "run")
    shipped = read_tensors(run.model / "model.safetensors")
    assert same({name.removeprefix("generator."): value for name, value in shipped.items()}, shown[0])
    assert run.read(run.saved()[-1])[1]["best"] == {"value": 3.0, "examples": 32}


@pytest.mark.parametrize("metric", ["kdi", "prdc", "memorisation", "class_accuracy"])
def test_a_metric_that_cannot_choose_is_refused_before_training(metric: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"judging.metric is '{metric}'.*choose kid, fd"):
        digits(tmp_path / "run", **{"judging.metric": metric})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("settings", "told"), [
    ({"judging.features": "incept"}, r"judging.features is 'incept' \(did you mean 'inception'"),
    ({"judging.metric": "fid"}, "judging.metric fid is measured on Inception"),
    ({"game.classes": 3}, "the game wants classes 3, the data has 10"),
    ({"game.channels": 3}, "the game wants channels 3, the data has 1"),
    ({"game.latent": 0}, "game.latent: input should be greater than or equal to 1"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_before_training(settings: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        digits(tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


def test_a_dozen_pictures_are_judged_or_not_but_never_break_a_run(tmp_path: Path) -> None:
    data = draw_pictures(tmp_path / "data", {"": 6}, side=8)
    settings = {"game.widths": [4, 4], "game.latent": 4, "batch": 4, "precision": "fp32", "examples": 8,
                "judging.features": "pixels", "judging.samples": 4, "judging.times": 1}  # fmt: skip
    run = train("r3gan", data=str(data), settings=settings, out=tmp_path / "run", report_to="none")
    assert (run.model / "model.safetensors").is_file() and (run.path / "report.html").is_file()


def command(out: Path, game: Path, *more: str) -> list[str]:
    settings = {**DIGITS, "game.use": f"{game}:Slow"}
    pairs = [word for name, value in settings.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    given = ["train", "digits", "--out", str(out), "--report-to", "none", "--device", "cpu", *pairs, *more]
    return [sys.executable, "-m", "belamy.cli.main", *given]


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "code", "word"), [(signal.SIGTERM, 75, "SIGTERM"), (signal.SIGINT, 130, "Ctrl-C")])
def test_signals_reach_the_command(number: int, code: int, word: str, finished: Run, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "slow").touch()
    out = tmp_path / "run"
    process = subprocess.Popen(
        command(out, tmp_path / "slow.py"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: out.is_dir() and any(event["event"] == "step" for event in Run(out).events()), process)
        process.send_signal(number)
        told, said = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == code, said
    assert "Traceback" not in said and f"{word}: saved at" in said and told == ""
    (tmp_path / "slow").unlink()
    assert same(last(resume(out)), last(finished))


def play_on(out: Path) -> None:
    torch.set_num_threads(1)
    resume(out)


def test_kills_lose_nothing(finished: Run, tmp_path: Path) -> None:
    out, chance, reached = tmp_path / "run", random.Random(0), 0
    with pytest.raises(SystemExit):
        digits(out, signalling(signal.SIGTERM, 16))
    run = Run.open(out)
    for _ in range(4):
        process = processes.Process(target=play_on, args=(out,))
        process.start()
        began = len(run.events())
        while process.is_alive() and len(run.events()) == began:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.3))
        process.kill()
        process.join()
        assert process.exitcode in (-signal.SIGKILL, 0)
        examples = int(run.saved()[-1].name)
        assert examples >= reached and run.read(run.saved()[-1])[1]["clock"]["examples"] == examples
        last(run)
        reached = examples
    assert same(last(resume(out)), last(finished))
    assert not [path for path in run.checkpoints.iterdir() if path.name.startswith(".")]
