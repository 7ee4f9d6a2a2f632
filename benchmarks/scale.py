"""What size costs: more processes, a million files, ten million rows, and the start of everything.

``processes``: examples a second of two processes against twice those of one, a thread and a batch to each. ``files``: a
folder of a million pictures, opened for the first time and then again. ``rows``: seconds until a training that begins
anywhere in an epoch of ten million rows has its first batch. ``start``: seconds of `belamy --help`, and from the
command to the first step of a training. ``table``: 199,523 rows of 42 columns learnt from, and a million sampled.
"""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from belamy.chance import Chance
from belamy.game import Batch
from belamy.run import Run
from belamy.source import Loader, Source
from common import CACHE, DATA, ROOT, Record, command, parsed, parser, record, say, summary

BELAMY = str(ROOT / ".venv" / "bin" / "belamy")
ROWS = 10_000_000
BATCH = 32
"""Examples of each process in a step."""
QUIET = ["--report-to", "none", "--set", "judging.metric=none", "--set", "watching.times=0"]


def noise() -> Path:
    """Pictures that show nothing: speed does not depend on it."""
    path = CACHE / "noise" / "noise.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, images=np.random.default_rng(0).integers(0, 256, (2048, 64, 64, 3), np.uint8))
    return path


def rate(count: int, batch: int, examples: int) -> float:
    """Examples a second of ``count`` processes with a thread and ``batch`` examples each, after the first steps."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        words = ["train", "r3gan", "--data", noise(), "--out", run, "--batch", batch * count, *QUIET]
        words += ["--examples", examples * count]
        subprocess.run(
            [BELAMY, "launch", "--nproc", str(count), "--", *map(str, words)], check=True, capture_output=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        lines = [event for event in Run(run).events() if event["event"] == "step"]
        return float((lines[-1]["examples"] - lines[1]["examples"]) / (lines[-1]["seconds"] - lines[1]["seconds"]))


def processes(rounds: int = 4) -> Record:
    pairs = []
    for number in range(rounds):
        pairs.append([rate(count, BATCH, 2560) for count in (1, 2)])
        say(f"round {number + 1}: {pairs[-1]}")
    return {
        "batch_each": BATCH, "one": summary([one for one, _ in pairs], 1), "two": summary([two for _, two in pairs], 1),
        "efficiency": summary([two / one / 2 for one, two in pairs], 3),
    }  # fmt: skip


def files(count: int = 1_000_000, each: int = 10_000) -> Record:
    root = CACHE / f"{count}-files"
    shutil.rmtree(root, ignore_errors=True)
    for number in range(count):
        folder = root / f"{number // each:04d}"
        if number % each == 0:
            folder.mkdir(parents=True)
        pixels = np.frombuffer(number.to_bytes(8, "big") * 8, np.uint8).reshape(8, 8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "png")
        (folder / f"{number}.png").write_bytes(file.getvalue())
    opened = [_opened(root) for _ in range(3)]
    shutil.rmtree(root)
    first, *others = opened
    return {
        "files": count, "first_seconds": first["seconds"], "again_seconds": min(one["seconds"] for one in others),
        "again_gib": others[0]["gib"],
    }  # fmt: skip


def _opened(root: Path) -> dict[str, float]:
    """By a process of its own: its seconds, and what it held at most."""
    code = (
        "import json, resource, sys, time\nfrom belamy.data.images import Images\nbegan = time.perf_counter()\n"
        "Images(sys.argv[1]).draw(12_345, 64)\nseconds = round(time.perf_counter() - began, 2)\n"
        "held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20\n"
        "print(json.dumps({'seconds': seconds, 'gib': round(held, 2)}))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(root)], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    say(found)
    return found


class Numbers(Source):
    """Rows that are their own numbers."""

    def __init__(self, count: int) -> None:
        self.facts = {"count": count}

    def __len__(self) -> int:
        return int(self.facts["count"])

    def rows(self, indices: NDArray[np.int64], rng: Chance) -> Batch:
        return {"row": torch.from_numpy(indices)}


def rows(rounds: int = 20) -> Record:
    """A loader for each place, as a resumed training opens it; of an epoch of its own, so that nothing is kept."""
    seconds = []
    for number in range(rounds):
        place = number * ROWS + int(np.random.default_rng(number).integers(ROWS))
        began = time.perf_counter()
        loader = Loader(Numbers(ROWS), 64, slice(0, 64), place)
        next(loader)
        seconds.append(time.perf_counter() - began)
        loader.close()
    return {"rows": ROWS, "seconds": summary(seconds)}


def start(rounds: int = 7) -> Record:
    said, trained = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run([BELAMY, "--help"], check=True, capture_output=True)
        said.append(time.perf_counter() - began)
        trained.append(_first_step())
    return {"help_seconds": summary(said, 3), "train_seconds": summary(trained, 2)}


def _first_step() -> float:
    with tempfile.TemporaryDirectory() as folder:
        run, began = Path(folder) / "run", time.perf_counter()
        words = ["train", "r3gan", "--data", str(noise()), "--out", str(run), "--examples", "200", *QUIET]
        process = subprocess.Popen([BELAMY, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (run / "log.jsonl").is_file() or all(event["event"] != "step" for event in Run(run).events()):
            time.sleep(0.02)
        seconds = time.perf_counter() - began
        process.send_signal(signal.SIGKILL)
        process.wait()
        return seconds


def census() -> Record:
    """From the command line; the memory is the most that either command held."""
    with tempfile.TemporaryDirectory() as folder:
        run, rows = Path(folder) / "run", Path(folder) / "rows.parquet"
        data = DATA / "census_income_kdd_train.parquet"
        trained = _timed("train", "table", "--data", data, "--out", run, "--report-to", "none")
        sampled = _timed("sample", run, "-n", 1_000_000, "--out", rows)
        played = Run(run).events()[-1]["examples"]
    held = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return {"examples": played, "train_seconds": trained, "million_seconds": sampled, "gib": round(held, 2)}


def _timed(*words: object) -> float:
    began = time.perf_counter()
    subprocess.run([BELAMY, *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return round(time.perf_counter() - began, 1)


MEASURES: dict[str, Callable[[], dict[str, Any]]] = {
    "processes": processes, "files": files, "rows": rows, "start": start, "table": census,
}  # fmt: skip


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--what", choices=list(MEASURES), required=True)
    arguments = parsed(options)
    record("scale", arguments.seed, MEASURES[arguments.what](), command(), variant=arguments.what)


if __name__ == "__main__":
    main()
