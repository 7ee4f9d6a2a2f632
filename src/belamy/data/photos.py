"""Pictures that are their own answer: shrunk to be enlarged, holed to be filled, or to be painted in another style."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor

from belamy.chance import Chance
from belamy.data.cuts import Photos, fitting
from belamy.data.gallery import gallery
from belamy.errors import UserError
from belamy.game import Batch
from belamy.ops.degrade import second_order, shrink
from belamy.ops.fill import harmonic
from belamy.ops.masks import holes


class _Own(Photos):
    """Pictures in squares of ``resolution`` pixels, or of ``most`` if they fit, as a multiple of ``multiple``."""

    def __init__(
        self, path: str, resolution: int | None, most: int, multiple: int, channels: int | None, size: int | None,
        flip: bool, bad_limit: float, seed: int, **facts: Any,
    ) -> None:  # fmt: skip
        pictures = gallery(path, size, bad_limit=bad_limit)
        views = [(row,) for row in range(len(pictures))]
        side = resolution or fitting(pictures, views, multiple, most)
        if side % multiple:
            near = max(1, side // multiple) * multiple
            raise UserError(f"data.resolution {side} should be a multiple of {multiple}; try {near}")
        super().__init__(pictures, views, channels, side, flip, seed, **facts)


class Degraded(_Own):
    """Rows ``{"source": [B, C, R / scale, R / scale], "target": [B, C, R, R]}`` in [-1, 1], for super-resolution.

    ``degradation``: "bicubic" shrinks as Pillow does; "real" spoils as cameras and the web do (Wang et al., 2021).
    ``resolution`` is the side of the targets, 96 unless the pictures are smaller. Held-out pictures are always shrunk
    the plain way unless the degradation is "real".
    """

    def __init__(
        self, path: str, scale: int, resolution: int | None = None, degradation: Literal["bicubic", "real"] = "bicubic",
        channels: int | None = None, size: int | None = None, flip: bool = True, bad_limit: float = 0.05, seed: int = 0,
    ) -> None:  # fmt: skip
        if scale not in (2, 3, 4):
            raise UserError(f"scale {scale} should be 2, 3 or 4")
        self.multiple, self._real = scale, degradation == "real"
        facts = {"task": "superres", "scale": scale, "degradation": degradation}
        super().__init__(path, resolution, 96, scale, channels, size, flip, bad_limit, seed, **facts)
        self.facts["target_channels"] = self.facts["channels"]

    def made(self, squares: list[Tensor], rng: Chance) -> Batch:
        (target,) = squares
        source = second_order(target, self.multiple, rng) if self._real else shrink(target, self.multiple)
        return {"source": source, "target": target}


class Holed(_Own):
    """Rows of ``{"source", "mask", "target"}``: [B, C, R, R] in [-1, 1], and [B, 1, R, R] where 1 is a hole.

    In ``source`` the holes are filled harmonically. ``resolution`` is 64 unless the pictures are smaller.
    """

    def __init__(
        self, path: str, resolution: int | None = None, channels: int | None = None, size: int | None = None,
        flip: bool = True, bad_limit: float = 0.05, seed: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(path, resolution, 64, 8, channels, size, flip, bad_limit, seed, task="inpaint")
        self.facts["target_channels"] = self.facts["channels"]

    def made(self, squares: list[Tensor], rng: Chance) -> Batch:
        (target,) = squares
        mask = holes(rng, *target.shape[-2:])
        return {"source": harmonic(target, mask), "mask": mask, "target": target}


class Styled(_Own):
    """Rows ``{"source": [B, C, R, R], "style": [B, C, R, R]}`` in [-1, 1]: a picture, and a part of the style's.

    ``style`` is one picture or a folder of them: an artist. ``style_size`` scales them first, to so many pixels on
    their shorter side. ``resolution`` is 128 unless the pictures are smaller.
    """

    def __init__(
        self, path: str, style: str | None = None, resolution: int | None = None, channels: int | None = 3,
        size: int | None = None,
        style_size: int | None = None, flip: bool = False, bad_limit: float = 0.05, seed: int = 0,
    ) -> None:  # fmt: skip
        if not style:
            raise UserError("there is no style to learn: --style picture.png, or a folder of them")
        super().__init__(path, resolution, 128, 8, channels, size, flip, bad_limit, seed, task="style")
        strokes = gallery(style, style_size, bad_limit=bad_limit)
        views = [(row,) for row in range(len(strokes))]
        side, count = self.facts["resolution"], self.facts["channels"]
        if (least := int(strokes.shapes[:, :2].min())) < side:
            raise UserError(
                f"{style} has pictures of {least} pixels, smaller than the squares of {side} to train on:"
                f" --set data.style_size={side} enlarges them"
            )
        self._style = Photos(strokes, views, count, side, True, seed).everything()
        self.facts["target_channels"] = self.facts["channels"]

    def made(self, squares: list[Tensor], rng: Chance) -> Batch:
        strokes = self._style.rows(rng.integers(len(self._style)).numpy(), rng)
        return {"source": squares[0], "style": strokes["image"]}
