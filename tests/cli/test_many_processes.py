"""Samples and figures of several processes: those of one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from belamy.launch import Machines, launch
from conftest import Belamy


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))


def test_samples_are_those_of_one_process(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    words = ["sample", run, "-n", 200, "--seed", 3, "--json", "--out"]
    assert belamy(*words, tmp_path / "one.npz").code == 0
    ended = belamy("launch", "--nproc", 2, "--", *words, tmp_path / "two.npz")
    assert ended.code == 0, ended.err
    with np.load(tmp_path / "one.npz") as one, np.load(tmp_path / "two.npz") as two:
        assert one.files == two.files == ["images", "labels"]
        assert all(np.array_equal(one[name], two[name]) for name in one.files)


def test_figures_are_those_of_one_process(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    words = ["evaluate", run, "-n", 100, "--metrics", "kid,spread,class_accuracy", "--json"]
    one = json.loads(belamy(*words, "-").out)["metrics"]
    ended = belamy("launch", "--nproc", 2, "--", *words, tmp_path / "two.json")
    assert ended.code == 0, ended.err
    two = json.loads((tmp_path / "two.json").read_text())["metrics"]
    assert one.keys() == two.keys() == {"kid", "spread", "class_accuracy"}
    for name, entry in one.items():
        assert two[name]["value"] == pytest.approx(entry["value"], rel=1e-5), name


def test_a_mistake_is_told_once(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["sample", str(run), "--class", "eleven", "--out", str(tmp_path / "x.npz")]
    assert launch(words, Machines(2)) == 2
    assert capfd.readouterr().err.count("error:") == 1


@pytest.mark.parametrize(("words", "told"), [
    (["train", "r3gan", "--bogus", "--out", "x"], "No such option"), (["train", "--examples", "many"], "--examples"),
    (["sample"], "Missing argument"),
])  # fmt: skip
def test_a_slip_is_told_before_any_process_begins(words: list[str], told: str, belamy: Belamy) -> None:
    ended = belamy("launch", "--nproc", 2, "--", *words)
    assert ended.code == 2 and told in ended.err and ended.err.count("Usage: belamy") == 1
