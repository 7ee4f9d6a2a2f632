"""What all benchmarks share: how they are called, and where their figures are kept."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from belamy.cli.main import parse_settings
from belamy.hardware import machine

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
RESULTS = Path(os.environ.get("BELAMY_RESULTS", ROOT / "benchmarks" / "results"))
"""BELAMY_RESULTS keeps trials with tiny budgets away from the figures that are shown."""
CACHE = Path(tempfile.gettempdir()) / "belamy-benchmarks"
BEGAN = time.perf_counter()

Record = dict[str, Any]


def parser(about: str | None, threads: int | None = None) -> argparse.ArgumentParser:
    """Options that every benchmark has; ``threads`` of torch are those in OMP_NUM_THREADS, or one for each core."""
    cores = int(os.environ.get("OMP_NUM_THREADS", 0)) or len(os.sched_getaffinity(0))
    options = argparse.ArgumentParser(description=about, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--threads", type=int, default=threads or cores)
    return options


def parsed(options: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line, with torch's threads set as it says."""
    arguments = options.parse_args()
    torch.set_num_threads(arguments.threads)
    return arguments


def command() -> str:
    """What to type in the repository to measure the same again."""
    script = Path(sys.argv[0]).resolve().relative_to(ROOT)
    return shlex.join([".venv/bin/python", str(script), *sys.argv[1:]])


def record(
    name: str, seed: int, figure: Record, command: str, *, variant: str = "", device: torch.device | None = None
) -> Record:
    """Prints one JSON line, and keeps it in place of an older one of the same name, variant and seed."""
    about = machine(device or torch.device("cpu"), "")
    line = {
        "benchmark": name, "variant": variant, "seed": seed, "command": command, "commit": _commit(),
        "machine": {what: about[what] for what in ("cpu", "threads", "torch", "device")},
        "seconds": round(time.perf_counter() - BEGAN, 1), **figure,
    }  # fmt: skip
    RESULTS.mkdir(parents=True, exist_ok=True)
    with _alone():
        others = [one for one in records(name) if (one["variant"], one["seed"]) != (variant, seed)]
        kept = sorted([*others, line], key=lambda one: (one["variant"], one["seed"]))
        new = RESULTS / f".{name}.{os.getpid()}"
        new.write_text("[\n" + ",\n".join(json.dumps(one) for one in kept) + "\n]\n", encoding="utf-8")
        new.replace(RESULTS / f"{name}.json")
    print(json.dumps(line), flush=True)
    return line


def records(name: str) -> list[Record]:
    """What has been measured, by variant and seed."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def summary(values: Sequence[float], digits: int = 4) -> dict[str, float]:
    """Median and range."""
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, digits) for name, value in found.items()}


def tried(name: str, about: str | None, trials: Iterable[str], measure: Callable[..., Record]) -> None:
    """The command of a benchmark of several trials: measures one, with what its recipe is changed by, and keeps it."""
    options = parser(about)
    options.add_argument("--trial", choices=list(trials), required=True)
    options.add_argument("--examples", type=int)
    options.add_argument("--set", action="append", metavar="KEY=VALUE", help="anything in the recipe")
    options.add_argument("--variant", default="", help="a name for a trial, to keep it apart")
    arguments = parsed(options)
    figure = measure(arguments.trial, arguments.seed, arguments.examples, parse_settings(arguments.set))
    variant = "-".join(filter(None, (arguments.trial, arguments.variant)))
    record(name, arguments.seed, figure, command(), variant=variant)


def say(text: object) -> None:
    """Progress, beside stdout: that holds results only."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _alone() -> Iterator[None]:
    """Benchmarks that end at once write one after another."""
    folder = os.open(RESULTS, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _commit() -> str:
    """The commit that was measured, with a + where the package differs from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + "+" * bool(git("status", "--porcelain", "src"))
