"""Runs that are pushed: rates and penalties far from right, few pictures, losses known to fail.

``watchdog``: runs made to fail, with and without what looks after them. ``gamma``: short runs at a tenth to ten times
the penalties and half to twice the rate. ``small``: 100 emoji, with augmentation and without. ``losses``: which games
reach the thousand modes of stacked digits.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import belamy
from belamy.errors import UserError
from belamy.run import Run
from common import command, parsed, parser, record, records, say
from images import fashion, few_emoji, openmoji
from modes import stacked_digits

RATE = "optimizers.{}.rate.{}"
UNWATCHED = {"watching.times": 0, "game.correct": None}
SHORT = {"digits": 10_000, "fashion": 12_000, "openmoji": 12_000}
KEPT = ("kid", "coverage", "density", "class_accuracy", "spread", "memorisation", "memorisation_pixels", "modes", "kl")


@dataclass(frozen=True)
class Trial:
    """One run. ``data`` makes its data, and gives the path; None where the recipe has its own."""

    study: str
    name: str
    recipe: str
    data: Callable[[], str] | None
    settings: Mapping[str, Any]


def rates(start: float, end: float) -> dict[str, float]:
    ends = {"start": start, "end": end}
    return {
        RATE.format(player, name): value for player in ("generator", "discriminator") for name, value in ends.items()
    }


def studies() -> list[Trial]:
    found = []
    few = {"data.resolution": 32, "game.augment": 0.0, "examples": 120_000}
    ills: dict[str, tuple[str, Callable[[], str] | None, dict[str, Any]]] = {
        "healthy": ("digits", None, {}),
        "rate x 10": ("digits", None, rates(2e-2, 2e-3)),
        "gamma x .01": ("digits", None, {"game.gamma": 1e-3}),
        "gamma x .01, rate x 4": ("digits", None, {"game.gamma": 1e-3, **rates(8e-3, 8e-4)}),
        "Fashion, gamma x .01": ("r3gan", lambda: str(fashion()[0]), {"data.resolution": 32, "game.gamma": 0.02}),
        "50 pictures": ("r3gan", lambda: few_emoji(50), few),
        "50 pictures, FastGAN": ("fastgan", lambda: few_emoji(50), {**few, "examples": 60_000}),
    }
    for (ill, (recipe, data, settings)), watched in product(ills.items(), (True, False)):
        whole = {"examples": 15_000, **settings, **({} if watched else UNWATCHED)}
        found.append(Trial("watchdog", f"{ill}, {'watched' if watched else 'alone'}", recipe, data, whole))
    data_sets: dict[str, tuple[str, Callable[[], str] | None, dict[str, Any], float, float]] = {
        "digits": ("digits", None, {}, 0.1, 2e-3),
        "fashion": ("r3gan", lambda: str(fashion()[0]), {"data.resolution": 32}, 2.0, 3e-3),
        "openmoji": ("r3gan", lambda: str(openmoji()[0]), {"data.resolution": 32}, 2.0, 3e-3),
    }
    for (data_set, (recipe, data, settings, gamma, rate)), by, faster in product(
        data_sets.items(), (0.1, 1.0, 10.0), (0.5, 1.0, 2.0)
    ):
        whole = {"examples": SHORT[data_set], "game.gamma": by * gamma, **settings}
        whole |= rates(faster * rate, faster * rate / 10)
        found.append(Trial("gamma", f"{data_set}, gamma x {by:g}, rate x {faster:g}", recipe, data, whole))
    for name, augment in (("augmented", None), ("plain", 0.0)):
        whole = {"examples": 40_000, "game.augment": augment, "watching.times": 0}
        found.append(Trial("small", name, "r3gan", lambda: few_emoji(100), whole))
    for loss, penalties in product(("relativistic", "non-saturating"), ({"r1": 5.0, "r2": 5.0}, {"r1": 5.0})):
        whole = {"examples": 1_000_000, "game.loss": loss, "game.penalties": penalties, "watching.times": 0}
        found.append(Trial("losses", f"{loss}, {' and '.join(penalties)}", "stacked-mnist", stacked_digits, whole))
    return found


def measure(trial: Trial, seed: int) -> dict[str, Any]:
    """Trains, and judges what ships; a run that fails says so in its remarks."""
    with tempfile.TemporaryDirectory(prefix="belamy-trial-") as folder:
        out, began, failure = Path(folder) / "run", time.perf_counter(), None
        try:
            belamy.train(
                trial.recipe, trial.data and trial.data(), out, seed=seed, settings=trial.settings, device="cpu",
                report_to="none",
            )  # fmt: skip
        except UserError as error:
            failure = str(error)
        seconds, run = time.perf_counter() - began, Run.open(out)
        remarks = [one["message"] for one in run.events() if one["event"] in ("watchdog", "rollback")]
        signs = [one["values"] for one in run.events() if one["event"] == "signs"]
        ships = (run.model / "model.safetensors").is_file()
        found = belamy.evaluate(out, seed=seed + 1, device="cpu")["metrics"] if ships else {}
    figure: dict[str, Any] = {"settings": dict(trial.settings), "train_seconds": round(seconds, 1), "failure": failure}
    figure |= {"remarks": remarks, "signs": signs[-1] if signs else None}
    for name in KEPT:
        if name in found:
            figure[name], figure[f"{name}_floor"] = found[name]["value"], found[name]["floor"]
    return figure


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--study", choices=["watchdog", "gamma", "small", "losses"], required=True)
    options.add_argument("--trial", help="one of it; all that are missing by default")
    arguments = parsed(options)
    done = {(one["variant"], one["seed"]) for one in records(arguments.study)}
    for trial in studies():
        asked = arguments.trial in (None, trial.name) and trial.study == arguments.study
        if asked and (arguments.trial or (trial.name, arguments.seed) not in done):
            say(trial.name)
            figure = measure(trial, arguments.seed)
            record(arguments.study, arguments.seed, figure, command(), variant=trial.name)


if __name__ == "__main__":
    main()
