"""Sheets for a run's folder: samples over time, generated beside real, and nearest neighbours."""

from __future__ import annotations

from itertools import compress
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from belamy.answers import answered
from belamy.data.captions import Captioned
from belamy.data.gallery import recoloured
from belamy.model import Model
from belamy.pictures import class_grid, grid, scatter, to_uint8
from belamy.prompted import painted
from belamy.run import Run
from belamy.source import Source

POINTS = 2500
PROMPTS = 8


def sheet(model: Model, source: Source, seed: int = 0, columns: int = 10) -> Image.Image:
    """Samples in a grid; where there are classes, or combinations of attributes, one row for each of the first ten.

    Points in the plane. Of captions some that are held out, a row each. Of what answers pictures: what it was given of
    ``source``, its answers, and the true ones.
    """
    if model.game.answers:
        return _answers(model, source.heldout() or source, columns)
    if model.codec.key == "points":
        return model.sample(POINTS, seed=seed).grid()
    if isinstance(source, Captioned):
        unseen = source.heldout()
        return _prompted(model, unseen if isinstance(unseen, Captioned) else source, seed, columns)
    classes = model.facts.get("classes")
    if model.codec.attributes and not classes:
        return _by_attributes(model, seed, columns)
    if not classes:
        return grid(model.sample(columns * 6, seed=seed, output_type="np").images, columns)
    shown = classes[:10]
    wanted = [name for name in shown for _ in range(columns)]
    samples = model.sample(len(wanted), seed=seed, classes=wanted, output_type="np")
    labels = np.array([classes.index(name) for name in wanted])
    return class_grid(samples.images, labels, classes, columns)


def _answers(model: Model, source: Source, columns: int) -> Image.Image:
    """Three rows: pictures, the model's answers, and the true ones or the style."""
    batch = source.take(columns)
    rows = [batch["source"], answered(model, batch), batch["style"] if "style" in batch else batch["target"]]
    side = max(row.shape[-1] for row in rows)
    shown = [F.interpolate(pictured(row), (side, side), mode="nearest") for row in rows]
    return grid(to_uint8(torch.cat(shown)), len(batch["source"]))


def _prompted(model: Model, source: Captioned, seed: int, columns: int) -> Image.Image:
    """A row for each of eight captions, of the same latents in each."""
    said, text = source.captions(PROMPTS), source.take(PROMPTS)["text"]
    images = torch.cat([painted(model, one.expand(columns, *one.shape), seed) for one in text])
    return class_grid(to_uint8(images), np.repeat(np.arange(len(said)), columns), said, columns)


def pictured(images: Tensor) -> Tensor:
    """Pictures [B, C, H, W] of any channels as [B, 3, H, W]: transparent ones on white, the first three of many."""
    return torch.stack([recoloured(image if len(image) < 5 else image[:3], 3) for image in images])


def _by_attributes(model: Model, seed: int, columns: int) -> Image.Image:
    """Samples with the commonest combinations of attributes, a row each."""
    traits = [list(compress(model.codec.attributes, map(int, flags))) for _, flags, _ in model.codec.combinations[:10]]
    wanted = [names for names in traits for _ in range(columns)]
    samples = model.sample(len(wanted), seed=seed, attributes=wanted, output_type="np")
    rows = np.repeat(np.arange(len(traits)), columns)
    return class_grid(samples.images, rows, [", ".join(names) or "none" for names in traits], columns)


def show_finished(run: Run, model: Model, source: Source, report: dict[str, Any] | None) -> None:
    """The pictures of the report: generated beside real, and samples beside their nearest training pictures."""
    sheet(model, source).save(run.samples / "generated.png")
    if model.game.answers:
        return
    if model.codec.key == "points":
        scatter(model.codec.decode(source.take(POINTS)["points"])).save(run.samples / "real.png")
        return
    real = source.take(2000)
    pixels = to_uint8(real["image"])
    if "class" in real:
        class_grid(pixels, real["class"].numpy(), source.facts["classes"], 10).save(run.samples / "real.png")
    else:
        grid(pixels[:60], 10).save(run.samples / "real.png")
    if report and (found := report["metrics"].get("memorisation", {}).get("neighbours")):
        _neighbours(model, source, found).save(run.samples / "neighbours.png")


def _neighbours(model: Model, source: Source, nearest: list[int], columns: int = 10) -> Image.Image:
    """Above, samples; below each, the training picture that is nearest to it."""
    samples = model.sample(columns, seed=0, output_type="pt").images.cpu()
    training = torch.cat([source.take(1, start=row)["image"] for row in nearest[:columns]])
    return grid(to_uint8(torch.cat([samples, training])), columns)
