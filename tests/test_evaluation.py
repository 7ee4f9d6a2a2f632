"""evaluate: copies, noise and real digits, each where it belongs; what isn't known is None, with the reason."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from belamy.chance import Chance
from belamy.data.stacked import Stacked
from belamy.errors import UserError
from belamy.evaluation import METRICS, evaluate
from belamy.game import Batch
from belamy.metrics import views
from belamy.metrics.classifier import fit_classifier
from belamy.source import Source


class Pictures(Source):
    def __init__(self, images: Tensor, classes: Tensor | None) -> None:
        self.images, self.classes = images, classes
        self.facts = {"resolution": images.shape[-1], "channels": images.shape[1]}

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, indices: NDArray[np.int64], rng: Chance) -> Batch:
        rows = torch.from_numpy(indices)
        return {"image": self.images[rows]} | ({} if self.classes is None else {"class": self.classes[rows]})


@pytest.fixture(scope="module")
def digits() -> tuple[Pictures, Pictures]:
    """1,437 digits to train on and 360 held out."""
    data = pytest.importorskip("sklearn.datasets").load_digits()
    order = np.random.default_rng(0).permutation(len(data.images))
    images = torch.from_numpy(data.images[order]).float()[:, None] / 8 - 1
    classes = torch.from_numpy(data.target[order]).long()
    return Pictures(images[360:], classes[360:]), Pictures(images[:360], classes[:360])


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("belamy.evaluation.TRAIN_ROWS", 400)
    monkeypatch.setattr(
        "belamy.evaluation.fit_classifier", lambda source, seed: fit_classifier(source, seed, examples=15_000)
    )


def copies(train: Pictures) -> Any:
    return lambda start, count: train.take(count, start)


def test_copies_of_training_pictures(digits: tuple[Pictures, Pictures], tmp_path: Path) -> None:
    train, heldout = digits
    report = evaluate(copies(train), heldout, train, n=200, cache=tmp_path)
    found = json.loads(json.dumps(report, allow_nan=False))["metrics"]
    assert set(METRICS) - {"prdc"} | {"precision", "recall", "density", "coverage", "memorisation_pixels"} == set(found)
    assert (report["n"], report["heldout"], report["features"]) == (200, 200, "efficientnet-lite0")
    for name in ("kid", "fd", "coverage", "precision"):  # copies are real pictures
        assert found[name]["value"] == pytest.approx(found[name]["floor"], rel=1e-6, abs=1e-6)
        assert found[name]["features"] == "efficientnet-lite0"
    assert abs(found["kid"]["value"]) < 4 * found["kid"]["stderr"]
    noisy, gaussian = (found["kid"]["trivial"][name] for name in ("noisy_copies", "gaussian"))
    assert found["kid"]["value"] + 10 * found["kid"]["stderr"] < noisy < gaussian
    assert found["fd"]["value"] < found["fd"]["trivial"]["noisy_copies"] < found["fd"]["trivial"]["gaussian"]
    assert found["coverage"]["trivial"]["gaussian"] < 0.5 * found["coverage"]["floor"]
    assert found["class_accuracy"]["floor"] > 0.95
    assert found["class_accuracy"]["trivial"]["gaussian"] < 0.4
    assert found["spread"]["value"] == pytest.approx(1, abs=0.1)
    for name in ("memorisation", "memorisation_pixels"):
        assert found[name]["value"] > 0.95
        assert found[name]["floor"] == pytest.approx(0.5)
        assert found[name]["share_of_copies"] > 0.95
        assert found[name]["neighbours"] == list(range(64))
    assert found["memorisation_pixels"]["trivial"]["noisy_copies"] > 0.95
    assert any("Frechet" in note for note in report["notes"])


def test_numbers_come_in_the_order_of_quality(digits: tuple[Pictures, Pictures]) -> None:
    train, heldout = digits

    def blurred(start: int, count: int) -> Batch:
        return {"image": torch.nn.functional.avg_pool2d(train.take(count, start)["image"], 3, 1, 1)}

    def noise(start: int, count: int) -> Batch:
        return {"image": Chance(0, range(start, start + count)).uniform(1, 8, 8) * 2 - 1}

    reports = [
        evaluate(generate, heldout, None, n=250, metrics=["kid", "fd", "coverage"])["metrics"]
        for generate in (copies(train), blurred, noise)
    ]
    for name in ("kid", "fd"):
        real, blur, random = (report[name]["value"] for report in reports)
        assert 4 * abs(real) < blur < random
    assert reports[0]["coverage"]["value"] > 0.9 > 0.3 > reports[1]["coverage"]["value"]
    assert reports[2]["coverage"]["value"] < 0.05


def test_what_is_unknown_is_none_with_a_reason(digits: tuple[Pictures, Pictures]) -> None:
    report = evaluate(copies(digits[0]), digits[1], None, n=40)
    for entry in report["metrics"].values():
        assert entry["trivial"] is None
        assert "training data" in entry["reason"]
    assert report["metrics"]["kid"]["floor"] is None
    assert report["metrics"]["kid"]["value"] is not None
    assert report["metrics"]["memorisation"]["value"] is None
    assert report["metrics"]["class_accuracy"]["value"] is None
    assert any("mean little" in note for note in report["notes"])


def test_few_pictures_and_no_classes(digits: tuple[Pictures, Pictures]) -> None:
    train, heldout = (Pictures(source.images[:4], None) for source in digits)
    report = evaluate(copies(train), heldout, train, n=4)
    assert "class_accuracy" not in report["metrics"]
    assert any("no classes" in note for note in report["notes"])
    assert report["metrics"]["coverage"]["value"] is None
    assert "6 pictures" in report["metrics"]["coverage"]["reason"]
    json.dumps(report, allow_nan=False)


def test_judging_again_looks_at_samples_alone(
    digits: tuple[Pictures, Pictures], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, heldout = digits
    ask: dict[str, Any] = {"n": 60, "metrics": ["kid"], "trivial": False, "cache": tmp_path}
    first = evaluate(copies(train), heldout, train, **ask)
    looked: list[int] = []
    extract = views.extract
    monkeypatch.setattr(views, "extract", lambda images, *rest: looked.append(len(images)) or extract(images, *rest))
    again = evaluate(copies(train), heldout, train, **ask)
    assert sum(looked) == 60
    assert again["metrics"] == first["metrics"]
    assert first["metrics"]["kid"]["trivial"] is None
    for file in tmp_path.iterdir():
        file.write_bytes(b"half a file")
    assert evaluate(copies(train), heldout, train, **ask)["metrics"] == first["metrics"]


def test_stacked_digits_are_counted_by_a_classifier(tmp_path: Path) -> None:
    data = pytest.importorskip("sklearn.datasets").load_digits()
    np.savez(tmp_path / "digits.npz", x=data.images.repeat(3, 1).repeat(3, 2), y=data.target)
    train = Stacked(str(tmp_path / "digits.npz"))
    heldout = train.heldout()
    assert heldout is not None
    ones = train.digits.plain(np.flatnonzero(train.digits.plain(np.arange(len(train.digits)))["class"] == 1))["image"]

    def collapsed(start: int, count: int) -> Batch:
        return {"image": ones[torch.arange(start, start + count) % len(ones)].expand(count, 3, 32, 32)}

    report = json.loads(json.dumps(evaluate(collapsed, heldout, train, n=500, cache=tmp_path), allow_nan=False))
    found = report["metrics"]
    assert set(found) == {"modes", "kl"} and report["n"] == 500
    assert found["modes"]["value"] <= 5 and found["kl"]["value"] > 6
    assert 370 < found["modes"]["floor"] < 420 and found["kl"]["floor"] < 1.2  # 1000 (1 - exp(-.5)) = 393
    assert found["modes"]["trivial"]["gaussian"] < 200
    assert report["classifier_accuracy"] > 0.9 and "held-out digits" in report["notes"][0]
    alone = evaluate(collapsed, heldout, None, n=100, metrics=["kl"], cache=tmp_path)
    assert set(alone["metrics"]) == {"kl"} and alone["metrics"]["kl"]["floor"] is None
    with pytest.raises(UserError, match="'kid' is not one of stacked digits"):
        evaluate(collapsed, heldout, None, metrics=["kid"])


def test_mistakes_are_named(digits: tuple[Pictures, Pictures]) -> None:
    train, heldout = digits
    with pytest.raises(UserError, match=r"'coverge' is unknown \(did you mean 'coverage'\?\)"):
        evaluate(copies(train), heldout, train, metrics=["coverge"])
    with pytest.raises(UserError, match=r"fid is measured on Inception's features"):
        evaluate(copies(train), heldout, train, metrics=["fid"])
    wide = Pictures(torch.zeros(20, 1, 8, 12), None)
    with pytest.raises(UserError, match=r"\[1, 8, 12\].*\[1, 8, 8\]"):
        evaluate(copies(wide), heldout, None, n=20, metrics=["spread"])
    flawed = Pictures(torch.full((20, 1, 8, 8), torch.nan), None)
    report = evaluate(copies(flawed), heldout, None, n=20, metrics=["spread"])
    assert report["metrics"]["spread"]["value"] == 0
    assert any("NaN" in note for note in report["notes"])
