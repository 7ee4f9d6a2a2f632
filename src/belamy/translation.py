"""One picture answered by a trained game: of any size, depth and number of channels, in tiles where it is large."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from belamy.data.gallery import recoloured, to_tensor
from belamy.errors import UserError
from belamy.game import Batch, Game
from belamy.ops.fill import harmonic
from belamy.ops.grain import grain
from belamy.tiles import tiled

TILE = 512
"""Pixels along a side of a tile, unless told."""
LARGE = 1024**2
"""Pixels from which on a picture goes in tiles, unless told."""

Progress = Callable[[int, int], None]
Tile = int | Literal["auto"] | None
PRECISIONS = ("fp32", "bf16")
NEAR = 64
"""Pixels along a side of squares: holes in neighbouring ones are filled together."""


def translate(
    game: Game, facts: dict[str, Any], pixels: NDArray[Any], *, mask: NDArray[np.bool_] | None = None,
    strength: float | None = None, denoise: float | None = None, backwards: bool = False,
    tile: Tile = "auto", precision: str = "fp32", progress: Progress | None = None,
) -> NDArray[Any]:
    """``game``'s answer to ``pixels`` uint8 or uint16 [H, W, C]: as deep, and ``game.scale`` times as large.

    ``mask`` [H, W] is true where pixels are missing; without one, what is fully transparent is. ``strength`` is that of
    a style, ``denoise`` 0 for the faithful network and 1 for the sharp one, ``backwards`` makes A of B. ``tile`` is a
    side in pixels, or None: all at once. ``precision`` "bf16" computes with half the digits. Alpha that the game knows
    nothing of stays as it is, or is enlarged as a picture of its own. Raises UserError for what this game has no use
    for.
    """  # fmt: skip
    if game.scale is None:
        raise UserError(f"{type(game).__name__} makes pictures from nothing: belamy sample")
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.ndim != 3:
        raise UserError(f"a picture is uint8 or uint16 [H, W, C], not {pixels.dtype} {list(pixels.shape)}")
    if precision not in PRECISIONS:
        raise UserError(f"--precision {precision} should be {' or '.join(PRECISIONS)}")
    task = facts.get("task")
    for name, wish, wanted in (
        ("mask", mask, "inpaint"), ("strength", strength, "style"), ("denoise", denoise, "superres"),
    ):  # fmt: skip
        if wish is not None and task != wanted:
            raise UserError(f"--{name} is for {wanted}, and this model is of another kind ({task})")
    if backwards and not game.reversible:
        raise UserError(f"{type(game).__name__} goes one way only: leave --backwards out")
    if denoise is not None:
        game = between(game, denoise)
    source, target = facts["channels"], facts["target_channels"]
    taken, given = (target, source) if backwards else (source, target)
    ask = _Asking(game, taken, given, strength, backwards, tile, precision, progress)
    colours, alpha = _parts(pixels, ask.taken)
    if task == "inpaint":
        return _filled(ask, pixels, colours, _hole(mask, pixels))
    beside = [grain(*colours.shape[:2])] if task == "style" else []
    whole = ask.like(colours) if task == "superres" else ask(colours, *beside)
    if alpha is None or whole.shape[2] in (2, 4):
        return whole
    return np.concatenate([whole, alpha if alpha.shape[:2] == whole.shape[:2] else ask.like(alpha)], axis=2)


def marked(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a mask [H, W, C] is white, above half of what its type holds, or true; alpha says nothing."""
    shades = mask[..., :-1] if mask.shape[2] in (2, 4) else mask
    half = 0 if mask.dtype == np.bool_ else np.iinfo(mask.dtype).max // 2
    return np.asarray(shades.max(2) > half)


def between(game: Game, amount: float) -> Game:
    """The game with the weights of its generator ``amount`` of the way from the faithful network to the sharp one."""
    if not 0 <= amount <= 1:
        raise UserError(f"--denoise {amount} should be from 0 (faithful) to 1 (sharp)")
    sharp, faithful = game.get_submodule("generator"), game.get_submodule("faithful")
    mixed = copy.deepcopy(sharp)
    with torch.no_grad():
        for own, other in zip(mixed.parameters(), faithful.parameters(), strict=True):
            own.lerp_(other, 1 - amount)
    found = copy.copy(game)
    found._modules = {**game._modules, "generator": mixed}
    return found


def _parts(pixels: NDArray[Any], channels: int) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Colours and alpha, where a game of so many ``channels`` knows no alpha."""
    count = pixels.shape[2]
    if count != channels and max(count, channels) > 4:
        raise UserError(f"this model takes pictures of {channels} channels, and this one has {count}")
    if count in (2, 4) and channels in (1, 3):
        return pixels[..., :-1], pixels[..., -1:]
    return pixels, None


def _hole(mask: NDArray[np.bool_] | None, pixels: NDArray[Any]) -> NDArray[np.bool_]:
    if mask is not None and mask.shape != pixels.shape[:2]:
        (height, width), (rows, columns) = mask.shape[:2], pixels.shape[:2]
        raise UserError(f"the mask is {width}x{height}, the picture {columns}x{rows}: make them equal")
    if mask is None:
        if pixels.shape[2] not in (2, 4):
            raise UserError("nothing says what is missing: give --mask, or a picture that is transparent there")
        mask = pixels[..., -1] == 0
    if mask.all():
        raise UserError("all of the picture is missing: nothing is left to fill it from")
    return mask


def _filled(
    ask: _Asking, pixels: NDArray[Any], colours: NDArray[Any], mask: NDArray[np.bool_]
) -> NDArray[Any]:
    """The picture with its holes filled, and opaque there; what is known comes back bit for bit."""
    if not mask.any():
        return pixels.copy()
    whole = ask.like(_smoothed(colours, mask), mask[..., None])
    found = pixels.copy()
    found[..., : whole.shape[2]][mask] = whole[mask]
    if pixels.shape[2] in (2, 4):
        found[..., -1][mask] = np.iinfo(pixels.dtype).max
    return found


def _smoothed(colours: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Harmonically filled, a cluster of holes and a plane of colour at a time, for memory."""
    found = colours.copy()
    for box, own in _clusters(mask):
        wide = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)
        inner = tuple(
            slice(side.start - more.start, side.stop - more.start) for side, more in zip(box, wide, strict=True)
        )
        hole = torch.from_numpy(mask[wide].astype(np.float32))[None, None]
        for plane in np.split(found, found.shape[2], axis=2):
            smooth = to_pixels(harmonic(to_tensor(plane[wide])[None], hole)[0], plane.dtype)
            plane[box][own] = smooth[inner][own]
    return found


def _clusters(mask: NDArray[np.bool_]) -> Iterator[tuple[tuple[slice, slice], NDArray[np.bool_]]]:
    """Boxes around holes that are near each other, and where in a box they are.

    Between holes of different boxes lie known pixels, so that neither has a say in how the other is filled.
    """
    starts = [np.arange(0, side, NEAR) for side in mask.shape]
    blocks = np.logical_or.reduceat(np.logical_or.reduceat(mask, starts[0], axis=0), starts[1], axis=1)
    holed = torch.from_numpy(blocks).float()[None]
    labels, before = holed * torch.arange(1, blocks.size + 1).view_as(holed), holed
    while not torch.equal(labels, before):
        labels, before = F.max_pool2d(labels, 3, 1, 1) * holed, labels
    for label in labels[holed > 0].unique():
        mine = (labels[0] == label).numpy()
        rows, columns = (slice(int(where.min()), int(where.max()) + 1) for where in mine.nonzero())
        box = slice(rows.start * NEAR, rows.stop * NEAR), slice(columns.start * NEAR, columns.stop * NEAR)
        own = mask[box]
        cells = mine[rows, columns].repeat(NEAR, axis=0).repeat(NEAR, axis=1)
        yield box, own & cells[: own.shape[0], : own.shape[1]]


@dataclass(frozen=True)
class _Asking:
    """A game, and how it is asked: it takes pictures of ``taken`` channels, and gives ``given``."""

    game: Game
    taken: int
    given: int
    strength: float | None
    backwards: bool
    tile: Tile
    precision: str
    progress: Progress | None

    def like(self, picture: NDArray[Any], *others: NDArray[Any]) -> NDArray[Any]:
        """The answer to a picture that is to stay of its kind: with as many channels, each alone if need be."""
        count = picture.shape[2]
        if self.taken == 1 and count == 3:
            return np.concatenate([self(plane, *others) for plane in np.split(picture, 3, axis=2)], axis=2)
        answer = self(picture, *others)
        if answer.shape[2] == count:
            return answer
        colours = answer[..., :-1] if answer.shape[2] in (2, 4) else answer
        if count < 3:
            colours = colours.mean(2, keepdims=True).round().astype(answer.dtype)
        return np.concatenate([colours, answer[..., -1:]], axis=2) if count in (2, 4) else colours

    def __call__(self, *pictures: NDArray[Any]) -> NDArray[Any]:
        """The game's answer to a picture, and to a mask or a grain beside it, as deep as the picture is."""
        game, (height, width) = self.game, pictures[0].shape[:2]
        tile = self.tile
        if tile == "auto":
            tile = TILE if game.radius is not None and height * width > LARGE else None
        if tile is not None and game.radius is None:
            raise UserError(f"{type(game).__name__} looks at the whole picture at once: --tile none")
        scale = game.scale or 1
        out = np.empty((height * scale, width * scale, self.given), pictures[0].dtype)
        tiled(
            self._answer, pictures, out, tile=tile, stride=game.stride, radius=game.radius or 0, scale=scale,
            progress=self.progress,
        )  # fmt: skip
        return out

    @torch.inference_mode()
    def _answer(self, *parts: NDArray[Any]) -> NDArray[Any]:
        device = next(self.game.parameters()).device
        given: Batch = {"source": recoloured(to_tensor(parts[0]), self.taken)[None].to(device)}
        if len(parts) > 1:
            given |= {name: plane[None].to(device) for name, plane in _named(parts[1]).items()}
        if self.strength is not None:
            given["strength"] = torch.tensor([self.strength], device=device)
        if self.backwards:
            given["backwards"] = torch.ones(1, device=device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            image = self.game.sample(given)["image"][0]
        return to_pixels(image.cpu(), parts[0].dtype)


def _named(plane: NDArray[Any]) -> Batch:
    """A mask, or a grain, [H, W, 1] as games call it [1, H, W]."""
    if plane.dtype == np.bool_:
        return {"mask": torch.from_numpy(plane.astype(np.float32)).permute(2, 0, 1)}
    return {"grain": to_tensor(plane)}


def to_pixels(image: Tensor, kind: Any) -> NDArray[Any]:
    """A picture [C, H, W] in [-1, 1] as uint8 or uint16 [H, W, C]; halves round up, what lies outside is clamped."""
    top = np.iinfo(kind).max
    levels = ((image.float().nan_to_num() + 1) * (top / 2) + 0.5).floor().clamp(0, top)
    pixels: NDArray[Any] = levels.permute(1, 2, 0).numpy().astype(kind)
    return pixels
