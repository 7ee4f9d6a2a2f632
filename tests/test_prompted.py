"""What a model paints of captions, judged: by pixels, by a judge of captions, and from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import belamy
from belamy import prompted
from belamy.cli.main import app
from belamy.data.shapes import Shapes
from belamy.errors import UserError
from belamy.metrics.retrieval import CaptionJudge, recalls
from belamy.text.prompts import Prompt
from belamy.training import train
from tiny import word_vectors

FEW: dict[str, Any] = {
    "game.width": 4, "game.most": 8, "game.latent": 4, "game.code": 8, "batch": 16, "precision": "fp32",
    "data.count": 120, "data.words": 6, "judging.metric": "attributes_all", "judging.samples": 16, "judging.times": 1,
    "watching.times": 1, "watching.samples": 16,
}  # fmt: skip


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(word_vectors(tmp_path_factory.mktemp("words") / "words.txt"))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, words: str) -> Path:
    """A run of a few steps on captioned shapes, which judges nothing at its end."""
    out = tmp_path_factory.mktemp("runs") / "told"
    settings = {**FEW, "data.encoder": words, "judging.metric": "none"}
    return train("text2image-shapes", out=out, examples=48, settings=settings, device="cpu", report_to="none").path


def asked(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_real_pictures_are_all_right_and_others_are_not(words: str) -> None:
    source = Shapes(count=200, encoder=words, words=0)
    unseen = source.heldout()
    assert unseen is not None
    assert prompted._real(unseen, 60)["all"] == 1
    found = prompted.attributes(unseen, 60, lambda text: torch.zeros(len(text), 3, 32, 32))
    assert found["all"] == found["shape"] == 0


def test_the_nearest_caption_has_some_right(words: str) -> None:
    source = Shapes(count=400, encoder=words, words=0)
    unseen = source.heldout()
    assert unseen is not None
    found = prompted.attributes(unseen, 60, lambda text: prompted.nearest_pictures(source.take(300), text))
    assert found["all"] == 0 < found["colour"]  # such scenes are never trained on


def test_the_judge_of_captions_finds_them_and_chance_does_not() -> None:
    rows = torch.Generator().manual_seed(0)
    texts = torch.nn.functional.normalize(torch.randn(300, 8, generator=rows), dim=1)
    features = texts @ torch.randn(8, 40, generator=rows) + 0.01 * torch.randn(300, 40, generator=rows)
    judge, right = CaptionJudge(features[:200], texts[:200]), torch.arange(100)
    assert recalls(judge.ranks(features[200:], texts[200:], right))["retrieval_r1"] > 0.95
    shuffled = recalls(judge.ranks(features[200:].roll(7, 0), texts[200:], right))
    assert shuffled["retrieval_r10"] < 0.2
    same = recalls(judge.ranks(torch.zeros(100, 40), texts[200:], right))
    assert same["retrieval_r10"] == pytest.approx(0.1, abs=0.05)


def test_evaluate_tells_seen_from_unseen(told: Path, tmp_path: Path) -> None:
    result = asked("evaluate", told, "-n", 32, "--device", "cpu", "--json", tmp_path / "found.json")
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "found.json").read_text())["metrics"]
    entry = metrics["attributes_all"]
    assert {"value", "seen", "unseen"} <= set(entry) and entry["floor"] == 1
    assert entry["value"] == pytest.approx((entry["seen"] + entry["unseen"]) / 2)
    assert set(entry["trivial"]) == {"nearest_caption"}
    assert metrics["attributes_paraphrased"]["floor"] == metrics["attributes_brief"]["floor"] == 1
    assert metrics["diversity"]["value"] >= 0 and metrics["kid"]["value"] > 0


def test_retrieval_is_beside_chance_and_real_pictures(told: Path, tmp_path: Path, words: str) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    for number in range(60):
        colour = list(random.integers(0, 256, 3))
        Image.fromarray(np.tile(np.array(colour, np.uint8), (16, 16, 1))).save(tmp_path / "data" / f"{number}.png")
        (tmp_path / "data" / f"{number}.txt").write_text(["a red cat", "a blue dog", "a green circle"][number % 3])
    settings = {**FEW, "data.encoder": words, "judging.metric": "retrieval_r10"}
    del settings["data.count"]
    run = train("text2image", data=tmp_path / "data", out=tmp_path / "run", examples=32, settings=settings,
                device="cpu", report_to="none")  # fmt: skip
    found = belamy.evaluate(run.path, device="cpu", metrics=["retrieval_r1", "retrieval_r10"])["metrics"]
    entry = found["retrieval_r1"]
    assert entry["captions"] <= 3 and entry["chance"] == pytest.approx(1 / entry["captions"])
    assert 0 <= entry["value"] <= 1 and 0 <= entry["floor"] <= 1 and entry["trivial"]["nearest_caption"] is not None
    novelty = belamy.evaluate(run.path, device="cpu", metrics=["novelty"])["metrics"]["novelty"]
    assert novelty["floor"] == 1 and novelty["trivial"]["nearest_caption"] < 1e-4 < novelty["value"]
    assert novelty["trivial"]["nearest_as_new"] > 0 and 0 <= entry["trivial"]["nearest_as_new"] <= 1
    with pytest.raises(UserError, match="not one of captioned pictures"):
        belamy.evaluate(run.path, device="cpu", metrics=["retrieval_r11"])
    again = belamy.evaluate(run.path, tmp_path / "data", device="cpu", metrics=["retrieval_r10"])["metrics"]
    assert again["retrieval_r10"]["value"] == found["retrieval_r10"]["value"]


def test_prompts_from_the_command_line(told: Path, tmp_path: Path) -> None:
    ask = ["sample", told, "--prompt", "a red circle on a blue background", "--seed", 3, "--device", "cpu"]
    assert asked(*ask, "-n", 5, "--out", tmp_path / "a.npz").exit_code == 0
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert file["images"].shape == (5, 32, 32, 3) and set(file["prompts"]) == {"a red circle on a blue background"}
        images = file["images"]
    (tmp_path / "lines.txt").write_text("a red circle on a blue background\n\na small cross\n")
    result = asked("sample", told, "--prompts", tmp_path / "lines.txt", "-n", 2, "--seed", 3, "--out", tmp_path / "b",
                   "--device", "cpu")  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in (tmp_path / "b" / "metadata.jsonl").read_text().splitlines()]
    assert [row["text"] for row in rows] == ["a red circle on a blue background"] * 2 + ["a small cross"] * 2
    assert np.array_equal(np.asarray(Image.open(tmp_path / "b" / rows[1]["file_name"])), images[1])
    assert asked(*ask, "--prompt", "a cross", "--out", tmp_path / "grid.png").exit_code == 0
    strip = asked(*ask, "--prompt", "a cross", "--interpolate", 6, "--out", tmp_path / "strip.png")
    assert strip.exit_code == 0, strip.output
    assert asked(*ask, "--prompt", "a cross", "--interpolate", 2, "--out", tmp_path / "walk.gif").exit_code == 0
    assert Image.open(tmp_path / "walk.gif").n_frames > 10


def test_python_prompts(told: Path) -> None:
    model = belamy.load(told)
    four = model("a red circle", num_images=4, seed=1, output_type="np").images
    assert four.shape == (4, 32, 32, 3)
    both = model(["a red circle", "a large cross"], num_images=2, seed=1, output_type="np").images
    assert np.array_equal(both[:2], four[:2]) and not np.array_equal(both[2:], four[:2])
    plain = model.sample(2, prompt="a red circle", seed=1, guidance=1.0, output_type="pt").images
    further = model.sample(2, prompt="a red circle", seed=1, guidance=3.0, negative_prompt="blue", output_type="pt")
    assert torch.allclose(plain, model.sample(2, prompt="a red circle", seed=1, output_type="pt").images, atol=1e-4)
    assert not torch.allclose(plain, further.images, atol=1e-3)
    assert len(model(3, seed=1)) == 3  # without being told anything
    model.told(Prompt("cross"))


@pytest.mark.parametrize(("given", "hint"), [
    (["--prompt", " "], "the prompt is empty"),
    (["--prompt", "крест"], "knows no word of"),
    (["--negative", "red"], "want a --prompt"),
    (["--prompts", "nowhere.txt"], "cannot be read"),
    (["--prompt", "red", "--mix"], "leave --prompt out"),
    (["--prompt", "red", "--interpolate", "4", "--out", "x.png"], "give --prompt twice"),
])  # fmt: skip
def test_prompts_that_cannot_be(told: Path, given: list[str], hint: str) -> None:
    result = asked("sample", told, "--device", "cpu", *given)
    assert isinstance(result.exception, UserError) and hint in str(result.exception)


def test_a_model_without_captions_takes_no_prompt(tmp_path: Path) -> None:
    settings = {"game.widths": [4, 4], "game.latent": 4, "batch": 16, "judging.metric": "none", "watching.times": 0}
    run = train("digits", out=tmp_path / "run", examples=16, settings=settings, device="cpu", report_to="none")
    with pytest.raises(UserError, match="reads no prompts"):
        belamy.load(run.path)("a seven")


def test_copies_are_averaged_until_they_are_as_new_as_what_is_painted() -> None:
    trials = [{"novelty": 0.0, "found": 0.9}, {"novelty": 1.0, "found": 0.5}, {"novelty": 2.0, "found": 0.1}]
    assert prompted._as_new(trials, 1.5) == pytest.approx({"novelty": 1.5, "found": 0.3})
    assert prompted._as_new(trials, 0.0) == pytest.approx({"novelty": 0.0, "found": 0.9})
    assert prompted._as_new(trials, 2.5) == trials[-1]
