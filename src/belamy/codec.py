"""Between the user's world and tensors, where no data set is at hand: class names in, pictures or points out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from belamy.chance import Chance
from belamy.errors import UserError, nearest
from belamy.game import Batch
from belamy.pictures import to_uint8


class Codec(ABC):
    """Samples for users, and classes by name. ``facts`` are those of the training data, kept in the model.

    ``key`` is what a game's batches call a sample, ``plural`` what files do.
    """

    key: str
    plural: str

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.classes: list[str] = facts.get("classes") or []
        self.counts: list[int] = facts.get("class_counts") or [1] * len(self.classes)

    def index(self, name: str | int) -> int:
        """The class called ``name``, or of that number. Raises UserError for neither."""
        if str(name) in self.classes:
            return self.classes.index(str(name))
        if not self.classes:
            raise UserError("this model knows no classes: it was trained on unlabelled data")
        number = str(name)
        if number.isascii() and number.isdigit() and int(number) < len(self.classes):
            return int(number)
        hint = nearest(number, self.classes) or f"; it has {', '.join(self.classes[:12])}"
        raise UserError(f"this model has no class {name!r}{hint}")

    def conditions(self, n: int, rng: Chance, classes: str | int | Sequence[str | int] | None = None) -> Batch:
        """Classes int64 [n]: as asked, one for all or one for each; otherwise in the data's proportions."""
        if not self.classes and classes is None:
            return {}
        if classes is None:
            return {"class": rng.choice(self.counts)}
        wanted = [classes] if isinstance(classes, str | int) else list(classes)
        numbers = [self.index(name) for name in wanted]
        if len(numbers) == 1:
            numbers *= n
        if len(numbers) != n:
            raise UserError(f"{len(numbers)} classes for {n} samples: give one, or one for each")
        return {"class": torch.tensor(numbers, device=rng.device)}

    @abstractmethod
    def decode(self, values: Tensor) -> NDArray[Any]:
        """Samples [N, ...] as the game makes them, as arrays [N, ...] that mean something to users."""


class ImageCodec(Codec):
    """Pictures [N, C, H, W] in [-1, 1] as uint8 [N, H, W, C]."""

    key, plural = "image", "images"

    def decode(self, values: Tensor) -> NDArray[np.uint8]:
        return to_uint8(values)


class PointCodec(Codec):
    """Points [N, D] as float32, in the units of their data."""

    key, plural = "points", "points"

    def __init__(self, facts: Mapping[str, Any]) -> None:
        super().__init__(facts)
        self.scale = float(facts.get("scale", 1.0))

    def decode(self, values: Tensor) -> NDArray[np.float32]:
        return (values.detach().float() * self.scale).cpu().numpy()


def codec(facts: Mapping[str, Any]) -> Codec:
    """The one for the kind of data that ``facts`` tell: pictures, if they don't."""
    return PointCodec(facts) if facts.get("kind") == "points" else ImageCodec(facts)
