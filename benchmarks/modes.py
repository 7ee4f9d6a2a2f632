"""The tests of mode collapse, as published: 25 Gaussians, the ring of 8, and stacked digits with their thousand modes.

The seconds are those of the whole run, start, judging and report included. Points are drawn ten times: the fewest
modes of a draw are told, and means of all else.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import fmean
from typing import Any

import belamy
from belamy.cli.main import parse_settings
from common import CACHE, DATA, command, parsed, parser, record, say

DRAWN = {"stacked-mnist": (26_000, 1)}
"""Samples, and how often they are drawn: of 2,500 points alone KL swings by .0014 about its mean."""


def stacked_digits() -> str:
    """What is kept of the digits stays out of DATA."""
    path = CACHE / "stacked" / "mnist10k.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.symlink_to(DATA / path.name)
    return str(path)


def measure(recipe: str, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Trains, and counts the modes of what ships."""
    data = stacked_digits() if recipe == "stacked-mnist" else None
    with tempfile.TemporaryDirectory(prefix=f"belamy-{recipe}-") as folder:
        began = time.perf_counter()
        run = belamy.train(
            recipe, data, Path(folder) / "run", seed=seed, settings=settings, device="cpu", report_to="none"
        )
        seconds = time.perf_counter() - began
        said = [event["message"] for event in run.events() if event["event"] in ("watchdog", "rollback")]
        say(f"{recipe}, seed {seed}: trained in {seconds:.1f} s; {said}")
        n, draws = DRAWN.get(recipe, (2500, 10))
        found = [belamy.evaluate(run.path, n=n, seed=seed + draw, device="cpu") for draw in range(1, draws + 1)]
    figure: dict[str, Any] = {"train_seconds": round(seconds, 1), "settings": settings, "remarks": said, "draws": draws}
    figure |= {name: found[0][name] for name in ("n", "classifier_accuracy") if name in found[0]}
    for name in found[0]["metrics"]:
        entries = [one["metrics"][name] for one in found]
        figure[name] = (min if name == "modes" else fmean)(entry["value"] for entry in entries)
        figure[f"{name}_floor"] = fmean(entry["floor"] for entry in entries)
    return figure


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--recipe", choices=["grid25", "ring8", "stacked-mnist"], required=True)
    options.add_argument("--set", action="append", metavar="KEY=VALUE", help="anything in the recipe")
    options.add_argument("--variant", default="", help="a name for a trial, to keep it apart")
    arguments = parsed(options)
    figure = measure(arguments.recipe, arguments.seed, parse_settings(arguments.set))
    variant = "-".join(filter(None, (arguments.recipe, arguments.variant)))
    record("modes", arguments.seed, figure, command(), variant=variant)


if __name__ == "__main__":
    main()
