"""What makes a good picture worse, or like others: shrinking, wear and tear, another set's colours.

Pictures are [B, C, H, W] in [-1, 1], of any number of channels, and are taken as pictures of eight bits.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from belamy.chance import Chance

Filter = Literal["bicubic", "lanczos"]


def shrink(images: Tensor, factor: int, how: Filter = "bicubic") -> Tensor:
    """Pillow's antialiased reduction of each channel, in eight bits: [B, C, H, W] -> [B, C, H / factor, W / factor].

    Computed with Pillow's own weights, and rounded and clamped after each of its two passes as Pillow does, but in
    float32: where Pillow's integers round a tie the other way, a pixel differs by one level of 255. No gradients pass.

    Raises:
        ValueError: a factor that is not 2, 3 or 4, or a side that it does not divide.
    """
    return _by_pillow(images, *_reduced(images, factor), how)


def enlarge(images: Tensor, factor: int, how: Filter = "bicubic") -> Tensor:
    """Pillow's enlargement in eight bits, the baseline of super-resolution: [B, C, H, W] -> [B, C, fH, fW].

    As near to Pillow as ``shrink`` is, and with its errors.
    """
    _check(factor)
    height, width = images.shape[2:]
    return _by_pillow(images, height * factor, width * factor, how)


def _check(factor: int) -> None:
    if factor not in (2, 3, 4):
        raise ValueError(f"pictures change size by a factor of 2, 3 or 4, not {factor}")


def _reduced(images: Tensor, factor: int) -> tuple[int, int]:
    """Height and width divided by ``factor``."""
    _check(factor)
    height, width = images.shape[2:]
    down, across = height // factor, width // factor
    if (down * factor, across * factor) != (height, width):
        raise ValueError(f"{factor} does not divide {height}x{width}; crop to {down * factor}x{across * factor}")
    return down, across


@torch.no_grad()
def _by_pillow(images: Tensor, height: int, width: int, how: Filter) -> Tensor:
    rows, columns = (_weights(*sizes, how).to(images) for sizes in zip(images.shape[2:], (height, width), strict=True))
    across = _rounded(_levels(images) @ columns.t())
    return _rounded(rows @ across) / 127.5 - 1


@cache
def _weights(size: int, target: int, how: Filter) -> Tensor:
    """[``target``, ``size``]: how Pillow weighs an axis's pixels, found by resizing the identity."""
    identity = Image.fromarray(np.eye(size, dtype=np.float32))
    return torch.from_numpy(np.array(identity.resize((size, target), Image.Resampling[how.upper()])))


def _levels(images: Tensor) -> Tensor:
    """From [-1, 1] to the whole numbers 0 to 255."""
    return _rounded((images + 1) * 127.5)


def _rounded(levels: Tensor) -> Tensor:
    return (levels + 0.5).floor().clamp(0, 255)


def match_histograms(images: Tensor, reference: Tensor | Sequence[Tensor]) -> Tensor:
    """Each channel of each picture [B, C, H, W], recoloured to have the distribution that it has in the ``reference``.

    The reference is a batch, or pictures [C, H, W] of various sizes, taken together. A pixel's level becomes the level
    with the same share of pixels below; equal levels stay equal, by the middle of their shares.
    """
    pooled = torch.cat([picture.flatten(1) for picture in reference], 1).cpu().numpy()
    known = torch.from_numpy(np.sort(pooled)).to(images)  # ten times as fast as torch's sort
    flat = images.flatten(2).contiguous()
    ordered = flat.sort(2).values
    below, up_to = (torch.searchsorted(ordered, flat, right=right) for right in (False, True))
    last = known.shape[1] - 1
    place = ((below + up_to) * (known.shape[1] / (2 * flat.shape[2])) - 0.5).clamp(0, last)
    lower = place.long()
    upper, channel = (lower + 1).clamp(max=last), torch.arange(len(known), device=images.device)[:, None]
    return torch.lerp(known[channel, lower], known[channel, upper], place - lower).view_as(images)


@dataclass(frozen=True)
class _Pass:
    """The ranges of one pass of wear."""

    blurred: float  # how often
    sigma: float  # the widest blur, in pixels
    bigger: float  # the largest factor of resizing; it enlarges, reduces and keeps the size ...
    smaller: float
    resizes: tuple[float, float, float]  # ... as often as this
    gaussian: float  # the strongest noise, in levels of 255
    poisson: float  # the strongest, in that of a photon a level


FIRST = _Pass(1.0, 3.0, 1.5, 0.15, (0.2, 0.7, 0.1), 30.0, 3.0)
SECOND = _Pass(0.8, 1.5, 1.2, 0.3, (0.3, 0.4, 0.3), 25.0, 2.5)

_REACH = 10  # pixels from the middle of the widest kernel to its edge
_KERNELS = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)
_MODES = ("area", "bilinear", "bicubic")
_COUNTS = 400  # photons: 255 are expected at most, and nine deviations more never come


@torch.no_grad()
def second_order(images: Tensor, factor: int, rng: Chance) -> Tensor:
    """Pictures as bad as those of the wild, [B, C, H / factor, W / factor] (Real-ESRGAN, Wang et al., 2021).

    Two passes, and in brackets where the second differs:

    - Blur [in 80 %], by kernels of 7, 9, ... 21 pixels: in 10 % a sinc with a cut-off from pi/3 (from 13 pixels on
      pi/5) to pi; else Gaussian (70 %), generalised Gaussian (15 %, of shape 0.5 to 4) or plateau (15 %, 1 to 2), of
      standard deviation 0.2 to 3 [1.5], the same in all directions in 45 of the 70 %, and 12 of either 15 %.
    - Resizing by means of areas, bilinear or bicubic: larger in 20 % [30 %], up to 1.5 [1.2]; smaller in 70 % [40 %],
      down to 0.15 [0.3]; kept in 10 % [30 %]. [Relative to the size of the result.]
    - Noise, as often Gaussian of 1 to 30 [25] levels of 255 as 0.05 to 3 [2.5] times the Poisson noise of as many
      photons as the pixel has levels; the same in all channels in 40 %.
    - JPEG of quality 30 to 95. [Half of the times it comes last of all.]

    It ends with resizing to the final size, by one of the three, and a sinc in 80 %. What the paper leaves open (the
    shares of round kernels, of enlarging and reducing, the second resizing) is as in its published settings. Three
    channels are a JPEG in colour; of any other number each is one in grey. A row depends on its own chance alone.
    Computed on the CPU.

    Raises:
        ValueError: as ``shrink`` does.
    """
    small = _reduced(images, factor)
    rng = rng.split(1)
    rng.device = torch.device("cpu")
    pictures = _worn(list(images.cpu()), images.shape[2:], rng, FIRST)
    pictures = _each(_jpeg, pictures, _qualities(rng))
    pictures = _worn(pictures, small, rng, SECOND)
    qualities, late = _qualities(rng), rng.uniform() < 0.5
    pictures = _each(_jpeg, pictures, qualities, when=~late)
    pictures = _each(_resized, pictures, [small] * len(rng), rng.integers(len(_MODES)))
    pictures = _each(_filtered, pictures, _sincs(rng, _halves(rng)), when=rng.uniform() < 0.8)
    pictures = _each(_jpeg, pictures, qualities, when=late)
    return (_levels(torch.stack(pictures)) / 127.5 - 1).to(images)


def _worn(pictures: list[Tensor], base: Sequence[int], rng: Chance, given: _Pass) -> list[Tensor]:
    """Pictures [C, h, w] after blur, resizing and noise; ``base`` is the size that resizing is relative to."""
    pictures = _each(_filtered, pictures, _kernels(rng, given.sigma), when=rng.uniform() < given.blurred)
    sizes = [[max(1, round(side * scale)) for side in base] for scale in _scales(rng, given).tolist()]
    pictures = _each(_resized, pictures, sizes, rng.integers(len(_MODES)))
    poisson, grey = rng.choice((1, 1)), rng.uniform() < 0.4
    low, high = torch.tensor([[1.0, given.gaussian], [0.05, given.poisson]])[poisson].unbind(1)
    strengths = torch.lerp(low, high, rng.uniform())
    # a row's first numbers are the same, however many the largest picture asks for
    normal = rng.normal(max(picture.numel() for picture in pictures))
    return _each(_noisy, pictures, normal, strengths, poisson, grey)


def _each(step: Callable[..., Tensor], pictures: list[Tensor], *settings: Iterable[Any],
          when: Tensor | None = None) -> list[Tensor]:  # fmt: skip
    """``step(picture, *its settings)`` of each picture, or only of those ``when`` [B]."""
    chosen = [True] * len(pictures) if when is None else when.tolist()
    rows = zip(chosen, pictures, *settings, strict=True)
    return [step(picture, *own) if this else picture for this, picture, *own in rows]


def _halves(rng: Chance) -> Tensor:
    """Half the size [B] of a kernel of 7, 9, ... 21 pixels, without the middle one."""
    return 3 + rng.integers(_REACH - 2)


def _kernels(rng: Chance, widest: float) -> Tensor:
    """A kernel [B, 21, 21] that blurs each row's picture, smaller ones with zeros around."""
    halves, kind = _halves(rng), rng.choice(_KERNELS)
    form, isotropic = kind // 2, kind % 2 == 0
    deviations = 0.2 + (widest - 0.2) * rng.uniform(2)
    deviations[isotropic, 1] = deviations[isotropic, 0]
    angle, share = (rng.uniform(2) * torch.tensor([2 * math.pi, 1]))[:, :, None, None].unbind(1)
    y, x = _grid()
    first, second = angle.cos() * x + angle.sin() * y, angle.cos() * y - angle.sin() * x
    square = (first / deviations[:, :1, None]).square() + (second / deviations[:, 1:, None]).square()
    form = form[:, None, None]
    generalised, plateau = (-(square ** (0.5 + 3.5 * share)) / 2).exp(), 1 / (1 + square ** (1 + share))
    smooth = torch.where(form == 0, (-square / 2).exp(), torch.where(form == 1, generalised, plateau))
    ringing = rng.uniform() < 0.1
    return torch.where(ringing[:, None, None], _sincs(rng, halves), _cut(smooth, halves))


def _sincs(rng: Chance, halves: Tensor) -> Tensor:
    """Circular low-pass filters [B, 21, 21] with a sharp cut-off, which ring: ``w J1(w r) / (2 pi r)``."""
    least = torch.where(halves < 6, math.pi / 3, math.pi / 5)
    cutoff = torch.lerp(least, torch.tensor(math.pi), rng.uniform())[:, None, None]
    y, x = _grid()
    radius = torch.hypot(y, x).clamp(min=1e-3)  # where J1(w r) / r is w / 2
    return _cut(cutoff * torch.special.bessel_j1(cutoff * radius) / radius, halves)


def _grid() -> tuple[Tensor, Tensor]:
    line = torch.arange(-_REACH, _REACH + 1.0)
    return line[:, None], line


def _cut(kernels: Tensor, halves: Tensor) -> Tensor:
    """Nothing beyond ``halves`` pixels from the middle, and 1 in all."""
    y, x = _grid()
    inside = torch.maximum(y.abs(), x.abs()) <= halves[:, None, None]
    kernels = kernels * inside
    return kernels / kernels.sum((1, 2), keepdim=True)


def _filtered(picture: Tensor, kernel: Tensor) -> Tensor:
    """A picture [C, h, w] convolved with a kernel, its edge repeated around it."""
    wide = F.pad(picture[None], (_REACH,) * 4, mode="replicate")[0]
    size = wide.shape[1:]
    product = torch.fft.rfft2(wide) * torch.fft.rfft2(kernel, s=size)  # 15 times as fast as conv2d
    found: Tensor = torch.fft.irfft2(product, s=size)
    return found[:, 2 * _REACH :, 2 * _REACH :]


def _scales(rng: Chance, given: _Pass) -> Tensor:
    """Factors [B] of resizing."""
    kind, share = rng.choice(given.resizes), rng.uniform()
    ends = torch.tensor([given.bigger, given.smaller, 1.0])[kind]
    return torch.lerp(torch.ones(()), ends, share)


def _resized(picture: Tensor, size: Sequence[int], mode: int) -> Tensor:
    return F.interpolate(picture[None], tuple(size), mode=_MODES[mode])[0]


def _noisy(picture: Tensor, normal: Tensor, strength: Tensor, poisson: bool, grey: bool) -> Tensor:
    """A picture [C, h, w] with noise of its first so many ``normal`` numbers, clamped to [-1, 1]."""
    base = picture.mean(0, keepdim=True) if grey else picture
    noise = normal[: base.numel()].view_as(base)
    if poisson:
        levels = _levels(base)
        noise = _photons(levels, noise) - levels
    return (picture + strength * noise / 127.5).clamp(-1, 1)


def _photons(expected: Tensor, normal: Tensor) -> Tensor:
    """Poisson counts whose means are whole numbers up to 255, at the quantiles at which ``normal`` lies."""
    levels = expected.double()
    place = torch.searchsorted(_poisson(), levels + torch.special.ndtr(normal.double()))
    return (place - levels * _COUNTS).float()


@cache
def _poisson() -> Tensor:
    """P(count <= 0, 1, ...) for means of 0, 1, ... 255, each plus its mean, so that the whole row is sorted."""
    means = torch.arange(256, dtype=torch.float64)[:, None]
    counts = torch.arange(_COUNTS, dtype=torch.float64)
    below: Tensor = torch.special.gammaincc(counts + 1, means)
    return (means + below).flatten()


def _qualities(rng: Chance) -> list[int]:
    return [30 + quality for quality in rng.integers(66).tolist()]


def _jpeg(picture: Tensor, quality: int) -> Tensor:
    """A picture [C, h, w] saved and opened again."""
    levels = _levels(picture).byte().numpy()
    planes = [levels.transpose(1, 2, 0)] if len(levels) == 3 else list(levels)
    opened = np.dstack([_saved(plane, quality) for plane in planes]).transpose(2, 0, 1)
    return torch.from_numpy(opened).float() / 127.5 - 1


def _saved(plane: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(plane)).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))
