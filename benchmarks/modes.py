"""The tests of mode collapse, as published: 25 Gaussians, the ring of 8, and stacked digits with their thousand modes.

The seconds are those of the whole run, start, judging and report included.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import belamy
from belamy.cli.main import parse_settings
from common import CACHE, DATA, command, parsed, parser, record, say

SAMPLES = {"stacked-mnist": 26_000}


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
        found = belamy.evaluate(run.path, n=SAMPLES.get(recipe, 2500), seed=seed + 1, device="cpu")
    figure: dict[str, Any] = {"train_seconds": round(seconds, 1), "settings": settings, "remarks": said}
    figure |= {name: found[name] for name in ("n", "classifier_accuracy") if name in found}
    for name, entry in found["metrics"].items():
        figure[name], figure[f"{name}_floor"] = entry["value"], entry["floor"]
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
