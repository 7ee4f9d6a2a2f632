"""Judging a trained model by its run: finds the data it was trained on, and evaluates it against what it never saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from belamy import answers, prompted, serial, tabled
from belamy.data.captions import Captioned
from belamy.data.cuts import Cuts
from belamy.data.pairs import Unpaired
from belamy.data.points import Points
from belamy.data.series import Series
from belamy.data.table import Table, fingerprint, hashes_of
from belamy.edits.smoothness import path_length
from belamy.errors import UserError
from belamy.evaluation import evaluate as compare
from belamy.game import Batch
from belamy.hardware import choose_device
from belamy.metrics.features import DEFAULT
from belamy.model import Model
from belamy.recipe import Recipe, accepts, build
from belamy.run import Run, load
from belamy.source import Source

PATHS = 1000
"""Paths that the perceptual path length is the mean of, unless told."""


def evaluate(
    model: str | Path, data: str | Source | None = None, *, train_data: str | Source | None = None,
    n: int | None = None, metrics: Sequence[str] | None = None, features: str = "efficientnet-lite0",
    seed: int = 0, device: str = "auto", target: str | None = None, backwards: bool = False,
) -> dict[str, Any]:
    """Judges the model of a run, or of a model folder, on ``data``: held-out pictures, by default the run's own.

    Of tables ``target`` is the column that generated rows should teach to predict. ``backwards`` judges the way from B
    to A of what goes both ways.

    ``train_data`` is what it was trained on, by default as the run's recipe says; without it the floor and the
    memorisation test are None, with the reason. ``metrics`` may name ``ppl`` as well, the perceptual path length,
    which needs no data. Returns what ``belamy.evaluation.evaluate`` does.
    Raises UserError where there is neither data nor a run that knows its own.
    """  # fmt: skip
    loaded, began = load(model, str(choose_device(device))), time.perf_counter()
    others = metrics and [metric for metric in metrics if metric != "ppl"]
    if others or not metrics:
        report = _compared(Path(model), loaded, data, train_data, n, others, features, seed, target, backwards)
    else:
        report = {"metrics": {}, "n": n or PATHS, "heldout": 0, "features": features, "notes": []}
    if metrics and "ppl" in metrics:
        value, error = path_length(loaded, n or PATHS, seed=seed, features=features)
        no_real = "real pictures have no latents"
        entry = {"value": value, "stderr": error, "floor": None, "trivial": None, "features": features}
        report["metrics"]["ppl"] = {**entry, "reason": no_real}
    return {**report, "seconds": round(time.perf_counter() - began, 2)}


def _compared(
    folder: Path, model: Model, data: str | Source | None, train_data: str | Source | None, n: int | None,
    metrics: Sequence[str] | None, features: str, seed: int, target: str | None, backwards: bool,
) -> dict[str, Any]:
    """The metrics that want held-out pictures."""  # fmt: skip
    run = Run.open(folder) if (folder / "recipe.yaml").is_file() else None
    train, why = _training_data(run, model, train_data)
    if isinstance(data, Source):
        heldout: Source | None = data
    elif data is not None:
        heldout = _unseen(data, model, run, train)
    else:
        heldout = train.heldout() if train is not None else None
    if heldout is None:
        raise UserError(f"there is no held-out data to judge against ({why or 'the training data has none'}): --data")
    cache = run.path / "cache" if run else None
    report = compared(
        model, heldout, train, n=n, metrics=metrics, features=features, seed=seed, cache=cache, target=target,
        backwards=backwards,
    )  # fmt: skip
    if why:
        report["notes"].append(why)
    return report


def compared(
    model: Model, heldout: Source, train: Source | None, *, n: int | None = None, metrics: Sequence[str] | None = None,
    features: str = DEFAULT, seed: int = 0, cache: Path | None = None, trivial: bool = True, target: str | None = None,
    backwards: bool = False,
) -> dict[str, Any]:
    """The model's samples, or its answers to held-out pictures, judged as the modules of that name say."""  # fmt: skip
    if isinstance(heldout, Cuts | Unpaired):
        assert train is None or isinstance(train, Cuts | Unpaired)
        return answers.evaluate(
            model, heldout, train, n=n, metrics=metrics, features=features, trivial=trivial, backwards=backwards
        )
    if backwards:
        raise UserError("--backwards is for pictures from pictures, both ways: leave it out")
    if isinstance(heldout, Table):
        assert train is None or isinstance(train, Table)
        return tabled.evaluate(
            model, heldout, train, n=n, metrics=metrics, target=target, seed=seed, trivial=trivial
        )  # fmt: skip
    if isinstance(heldout, Series):
        assert train is None or isinstance(train, Series)
        return serial.evaluate(model, heldout, train, n=n, metrics=metrics, seed=seed, trivial=trivial)
    if target is not None:
        raise UserError("--target is for tables: leave it out")
    if isinstance(heldout, Captioned):
        assert train is None or isinstance(train, Captioned)
        return prompted.evaluate(
            model, heldout, train, n=n, metrics=metrics, features=features, seed=seed, cache=cache, trivial=trivial
        )
    return compare(
        generator(model, seed), heldout, train, n=n, metrics=metrics, features=features, seed=seed, cache=cache,
        trivial=trivial, device=model.device,
    )  # fmt: skip


def generator(model: Model, seed: int = 0) -> Callable[[int, int], Batch]:
    """``generate(start, count)`` as evaluation wants it: samples of one seed by their number."""

    def generate(start: int, count: int) -> Batch:
        batches = list(model.batches(count, seed, start=start))
        return {name: torch.cat([batch[name] for batch in batches]).cpu() for name in batches[0]}

    return generate


def _training_data(run: Run | None, model: Model, given: str | Source | None) -> tuple[Source | None, str | None]:
    """What the model was trained on, or why that cannot be had."""
    if isinstance(given, Source):
        return given, None
    if given is not None:
        return build(_spec(given, model, run), Source), None  # type: ignore[type-abstract]
    if run is None:
        return None, "a model does not know its training data: give --train-data for the floor and memorisation"
    try:
        return source_of(run.recipe), None
    except (UserError, OSError) as error:
        return None, f"the training data is not there any more ({error})"


def source_of(recipe: Recipe) -> Source:
    """The source that a recipe names."""
    return build({"seed": recipe.seed, **recipe.data}, Source)  # type: ignore[type-abstract]


def _spec(path: str, model: Model, run: Run | None) -> dict[str, Any]:
    facts = model.facts
    if facts.get("kind") == "translation":
        if run is None:
            raise UserError("a model alone does not know how its pictures were treated: give its run")
        mine = {name: facts[name] for name in ("channels", "target_channels") if accepts(run.recipe.data, name)}
        return {**run.recipe.data, **mine, "path": path, "resolution": None, "flip": False}
    if facts.get("kind") == "series":
        if run is None:
            raise UserError("a model alone does not know the columns of its series: give its run")
        return {**run.recipe.data, "path": path}
    if facts.get("kind") == "table":
        options = run.recipe.data if run is not None else {"use": "belamy.data.table:Table"}
        return {**options, "path": path}
    if facts.get("kind") == "points" and "centres" not in facts:
        return {"use": "belamy.data.points:Points", "path": path, "mean": facts["mean"], "scale": facts["scale"]}
    if facts.get("kind") == "stacked":
        return {"use": "belamy.data.stacked:Stacked", "path": path}
    if facts.get("kind") == "captions" and not facts.get("scenes"):
        text = facts["text"]
        return {
            "use": "belamy.data.captioned:CaptionedImages", "path": path, "resolution": facts["resolution"],
            "channels": facts["channels"], "resize": facts["resize"], "encoder": text["encoder"],
            "words": text["words"],
        }  # fmt: skip
    if facts.get("kind", "images") != "images":
        raise UserError(f"{path}: a model of {facts['kind']} is judged against its own data; leave --data out")
    return {
        "use": "belamy.data.images:Images", "path": path, "resolution": facts["resolution"],
        "channels": facts["channels"], "resize": facts.get("resize", "crop"), "classes": bool(facts.get("classes")),
        "attributes": [],
    }  # fmt: skip


def _unseen(path: str, model: Model, run: Run | None, train: Source | None) -> Source | None:
    """What of the pictures at ``path`` the model has not seen: all, unless they are its training data or have parts.

    Of stacked digits it is those that are held out, since the others train what judges them.
    """
    from belamy.data.captioned import CaptionedImages
    from belamy.data.images import Images

    if model.facts.get("kind") == "table":
        return _unseen_rows(path, model, train)
    source = build(_spec(path, model, run), Source)  # type: ignore[type-abstract]
    if isinstance(source, Series):
        mine = source.facts["fingerprint"] == model.facts.get("fingerprint")
        if source.facts["classes"] != model.facts["classes"]:
            raise UserError(f"{path} has other classes than the model, which knows {', '.join(model.facts['classes'])}")
        return source.heldout() if mine else Series.of(source.everything)
    if not isinstance(source, Images | Cuts | Unpaired | CaptionedImages | Points):
        return source.heldout()
    mine = source.facts["fingerprint"] == model.facts.get("fingerprint")
    if mine or source.has_parts:
        return source.heldout()
    return source.whole(model.facts.get("classes")) if isinstance(source, Images) else source.everything()


def _unseen_rows(path: str, model: Model, train: Source | None) -> Source | None:
    """The rows at ``path``, of the model's columns; those that are held out, if it is the training data."""
    from belamy.tables.reading import read_table

    frame, layout = read_table(path), model.codec.rows  # type: ignore[attr-defined]
    missing = [name for name in layout.kinds if name not in frame.columns]
    if missing:
        raise UserError(f"{path} lacks columns that the model makes: {', '.join(missing[:6])}")
    if isinstance(train, Table):
        mine = fingerprint(hashes_of(frame)) == model.facts.get("fingerprint")
        return train.heldout() if mine else train.seen_as(frame)
    return Table.like(frame, layout)
