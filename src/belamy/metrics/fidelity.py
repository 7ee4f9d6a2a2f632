"""How near a picture is to the one it should be: in its pixels, in its structure, in features, and in its texture.

All but the last compare pictures pair by pair, [B, C, H, W] in [-1, 1], and return a number for each [B].
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from belamy.chance import Chance
from belamy.metrics.features import DEFAULT, Features, without_alpha

HIGHEST = 100.0
"""Decibels of equal pictures, and the most that any have."""

DEPTHS = (0, 2, 4, 10, 15)
"""The last blocks of Lite0 at 1/2, 1/4, ... 1/32 of the picture's size."""

_WINDOW, _SPREAD = 11, 1.5  # of SSIM's Gaussian, in pixels
_PATCH, _COARSEST = 7, 16  # pixels a side, of patches and of the pyramid's last level
_TOGETHER = 64  # directions projected on at once, so that memory stays bounded


def psnr(output: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio [B] in dB, ``10 log10(2^2 / mean squared error)``, at most 100.

    ``mask`` [B, 1, H, W]: only where it is 1, the rest being 0, is compared; where it is 0 everywhere, nothing differs.
    """
    error = (output - target).square()
    if mask is None:
        return _decibels(error.mean((1, 2, 3)), 2.0)
    within = mask.expand_as(error)
    return _decibels((error * within).sum((1, 2, 3)) / within.sum((1, 2, 3)).clamp(min=1), 2.0)


def _decibels(error: Tensor, peak: float) -> Tensor:
    return (10 * torch.log10(peak**2 / error.clamp(min=1e-20))).clamp(max=HIGHEST)


def luma(images: Tensor) -> Tensor:
    """Luma [B, 1, H, W], 16 (black) to 235 (white), not rounded: the Y of ITU-R BT.601, as MATLAB's rgb2ycbcr has it.

    Of RGB; grey pictures pass through, as levels 0 to 255. An alpha channel is laid on white.

    Raises:
        ValueError: pictures of more than four channels.
    """
    images = (without_alpha(images) + 1) / 2
    if images.shape[1] == 1:
        return images * 255
    if images.shape[1] != 3:
        raise ValueError(f"luma is of grey or RGB pictures, with alpha or without, not of {images.shape[1]} channels")
    weights = images.new_tensor([65.481, 128.553, 24.966])
    return 16 + torch.einsum("bchw,c->bhw", images, weights)[:, None]


def psnr_y(output: Tensor, target: Tensor, border: int) -> Tensor:
    """PSNR [B] in dB of the ``luma``, peak 255, at most 100, as super-resolution is measured.

    Without ``border`` pixels along each side, by custom as many as the factor of enlargement.

    Raises:
        ValueError: a border that leaves nothing, or as ``luma`` does.
    """
    height, width = output.shape[2:]
    if 2 * border >= min(height, width):
        raise ValueError(f"a border of {border} pixels leaves nothing of {height}x{width}")
    error = (luma(output) - luma(target))[:, :, border : height - border, border : width - border]
    return _decibels(error.square().mean((1, 2, 3)), 255.0)


def ssim(output: Tensor, target: Tensor) -> Tensor:
    """Structural similarity [B], 1 for equal pictures (Wang et al., 2004): the mean over places and channels.

    In Gaussian windows of 11 by 11 pixels and standard deviation 1.5 that lie wholly within the picture, with K1 0.01
    and K2 0.03, black as 0 and white as the range. For pictures of less than 11 pixels the window is the largest odd
    one that fits.
    """
    size = min(_WINDOW, *output.shape[2:])
    size -= 1 - size % 2
    x, y = output.flatten(0, 1)[:, None] + 1, target.flatten(0, 1)[:, None] + 1
    distance = torch.arange(size, device=x.device, dtype=x.dtype) - size // 2
    window = torch.softmax(-distance.square() / (2 * _SPREAD**2), 0)
    maps = torch.cat([x, y, x * x, y * y, x * y])
    means: Tensor = F.conv2d(F.conv2d(maps, window.view(1, 1, 1, -1)), window.view(1, 1, -1, 1))
    mx, my, xx, yy, xy = means.view(5, *output.shape[:2], *means.shape[2:])
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    structure: Tensor = (2 * (xy - mx * my) + c2) / (xx - mx * mx + yy - my * my + c2)
    luminance: Tensor = (2 * mx * my + c1) / (mx * mx + my * my + c1)
    return (luminance * structure).mean((1, 2, 3))


def perceptual(features: Features, output: Tensor, target: Tensor) -> Tensor:
    """Distance [B] of deep features, differentiable: LPIPS without its learned weights (Zhang et al., 2018).

    At five depths of Lite0 the channels at each place are scaled to length 1; their squared differences are added over
    channels, averaged over places, and added over depths: from 0 to 20. Pictures are enlarged as ``Features`` does,
    grey ones repeated in three channels, and alpha is laid on white.

    Raises:
        ValueError: other features, or pictures of more than four channels.
    """
    if features.name != DEFAULT:
        raise ValueError(f"a perceptual distance needs the features {DEFAULT}, not {features.name}")
    if output.shape[1] > 4:
        raise ValueError(f"a perceptual distance is of grey or RGB pictures, not of {output.shape[1]} channels")
    pairs = zip(_maps(features, output), _maps(features, target), strict=True)
    distances = [(x - y).square().sum(1).mean((1, 2)) for x, y in pairs]
    return torch.stack(distances).sum(0).to(output.device)


def _maps(features: Features, images: Tensor) -> list[Tensor]:
    """Maps [B, D, h, w] at each of the depths, of length 1 at each place."""
    found: list[Tensor] = []
    blocks = cast(nn.Module, features.function).get_submodule("network.blocks")
    hooks = [
        block.register_forward_hook(lambda _, __, maps: found.append(maps))
        for depth, block in enumerate(blocks.children()) if depth in DEPTHS
    ]  # fmt: skip
    try:
        features.function(without_alpha(images.to(features.device)))
    finally:
        for hook in hooks:
            hook.remove()
    return [F.normalize(maps.float(), dim=1) for maps in found]


@torch.no_grad()
def patch_swd(output: Tensor | Sequence[Tensor], reference: Tensor | Sequence[Tensor], rng_seed: int = 0,
              patches: int = 128, directions: int = 512) -> float:  # fmt: skip
    """Sliced Wasserstein distance of patches, times 1000, mean over scales: two sets' textures (Karras et al., 2018).

    The sets are batches, or pictures [C, H, W] of various sizes, of any number. At each level of a Laplacian pyramid,
    down to 16 pixels for the smallest picture, each gives ``patches`` of 7x7 pixels at places drawn by the seed, the
    same for pictures of the same size (or all it has, if fewer). Both sets are shifted and scaled by the mean and
    standard deviation, by channel, of the reference's patches: by its own, a set without contrast would be stretched
    until it looked right. The distance is the mean over random directions of the mean absolute difference of the
    sorted projections; of the larger set, its quantiles in the number of the smaller are taken.

    Raises:
        ValueError: an empty set, or a picture with a side of less than 7 pixels.
    """
    sizes = [min(picture.shape[1:]) for pictures in (output, reference) for picture in pictures]
    if not (len(output) and len(reference)) or min(sizes) < _PATCH:
        raise ValueError(f"patches are {_PATCH} pixels a side: either set needs pictures that are not smaller")
    levels = 1
    while min(sizes) >> levels >= _COARSEST:
        levels += 1
    found, wanted = (_patches(pictures, levels, patches, rng_seed) for pictures in (output, reference))
    rng = Chance(rng_seed, [levels], reference[0].device)  # the rows before it draw places
    return 1000 * sum(_swd(x, y, directions, rng) for x, y in zip(found, wanted, strict=True)) / levels


def _patches(pictures: Tensor | Sequence[Tensor], levels: int, count: int, seed: int) -> list[Tensor]:
    """Patches [N, C, 49] of all pictures, for each level, fine to coarse."""
    found: list[list[Tensor]] = [[] for _ in range(levels)]
    for picture in pictures:
        for level, maps in enumerate(_pyramid(picture.float(), levels)):
            windows = maps.unfold(1, _PATCH, 1).unfold(2, _PATCH, 1)
            _, height, width = windows.shape[:3]
            places = _places(seed, level, height * width)[:count].to(maps.device)
            found[level].append(windows[:, places // width, places % width].flatten(2).transpose(0, 1))
    return [torch.cat(parts) for parts in found]


@lru_cache(maxsize=16)
def _places(seed: int, level: int, count: int) -> Tensor:
    return Chance(seed, [level]).uniform(count)[0].argsort()


def _pyramid(picture: Tensor, levels: int) -> list[Tensor]:
    """What each halving of a picture [C, H, W] takes away (Burt and Adelson, 1983), and last what remains."""
    found = []
    for _ in range(levels - 1):
        small = _blurred(picture)[:, ::2, ::2]
        spread = torch.zeros_like(picture)
        spread[:, ::2, ::2] = 4 * small
        found.append(picture - _blurred(spread))
        picture = small
    return [*found, picture]


def _blurred(picture: Tensor) -> Tensor:
    taps = picture.new_tensor([1, 4, 6, 4, 1]) / 16
    wide = F.pad(picture[:, None], (2, 2, 2, 2), mode="reflect")
    return F.conv2d(wide, (taps[:, None] * taps)[None, None])[:, 0]


def _swd(x: Tensor, y: Tensor, directions: int, rng: Chance) -> float:
    """The distance of patches x [N, C, 49] and y [M, C, 49] in terms of y's mean and deviation."""
    mean, deviation = y.mean((0, 2), keepdim=True), y.std((0, 2), keepdim=True).clamp(min=1e-8)
    x, y = (((patches - mean) / deviation).flatten(1) for patches in (x, y))
    lines = F.normalize(rng.normal(directions, x.shape[1])[0], dim=1).split(_TOGETHER)
    differences = [_quantiles(some @ x.t(), len(y)) - _quantiles(some @ y.t(), len(x)) for some in lines]
    return float(torch.cat(differences).abs().mean())


def _quantiles(values: Tensor, others: int) -> Tensor:
    """Sorted rows [K, N]; where they are longer than the ``others``, as many of their quantiles."""
    ordered = torch.from_numpy(np.sort(values.cpu().numpy()))  # ten times as fast as torch's sort
    count = min(values.shape[1], others)
    return ordered[:, (torch.arange(count) + 0.5).mul(values.shape[1] / count).long()]
