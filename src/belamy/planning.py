"""What is settled before the first step: the recipe with its options, the data, the sizes, the device."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from belamy import recipe as recipes
from belamy.answers import METRICS
from belamy.chance import key
from belamy.data.points import holds_points
from belamy.engine import Engine
from belamy.errors import UserError, nearest
from belamy.evaluation import numbers_of
from belamy.game import Game
from belamy.hardware import choose_device, choose_precision, keep_memory, memory_mb
from belamy.judge import source_of
from belamy.metrics.features import NAMES as FEATURES
from belamy.ops.processes import dealing, exchanged
from belamy.recipe import Recipe
from belamy.schedules import at
from belamy.source import Source

LOWER_IS_BETTER = (
    "kid", "fd", "fid", "kl", "perceptual", "patch_swd", "distinguishable", "discriminative", "predictive",
)  # fmt: skip
HIGHER_IS_BETTER = (
    "precision", "recall", "density", "coverage", "spread", "modes", "high_quality", "psnr", "psnr_y", "ssim",
    "attributes_all", "retrieval_r10", "quality", "shapes", "trends", "useful_accuracy",
)  # fmt: skip
PICTURES = "belamy.data.images:Images"
GIVEN = {
    "classes": ": give them by a folder for each, by class in metadata.jsonl, or by y in an .npz",
    "attributes": ": list them in metadata.jsonl",
}
"""How data come by what a game may want."""


def compose(
    name: str, data: str | None = None, settings: Mapping[str, Any] | None = None, *,
    checkpoints_total_limit: int | None = None, **fields: Any,
) -> Recipe:
    """The recipe ``name`` with the usual options over it; an option that is None leaves the value as it is."""
    merged = {field: value for field, value in fields.items() if value is not None} | dict(settings or {})
    if data is not None:
        merged["data.path"] = str(Path(data).resolve()) if Path(data).exists() else str(data)
    if checkpoints_total_limit is not None:
        merged["checkpoints.limit"] = checkpoints_total_limit
    return recipes.load(name, merged)


@dataclass
class Plan:
    """All that is settled before the first step."""

    recipe: Recipe
    source: Source
    spec: dict[str, Any]
    device: torch.device

    @property
    def precision(self) -> str:
        """Settled with the recipe, so that a run that goes on has that which it began with."""
        return self.recipe.precision

    def game(self) -> Game:
        """The game with its first weights, which the seed alone decides."""
        torch.manual_seed(key("init", self.recipe.seed) & (2**63 - 1))
        return recipes.build(self.spec, Game)

    def engine(self) -> Engine:
        keep_memory()
        game, side = self.game(), self.source.facts.get("resolution", 0)
        if game.answers and side % game.stride:
            near = side // game.stride * game.stride or game.stride
            raise UserError(f"data.resolution {side} does not divide by {game.stride}, as the network asks: try {near}")
        return Engine(game, self.source, self.recipe, self.device, self.precision)

    def estimate(self, steps: int = 3) -> dict[str, Any]:
        """Real steps on a copy: examples per second, memory, and the seconds that the whole run will take.

        They are played at ``steps`` moments over the run, since what grows becomes slower; each once for practice.
        """
        engine, seconds = self.engine(), 0.0
        try:
            for index in range(steps):
                for _ in range(2):
                    engine.clock.examples = (2 * index + 1) * self.recipe.examples // (2 * steps)
                    batch, began = engine.batch, time.perf_counter()
                    engine.step()
                seconds += (time.perf_counter() - began) / batch
        finally:
            engine.close()
        rate = steps / seconds
        sizes = {name: sum(p.numel() for p in player.parameters()) for name, player in engine.players.items()}
        return {
            "examples_per_second": rate, "seconds": self.recipe.examples / rate,
            "memory_mb": memory_mb(self.device), "parameters": sizes,
        }  # fmt: skip


@dealing("all")  # processes share what there is to decode
def plan(recipe: Recipe, device: str = "auto", source: Source | None = None) -> Plan:
    """Opens the data, and settles the game's size by its facts. Raises UserError where they do not fit."""
    _check_judging(recipe.judging.metric, recipe.judging.features)
    data = _suited(recipe)
    for name in ("resolution", "channels", "scale"):
        wanted = recipe.game.get(name)
        if wanted is not None and recipes.accepts(data, name) and data.get(name) is None:
            data[name] = wanted
    if recipes.accepts(data, "secret") and data.get("secret") is None:
        data["secret"] = secrets.randbits(62)
    recipe = recipe.model_copy(update={"data": data})
    if source is None and recipes.accepts(data, "path") and not data.get("path"):
        raise UserError(f"the recipe {recipe.name} needs data: --data FOLDER")
    source = source or source_of(recipe)
    fitting = METRICS.get(source.facts.get("task", "")) or numbers_of(source.facts)
    if fitting and recipe.judging.metric not in (*fitting, "none"):
        choices = ", ".join((*fitting, "none"))
        raise UserError(f"judging.metric {recipe.judging.metric} is not for this task: choose {choices}")
    batch = recipe.batch or suited_batch(source.facts)
    recipe = recipe.lasting(source.length).model_copy(update={"batch": batch})
    facts = {"examples": recipe.examples, **_as_numbers(source.facts)}
    if recipe.sized:
        recipe = recipe.growing(recipes.build(recipes.bind(recipe.game, facts), Game).moments())
    spec = recipes.bind(recipe.game, {"batch": int(at(recipe.batch or batch, 0)), **facts})
    for name in (
        "dimensions", "resolution", "channels", "target_channels", "scale", "classes", "attributes", "text_width",
    ):  # fmt: skip
        if spec.get(name) and name in facts and spec[name] != facts[name]:
            remedy = GIVEN.get(name, "") if not facts[name] else f": --set game.{name}={facts[name]}"
            raise UserError(f"the game wants {name} {spec[name]}, the data has {facts[name] or 'none'}{remedy}")
    where = choose_device(device)
    precision, *_ = exchanged(choose_precision(recipe.precision, where))
    return Plan(recipe.model_copy(update={"precision": precision}), source, spec, where)


def _suited(recipe: Recipe) -> dict[str, Any]:
    """The recipe's data: points, where a game of both points and pictures is given them in place of pictures."""
    path = recipe.data.get("path")
    both = recipe.data["use"] == PICTURES and recipes.accepts(recipe.game, "dimensions")
    if not (both and path and holds_points(str(path))):
        return dict(recipe.data)
    if strange := [name for name, value in recipe.data.items() if name not in ("use", "path") and value is not None]:
        raise UserError(f"{path} holds points, which know no data.{strange[0]}: leave it out")
    return {"use": "belamy.data.points:Points", "path": path}


def suited_batch(facts: Mapping[str, Any]) -> int:
    """32, and 16 for pictures larger than 32x32, of which many small steps teach more in the same time."""
    return 16 if facts.get("resolution", 0) > 32 else 32


def _check_judging(metric: str, features: str) -> None:
    """Before an hour of training: raises UserError for what could not choose the best checkpoint after it."""
    metrics = (*LOWER_IS_BETTER, *HIGHER_IS_BETTER, "none")
    for name, value, known_names in (("metric", metric, metrics), ("features", features, FEATURES)):
        if value not in known_names:
            hint = nearest(value, known_names)
            raise UserError(f"judging.{name} is {value!r}{hint}; choose {', '.join(known_names)}")
    if metric == "fid" and features != "inception":
        raise UserError("judging.metric fid is measured on Inception: --set judging.features=inception, or fd")


def _as_numbers(facts: Mapping[str, Any]) -> dict[str, Any]:
    lists = ("classes", "attributes")
    return {name: len(value) if name in lists and value else value for name, value in facts.items()}
