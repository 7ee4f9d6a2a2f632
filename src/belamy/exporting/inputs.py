"""What an exported model is asked with: its inputs by name, examples of them, and how each is drawn from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from belamy.chance import Chance, key
from belamy.errors import UserError
from belamy.model import Model


class _Read(dict[str, Tensor]):
    """A batch that remembers what was asked of it."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Tensor:
        self.names.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


LARGEST = 64
"""Pictures to be answered are tried at this side, or at that of the training data where it is smaller."""


@dataclass
class Input:
    """One input: an ``example`` [N, ...], and what the recipe beside the model tells of it, as JSON."""

    example: Tensor
    told: dict[str, Any]
    sizes: bool = False
    """Whether height and width may differ from call to call."""


class _Recorded(Chance):
    """Chance that remembers what was drawn."""

    def __init__(self, seed: int, count: int) -> None:
        super().__init__(seed, range(count))
        self.drawn: list[tuple[str, int, Tensor]] = []

    def normal(self, *shape: int) -> Tensor:
        return self._kept("normal", super().normal(*shape))

    def uniform(self, *shape: int) -> Tensor:
        return self._kept("uniform", super().uniform(*shape))

    def _kept(self, distribution: str, values: Tensor) -> Tensor:
        self.drawn.append((distribution, self._draws, values))
        return values


def inputs(model: Model, count: int, seed: int = 0) -> dict[str, Input]:
    """The inputs that ``model`` reads, by name, with ``count`` rows of each: those of its first samples of ``seed``."""
    found = _pictures(model, count, seed) if model.game.answers else _latents(model, count, seed)
    given = _Read({name: one.example for name, one in found.items()})
    with torch.inference_mode():
        model.game.sample(given)
    return {name: one for name, one in found.items() if name in given.names}


def _latents(model: Model, count: int, seed: int) -> dict[str, Input]:
    chance = _Recorded(key("sample", seed), count)
    found = {name: _drawn(name, value, chance) for name, value in model.game.prior(count, chance).items()}
    asked = model.codec.conditions(Chance(key("class", seed), range(count)))
    found |= {name: _condition(name, value, model) for name, value in asked.items()}
    if text := model.facts.get("text"):
        about = f"the text as {text['encoder']} reads it, its common middle taken away; zeros: nothing said"
        shape = (1 + text["words"], model.spec["text_width"])
        values = Chance(key("text", seed), range(count)).normal(*shape) / shape[1] ** 0.5
        found["text"] = _input(values, {"about": about, "default": torch.zeros(shape).tolist()})
    return found


def _input(values: Tensor, told: dict[str, Any], sizes: bool = False) -> Input:
    dtype = str(values.dtype).removeprefix("torch.")
    shape: list[Any] = list(values.shape[1:])
    if sizes:
        shape[1:] = ["height", "width"]
    return Input(values.contiguous(), {"dtype": dtype, "shape": shape, **told}, sizes)


def _drawn(name: str, value: Tensor, chance: _Recorded) -> Input:
    """Raises UserError for what is not a draw, times a number, plus a number."""
    for distribution, draw, raw in chance.drawn:
        if raw.shape == value.shape and not raw.numel():
            return _input(value, {"draw": draw, "distribution": distribution, "scale": 1.0, "offset": 0.0})
        if raw.shape == value.shape:
            low, high = raw.argmin(), raw.argmax()
            scale = ((value.flatten()[high] - value.flatten()[low]) / (raw.max() - raw.min())).item()
            scale = round(scale, 6)
            offset = round((value.flatten()[low] - scale * raw.min()).item(), 6)
            if torch.allclose(raw * scale + offset, value, atol=1e-6):
                return _input(value, {"draw": draw, "distribution": distribution, "scale": scale, "offset": offset})
    raise UserError(f"how this game draws its {name} cannot be told: prior() should draw it by one call")


def _condition(name: str, value: Tensor, model: Model) -> Input:
    codec = model.codec
    if name == "class":
        return _input(value, {"weights": codec.counts, "names": codec.classes})
    if name == "attributes":
        return _input(value, {"default": [0.0] * len(codec.attributes), "names": codec.attributes})
    return _input(value, {"default": value[0].tolist()})


def _pictures(model: Model, count: int, seed: int) -> dict[str, Input]:
    facts, stride = model.facts, model.game.stride
    side = max(stride, min(LARGEST, facts["resolution"]) // stride * stride)
    chance = Chance(key("picture", seed), range(count))
    source = 2 * chance.uniform(facts["channels"], side, side) - 1
    about = f"pictures in [-1, 1], whose sides divide by {stride}"
    found = {"source": _input(source, {"about": about}, sizes=True)}
    if facts.get("task") == "inpaint":
        hole = (chance.uniform(1, side, side) < 0.5).float()
        found["source"].example.mul_(1 - hole)
        found["mask"] = _input(hole, {"about": "1 where pixels are missing; the source is filled smoothly there"}, True)
    if facts.get("task") == "style":
        grain = 2 * chance.uniform(1, side, side) - 1
        about = "noise in [-1, 1] that belongs to the source's places"
        found["grain"] = _input(grain, {"about": about, "like": "source"}, sizes=True)
        found["strength"] = _input(torch.ones(count), {"about": "0 gives the picture back", "default": 1.0})
    return found
