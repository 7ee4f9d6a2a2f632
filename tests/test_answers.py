"""Answers judged: each number is that of its definition, and stands beside what needs no learning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from belamy import recipe as recipes
from belamy.answers import METRICS, alarms, answered, evaluate
from belamy.errors import UserError
from belamy.judge import compared
from belamy.metrics import fidelity
from belamy.model import Model
from belamy.planning import plan
from belamy.training import train
from tiny import tiny

NAMES = {
    "pix2pix": "paired", "cyclegan": "unpaired", "cut": "unpaired", "superres": "superres", "inpaint": "inpaint",
    "style": "style",
}  # fmt: skip
BESIDE = {
    "paired": {"identity", "nearest_neighbour", "mean"},
    "unpaired": {"identity", "nearest_neighbour", "colour_transfer"},
    "superres": {"bicubic", "lanczos"},
    "inpaint": {"harmonic", "telea"},
    "style": {"identity"},
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smooth pictures of 32x32, in two kinds: the second is the negative of the first."""
    root = tmp_path_factory.mktemp("photos") / "pictures"
    down, across = np.mgrid[:32, :32] / 5
    for number in range(16):
        along, beside = down * (number % 3 + 1) + number, across
        waves = [np.sin(along + shift) * np.cos(beside + shift * number) for shift in range(3)]
        pixels = ((np.stack(waves, 2) + 1) * 127).astype(np.uint8)
        for name, shown in (("cat", pixels), ("dog", 255 - pixels)):
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(shown).save(root / name / f"{number}.png")
    return root


def fresh(name: str, photos: Path) -> tuple[Model, Any]:
    settled = plan(tiny(name, photos), "cpu")
    engine = settled.engine()
    return Model(engine.averages.game, settled.spec, settled.source.facts), settled.source


@pytest.mark.parametrize(("name", "task"), NAMES.items())
def test_every_task_has_its_numbers_and_its_baselines(name: str, task: str, photos: Path) -> None:
    model, source = fresh(name, photos)
    report = evaluate(model, source.heldout(), source, metrics=None)
    paired = task != "unpaired"
    assert list(report["metrics"]) == (list(METRICS[task]) if paired else ["patch_swd"])
    for metric, entry in report["metrics"].items():
        assert set(entry["trivial"]) == BESIDE[task], metric
        assert all(np.isfinite([entry["value"], *entry["trivial"].values()])), metric
    assert report["n"] == min(200, len(source.heldout())) and (paired or "namesakes" in report["notes"][0])


def test_backwards_b_is_judged_beside_a(photos: Path) -> None:
    model, source = fresh("cyclegan", photos)
    found = evaluate(model, source.heldout(), source, backwards=True)["metrics"]["patch_swd"]
    wholes = list(source.heldout().turned().wholes())
    ours = [answered(model, batch, backwards=True)[0] for batch in wholes]
    assert found["value"] == pytest.approx(fidelity.patch_swd(ours, [batch["target"][0] for batch in wholes]))
    assert found["value"] != evaluate(model, source.heldout(), source)["metrics"]["patch_swd"]["value"]
    assert torch.equal(wholes[0]["source"], source.heldout().whole(0)["target"])
    assert source.turned().turned().facts == source.facts and source.turned().facts["direction"] == "BtoA"


@pytest.mark.parametrize("name", ["cut", "pix2pix"])
def test_what_goes_one_way_is_not_judged_backwards(name: str, photos: Path) -> None:
    model, source = fresh(name, photos)
    with pytest.raises(UserError, match="goes one way only: leave --backwards out"):
        evaluate(model, source.heldout(), source, backwards=True)


def test_the_mean_over_pictures_is_that_of_each(photos: Path) -> None:
    model, source = fresh("superres", photos)
    heldout = source.heldout()
    found = evaluate(model, heldout, source, metrics=["psnr", "ssim"])["metrics"]
    outputs = [(answered(model, batch), batch["target"]) for batch in heldout.wholes()]
    for name, metric in (("psnr", fidelity.psnr), ("ssim", fidelity.ssim)):
        expected = torch.cat([metric(ours, theirs) for ours, theirs in outputs]).mean().item()
        assert found[name]["value"] == pytest.approx(expected, rel=1e-6)
    # An enlarger begins as bicubic interpolation, which is near to Pillow's.
    assert found["psnr"]["value"] == pytest.approx(found["psnr"]["trivial"]["bicubic"], abs=3)


def test_metrics_of_another_task_are_refused(photos: Path) -> None:
    model, source = fresh("pix2pix", photos)
    with pytest.raises(UserError, match=r"metric 'psnr_y' is not one of paired.*psnr"):
        evaluate(model, source.heldout(), source, metrics=["psnr_y"])
    with pytest.raises(UserError, match=r"judging.metric kid is not for this task: choose psnr"):
        plan(tiny("pix2pix", photos, **{"judging.metric": "kid"}), "cpu")


def test_pairs_are_learnt(photos: Path, tmp_path: Path) -> None:
    """That B is the negative of A, from thirteen pairs, better than their nearest neighbours tell."""
    settings = {
        "game.widths": [16, 16], "game.blocks": 0, "judging.times": 1, "judging.metric": "psnr", "precision": "fp32",
        "optimizers.generator.rate": 3e-3,
    }  # fmt: skip
    recipe = tiny("pix2pix", photos, **settings, examples=960, batch=8)
    run = train(recipe, out=tmp_path / "run", report_to="none")
    from belamy.storage import read_json

    found = read_json(run.path / "evaluation.json")["metrics"]["psnr"]
    assert found["value"] > found["trivial"]["nearest_neighbour"] + 2
    assert found["value"] > found["trivial"]["identity"] + 5
    assert (run.path / "report.html").is_file() and (run.samples / "generated.png").is_file()


@pytest.mark.parametrize(("name", "task"), NAMES.items())
def test_recipes_are_judged_while_they_train(name: str, task: str, photos: Path) -> None:
    metric = recipes.load(name).judging.metric
    assert metric in METRICS[task]
    model, source = fresh(name, photos)
    found = compared(model, source.heldout(), None, metrics=[metric], trivial=False)["metrics"][metric]
    assert np.isfinite(found["value"]) and found["trivial"] is None


def test_what_cannot_be_measured_is_left_out_and_said(photos: Path) -> None:
    model, source = fresh("pix2pix", photos)
    report = evaluate(model, source.heldout(), source, features="pixels")
    assert "perceptual" not in report["metrics"] and "no perceptual: deep distances" in report["notes"][0]


def test_a_resolution_that_the_network_cannot_halve(photos: Path) -> None:
    with pytest.raises(UserError, match=r"data.resolution 18 does not divide by 4, as the network asks: try 16"):
        plan(tiny("pix2pix", photos, **{"data.resolution": 18}), "cpu").engine()


@pytest.mark.parametrize(("change", "words"), [
    (lambda source: source, "does next to nothing"),
    (lambda source: -source, "answers are negatives"),
    (lambda source: (source + 0.5).clamp(-1, 1), None),
])  # fmt: skip
def test_alarms(photos: Path, monkeypatch: pytest.MonkeyPatch, change: Any, words: str | None) -> None:
    model, source = fresh("cyclegan", photos)
    monkeypatch.setattr(model.game, "sample", lambda given: {"image": change(given["source"])})
    found = alarms(model, source.heldout())
    assert len(found) == bool(words) and (words is None or words in found[0])
    assert alarms(*fresh("pix2pix", photos)) == []
