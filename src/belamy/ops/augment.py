"""Augmentation that gradients pass through twice, so that a discriminator sees more than the data holds.

Every transformation is applied to a row with probability ``p``; what generator and reader see stays untouched
(Karras et al., 2020, "Training generative adversarial networks with limited data"; Zhao et al., 2020).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.chance import Chance


def augment(images: Tensor, rng: Chance, p: float, shift: float = 0.125, cut: float = 0.5, colour: float = 0.5,
            scale: float = 0.0, turn: float = 0.0, flip: bool = False) -> Tensor:  # fmt: skip
    """Shifted, scaled, turned, flipped, recoloured and partly hidden images [B, C, H, W], from the same in [-1, 1].

    ``shift`` and ``cut`` (the side of the hidden square) are shares of the picture's side, ``turn`` is in radians, to
    either side, ``scale`` the standard deviation of the log2 of the zoom; ``colour`` scales brightness, saturation and
    contrast. With ``flip`` squares are mirrored or not, and turned by none to three quarters, each with the same
    chance: the flips and rotations of ADA's "pixel blitting".
    """
    if p <= 0:
        return images
    images = images.contiguous()  # with three channels innermost, nothing of this is vectorised
    transformed = bool(scale or turn)
    if transformed:
        drawn, move = rng.uniforms(5, 2)
        zoom, angle = rng.normal(1)[:, 0] * scale, (rng.uniform(1)[:, 0] * 2 - 1) * turn
        tint, corner = rng.uniforms(3, 2)
    else:
        drawn, move, _, _, tint, corner = rng.uniforms(4, 2, 1, 1, 3, 2)
        zoom = angle = drawn.new_zeros(len(drawn))
    chosen = (drawn < p).float()
    move, tint = (move * 2 - 1) * shift * chosen[:, 1:2], tint - 0.5
    if colour:
        images = _recolour(images, tint * colour * chosen[:, :1])
    if flip:
        mirrored, turns = (rng.uniform(2) / p).unbind(1)
        images = flipped(images, mirrored < 0.5, (4 * turns).long())
    if transformed:
        images = _transform(images, move, torch.exp2(zoom * chosen[:, 2]), angle * chosen[:, 4])
    elif shift:
        images = _shift(images, move)
    return _hide(images, corner, cut, chosen[:, 3]) if cut else images


def flipped(images: Tensor, mirrored: Tensor, turns: Tensor) -> Tensor:
    """Squares [B, C, S, S] exchanged left and right where ``mirrored`` [B], then turned to the left.

    ``turns`` [B] counts quarters; what is not 1, 2 or 3 leaves a picture as it is.
    """
    images = _where(mirrored, images.flip(3), images)
    images = _where((turns == 1) | (turns == 3), images.transpose(2, 3), images)
    images = _where((turns == 1) | (turns == 2), images.flip(2), images)
    return _where((turns == 2) | (turns == 3), images.flip(3), images)


def _where(chosen: Tensor, some: Tensor, others: Tensor) -> Tensor:
    return torch.where(chosen.view(-1, 1, 1, 1), some, others)


def _recolour(images: Tensor, amount: Tensor) -> Tensor:
    """Brightness, then saturation about the grey of each pixel, then contrast about each picture's mean.

    ``(1 + contrast) * ((1 + 2 saturation) * images - 2 saturation * grey) + brightness - contrast * mean``, in all.
    """
    brightness, saturation, contrast = (part.view(-1, 1, 1, 1).to(images.dtype) for part in amount.unbind(1))
    if images.shape[1] != 3:
        saturation = torch.zeros_like(saturation)
    grey = images.mean(1, keepdim=True)
    ground = brightness - contrast * grey.mean((2, 3), keepdim=True) - (1 + contrast) * 2 * saturation * grey
    return torch.addcmul(ground, (1 + contrast) * (1 + 2 * saturation), images)


def _shift(images: Tensor, move: Tensor) -> Tensor:
    """Whole pixels; what comes in repeats the edge, as a picture's background would go on."""
    height, width = images.shape[2:]
    # Products of matrices: the second derivative of indexing takes three times as long on a CPU.
    rows, columns = (_moved(*axis).to(images.dtype) for axis in ((height, move[:, 0]), (width, move[:, 1])))
    return torch.einsum("bcik,blk->bcil", torch.einsum("bij,bcjk->bcik", rows, images), columns)


def _moved(size: int, move: Tensor) -> Tensor:
    """[B, ``size``, ``size``]: which row or column comes where when all ``move`` by a share of the size."""
    places = (move[:, None] * size).round().long() + torch.arange(size, device=move.device)
    return F.one_hot(places.clamp(0, size - 1), size)


def _transform(images: Tensor, move: Tensor, zoom: Tensor, angle: Tensor) -> Tensor:
    """Bilinear, by gathering the four neighbours: torch's grid_sample cannot be differentiated twice."""
    count, channels, height, width = images.shape
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    ys = torch.linspace(-1, 1, height, device=images.device)[None, :, None]
    xs = torch.linspace(-1, 1, width, device=images.device)[None, None, :]
    y = cos[:, None, None] * ys + sin[:, None, None] * xs + 2 * move[:, 0, None, None]
    x = cos[:, None, None] * xs - sin[:, None, None] * ys + 2 * move[:, 1, None, None]
    y, x = ((y + 1) / 2 * (height - 1)).clamp(0, height - 1), ((x + 1) / 2 * (width - 1)).clamp(0, width - 1)
    top, left = y.floor().clamp(max=height - 2).long(), x.floor().clamp(max=width - 2).long()
    fy, fx = (y - top).to(images.dtype), (x - left).to(images.dtype)
    flat = images.flatten(2)

    def at(rows: Tensor, columns: Tensor) -> Tensor:
        place = (rows * width + columns).flatten(1)[:, None].expand(-1, channels, -1)
        return flat.gather(2, place).view(count, channels, height, width)

    fy, fx = fy[:, None], fx[:, None]
    upper = at(top, left) * (1 - fx) + at(top, left + 1) * fx
    lower = at(top + 1, left) * (1 - fx) + at(top + 1, left + 1) * fx
    return upper * (1 - fy) + lower * fy


def _hide(images: Tensor, corner: Tensor, side: float, chosen: Tensor) -> Tensor:
    """A square of ``side``, centred anywhere, becomes mid-grey where ``chosen``."""
    height, width = images.shape[2:]
    near_y = (torch.arange(height, device=images.device) / height - corner[:, :1]).abs() < side / 2
    near_x = (torch.arange(width, device=images.device) / width - corner[:, 1:]).abs() < side / 2
    hidden = near_y[:, None, :, None] & near_x[:, None, None, :] & chosen.bool().view(-1, 1, 1, 1)
    return images.masked_fill(hidden, 0.0)
