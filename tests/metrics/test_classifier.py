"""The classifier learns the digits, the same each time, and comes back from its file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from belamy.errors import UserError
from belamy.metrics.classifier import Classifier, fit_classifier


class Rows:
    def __init__(self, images: Tensor, classes: Tensor | None) -> None:
        self.images, self.classes = images, classes

    def __len__(self) -> int:
        return len(self.images)

    def take(self, size: int, start: int = 0) -> dict[str, Tensor]:
        rows = slice(start, start + size)
        return {"image": self.images[rows]} | ({} if self.classes is None else {"class": self.classes[rows]})


def test_it_learns_the_digits_and_is_kept(tmp_path: Path) -> None:
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    order = np.random.default_rng(0).permutation(len(digits.images))
    images = torch.from_numpy(digits.images[order]).float()[:, None] / 8 - 1
    classes = torch.from_numpy(digits.target[order]).long()
    classifier = fit_classifier(Rows(images[360:], classes[360:]), examples=25_000)
    logits = classifier.predict(images[:360])
    assert (logits.argmax(1) == classes[:360]).float().mean() >= 0.975
    classifier.save(tmp_path / "it.safetensors")
    assert torch.equal(Classifier.load(tmp_path / "it.safetensors").predict(images[:360]), logits)


@pytest.mark.parametrize("shape", [(3, 40, 24), (1, 12, 12), (4, 64, 64)])
def test_any_shape_the_same_each_time(shape: tuple[int, ...]) -> None:
    rows = Rows(torch.rand(32, *shape) * 2 - 1, torch.arange(32) % 3)
    before = torch.get_rng_state()
    first, second = (fit_classifier(rows, seed=3, examples=128, batch=32).predict(rows.images) for _ in range(2))
    assert first.shape == (32, 3)
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_data_without_classes_is_named() -> None:
    with pytest.raises(UserError, match="data with classes"):
        fit_classifier(Rows(torch.zeros(8, 1, 8, 8), None))
