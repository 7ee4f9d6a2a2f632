"""The command line called in this process, and runs to call it on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from belamy.cli.main import main
from belamy.training import train
from tiny import DIGITS


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Belamy = Callable[..., Ended]


@pytest.fixture
def belamy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Belamy:
    """``belamy("sample", run, "-n", 3)``: the command, with its exit code and what it printed."""

    def call(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["belamy", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of digits, hardly trained."""
    return train("digits", settings=DIGITS, out=tmp_path_factory.mktemp("cli") / "run", report_to="none").path


@pytest.fixture(scope="session")
def classless(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """A finished run of colour pictures without classes."""
    settings = {**DIGITS, "game.widths": [4, 4, 4], "data.classes": False, "batch": 4, "examples": 8}
    folder = tmp_path_factory.mktemp("cli") / "classless"
    return train("r3gan", data=str(pictures), settings=settings, out=folder, report_to="none").path


@pytest.fixture(scope="session")
def styled(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """A finished run of StyleGAN."""
    settings = {**DIGITS, "game.widths": [4, 4, 4], "batch": 4, "examples": 8}
    folder = tmp_path_factory.mktemp("cli") / "styled"
    return train("stylegan", data=str(pictures), settings=settings, out=folder, report_to="none").path
