"""What a model made, in the form that was asked for."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from belamy.errors import UserError
from belamy.game import Batch
from belamy.pictures import grid, scatter, to_uint8
from belamy.series.recorded import Recorded


@dataclass
class Samples:
    """Pictures in the form that was asked for, or points, or a table: a pandas DataFrame.

    ``series`` holds values [N, T, C], lengths and times of series, of which ``table`` has a row for each step. Beside
    them what was asked for: classes int64 [N], attributes [N, A]. ``labels`` and ``attributes``, which are 0 or
    1, are None where there are none.
    """

    images: Any = None
    labels: NDArray[np.int64] | None = None
    points: Any = None
    attributes: NDArray[np.uint8] | None = None
    table: Any = None
    series: Recorded | None = None

    @classmethod
    def of(cls, made: Batch, **values: Any) -> Samples:
        """``values`` beside what was asked for, as a game's batch tells it."""
        labels, attributes = made.get("class"), made.get("attributes")
        return cls(
            labels=None if labels is None else labels.cpu().numpy(),
            attributes=None if attributes is None else attributes.byte().cpu().numpy(), **values,
        )  # fmt: skip

    @property
    def values(self) -> Any:
        """The samples, whatever they are."""
        return next(found for found in (self.images, self.points, self.table) if found is not None)

    def __len__(self) -> int:
        return len(self.values)

    def grid(self, columns: int | None = None) -> Image.Image:
        """All samples in one picture. Raises UserError for a table."""
        if self.table is not None:
            raise UserError("a table is no picture: see .table")
        if self.images is None:
            return scatter(np.asarray(self.points))
        if isinstance(self.images, torch.Tensor):
            return grid(to_uint8(self.images), columns)
        if isinstance(self.images, np.ndarray):
            return grid(self.images, columns)
        stacked = np.stack([np.asarray(image).reshape(*reversed(image.size), -1) for image in self.images])
        return grid(stacked, columns)

    def _repr_png_(self) -> bytes | None:
        if self.table is not None:
            return None
        held = io.BytesIO()
        self.grid().save(held, "PNG")
        return held.getvalue()
