"""Trainings that are started again when a process dies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import machines
from belamy import launch as launching
from belamy.errors import UserError
from belamy.launch import Machines, launch
from belamy.run import Run
from belamy.training import train
from tiny import DIGITS

TRAIN = ["train", "digits", "--out", "RUN"]

DYING = """
import os, signal
from pathlib import Path
from belamy.games.r3gan import R3GAN

class Dying(R3GAN):
    def advance(self, examples):
        super().advance(examples)
        mark = Path(__file__).with_name("died")
        if examples == 64 and os.environ["RANK"] == "1" and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
"""


def attempts(monkeypatch: pytest.MonkeyPatch, codes: list[list[int]], reached: list[int]) -> list[int]:
    """Lets attempts end with ``codes`` at ``reached`` examples; how many processes each had is what comes back."""
    counts: list[int] = []

    def attempt(words: list[str], machines: Machines, count: int, name: str) -> list[int]:
        counts.append(count)
        return codes[len(counts) - 1]

    monkeypatch.setattr(launching, "_attempt", attempt)
    monkeypatch.setattr(launching, "_reached", lambda run: [-1, *reached][len(counts)])
    return counts


@pytest.mark.parametrize("code", [2, 75, 130])
def test_what_no_relaunch_mends_is_the_exit(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = attempts(monkeypatch, [[code, 1]], [0])
    assert launch(TRAIN, Machines(2)) == code and counts == [2]


def test_deaths_with_progress_in_between_are_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    counts = attempts(monkeypatch, [*[[-9]] * 9, []], list(range(100, 1100, 100)))
    assert launch(TRAIN, Machines(4), fewest=1, restarts=2, say=said.append) == 0
    assert counts == [4] * 10 and said[1] == "a process ended with SIGKILL: 4 begin again at 200 examples"


def test_deaths_without_progress_end_it_with_ever_fewer_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    counts = attempts(monkeypatch, [[-9]] * 5, [100] * 5)
    assert launch(TRAIN, Machines(8), fewest=3, restarts=3, say=said.append) == 1
    assert counts == [8, 8, 8, 4, 3] and "4 times in a row" in said[-1]


def test_what_keeps_no_checkpoints_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    counts = attempts(monkeypatch, [[-9], [-9], []], [-1] * 3)
    assert launch(["sample", "RUN", "-n", "9"], Machines(2), say=said.append) == 0
    assert counts == [2] * 3 and said == ["a process ended with SIGKILL: 2 begin again"] * 2


def test_mistakes() -> None:
    for words, where, said in (
        (["export", "RUN"], Machines(2), "launch is for train, sample and evaluate"),
        (["train", "digits"], Machines(2), "wants --out"),
        (TRAIN, Machines(2, "2"), "--rendezvous HOST:PORT"),
        (TRAIN, Machines(2, "4:1"), "fewest:most"),
        (TRAIN, Machines(2, "all"), "fewest:most"),
    ):
        with pytest.raises(UserError, match=said):
            launch(words, where)


def test_a_run_that_lost_a_process_ends_where_others_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dying.py").write_text(DYING)
    settings = {**DIGITS, "game.use": "./dying.py:Dying"}
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "belamy.cli.main", "launch", "--nproc", "2", "--", "train", "digits"]
    done = subprocess.run(
        [*command, "--out", "torn", "--report-to", "none", *words], capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "a process ended with SIGKILL: 2 begin again" in done.stderr and Path("died").exists()
    assert "Traceback" not in done.stderr
    monkeypatch.setenv("RANK", "0")
    whole = train("digits", settings=settings, out="whole", report_to="none", device="cpu")
    torn = Run.open(Path("torn"))
    tensors, state = torn.read(torn.saved()[-1])
    assert state["clock"]["examples"] == 96
    for name, value in whole.read(whole.saved()[-1])[0].items():
        assert torch.allclose(tensors[name], value, rtol=1e-2, atol=1e-3), name


def test_processes_do_not_outlive_who_started_them(tmp_path: Path) -> None:
    follow = "from belamy.ops.processes import _follow_parent; _follow_parent()"
    child = f"import time; {follow}; print('up', flush=True); time.sleep(60); print('late')"
    start = f"one = subprocess.Popen([sys.executable, '-c', {child!r}])"
    parent = f"import subprocess, sys; {start}; one.wait()"
    begun = subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "TORCHELASTIC_RUN_ID": "any"},
    )  # fmt: skip
    assert begun.stdout is not None
    assert begun.stdout.readline() == "up\n"
    begun.kill()
    assert begun.stdout.read() == ""  # the pipe closes when the child is gone


def test_four_processes_on_two_machines_end_where_one_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not machines.possible():
        pytest.skip("needs the right to make network namespaces")
    monkeypatch.chdir(tmp_path)
    Path("dying.py").write_text(DYING)
    settings = {**DIGITS, "game.use": "./dying.py:Dying"}
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    launch = [sys.executable, "-m", "belamy.cli.main", "launch", "--nproc", "2", "--nodes", "2", "--id", "mine"]
    launch += ["--rendezvous", f"{machines.ADDRESSES[0]}:29400", "--", "train", "digits", "--out", "many"]
    with machines.two() as both:
        running = [machines.started([*launch, "--report-to", "none", *words], within) for within in both]
        said = [one.communicate(timeout=300)[0] for one in running]
    assert [one.returncode for one in running] == [0, 0], said
    assert Path("died").exists() and all("begin again at" in one for one in said)
    monkeypatch.setenv("RANK", "0")
    whole = train("digits", settings=settings, out="whole", report_to="none", device="cpu")
    many = Run.open(Path("many"))
    assert many.events()[0]["processes"] == 4
    tensors, state = many.read(many.saved()[-1])
    assert state["clock"]["examples"] == 96
    for name, value in whole.read(whole.saved()[-1])[0].items():
        assert torch.allclose(tensors[name], value, rtol=1e-2, atol=1e-3), name
