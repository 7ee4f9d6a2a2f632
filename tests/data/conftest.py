"""Tiny pictures for the tests of data, and a cache of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_pictures import Folder, noise
from PIL import Image


@pytest.fixture(autouse=True)
def belamy_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("BELAMY_HOME", str(home))
    return home


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """``folder({"cat": 5, "dog": 5}, shape=(8, 8))``: so many different pictures of noise in each folder."""

    def make(counts: dict[str, int], shape: tuple[int, ...] = (8, 8), name: str = "pictures") -> Path:
        seed = 0
        for inner, count in counts.items():
            (tmp_path / name / inner).mkdir(parents=True, exist_ok=True)
            for _ in range(count):
                Image.fromarray(noise(seed, *shape)).save(tmp_path / name / inner / f"{seed:03}.png")
                seed += 1
        return tmp_path / name

    return make
