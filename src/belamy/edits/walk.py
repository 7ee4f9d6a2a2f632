"""A walk through samples that ends where it began, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from belamy.errors import UserError
from belamy.model import Model
from belamy.pictures import Pixels
from belamy.text.prompts import Prompt


def walk(
    model: Model, samples: int = 8, frames: int = 25, *, seed: int = 0, classes: str | int | None = None,
    truncation: float | None = None, attributes: Sequence[str] | None = None, prompts: Sequence[Prompt] = (),
) -> Iterator[Pixels]:
    """Pictures uint8 [H, W, C] on a smooth loop through the samples 0 to ``samples - 1``, ``frames`` to each.

    Styles are blended where the game has them, latents elsewhere; all else, such as noise, stays that of the first
    sample. So do class and attributes, where there are no styles to carry them. With ``prompts`` it goes through what
    they say, of the same noise. Only a few frames are in memory at a time. Raises UserError where there is no picture,
    or no latent.
    """  # fmt: skip
    if model.codec.key != "image":
        raise UserError(f"a walk is of pictures, and this model makes {model.codec.plural}")
    parts = [model.given(1, seed, classes, truncation, 0, attributes, prompt) for prompt in prompts] or [
        model.given(min(model.codec.chunk, samples - start), seed, classes, truncation, start, attributes)
        for start in range(0, samples, model.codec.chunk)
    ]
    name = "styles" if "styles" in parts[0] else "latent"
    if name not in parts[0]:
        raise UserError(f"{type(model.game).__name__} has no latents to walk through")
    stations = torch.cat([part[name] for part in parts])
    # Words that places look at cannot be blended: they are those of the nearer prompt.
    kept = parts if prompts else [{key: value[:1] for key, value in parts[0].items()}]
    others = {key: torch.cat([part[key] for part in kept]) for key in parts[0] if key != name}
    if name == "latent":
        stations = model.game.as_normal(stations)
    return _frames(model, name, stations, others, frames)


def between(model: Model, prompts: Sequence[Prompt], frames: int, *, seed: int = 0) -> Pixels:
    """``frames`` pictures uint8 [N, H, W, C] from what the first prompt says to what the last does, of one noise.

    Raises UserError for fewer than two prompts.
    """
    if len(prompts) < 2:
        raise UserError("a strip goes from one prompt to another: give --prompt twice, or more often")
    parts = [model.given(1, seed, prompt=prompt) for prompt in prompts]
    stations = torch.cat([part["styles"] for part in parts])
    places = torch.linspace(0, len(prompts) - 1, frames).double()
    first = places.long().clamp(max=len(prompts) - 2)
    share = (places - first).to(stations).view(-1, *[1] * (stations.dim() - 1))
    blended = stations[first] * (1 - share) + stations[first + 1] * share
    others = {name: torch.cat([part[name] for part in parts])[places.round().long()] for name in parts[0]}
    pixels: Pixels = model.codec.decode(model.make({**others, "styles": blended})[model.codec.key])
    return pixels


def _frames(model: Model, name: str, stations: Tensor, others: dict[str, Tensor], frames: int) -> Iterator[Pixels]:
    for places in (torch.arange(len(stations) * frames) / frames).split(model.codec.chunk):
        weights = loop(places, len(stations), normal=name == "latent").to(stations)
        given = {key: value[places.round().long() % len(value)] for key, value in others.items()}
        blended = torch.tensordot(weights, stations, 1)
        made = model.make({**given, name: model.game.from_normal(blended) if name == "latent" else blended})
        yield from model.codec.decode(made[model.codec.key])


def loop(places: Tensor, stations: int, normal: bool) -> Tensor:
    """Weights [F, ``stations``] of each station at ``places`` [F] on a closed Catmull-Rom spline, which is smooth.

    A whole number is the station of that number. ``normal`` brings the weights to a norm of 1, so that a sum of
    standard normal latents is one itself: a straight line between two of them would pass nearer to 0 than any
    latent lies that the generator has seen.
    """
    index = places.floor().long()
    t = places - index
    cubic = torch.stack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2], 1) / 2
    around = (index[:, None] + torch.arange(-1, 3)) % stations
    weights = torch.zeros(len(places), stations).scatter_add_(1, around, cubic)
    return weights / weights.norm(dim=1, keepdim=True) if normal else weights
