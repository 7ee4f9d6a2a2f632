"""What a user can mend gets one line that says how, and exit 2."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from belamy.run import Run
from conftest import Belamy
from tiny import contents, draw_pictures


def refused(belamy: Belamy, *words: object) -> str:
    """The one line of an error that the user can mend."""
    ended = belamy(*words)
    assert ended.code == 2, ended
    assert ended.out == "" and ended.err.startswith("error: ") and ended.err.count("\n") == 1, ended.err
    assert "Traceback" not in ended.err
    return ended.err.removeprefix("error: ").rstrip()


@pytest.mark.parametrize(("words", "told"), [
    (("train", "r3gam"), "there is no recipe 'r3gam' (did you mean 'r3gan'?)"),
    (("train", "my.yaml"), "there is no recipe file my.yaml"),
    (("train",), "name a recipe"),
    (("train", "r3gan"), "needs data: --data"),
    (("train", "digits", "--set", "batchh=8"), "unknown key batchh (did you mean 'batch'?)"),
    (("train", "digits", "--set", "game.gama=1"), "unknown key game.gama (did you mean 'gamma'?)"),
    (("train", "digits", "--set", "optimizers.generator.rat=1"), "unknown key optimizers.generator.rat (did you mean"),
    (("train", "digits", "--set", "judging.metrik=kid"), "unknown key judging.metrik (did you mean 'metric'?)"),
    (("train", "digits", "--set", "batch=many"), "batch: input should be a valid integer"),
    (("train", "digits", "--set", "game.gamma=much"), "game.gamma: input should be a valid number"),
    (("train", "digits", "--set", "batch=0"), "batch: input should be greater than 0"),
    (("train", "digits", "--set", "batch.size=3"), "batch is a single value"),
    (("train", "digits", "--set", "batch"), "write key=value"),
    (("train", "digits", "--set", "game.widths=[1"), "is not a value"),
    (("train", "digits", "--precision", "fp8"), "precision: input should be 'auto', 'fp32' or 'bf16'"),
    (("train", "digits", "--device", "tpu"), "there is no device 'tpu': choose auto, cpu"),
    (("train", "digits", "--set", "game.resolution=32"), "the data has 8: --set game.resolution=8"),
    (("train", "digits", "--set", "micro=7", "--batch", "64"), "micro 7 does not divide the 64 rows"),
    (("train", "ring8", "--set", "game.pack=8", "--batch", "50"), "batch 50 does not divide by pack 8; try 48"),
    (("train", "ring8", "--set", "game.augment=0.5"), "points cannot be altered as pictures are"),
    (("train", "digits", "--set", "game.augment=adaptve"), "augment 'adaptve' should be a probability, or 'adaptive'"),
    (("train", "digits", "--set", "game.normalise=spectra"), "'spectra' is unknown (did you mean 'spectral'?)"),
    (("train", "digits", "--set", "game.pack=2"), "a pack would hold several classes at once"),
    (("train", "digits", "--set", "game.use=belamy.games.r3gan:R3GAM"), "no class 'R3GAM' (did you mean 'R3GAN'?)"),
    (("train", "digits", "--set", "game.use=belamy.nothing:R3GAN"), "No module named 'belamy.nothing'"),
    (("train", "digits", "--set", "game.use=./none.py:Mine"), "there is no file none.py"),
    (("train", "digits", "--report-to", "wanb", "--examples", "64"), "cannot report to 'wanb' (did you mean 'wandb'?)"),
    (("train", "dcgan", "--set", "game.width=0"), "game.width: input should be greater than or equal to 1, not '0'"),
    (("train", "gan", "--set", "game.latent=0"), "game.latent: input should be greater than or equal to 1, not '0'"),
    (("train", "gan", "--set", "game.widths=[]"), "game.widths is empty: it should have one entry at least"),
    (("train", "r3gan", "--set", "game.widths=[0, 0]"), "game.widths.0: input should be greater than or equal to 1"),
    (("train", "r3gan", "--set", "game.burn_in=-5"), "game.burn_in: input should be greater than or equal to 0"),
    (("train", "r3gan", "--set", "game.gamma=.nan"), "game.gamma: input should be a finite number"),
    (("train", "gan", "--set", "game.penalties.r1=-1"), "game.penalties.r1: input should be greater than or"),
    (("train", "stylegan", "--set", "game.mixing=3"), "game.mixing: input should be less than or equal to 1, not '3'"),
    (("train", "digits", "--set", "game.expansion=0.001"), "channels leave none inside a block: raise expansion"),
    (("train", "ring8", "--set", "game.dimensions=3"), "the game wants dimensions 3, the data has 2"),
    (("train", "digits", "--set", "optimizers.generator.rate=-1"), "generator.rate: input should be greater than or"),
    (("train", "digits", "--set", "optimizers.generator.beta2=1"), "generator.beta2: input should be less than 1"),
    (("train", "dcgan", "--set", "game.truncation=0.7"), "for sampling, from stylegan alone: belamy sample RUN"),
    (("train", "dcgan", "--set", "game.classes=2"), "game.classes: this game learns no classes; train the recipe cgan"),
    (("train", "grid25", "--data", "."), "unknown key data.path: this recipe brings its own data; leave --data out"),
    (("train", "digits", "--set", "judging.metric=modes"), "metric modes is not for this task: choose kid, fd,"),
    (("train", "ring8", "--set", "judging.metric=kid"), "metric kid is not for this task: choose modes, hig"),
    (("train", "--resume", "nowhere"), "nowhere is not a run folder"),
    (("sample", "nowhere"), "there is no run or model at nowhere"),
    (("evaluate", "nowhere"), "there is no run or model at nowhere"),
    (("data", "info", "nowhere.zip"), "there is no nowhere.zip"),
    (("recipes", "digit"), "there is no recipe 'digit' (did you mean 'digits'?)"),
])  # fmt: skip
def test_a_wrong_word_gets_a_line(
    words: tuple[str, ...], told: str, belamy: Belamy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert told in refused(belamy, *words)
    assert list(tmp_path.iterdir()) == []


def test_options_that_do_not_parse_exit_2(belamy: Belamy) -> None:
    for words in (["train", "digits", "--examples", "many"], ["sample", "x", "-n", "0"], ["trian"], ["train", "--huh"]):
        ended = belamy(*words)
        assert ended.code == 2 and ended.out == "" and "Traceback" not in ended.err


def test_data_that_is_not_enough(belamy: Belamy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train = ("train", "r3gan", "--out", "run", "--data")
    (tmp_path / "empty").mkdir()
    assert "empty holds no pictures" in refused(belamy, *train, "empty")
    draw_pictures(tmp_path / "one", {"": 1})
    assert "one has only one readable picture" in refused(belamy, *train, "one")
    draw_pictures(tmp_path / "mixed", {"": 6})
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "mixed" / "grey.png")
    assert "choose with --set data.channels=3" in refused(belamy, *train, "mixed")
    draw_pictures(tmp_path / "fine", {"": 12})
    assert "the data has none: give them by a folder for each" in refused(
        belamy, *train, "fine", "--set", "game.classes=3"
    )
    assert "resolution 18 is not a multiple of 4" in refused(belamy, *train, "fine", "--set", "data.resolution=18")
    assert "should be 'crop', 'pad' or 'stretch'" in refused(belamy, *train, "fine", "--resize", "squash")
    for number in range(6):
        (tmp_path / "fine" / f"bad{number}.png").write_bytes(b"\x89PNG half")
    assert "bad" in refused(belamy, *train, "fine")
    assert not (tmp_path / "run").exists()


def test_an_existing_run_is_not_overwritten(belamy: Belamy, run: Path) -> None:
    before = contents(run)
    assert f"{run} exists: go on with it by --resume" in refused(belamy, "train", "digits", "--out", run)
    assert contents(run) == before


def test_a_class_that_does_not_exist(belamy: Belamy, run: Path, classless: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.npz"
    assert "no class 'seven'; it has 0, 1, 2" in refused(belamy, "sample", run, "--class", "seven", "--out", out)
    assert "no class '10'" in refused(belamy, "sample", run, "--class", "10", "--out", out)
    assert "knows no classes" in refused(belamy, "sample", classless, "--class", "0", "--out", out)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_model(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    model = shutil.copytree(run / "model", tmp_path / "model")
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    out = tmp_path / "x.npz"
    assert "model.safetensors is damaged" in refused(belamy, "sample", model, "--out", out)
    (model / "model.safetensors").write_bytes(weights)
    config = (model / "config.json").read_text()
    (model / "config.json").write_text(config.replace('"latent": 4', '"latent": 6'))
    assert "the weights are not those of the network" in refused(belamy, "sample", model, "--out", out)
    (model / "config.json").write_text(config[:50])
    assert "config.json is damaged" in refused(belamy, "sample", model, "--out", out)
    (model / "config.json").write_text("{}")
    assert "is not that of a belamy model" in refused(belamy, "sample", model, "--out", out)
    (model / "config.json").write_text(config.replace("games.r3gan:R3GAN", "model:Model"))
    assert "is not a Game" in refused(belamy, "sample", model, "--out", out)
    assert not out.exists()


def test_a_damaged_or_foreign_checkpoint(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "report.html").unlink()
    state = Run(copy).saved()[-1] / "state.safetensors"
    whole = state.read_bytes()
    state.write_bytes(whole[:1000])
    assert "state.safetensors is damaged" in refused(belamy, "train", "--resume", copy)
    state.write_bytes(whole)
    recipe = copy / "recipe.yaml"
    text = recipe.read_text()
    recipe.write_text(text.replace("latent: 4", "latent: 6"))
    assert "the checkpoint is of another game" in refused(belamy, "train", "--resume", copy)
    recipe.write_text(text + "\nnonsense: 1\n")
    assert "unknown key nonsense" in refused(belamy, "train", "--resume", copy)
    recipe.write_text("game: [")
    assert "recipe.yaml is damaged" in refused(belamy, "train", "--resume", copy)


def test_places_to_write_that_will_not_do(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("precious")
    assert "is not empty" in refused(belamy, "sample", run, "--out", tmp_path / "full")
    assert "should be a folder, a .png or a .npz" in refused(belamy, "sample", run, "--out", tmp_path / "x.gif")
    assert "too large to look at" in refused(belamy, "sample", run, "-n", 5000, "--out", tmp_path / "x.png")
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_films_and_sheets_that_cannot_be(
    belamy: Belamy, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "av", None)
    for words, told in (
        (("--mix",), "R3GAN has no styles to mix: train the recipe stylegan"),
        (("--mix", "--sweep"), "give one"),
        (("--sweep",), "R3GAN has no styles to truncate: train the recipe stylegan"),
        (("--truncation", 0.7, "--out", "new/x.png"), "R3GAN has no styles to truncate: train the recipe stylegan"),
        (("--mix", "-n", 33), "-n 32 at most"),
        (("--mix", "--out", "x.npz"), "--out x.npz should be a .png: this is one sheet"),
        (("--sweep", "--truncation", 0.5), "leave --truncation out"),
        (("--interpolate", 4), "not into samples.png: --out samples.gif"),
        (("--interpolate", 4, "--out", "x.mp4"), "mp4 needs the extra video: pip install 'belamy[video]'"),
        (("--interpolate", 4, "--class", "ten", "--out", "x.gif"), "no class 'ten'"),
        (("--out", "x.mp4"), "films are for --interpolate"),
    ):
        assert told in refused(belamy, "sample", run, *words)
    assert belamy("sample", run, "--interpolate", 1, "--out", "x.gif").code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_resolution_that_stylegan_cannot_make(belamy: Belamy, pictures: Path) -> None:
    asked = ("train", "stylegan", "--data", pictures, "--set", "game.resolution=36")
    assert "the nearest to 36 is 32: --set game.resolution=32" in refused(belamy, *asked)


@pytest.mark.parametrize("recipe", ["dcgan", "dcgan-28", "cgan", "fastgan", "stylegan", "progressive"])
def test_a_batch_of_one_where_rows_are_compared(recipe: str, belamy: Belamy, pictures: Path) -> None:
    assert "1 is too few: --batch 2 or more" in refused(belamy, "train", recipe, "--data", pictures, "--batch", 1)


def test_a_failure_that_is_not_the_users_exits_1(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = belamy("sample", run, "--out", tmp_path / "file" / "x.npz")
    assert ended.code == 1 and ended.err.count("\n") == 1 and ended.err.startswith("error: ")


def test_unknown_metrics_and_features(belamy: Belamy, run: Path) -> None:
    assert "(did you mean 'kid'?)" in refused(belamy, "evaluate", run, "--metrics", "kdi")
    assert "fid is measured on Inception" in refused(belamy, "evaluate", run, "--metrics", "fid")
