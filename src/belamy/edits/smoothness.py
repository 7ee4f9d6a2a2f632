"""How evenly pictures change along latents."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from belamy.chance import Chance, key
from belamy.errors import UserError
from belamy.game import Batch
from belamy.metrics.features import DEFAULT, extract, load
from belamy.model import Model

STEP = 1e-3  # the paper's 1e-4 would drown in the rounding of float32 features


def path_length(model: Model, n: int = 1000, *, seed: int = 0, features: str = DEFAULT) -> tuple[float, float]:
    """Perceptual path length (Karras et al., 2019, eq. 2 and 3) over ``n`` paths, and its standard error.

    The mean of ``d(g(p(t)), g(p(t + STEP))) / STEP^2``, where p leads from one sample's latent to another's, t is
    uniform in [0, 1), and d is the squared Euclidean distance of ``features``, in place of the paper's VGG16. p is a
    straight line through styles where the game has them, a great circle through latents elsewhere; all else (noise,
    class) is the same at both ends. Raises UserError where there is no picture, or no latent.
    """
    if model.codec.key != "image":
        raise UserError(f"perceptual path length is of pictures, and this model makes {model.codec.plural}")
    seen, found = load(features, model.device), []
    for start in range(0, n, model.codec.chunk):
        rows = range(start, min(start + model.codec.chunk, n))
        path = _path(model, start, len(rows), seed)
        along = Chance(key("path", seed), rows, model.device).uniform(1)
        near, far = (extract(model.make(path(t))["image"].clamp(-1, 1), seen) for t in (along, along + STEP))
        found.append((far - near).double().square().sum(1) / STEP**2)
    lengths = torch.cat(found)
    return float(lengths.mean()), float(lengths.std()) / math.sqrt(n)


def _path(model: Model, start: int, count: int, seed: int) -> Callable[[Tensor], Batch]:
    """What to make at places t [count, 1] of so many paths between samples of a class."""
    begin = model.given(count, seed, start=start)
    names = model.facts.get("classes") or []
    classes = [names[number] for number in begin["class"].tolist()] if "class" in begin else None
    end = model.given(count, key("path", seed), classes, start=start)
    if "styles" in begin:
        return lambda t: {**begin, "styles": torch.lerp(begin["styles"], end["styles"], t[..., None])}
    if "latent" not in begin:
        raise UserError(f"{type(model.game).__name__} has no latents to measure along")
    near, far = (model.game.as_normal(given["latent"]) for given in (begin, end))
    return lambda t: {**begin, "latent": model.game.from_normal(slerp(near, far, t))}


def slerp(begin: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Rows [B, D] along the great circle from ``begin`` to ``end`` at places t [B, 1]."""
    cosine = torch.nn.functional.cosine_similarity(begin, end, dim=1)[:, None]
    angle = cosine.clamp(-1 + 1e-6, 1 - 1e-6).acos()
    return (((1 - t) * angle).sin() * begin + (t * angle).sin() * end) / angle.sin()
