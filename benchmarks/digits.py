"""Handwritten digits: is the class right, do they vary as real ones do, are they new, and how long does it take."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.svm import SVC

import belamy
from belamy.data.digits import Digits
from belamy.hardware import choose_precision
from belamy.source import Source
from belamy.storage import read_json
from common import command, parsed, parser, record, say

SAMPLES = 1000


def measure(seed: int, precision: str = "auto", examples: int | None = None) -> dict[str, Any]:
    """Trains the recipe, and judges what ships on digits that it never saw."""
    precision = choose_precision(precision, torch.device("cpu"))
    with tempfile.TemporaryDirectory(prefix="belamy-digits-") as folder:
        began = time.perf_counter()
        run = belamy.train(
            "digits", out=Path(folder) / "run", seed=seed, precision=precision, examples=examples, device="cpu",
            report_to="none",
        )  # fmt: skip
        seconds = time.perf_counter() - began
        say(f"digits, seed {seed}, {precision}: trained in {seconds:.1f} s")
        last = read_json(run.saved()[-1] / "state.json")
        samples = belamy.load(run.path).sample(SAMPLES, seed=seed + 1, output_type="pt")
        assert samples.labels is not None
        accuracy, ceiling = judged(samples.images, samples.labels)
        found = belamy.evaluate(run.path, n=SAMPLES, device="cpu")["metrics"]
    figure: dict[str, Any] = {
        "precision": precision, "examples": last["clock"]["examples"], "accuracy": accuracy, "accuracy_real": ceiling,
        "kid_stderr": found["kid"]["stderr"], "train_seconds": round(seconds, 1),
        "seconds_until_last_step": round(last["seconds"], 1), "best_examples": last["best"]["examples"],
    }  # fmt: skip
    for name in ("kid", "coverage", "density", "spread", "class_accuracy", "memorisation", "memorisation_pixels"):
        figure[name], figure[f"{name}_floor"] = found[name]["value"], found[name]["floor"]
    return figure


def judged(images: torch.Tensor, asked: NDArray[np.int64]) -> tuple[float, float]:
    """The share of samples, and of real held-out digits, that a support vector machine gives the right class.

    It knows real training digits and nothing of the package's own classifier.
    """
    train = Digits()
    heldout = train.heldout()
    assert heldout is not None
    judge = SVC(gamma=0.02, C=10).fit(*_rows(train))
    return float(judge.score(images.flatten(1).numpy(), asked)), float(judge.score(*_rows(heldout)))


def _rows(source: Source) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    batch = source.take(len(source))
    return batch["image"].flatten(1).numpy(), batch["class"].numpy()


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--precision", choices=["auto", "fp32", "bf16"], default="auto")
    options.add_argument("--examples", type=int, help="length in examples, for a trial; the recipe's by default")
    arguments = parsed(options)
    figure = measure(arguments.seed, arguments.precision, arguments.examples)
    record("digits", arguments.seed, figure, command(), variant=figure["precision"])


if __name__ == "__main__":
    main()
