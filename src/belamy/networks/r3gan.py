"""The networks of R3GAN (Huang et al., 2024): residual towers without normalisation, one the mirror of the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from belamy.ops.convolution import conv2d, conv_transpose2d, pointwise
from belamy.ops.piecewise import kinked, weighed
from belamy.ops.precision import in_full
from belamy.ops.resample import downsample, upsample, upsampling

FAINT, FAST = 0.2, 10.0
"""Where squares of pixels are painted, these scale weights as they run: Adam then moves what paints more slowly, which
keeps it from a chequered pattern, and the ground faster."""

BEYOND = 0.1
"""How much counts of what pictures are above white or below black, so that it can be unlearnt."""


def normal(tensor: Tensor, fan_in: int, gain: float = 1.0) -> nn.Parameter:
    """Weights that keep the variance of what they read from ``fan_in`` places, times ``gain`` squared."""
    return nn.Parameter(nn.init.normal_(tensor, 0, gain / math.sqrt(fan_in)))


class Block(nn.Module):
    """``maps + [1x1, bias, LReLU, 3x3, bias, LReLU, 1x1](maps)``; the last convolution begins at zero.

    ``group`` is the number of channels a 3x3 filter sees; ``depth`` the number of blocks of the whole network.
    """

    def __init__(self, width: int, inner: int, group: int, depth: int) -> None:
        super().__init__()
        gain = math.sqrt(2 / (1 + 0.2**2)) * depth**-0.25
        if not inner:
            raise ValueError(f"{width} channels leave none inside a block: raise expansion")
        group = min(group, inner)
        if inner % group:
            raise ValueError(f"{inner} inner channels do not divide by groups of {group}")
        self.groups = inner // group
        self.enter = normal(torch.empty(inner, width), width, gain)
        self.enter_bias = nn.Parameter(torch.zeros(inner))
        self.mix = normal(torch.empty(inner, group, 3, 3), group * 9, gain)
        self.mix_bias = nn.Parameter(torch.zeros(inner))
        self.leave = nn.Parameter(torch.zeros(width, inner))

    def forward(self, maps: Tensor) -> Tensor:
        inner = kinked(weighed(pointwise, maps, self.enter, bias=self.enter_bias))
        inner = kinked(weighed(conv2d, inner, self.mix, bias=self.mix_bias, padding=1, groups=self.groups))
        return maps + weighed(pointwise, inner, self.leave)


def base_size(resolution: int) -> int:
    """The side of the smallest maps: ``resolution`` halved while the result is even and at least 4."""
    while resolution % 2 == 0 and resolution >= 8:
        resolution //= 2
    return resolution


def default_widths(resolution: int) -> list[int]:
    """Channels from the smallest maps upwards: 128, and from 16x16 on fewer as maps grow, in steps of 32."""
    size, widths = base_size(resolution), []
    while size <= resolution:
        widths.append(max(32, min(128, 1024 // size // 32 * 32)))
        size *= 2
    return widths


def layout(resolution: int, widths: Sequence[int] | None, stride: int | None) -> tuple[int, list[int], int]:
    """The side of the smallest maps, channels from there upwards, and the stride, where they are not given.

    Raises ValueError for what does not fit the resolution.
    """
    base = base_size(resolution)
    stride = (2 if resolution >= 24 else 1) if stride is None else stride
    if stride not in (1, 2, 4) or resolution % (stride * base):
        raise ValueError(f"stride {stride} should be 1, 2 or 4 and leave {base}x{base} of {resolution}")
    fitting = default_widths(resolution // stride)
    widths = list(widths or fitting)
    if len(widths) != len(fitting):
        raise ValueError(f"widths has {len(widths)} entries; {resolution}x{resolution} wants as many as {fitting}")
    return base, widths, stride


def tower(widths: Sequence[int], blocks: int, expansion: float, group: int) -> list[nn.Sequential]:
    """For each of ``widths`` so many blocks."""
    depth = blocks * len(widths)
    return [
        nn.Sequential(*(Block(width, round(width * expansion), group, depth) for _ in range(blocks)))
        for width in widths
    ]


class Generator(nn.Module):
    """Latents [B, ``latent``] (and classes [B]) to images [B, ``channels``, R, R]; ``widths`` from 4x4 upwards.

    The largest maps have one position for each square of ``stride`` pixels, which a convolution paints.
    Pictures begin faint, on a learned ``ground``: most have one, and it takes long to find from noise.
    """

    def __init__(self, channels: int, base: int, widths: Sequence[int], latent: int, classes: int = 0,
                 blocks: int = 2, expansion: float = 2.0, group: int = 16, stride: int = 1) -> None:  # fmt: skip
        super().__init__()
        self.stride = stride
        self.embedding = nn.Embedding(classes, latent) if classes else None
        self.basis = nn.Parameter(torch.randn(widths[0], base, base))
        self.project = normal(torch.empty(widths[0], latent + latent * bool(classes)), latent * (1 + bool(classes)))
        self.stages = nn.ModuleList(tower(widths, blocks, expansion, group))
        self.transitions = nn.ParameterList(
            normal(torch.empty(after, before), before) for before, after in pairwise(widths)
        )
        self.paint = brush(channels, widths[-1], stride)
        self.ground = nn.Parameter(torch.zeros(channels))

    def forward(self, latent: Tensor, classes: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            latent = torch.cat([latent, self.embedding(classes)], dim=1)
        maps = self.basis * F.linear(latent, self.project)[:, :, None, None]
        maps = self.stages[0](maps.contiguous(memory_format=torch.channels_last))
        for transition, stage in zip(self.transitions, self.stages[1:], strict=True):
            maps = stage(upsample(maps, transition))
        return bent(painted(maps, self.paint, self.ground if self.stride == 1 else FAST * self.ground, self.stride))


def brush(channels: int, width: int, stride: int) -> nn.Parameter:
    """What paints ``channels`` of squares of ``stride`` pixels, faintly, from maps of ``width`` channels."""
    shape = (width, channels, 1, 1) if stride > 1 else (channels, width, 1, 1)
    weights = torch.randn(shape) / math.sqrt(width)
    return nn.Parameter((weights * upsampling(weights, stride)).contiguous() if stride > 1 else FAINT * weights)


def painted(maps: Tensor, paint: Tensor, ground: Tensor | None, stride: int) -> Tensor:
    """Maps [B, W, H, H] as pictures [B, C, stride H, stride H] on a ``ground`` [C], by a ``brush``: float32."""
    if stride == 1:
        return conv2d(maps, paint, ground).float()
    return conv_transpose2d(maps, FAINT * paint, ground, stride=stride, padding=stride // 2).float()


def bent(pictures: Tensor) -> Tensor:
    """Pictures of which little more than [-1, 1] is left: white stays white whatever grain lies beyond it."""
    inner = pictures.clamp(-1, 1)
    return inner + BEYOND * (pictures - inner)


class Descent(nn.Module):
    """Images [B, ``channels``, R, R] to the smallest maps [B, ``widths[0]``, H, H]: the generator's way, mirrored."""

    def __init__(self, channels: int, widths: Sequence[int], blocks: int, expansion: float, group: int,
                 stride: int) -> None:  # fmt: skip
        super().__init__()
        self.stride = stride
        kernel = 4 if stride > 1 else 1  # of three colours, no more numbers than the first maps have channels
        self.read = normal(torch.empty(widths[-1], channels, kernel, kernel), channels * kernel**2)
        self.stages = nn.ModuleList(reversed(tower(widths, blocks, expansion, group)))
        self.transitions = nn.ParameterList(
            normal(torch.empty(after, before), before) for before, after in pairwise(widths[::-1])
        )

    def forward(self, images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        padding = (self.read.shape[2] - self.stride) // 2
        maps = weighed(conv2d, images, self.read, stride=self.stride, padding=padding)
        for stage, transition in zip(self.stages, [*self.transitions, None], strict=True):
            maps = stage(maps)
            if transition is not None:
                maps = weighed(downsample, maps, transition)
        return maps


class Discriminator(nn.Module):
    """Images [B, ``channels``, R, R] (and classes [B]) to logits [B]; ``stride`` as the generator's, mirrored."""

    piecewise = True

    def __init__(self, channels: int, base: int, widths: Sequence[int], classes: int = 0,
                 blocks: int = 2, expansion: float = 2.0, group: int = 16, stride: int = 1,
                 embedding: int = 256) -> None:  # fmt: skip
        super().__init__()
        top = widths[0]
        self.descent = Descent(channels, widths, blocks, expansion, group, stride)
        self.gather = normal(torch.empty(top, base, base), base * base)
        self.judge = normal(torch.empty(embedding if classes else 1, top), top)
        self.embedding = nn.Embedding(classes, embedding) if classes else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, 0, 1 / math.sqrt(embedding))

    def forward(self, images: Tensor, classes: Tensor | None = None) -> Tensor:
        return weighed(self.answer, self.descent(images), classes)

    def answer(self, maps: Tensor, classes: Tensor | None) -> Tensor:
        """Logits [B] from the smallest maps."""
        with in_full(maps):
            gathered: Tensor = F.linear((maps.float() * self.gather).sum((2, 3)), self.judge)
            if self.embedding is None:
                return gathered[:, 0]
            matched: Tensor = torch.linalg.vecdot(gathered, self.embedding(classes))
            return matched
