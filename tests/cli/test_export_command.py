"""`belamy export`: a file, a recipe and a script, or a line that says why not."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import Belamy


def test_a_run_becomes_a_file(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    ended = belamy("export", run, "--format", "onnx", "--out", tmp_path / "model.onnx")
    assert ended.code == 0, ended.err
    assert "in   latent float32 [N, 4]" in ended.out and "in   class int64 [N]" in ended.out
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "model.json", "model.py"}
    assert json.loads((tmp_path / "model.json").read_text())["inputs"]["class"]["names"] == [str(n) for n in range(10)]


def test_results_as_json(belamy: Belamy, classless: Path, tmp_path: Path) -> None:
    ended = belamy("export", classless, "--out", tmp_path / "model.pt2", "--format", "torch-export", "--json")
    told = json.loads(ended.out)
    assert told["out"] == str(tmp_path / "model.pt2") and list(told["inputs"]) == ["latent"]


def test_mistakes(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    for words, said in (
        (["--out", tmp_path / "model.bin"], "should end in .onnx"),
        (["--out", tmp_path / "model.onnx", "--format", "onnxx"], "did you mean 'onnx'"),
        (["--out", tmp_path / "model.onnx", "--precision", "fp8"], "should be one of fp32, fp16, int8"),
    ):
        ended = belamy("export", run, *words)
        assert ended.code == 2 and said in ended.err and "Traceback" not in ended.err
    assert list(tmp_path.iterdir()) == []
