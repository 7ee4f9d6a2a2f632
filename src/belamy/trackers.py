"""Where else a run's numbers go: TensorBoard files, and services that are asked for by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from belamy.errors import UserError, nearest

Tracker = Callable[[Mapping[str, float], int], None]
"""Takes named numbers, and the examples seen."""


def tensorboard(run: Path, settings: dict[str, Any]) -> Tracker:
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(run / "tensorboard"), flush_secs=10)

    def track(numbers: Mapping[str, float], examples: int) -> None:
        for name, value in numbers.items():
            writer.add_scalar(name, value, examples)

    return track


def wandb(run: Path, settings: dict[str, Any]) -> Tracker:
    module = _module("wandb")
    held = module.init(project="belamy", name=run.name, dir=str(run), config=settings, mode="offline")
    return lambda numbers, examples: held.log(dict(numbers), step=examples)


def trackio(run: Path, settings: dict[str, Any]) -> Tracker:
    module = _module("trackio")
    module.init(project="belamy", name=run.name, config=settings)
    return lambda numbers, examples: module.log({**numbers, "examples": examples})


def mlflow(run: Path, settings: dict[str, Any]) -> Tracker:
    module = _module("mlflow")
    module.set_tracking_uri((run / "mlruns").resolve().as_uri())
    module.start_run(run_name=run.name)
    return lambda numbers, examples: module.log_metrics(dict(numbers), step=examples)


TRACKERS = {"tensorboard": tensorboard, "wandb": wandb, "trackio": trackio, "mlflow": mlflow}


def known(names: str) -> list[str]:
    """The trackers in a comma-separated list; "none" is none. Raises UserError for one that is not known or there."""
    wanted = [name.strip() for name in names.split(",") if name.strip() not in ("", "none")]
    for name in wanted:
        if name not in TRACKERS:
            raise UserError(f"cannot report to {name!r}{nearest(name, TRACKERS)}; known are {', '.join(TRACKERS)}")
        if name != "tensorboard":
            _module(name)
    return wanted


def start(names: str, run: Path, settings: dict[str, Any]) -> list[Tracker]:
    """Begins to report to each of ``known(names)``."""
    return [TRACKERS[name](run, settings) for name in known(names)]


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UserError(f"reporting to {name} needs its package: pip install {name}") from None
