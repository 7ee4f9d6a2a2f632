"""Pictures of what captions say: shapes that pixels are read for, and captioned drawings judged by retrieval.

The seconds are those of the whole run, start, judging and report included.
"""

from __future__ import annotations

import io
import json
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import belamy
from belamy.storage import read_json
from common import CACHE, DATA, ROOT, say, tried
from translation import heldout, keep, on_white, part

TIMED = 64
"""Pictures that painting is timed by, on one core."""


def captioned(root: Path, rows: Iterable[tuple[str, str, np.ndarray]]) -> Path:
    """Pictures by name, with what is said of each, in folders train and val."""
    said: dict[str, str] = {}

    def pictures() -> Iterable[tuple[str, np.ndarray]]:
        for name, text, pixels in rows:
            said[f"{name}.png"] = text
            yield name, pixels

    found = keep(root, pictures())
    if said:
        lines = (json.dumps({"file_name": name, "text": text}) for name, text in said.items())
        (found / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return found


def openmoji(root: Path) -> Path:
    """4,494 emoji on white with their names; all skin tones of one on one side."""
    stem = "openmoji_line_colour_64"
    entries = json.loads((DATA / f"{stem}.json").read_text(encoding="utf-8"))
    with np.load(DATA / f"{stem}.npz") as archive:
        pixels = on_white(archive["color"])
    return captioned(root, (
        (f"{part(heldout(entry['skintone_base_hexcode'] or entry['hexcode']))}/{row}", entry["annotation"], pixels[row])
        for row, entry in enumerate(entries)
    ))  # fmt: skip


def stamps(root: Path) -> Path:
    """785 stamps of Tux Paint on white; what has the same caption is on one side."""

    def unpacked() -> Iterable[tuple[str, str, np.ndarray]]:
        with zipfile.ZipFile(DATA / "tuxpaint_stamps_128.zip") as archive:
            for entry in json.loads(archive.read("meta.json")):
                picture = Image.open(io.BytesIO(archive.read(f"{entry['id']:04d}.png"))).convert("RGBA")
                pixels = on_white(np.asarray(picture)[None])[0]
                yield f"{part(heldout(entry['caption']))}/{entry['id']}", entry["caption"], pixels

    return captioned(root, unpacked())


@dataclass(frozen=True)
class Trial:
    """A recipe, on data or on what it draws itself, of so many ``examples`` if not its own."""

    recipe: str
    data: Callable[[Path], Path] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    examples: int | None = None


SHAPES = "text2image-shapes"


def without(**settings: float) -> Trial:
    """Shapes for half as long with ``reading``, and all else of the game but what ``settings`` leave out."""
    parts = {"reading": 1.0, **settings}
    return Trial(SHAPES, settings={f"game.{name}": value for name, value in parts.items()}, examples=100_000)


TRIALS = {
    "shapes": Trial(SHAPES),
    "without-nothing": without(),
    "without-mismatch": without(mismatch=0.0, contrastive=0.0),
    "without-penalties": without(text_penalty=0.0, gamma=0.0),
    "without-augmentation": without(vary=0.0, blur=0.0),
    "relations": Trial("text2image-relations"),
    "openmoji": Trial("text2image", openmoji),
    "stamps": Trial("text2image", stamps, {"data.resolution": 64}),
}


def milliseconds(model: belamy.Model) -> float:
    """For one picture, on one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        model.sample(TIMED, seed=0, output_type="pt")
        began = time.perf_counter()
        model.sample(TIMED, seed=1, output_type="pt")
        return 1000 * (time.perf_counter() - began) / TIMED
    finally:
        torch.set_num_threads(threads)


def measure(name: str, seed: int, examples: int | None, settings: dict[str, Any]) -> dict[str, Any]:
    """Trains, and judges what ships; a sheet of it goes to docs, unless a part was left out."""
    trial = TRIALS[name]
    examples = examples or trial.examples
    data = None if trial.data is None else trial.data(CACHE / "text2image" / trial.data.__name__)
    with tempfile.TemporaryDirectory(prefix="belamy-text2image-") as folder:
        began = time.perf_counter()
        run = belamy.train(
            trial.recipe, data and str(data), Path(folder) / "run", seed=seed, settings=trial.settings | settings,
            device="cpu", examples=examples, report_to="none",
        )  # fmt: skip
        seconds = time.perf_counter() - began
        report, model = read_json(run.path / "evaluation.json"), belamy.load(run.path)
        sheet = None if trial.examples else ROOT / "docs" / f"text2image-{name}.png"
        if sheet:
            Image.open(run.samples / "generated.png").save(sheet, optimize=True)
        length = examples or run.recipe.examples
    say(f"{name}: {seconds:.0f} s")
    numbers = ("value", "floor", "seen", "unseen", "chance")
    return {
        "train_seconds": round(seconds, 1), "examples": length, "settings": trial.settings | settings, "n": report["n"],
        **({"picture": f"docs/{sheet.name}"} if sheet else {}), "milliseconds": round(milliseconds(model), 2),
        **{
            metric: {key: entry[key] for key in numbers if entry.get(key) is not None} | (entry.get("trivial") or {})
            for metric, entry in report["metrics"].items()
        },
    }  # fmt: skip


if __name__ == "__main__":
    tried("text2image", __doc__, TRIALS, measure)
