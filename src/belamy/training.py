"""Training: builds what a recipe names and plays it, from its beginning or from where it was stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch.distributed as dist

from belamy.journal import Display
from belamy.ops.processes import joined
from belamy.planning import Plan, compose, plan
from belamy.recipe import Recipe
from belamy.run import Run
from belamy.sitting import Sitting
from belamy.source import Source
from belamy.trackers import known


def train(
    recipe: str | Recipe = "r3gan", data: str | None = None, out: str | Path | None = None, *,
    settings: Mapping[str, Any] | None = None, examples: int | None = None, batch: int | None = None,
    seed: int | None = None, device: str = "auto", precision: str | None = None, resume: str | Path | None = None,
    report_to: str = "tensorboard", checkpoints_total_limit: int | None = None, source: Source | None = None,
    display: Display | None = None,
) -> Run:
    """Trains a generator on ``data`` and returns its run folder.

    ``recipe`` is a name, a YAML file or a Recipe; ``settings`` are dotted keys over it, such as
    ``{"game.gamma": 0.1}``. ``resume`` is a run folder, or "auto" for ``out`` if it has begun; a resumed run keeps
    its recipe and ends where it would have ended.

    Raises:
        UserError: what the user can mend: unknown keys, bad data, an existing folder, divergence.
        SystemExit: 75 after SIGTERM, 130 after SIGINT, each with a checkpoint written.
    """  # fmt: skip
    display = display or Display()
    with joined():
        if resume is not None and str(resume) != "auto":
            folder: Path | None = Path(resume)
        else:
            folder = Path(out) if out is not None and resume and (Path(out) / "recipe.yaml").is_file() else None
        if folder is not None:
            run = Run.open(folder)
            if run.finished:
                display.say(f"{run.path} is finished: {run.recipe.examples:,} examples were played")
                display.close()
                return run
            return Sitting(run, plan(run.recipe, device, source), display, report_to).play()
        chosen = recipe if isinstance(recipe, Recipe) else compose(
            recipe, data, settings, examples=examples, batch=batch, seed=seed, precision=precision,
            checkpoints_total_limit=checkpoints_total_limit,
        )  # fmt: skip
        return begin(plan(chosen, device, source), out, display, report_to)


def begin(settled: Plan, out: str | Path | None, display: Display, report_to: str) -> Run:
    """Creates the run folder of a plan, and plays it."""
    known(report_to)
    folder = _agreed(Path(out) if out is not None else _unused(Path("runs"), settled.recipe.name))
    sitting = Sitting(Run(folder), settled, display, report_to)  # what cannot be built leaves no folder behind
    if sitting.leads:
        Run.create(folder, settled.recipe)
    if dist.is_initialized():
        dist.barrier()
    return sitting.play()


def _agreed(folder: Path) -> Path:
    """The folder that the first process found: it may be there already when another looks for an unused name."""
    held = [folder]
    if dist.is_initialized():
        dist.broadcast_object_list(held)
    return held[0]


def _unused(parent: Path, name: str) -> Path:
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"
