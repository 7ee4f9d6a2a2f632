"""Between the user's world and tensors, where no data set is at hand: names in, pictures or points out."""

from __future__ import annotations

import copy
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
from belamy.pictures import signed, to_pil, to_uint8
from belamy.samples import Samples
from belamy.series.decoding import decoded, long_table
from belamy.series.recorded import Recorded
from belamy.tables.rows import Rows
from belamy.tables.where import Asked, Where


class Codec(ABC):
    """Samples for users, classes and attributes by name. ``facts`` are those of the training data, kept in the model.

    ``key`` is what a game's batches call a sample, ``plural`` what files do. ``chunk`` samples are made at a time:
    always so many, so that a seed gives the same bits whatever number is asked for.
    """

    key: str
    plural: str
    chunk = 16

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.classes: list[str] = facts.get("classes") or []
        self.counts: list[int] = facts.get("class_counts") or [1] * len(self.classes)
        self.attributes: list[str] = facts.get("attributes") or []
        self.combinations: list[tuple[int, str, int]] = facts.get("attribute_counts") or []

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

    def flags(self, names: Sequence[str]) -> list[float]:
        """Ones for the attributes called ``names``, zeros for the others. Raises UserError for unknown ones."""
        if not self.attributes:
            raise UserError("this model knows no attributes: its data has none, or its game does not learn them")
        for name in names:
            if name not in self.attributes:
                hint = nearest(name, self.attributes) or f"; it has {', '.join(self.attributes[:12])}"
                raise UserError(f"this model has no attribute {name!r}{hint}")
        return [float(name in names) for name in self.attributes]

    def conditions(
        self, rng: Chance, classes: Sequence[str | int] | None = None,
        attributes: Sequence[Sequence[str]] | None = None, asked: Asked | None = None,
    ) -> Batch:
        """``class`` int64 [B] and ``attributes`` float [B, A], where the model knows them, for the B rows of ``rng``.

        Of each row as asked; what is not asked for comes in the data's proportions, attributes in those of the class.
        ``asked`` is what ``asked`` gave, of all rows.
        """  # fmt: skip
        given: Batch = {}
        if self.classes or classes is not None:
            given["class"] = rng.choice(self.counts or [1])  # always, so that attributes don't depend on who chose
        if classes is not None:
            given["class"] = torch.tensor([self.index(name) for name in classes], device=rng.device)
        if attributes is not None:
            given["attributes"] = torch.tensor([self.flags(names) for names in attributes], device=rng.device)
        elif self.attributes:
            kinds = given.get("class", torch.zeros(len(rng), dtype=torch.int64, device=rng.device))
            given["attributes"] = self._drawn(kinds, rng)
        return given

    def _drawn(self, kinds: Tensor, rng: Chance) -> Tensor:
        """Attributes [B, A] as pictures of ``kinds`` [B] have them; as all have, for a kind without any."""
        counts = [count for _, _, count in self.combinations]
        rows = torch.zeros_like(kinds)
        for kind in kinds.unique().tolist():
            weights = [count * (own == kind) for own, _, count in self.combinations]
            drawn = copy.copy(rng).choice(weights if any(weights) else counts)
            rows = torch.where(kinds == kind, drawn, rows)
        flags = [[float(flag) for flag in self.combinations[row][1]] for row in rows.tolist()]
        return torch.tensor(flags, device=rng.device)

    def asked(self, where: Where | None) -> Asked | None:
        """What is asked of rows. Raises UserError where samples are no rows of a table."""
        if where:
            raise UserError(f"where asks something of the rows of a table, and this model makes {self.plural}")
        return None

    @abstractmethod
    def decode(self, values: Tensor) -> Any:
        """Samples [N, ...] as the game makes them, as arrays [N, ...] that mean something to users."""

    @abstractmethod
    def samples(self, made: Batch, output_type: str = "pil", start: int = 0) -> Samples:
        """What a game made, from sample ``start`` on; pictures as "pil", "np" or "pt", points as arrays or "pt"."""


class ImageCodec(Codec):
    """Pictures [N, C, H, W] in [-1, 1] as uint8 [N, H, W, C], with a ``signature`` where one is given."""

    key, plural = "image", "images"
    signature: str | None = None

    def decode(self, values: Tensor) -> NDArray[np.uint8]:
        pixels = to_uint8(values)
        return pixels if self.signature is None else signed(pixels, self.signature)

    def samples(self, made: Batch, output_type: str = "pil", start: int = 0) -> Samples:
        if output_type == "pt":
            return Samples.of(made, images=made["image"])
        pixels = self.decode(made["image"])
        return Samples.of(made, images=pixels if output_type == "np" else [to_pil(one) for one in pixels])


class PointCodec(Codec):
    """Points [N, D] as float32, in the units of their data."""

    key, plural = "points", "points"

    def __init__(self, facts: Mapping[str, Any]) -> None:
        super().__init__(facts)
        self.scale = torch.tensor(facts.get("scale", 1.0), dtype=torch.float32)
        self.mean = torch.tensor(facts.get("mean", 0.0), dtype=torch.float32)

    def decode(self, values: Tensor) -> NDArray[np.float32]:
        return (values.detach().float().cpu() * self.scale + self.mean).numpy()

    def samples(self, made: Batch, output_type: str = "pil", start: int = 0) -> Samples:
        points = self.decode(made["points"])
        return Samples.of(made, points=torch.from_numpy(points) if output_type == "pt" else points)


class TableCodec(Codec):
    """Encoded rows [N, D] as a pandas DataFrame of the columns that were learnt from, and what is asked of them."""

    key, plural, chunk = "row", "rows", 4096

    def __init__(self, facts: Mapping[str, Any]) -> None:
        super().__init__(facts)
        self.rows = Rows.from_json(facts["table"])

    def asked(self, where: Where | None) -> Asked:
        return self.rows.asked(where)

    def conditions(
        self, rng: Chance, classes: Sequence[str | int] | None = None,
        attributes: Sequence[Sequence[str]] | None = None, asked: Asked | None = None,
    ) -> Batch:
        told = asked or self.asked(None)
        bounds = {"barred": told.barred.astype(np.float32), "lower": told.lower, "upper": told.upper}
        rows = {name: torch.from_numpy(one).to(rng.device).expand(len(rng), -1) for name, one in bounds.items()}
        return super().conditions(rng, classes, attributes) | rows

    def decode(self, values: Tensor, start: int = 0, asked: Asked | None = None) -> Any:
        return self.rows.decode(values, start, asked)

    def samples(self, made: Batch, output_type: str = "pil", start: int = 0) -> Samples:
        return Samples(table=self.decode(made["row"], start))


class SeriesCodec(Codec):
    """Encoded series [N, C', T] as ``belamy.series.recorded.Recorded``, in the units and at the times of their data."""

    key, plural, chunk = "series", "series", 256

    def __init__(self, facts: Mapping[str, Any]) -> None:
        super().__init__(facts)
        self.facts = facts

    def decode(
        self, values: Tensor, labels: NDArray[np.int64] | None = None, partial: Recorded | None = None,
        whole: bool = False,
    ) -> Recorded:
        return decoded(values.detach().cpu(), self.facts, labels, partial, whole)

    def samples(
        self, made: Batch, output_type: str = "pil", start: int = 0, partial: Recorded | None = None,
        whole: bool = False,
    ) -> Samples:
        found = Samples.of(made)
        found.series = self.decode(made["series"], found.labels, partial, whole)
        found.table = long_table(found.series, start)
        return found


KINDS: dict[str, type[Codec]] = {"points": PointCodec, "table": TableCodec, "series": SeriesCodec}


def codec(facts: Mapping[str, Any]) -> Codec:
    """The one for the kind of data that ``facts`` tell: pictures, if they don't."""
    return KINDS.get(facts.get("kind", "images"), ImageCodec)(facts)
