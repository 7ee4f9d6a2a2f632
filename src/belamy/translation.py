"""One picture answered by a trained game: of any size, depth and number of channels, in tiles where it is large."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from belamy.data.gallery import recoloured, to_tensor
from belamy.errors import UserError
from belamy.game import Batch, Game
from belamy.ops.fill import harmonic
from belamy.tiles import tiled

TILE = 512
"""Pixels along a side of a tile, unless told."""
LARGE = 1024**2
"""Pixels from which on a picture goes in tiles, unless told."""

Progress = Callable[[int, int], None]
Tile = int | Literal["auto"] | None


def translate(
    game: Game, facts: dict[str, Any], pixels: NDArray[Any], *, mask: NDArray[np.bool_] | None = None,
    strength: float | None = None, denoise: float | None = None, backwards: bool = False,
    tile: Tile = "auto", progress: Progress | None = None,
) -> NDArray[Any]:
    """``game``'s answer to ``pixels`` uint8 or uint16 [H, W, C]: as deep, and ``game.scale`` times as large.

    ``mask`` [H, W] is true where pixels are missing; without one, what is fully transparent is. ``strength`` is that of
    a style, ``denoise`` 0 for the faithful network and 1 for the sharp one, ``backwards`` makes A of B. ``tile`` is a
    side in pixels, or None: all at once. Alpha that the game knows nothing of stays as it is, or is enlarged as a
    picture of its own. Raises UserError for what this game has no use for.
    """  # fmt: skip
    if game.scale is None:
        raise UserError(f"{type(game).__name__} makes pictures from nothing: belamy sample")
    task = facts.get("task")
    for name, given, wanted in (
        ("mask", mask, "inpaint"), ("strength", strength, "style"), ("denoise", denoise, "superres"),
    ):  # fmt: skip
        if given is not None and task != wanted:
            raise UserError(f"--{name} is for {wanted}, and this model is of another kind ({task})")
    if denoise is not None:
        game = between(game, denoise)
    colours, alpha = _parts(pixels, facts["channels"])
    if task == "inpaint":
        mask = _hole(mask, alpha, pixels)
        return _filled(game, facts, pixels, colours, mask, tile, progress)
    whole = _answered(game, facts, [colours], strength, backwards, tile, progress)
    if alpha is None:
        return _as_found(whole, pixels, task)
    if whole.shape[:2] != pixels.shape[:2]:
        alpha = _as_found(_answered(game, facts, [alpha], None, False, tile, None), alpha, "superres")
    return np.concatenate([_as_found(whole, pixels[..., :-1], task), alpha], axis=2)


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


def _hole(mask: NDArray[np.bool_] | None, alpha: NDArray[Any] | None, pixels: NDArray[Any]) -> NDArray[np.bool_]:
    if mask is not None and mask.shape != pixels.shape[:2]:
        (height, width), (rows, columns) = mask.shape, pixels.shape[:2]
        raise UserError(f"the mask is {width}x{height}, the picture {columns}x{rows}: make them equal")
    if mask is None:
        if alpha is None:
            raise UserError("nothing says what is missing: give --mask, or a picture that is transparent there")
        mask = alpha[..., 0] == 0
    return mask


def _filled(
    game: Game, facts: dict[str, Any], pixels: NDArray[Any], colours: NDArray[Any], mask: NDArray[np.bool_],
    tile: Tile, progress: Progress | None,
) -> NDArray[Any]:  # fmt: skip
    """The picture with its holes filled, and opaque there; what is known comes back bit for bit."""
    if mask.all():
        raise UserError("all of the picture is missing: nothing is left to fill it from")
    hole = torch.from_numpy(mask.astype(np.float32))[None, None]
    smooth = harmonic(to_tensor(colours)[None], hole)[0]
    filled = np.where(mask[..., None], to_pixels(smooth, pixels.dtype), colours)
    answer = _answered(game, facts, [filled, mask[..., None]], None, False, tile, progress)
    whole = _as_found(answer, colours, "inpaint")
    found = pixels.copy()
    found[..., : whole.shape[2]][mask] = whole[mask]
    found[..., whole.shape[2] :][mask] = np.iinfo(pixels.dtype).max
    return found


def _answered(
    game: Game, facts: dict[str, Any], pictures: list[NDArray[Any]], strength: float | None, backwards: bool,
    tile: Tile, progress: Progress | None,
) -> NDArray[Any]:  # fmt: skip
    """The game's answer to a picture, and to a mask beside it, as deep as the picture is."""
    height, width = pictures[0].shape[:2]
    if tile == "auto":
        tile = TILE if game.radius is not None and height * width > LARGE else None
    if tile is not None and game.radius is None:
        raise UserError(f"{type(game).__name__} looks at the whole picture at once: --tile none")
    device, scale = next(game.parameters()).device, game.scale or 1
    asked = "target_channels" if not backwards else "channels"
    taken = "channels" if not backwards else "target_channels"

    @torch.inference_mode()
    def answer(*parts: NDArray[Any]) -> NDArray[Any]:
        given: Batch = {"source": recoloured(to_tensor(parts[0]), facts[taken])[None].to(device)}
        if len(parts) > 1:
            given["mask"] = torch.from_numpy(parts[1].astype(np.float32)).permute(2, 0, 1)[None].to(device)
        if strength is not None:
            given["strength"] = torch.tensor([strength], device=device)
        if backwards:
            given["backwards"] = torch.ones(1, device=device)
        return to_pixels(game.sample(given)["image"][0].cpu(), parts[0].dtype)

    out = np.empty((height * scale, width * scale, facts[asked]), pictures[0].dtype)
    tiled(
        answer, pictures, out, tile=tile, stride=game.stride, radius=game.radius or 0, scale=scale, progress=progress
    )
    return out


def to_pixels(image: Tensor, kind: Any) -> NDArray[Any]:
    """A picture [C, H, W] in [-1, 1] as uint8 or uint16 [H, W, C]; halves round up, what lies outside is clamped."""
    top = np.iinfo(kind).max
    levels = ((image.float().nan_to_num() + 1) * (top / 2) + 0.5).floor().clamp(0, top)
    pixels: NDArray[Any] = levels.permute(1, 2, 0).numpy().astype(kind)
    return pixels


def _as_found(answer: NDArray[Any], asked: NDArray[Any], task: str | None) -> NDArray[Any]:
    """A grey picture that was answered in colour as a grey one again, where the task is to make the same one better."""
    if task not in ("superres", "inpaint") or asked.shape[2] not in (1, 2) or answer.shape[2] == 1:
        return answer
    grey: NDArray[Any] = answer.mean(2, keepdims=True).round().astype(answer.dtype)
    return grey
