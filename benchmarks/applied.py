"""`belamy apply` at work on large pictures, for each task: in tiles and whole, in bf16 and fp32, in memory and time.

The networks are those of benchmarks/translation.py, which are trained first where they are not there.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import belamy
from belamy.model import Model
from common import CACHE, Record, say, tried
from translation import measure as train
from translation import photos, trained

TASKS = ("lines", "emoji", "photos-x2", "photo-holes", "texture")
WHOLE = (1152, 864)
EDGES = (64, 256, 512)
LARGE = {12: (4000, 3000), 48: (8000, 6000)}
"""Megapixels, and sides."""
WATCH = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Runs a command and prints the most KiB it held: a program that is started by a large one is told to be as large."""
ENLARGED = 250
"""Megapixels that an answer has at most: picture files may hold no more to be read again."""


def picture(width: int, height: int) -> np.ndarray:
    """A photograph of so many pixels, mirrored at its edges where it is smaller."""
    source = sorted(photos(CACHE / "translation" / "photos").glob("val/*.png"))[0]
    own = np.asarray(Image.open(source))
    own = np.concatenate([own, own[::-1]])
    own = np.concatenate([own, own[:, ::-1]], axis=1)
    return np.tile(own, (-(-height // own.shape[0]), -(-width // own.shape[1]), 1))[:height, :width]


def holed(width: int, height: int) -> np.ndarray:
    """A mask with a hole of 40 pixels in every square of 200: the fill has to look at all of the picture."""
    across, down = np.arange(width) % 200 < 40, np.arange(height) % 200 < 40
    return down[:, None] & across


def pace(model: Model, given: dict[str, Any]) -> Record:
    """Input megapixels a second in each precision, how far bf16 is from fp32, and tiles from the whole."""
    pixels, found, answers = picture(*WHOLE), Record(), {}
    size = pixels.shape[0] * pixels.shape[1] / 1e6

    def timed(**options: Any) -> tuple[np.ndarray, float]:
        began = time.perf_counter()
        answer = model.apply(pixels, **given, **options)
        return answer.astype(int), time.perf_counter() - began

    for precision in ("fp32", "bf16"):
        timed(precision=precision, tile=512)
        answers[precision], seconds = timed(precision=precision, tile=512)
        found[f"megapixels_per_second_{precision}"] = round(size / seconds, 3)
    apart = np.abs(answers["bf16"] - answers["fp32"])
    found["bf16_levels"] = {"mean": round(float(apart.mean()), 3), "most": int(apart.max())}
    whole, whole_seconds = timed(tile=None)
    for edge in EDGES:
        answer, seconds = timed(tile=edge)
        found[f"tile_{edge}"] = {
            "levels": int(np.abs(answer - whole).max()), "times_whole": round(seconds / whole_seconds, 2),
        }  # fmt: skip
    return found


def command(run: Path, sides: tuple[int, int], masked: bool, *options: str) -> Record:
    """Seconds and the most MiB that the command takes for one picture."""
    with tempfile.TemporaryDirectory(prefix="belamy-applied-") as folder:
        place, answer = Path(folder) / "in.png", Path(folder) / "out.png"
        Image.fromarray(picture(*sides)).save(place, compress_level=1)
        if masked:
            Image.fromarray(holed(*sides)).save(Path(folder) / "in_mask.png")
        apply = [sys.executable, "-m", "belamy.cli.main", "apply", str(run), str(place), "--out", str(answer)]
        began = time.perf_counter()
        told = subprocess.check_output([sys.executable, "-c", WATCH, *apply, *options], text=True)
        found = Record(mib=int(told.split()[-1]) // 1024, seconds=round(time.perf_counter() - began, 1))
    say(f"{sides[0]} x {sides[1]} {' '.join(options)}: {found}")
    return found


def measure(name: str, seed: int, examples: int | None, settings: dict[str, Any]) -> Record:
    if not trained(name).is_dir():
        train(name, seed, examples, settings)
    run, masked = trained(name), name.endswith("holes")
    model = belamy.load(run)
    given, scale = {"mask": holed(*WHOLE)} if masked else {}, model.game.scale or 1
    large = {size: sides for size, sides in LARGE.items() if size * scale**2 <= ENLARGED}
    return {
        **pace(model, given),
        "by_tile": {tile: command(run, WHOLE, masked, "--tile", tile) for tile in ("64", "none")},
        "by_megapixels": {str(size): command(run, sides, masked) for size, sides in large.items()},
    }


if __name__ == "__main__":
    tried("applied", __doc__, TASKS, measure)
