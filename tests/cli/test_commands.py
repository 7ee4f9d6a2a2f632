"""What each command does, and what it prints where."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import belamy as package
from belamy.run import Run
from conftest import Belamy
from tiny import DIGITS, contents, draw_pictures

SETTINGS = [word for name, value in DIGITS.items() for word in ("--set", f"{name}={json.dumps(value)}")]


def test_help_answers_without_torch() -> None:
    code = (
        "import sys\nfrom belamy.cli.main import main\nsys.argv = ['belamy', '--help']\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code\n"
        "print(sorted({'torch', 'numpy', 'pydantic'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[-1] == "[]"
    for word in ("train", "sample", "evaluate", "recipes", "data", "doctor"):
        assert f"\n  {word} " in said.stdout


def test_train_with_json_prints_json_alone(belamy: Belamy, tmp_path: Path) -> None:
    out = tmp_path / "run"
    ended = belamy("train", "digits", "--out", out, "--report-to", "none", "--seed", 3, "--json", *SETTINGS)
    assert ended.code == 0 and ended.err == ""
    found = json.loads(ended.out)
    assert found == {"run": str(out), "model": str(out / "model"), "evaluation": None}
    assert Run.open(out).recipe.seed == 3
    before = contents(out)
    again = belamy("train", "--resume", out, "--json")
    assert again.code == 0 and json.loads(again.out) == found and contents(out) == before


def test_train_tells_plain_lines_on_stderr(belamy: Belamy, tmp_path: Path, pictures: Path) -> None:
    out = tmp_path / "run"
    settings = [*SETTINGS, "--set", "game.widths=[4, 4, 4]", "--set", "batch=4", "--set", "examples=8"]
    ended = belamy("train", "r3gan", "--data", pictures, "--out", out, "--flip", "--resize", "pad", *settings)
    assert ended.code == 0
    for told in ("28 pictures", "2 classes: cat (14), dog (14)", "held out", "seen as 16x16 with 3 channels",
                 "parameters", "examples/s", "8 of 8 examples"):  # fmt: skip
        assert told in ended.err, told
    assert f"belamy sample {out}" in ended.out and "examples/s" not in ended.out
    recipe = Run.open(out).recipe
    assert recipe.data["flip"] is True and recipe.data["resize"] == "pad" and recipe.examples == 8
    assert list((out / "tensorboard").iterdir())


def test_dry_run_stops_before_anything_is_written(belamy: Belamy, tmp_path: Path) -> None:
    out = tmp_path / "run"
    ended = belamy("train", "digits", "--out", out, "--dry-run", "--json", *SETTINGS)
    found = json.loads(ended.out)
    assert ended.code == 0 and ended.err == "" and not out.exists()
    assert found["game"]["widths"] == [4, 4] and found["facts"]["resolution"] == 8 and found["precision"] == "fp32"
    assert found["estimate"]["examples_per_second"] > 0 and found["estimate"]["seconds"] > 0
    assert set(found["estimate"]["parameters"]) == {"generator", "discriminator"}


def test_a_game_of_ones_own(belamy: Belamy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_game.py").write_text(
        "from belamy.games.r3gan import R3GAN\n\n\nclass MyGame(R3GAN):\n"
        "    def turns(self):\n        return super().turns()[::-1]\n"
    )
    use = ["--set", "game.use=./my_game.py:MyGame"]
    ended = belamy("train", "digits", "--out", "run", *use, *SETTINGS, "--report-to", "none", "--json")
    assert ended.code == 0, ended.err
    assert belamy("sample", "run", "-n", 2, "--out", "x.npz").code == 0
    assert np.load("x.npz")["images"].shape == (2, 8, 8, 1)
    monkeypatch.chdir("/")
    refused = belamy("sample", tmp_path / "run", "-n", 2, "--out", tmp_path / "y.npz")
    assert refused.code == 2 and "call from the folder that holds that file" in refused.err


def test_sample_to_npz(belamy: Belamy, run: Path, classless: Path, tmp_path: Path) -> None:
    out = tmp_path / "deeper" / "x.npz"
    ended = belamy("sample", run, "-n", 100, "--seed", 4, "--out", out, "--json")
    assert ended.code == 0 and ended.err == "" and json.loads(ended.out) == {"out": str(out), "samples": 100}
    found = np.load(out)
    assert sorted(found) == ["images", "labels"]
    assert found["images"].dtype == np.uint8 and found["images"].shape == (100, 8, 8, 1)
    assert found["labels"].dtype == np.int64 and found["labels"].shape == (100,)
    assert belamy("sample", run, "-n", 5, "--seed", 4, "--out", tmp_path / "few.npz").code == 0
    few = np.load(tmp_path / "few.npz")
    assert np.array_equal(few["images"], found["images"][:5]) and np.array_equal(few["labels"], found["labels"][:5])
    assert belamy("sample", classless, "-n", 3, "--out", tmp_path / "plain.npz").code == 0
    plain = np.load(tmp_path / "plain.npz")
    assert sorted(plain) == ["images"] and plain["images"].shape == (3, 16, 16, 3)
    model = package.load(run)
    assert np.array_equal(model.sample(100, seed=4, output_type="np").images, found["images"])


def test_classes_come_in_the_proportions_of_the_data(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    assert belamy("sample", run, "-n", 3000, "--out", tmp_path / "x.npz", "--json").code == 0
    counts = np.bincount(np.load(tmp_path / "x.npz")["labels"], minlength=10)
    expected = np.array(Run(run).facts["class_counts"])
    expected = expected / expected.sum() * 3000
    assert (np.abs(counts - expected) < 4 * np.sqrt(expected)).all()


def test_a_class_by_name_then_by_number(belamy: Belamy, tmp_path: Path) -> None:
    from belamy.training import train

    data = draw_pictures(tmp_path / "data", {"1": 12, "2": 12, "cat": 12}, side=8)
    settings = {**DIGITS, "batch": 4, "examples": 4}
    run = train("r3gan", data=str(data), settings=settings, out=tmp_path / "run", report_to="none").path
    for asked, number in (("1", 0), ("2", 1), ("0", 0), ("cat", 2)):
        assert belamy("sample", run, "-n", 3, "--class", asked, "--out", tmp_path / f"{asked}.npz").code == 0
        assert np.load(tmp_path / f"{asked}.npz")["labels"].tolist() == [number] * 3


def test_sample_to_a_grid_and_to_a_folder(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    assert belamy("sample", run / "model", "-n", 12, "--out", tmp_path / "grid.png").code == 0
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.format == "PNG" and min(grid.size) > 8
    assert belamy("sample", run, "-n", 12, "--class", "7", "--out", tmp_path / "many").code == 0
    names = [f"{number:06}.png" for number in range(12)]
    assert sorted(path.name for path in (tmp_path / "many").iterdir()) == [*names, "metadata.jsonl"]
    lines = [json.loads(line) for line in (tmp_path / "many" / "metadata.jsonl").read_text().splitlines()]
    assert lines == [{"file_name": name, "label": "7"} for name in names]
    asked = package.load(run).sample(12, seed=0, classes="7", output_type="np").images
    with Image.open(tmp_path / "many" / names[5]) as picture:
        assert np.array_equal(np.asarray(picture), asked[5, :, :, 0])


def test_a_signature_is_the_formula_of_the_game(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    for name, words in (("plain", []), ("signed", ["--sign"])):
        assert belamy("sample", run, "-n", 2, *words, "--out", tmp_path / f"{name}.npz").code == 0
    plain, signed = (np.load(tmp_path / f"{name}.npz")["images"] for name in ("plain", "signed"))
    assert plain.shape == (2, 8, 8, 1) and signed.shape == (2, 384, 384, 1)
    assert belamy("sample", run, "--sign", "--interpolate", 2, "--out", tmp_path / "walk.gif").code == 2


def test_attributes_from_metadata_to_samples(belamy: Belamy, tmp_path: Path) -> None:
    data, run = draw_pictures(tmp_path / "data", {"": 24}), tmp_path / "run"
    had = [["hat"] * (row % 2) + ["red"] * (row % 3 == 0) for row in range(24)]
    lines = [json.dumps({"file_name": f"{row}.png", "attributes": names}) for row, names in enumerate(had)]
    (data / "metadata.jsonl").write_text("\n".join(lines))
    assert "2 attributes: hat (12), red (8)" in belamy("data", "info", data).out
    small = ["batch=8", "examples=16", "game.width=4", "game.hidden=8", "judging.metric=none", "precision=fp32"]
    settings = [word for one in small for word in ("--set", one)]
    ended = belamy("train", "cgan", "--data", data, "--out", run, "--report-to", "none", *settings)
    assert ended.code == 0, ended.err
    assert "with 2 attributes" in (run / "model" / "README.md").read_text()
    for asked, flags in (("hat, red", [1, 1]), ("red", [0, 1]), ("", [0, 0])):
        assert belamy("sample", run, "-n", 3, "--attributes", asked, "--out", tmp_path / "x.npz").code == 0
        found = np.load(tmp_path / "x.npz")
        assert sorted(found) == ["attributes", "images"] and found["attributes"].dtype == np.uint8
        assert found["attributes"].tolist() == [flags] * 3
    assert belamy("sample", run, "-n", 20, "--out", tmp_path / "many").code == 0
    told = [json.loads(line)["attributes"] for line in (tmp_path / "many" / "metadata.jsonl").read_text().splitlines()]
    drawn = package.load(run).sample(20, seed=0).attributes
    assert [["hat" in names, "red" in names] for names in told] == drawn.tolist()
    for asked, told in (("hat,rad", "no attribute 'rad' (did you mean 'red'?)"), ("x", "it has hat, red")):
        refused = belamy("sample", run, "--attributes", asked, "--out", tmp_path / "y.npz")
        assert refused.code == 2 and told in refused.err and refused.err.count("\n") == 1
    refused = belamy("train", "cgan", "--data", data, "--out", tmp_path / "other", "--set", "data.attributes=[hut]")
    assert refused.code == 2 and "no attribute 'hut' (did you mean 'hat'?)" in refused.err
    refused = belamy("train", "cgan", "--data", data, "--out", tmp_path / "other", "--set", "data.attributes=[]")
    assert refused.code == 2 and "the data has neither classes nor attributes" in refused.err
    assert not (tmp_path / "other").exists()


def test_a_walk_to_a_film(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "deeper" / "walk.gif"
    ended = belamy("sample", run, "--interpolate", 2, "--out", out, "--class", "7", "--json")
    assert ended.code == 0 and ended.err == "" and json.loads(ended.out) == {"out": str(out), "frames": 50}
    with Image.open(out) as film:
        assert film.n_frames == 50 and film.size == (256, 256)  # type: ignore[attr-defined]
        first = np.asarray(film.convert("L"))[16::32, 16::32]
    sample = package.load(run).sample(1, seed=0, classes="7", output_type="np").images[0, :, :, 0]
    assert np.abs(first.astype(int) - sample).max() <= 1
    told = belamy("sample", run, "--interpolate", 2, "--out", tmp_path / "walk.gif")
    assert told.code == 0 and told.out == f"50 frames in {tmp_path / 'walk.gif'}\n"


def test_sheets_of_styles_and_of_truncation(belamy: Belamy, styled: Path, tmp_path: Path) -> None:
    ended = belamy("sample", styled, "--mix", "-n", 3, "--out", tmp_path / "deeper" / "mix.png", "--json")
    assert ended.code == 0 and json.loads(ended.out)["samples"] == 16
    with Image.open(tmp_path / "deeper" / "mix.png") as sheet:
        assert sheet.size == (4 * 50 - 2, 4 * 50 - 2)  # cells of 48 pixels
    ended = belamy("sample", styled, "--sweep", "-n", 2, "--out", tmp_path / "sweep.png")
    assert ended.code == 0 and ended.out.startswith("10 samples in ")
    with Image.open(tmp_path / "sweep.png") as sheet:
        assert sheet.width == 5 * 50 - 2


def test_path_lengths_need_no_data(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    words = ("evaluate", run / "model", "-n", 20, "--features", "pixels", "--json", "-", "--metrics")
    alone = json.loads(belamy(*words, "ppl").out)["metrics"]
    assert set(alone) == {"ppl"} and alone["ppl"]["value"] > 0 and alone["ppl"]["stderr"] > 0
    assert alone["ppl"]["floor"] is None and alone["ppl"]["reason"] == "real pictures have no latents"
    both = json.loads(belamy("evaluate", run, *words[2:], "ppl,spread").out)["metrics"]
    assert both["ppl"] == alone["ppl"] and set(both) == {"ppl", "spread"}


def test_evaluate_prints_json(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    words = ("evaluate", run, "-n", 60, "--metrics", "kid,spread", "--features", "pixels")
    ended = belamy(*words, "--json", "-")
    assert ended.code == 0
    found = json.loads(ended.out)
    assert set(found["metrics"]) == {"kid", "spread"}
    entry = found["metrics"]["kid"]
    assert entry["features"] == "pixels" and entry["stderr"] > 0 and set(entry["trivial"]) and entry["value"] > 0
    assert abs(entry["floor"]) < abs(entry["value"])
    assert belamy(*words, "--json", tmp_path / "e.json").code == 0
    assert json.loads((tmp_path / "e.json").read_text())["metrics"] == found["metrics"]


def test_recipes(belamy: Belamy, tmp_path: Path) -> None:
    assert {"digits", "r3gan"} <= set(json.loads(belamy("recipes", "--json").out))
    plain = belamy("recipes").out
    assert "digits" in plain and "r3gan" in plain
    shown = yaml.safe_load(belamy("recipes", "digits").out)
    assert shown == json.loads(belamy("recipes", "digits", "--json").out) and shown["name"] == "digits"
    (tmp_path / "mine.yaml").write_text(belamy("recipes", "digits").out)
    ended = belamy("train", tmp_path / "mine.yaml", "--dry-run", "--json", *SETTINGS)
    assert ended.code == 0 and json.loads(ended.out)["recipe"]["batch"] == 16


def test_data_check_and_info(belamy: Belamy, tmp_path: Path) -> None:
    data = draw_pictures(tmp_path / "data", {"cat": 10, "dog": 10})
    fine = belamy("data", "check", data)
    assert fine.code == 0 and "20 pictures, 0 bad" in fine.out
    info = json.loads(belamy("data", "info", data, "--json").out)
    assert (info["count"], info["classes"], info["resolution"], info["channels"]) == (20, {"cat": 10, "dog": 10}, 16, 3)
    told = belamy("data", "info", data)
    assert told.code == 0 and "2 classes: cat (10), dog (10)" in told.out
    (data / "cat" / "half.png").write_bytes((data / "cat" / "0.png").read_bytes()[:200])
    (data / "dog" / "copy.png").write_bytes((data / "dog" / "1.png").read_bytes())
    broken = belamy("data", "check", data)
    assert broken.code == 1 and "cat/half.png: " in broken.out and "dog/1.png, dog/copy.png" in "".join(
        sorted(broken.out.splitlines())
    )  # fmt: skip
    found = json.loads(belamy("data", "check", data, "--json").out)
    assert found["pictures"] == 22 and [bad["name"] for bad in found["bad"]] == ["cat/half.png"]


def test_doctor(belamy: Belamy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("belamy.cli.checkup.convolution_rate", lambda device, dtype, seconds: 0.25)
    found = json.loads(belamy("doctor", "--json").out)
    assert found["belamy"] == package.__version__ and found["python"].startswith("3.")
    assert found["convolution_tflops"] == {"float32": 0.25, "bfloat16": 0.25}
    assert {"torch", "threads", "cpu", "device", "precision", "fast_bf16", "missing_extras"} <= set(found)
    assert f"belamy {package.__version__}" in belamy("doctor").out


def test_a_closed_pipe_is_no_traceback() -> None:
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "belamy.cli.main", "recipes", "r3gan"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=env,
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait(60) in (0, 1)
