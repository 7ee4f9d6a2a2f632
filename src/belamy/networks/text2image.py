"""Networks that are told what to paint: R3GAN's towers (Huang et al., 2024), which a text modulates and is judged with.

As in DF-GAN (Tao et al., 2022) there is one stage, and the text enters at every size of the maps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from belamy.networks.r3gan import Descent, bent, brush, normal, painted, tower
from belamy.ops.convolution import pointwise
from belamy.ops.precision import in_full
from belamy.ops.resample import upsample

HEAD = 64
SLOW = 0.3
"""Scales the weights that read, as they run: Adam then moves them so much more slowly, or they outrun the pictures."""


class Linear(nn.Module):
    """A linear layer [..., ``width``] to [..., ``out``] that learns slowly."""

    scale = SLOW

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.weight = normal(torch.empty(out, width), width, 1 / SLOW)
        self.bias = nn.Parameter(torch.zeros(out))

    def forward(self, values: Tensor) -> Tensor:
        return F.linear(values, SLOW * self.weight, SLOW * self.bias)


class Reader(nn.Module):
    """Encoded texts [B, 1 + W, ``width``] as codes [B, ``code``].

    The whole text goes through two layers, beside what ``queries`` learned questions find among its words (none where
    W is 0). Zeros are a text that was not told, or a word that is not there.
    """

    def __init__(self, width: int, code: int, queries: int) -> None:
        super().__init__()
        self.width = width
        self.queries = nn.Parameter(torch.randn(queries, HEAD)) if queries else None
        if queries:
            self.nothing = nn.Parameter(torch.zeros(1, width))
            self.keys, self.values = normal(torch.empty(HEAD, width), width), Linear(width, HEAD)
        self.enter = Linear(width + queries * HEAD, 2 * code)
        self.leave = Linear(2 * code, code)

    def forward(self, text: Tensor) -> Tensor:
        text = math.sqrt(self.width) * text.float()  # each number of about 1
        seen = text[:, 0]
        if self.queries is not None:
            words, absent = with_nothing(text[:, 1:], self.nothing)
            asked = self.queries.expand(text.shape[0], -1, -1)
            found = attended(asked, F.linear(words, self.keys), self.values(words), absent)
            seen = torch.cat([seen, found.flatten(1)], 1)
        code: Tensor = self.leave(F.leaky_relu(self.enter(seen), 0.2))
        return code


def with_nothing(words: Tensor, nothing: Tensor) -> tuple[Tensor, Tensor]:
    """Words [B, W, D] after one that says ``nothing`` [1, D], and a mask [B, 1 + W] to add to attention's logits."""
    words = torch.cat([nothing.expand(words.shape[0], 1, -1), words], 1)
    absent = words.detach().abs().sum(2) == 0
    absent[:, 0] = False
    return words, -1e4 * absent


def attended(asked: Tensor, keys: Tensor, values: Tensor, absent: Tensor) -> Tensor:
    """What Q questions [B, Q, D] find by W keys and values [B, W, D]; ``absent`` [B, W] is added to their logits.

    Attention of one head (Vaswani et al., 2017), in a form that differentiates twice.
    """
    logits = asked @ keys.mT / math.sqrt(asked.shape[2]) + absent[:, None]
    return logits.softmax(2) @ values


class Listening(nn.Module):
    """``maps`` [B, C, H, W] and, added to each place, what it finds among the words: nothing at the beginning."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.ask = normal(torch.empty(HEAD, channels), channels)
        self.nothing = nn.Parameter(torch.zeros(1, width))
        self.keys, self.values = normal(torch.empty(HEAD, width), width), Linear(width, HEAD)
        self.answer = nn.Parameter(torch.zeros(channels, HEAD))

    def forward(self, maps: Tensor, text: Tensor) -> Tensor:
        words, absent = with_nothing(math.sqrt(self.width) * text[:, 1:], self.nothing)
        asked = pointwise(maps, self.ask).flatten(2).transpose(1, 2)
        keys, values = F.linear(words, self.keys).to(asked.dtype), self.values(words).to(asked.dtype)
        found = attended(asked, keys, values, absent.to(asked.dtype))
        return maps + pointwise(found.transpose(1, 2).unflatten(2, maps.shape[2:]), self.answer)


class Generator(nn.Module):
    """Latents [B, ``latent``] and codes [B, ``code``] of texts to images [B, ``channels``, R, R].

    ``read`` makes codes of encoded texts; with ``words``, places of the 8x8 maps look at words as well.
    """

    def __init__(self, channels: int, base: int, widths: Sequence[int], latent: int, text: int, code: int, words: int,
                 blocks: int, expansion: float, group: int, stride: int) -> None:  # fmt: skip
        super().__init__()
        self.stride, told = stride, latent + code
        self.reader = Reader(text, 2 * code, 4 if words else 0)
        self.basis = nn.Parameter(torch.randn(widths[0], base, base))
        self.project = normal(torch.empty(widths[0], told), told)
        self.stages = nn.ModuleList(tower(widths, blocks, expansion, group))
        self.styles = nn.ParameterList(normal(torch.empty(2 * width, told), told, 0.5) for width in widths)
        self.transitions = nn.ParameterList(
            normal(torch.empty(after, before), before) for before, after in pairwise(widths)
        )
        self.listening = Listening(widths[1], text) if words else None
        self.paint = brush(channels, widths[-1], stride)
        self.ground = nn.Parameter(torch.zeros(channels, told))

    def read(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance, each [B, ``code``], of what a text may mean (StackGAN, 2017)."""
        with in_full(text):
            mean, spread = self.reader(text).chunk(2, dim=1)
        return mean, spread - 4  # at first sure of what it reads

    def forward(self, latent: Tensor, code: Tensor, text: Tensor) -> Tensor:
        told = torch.cat([latent, code], 1)
        maps = (self.basis * F.linear(told, self.project)[:, :, None, None]).contiguous(
            memory_format=torch.channels_last
        )
        for index, (stage, style) in enumerate(zip(self.stages, self.styles, strict=True)):
            if index:
                maps = upsample(maps, self.transitions[index - 1])
            gain, shift = F.linear(told, style)[:, :, None, None].chunk(2, dim=1)
            maps = stage(maps * (1 + gain) + shift)
            if index == 1 and self.listening is not None:
                maps = self.listening(maps, text)
        ground = F.linear(told, self.ground)[:, :, None, None].float()
        return bent(painted(maps, self.paint, None, self.stride) + ground)


class Discriminator(nn.Module):
    """Images [B, ``channels``, R, R] to what is ``seen`` in them, which ``match`` holds against texts."""

    def __init__(self, channels: int, base: int, widths: Sequence[int], text: int, words: int, blocks: int,
                 expansion: float, group: int, stride: int, seen: int = 256) -> None:  # fmt: skip
        super().__init__()
        self.descent = Descent(channels, widths, blocks, expansion, group, stride)
        self.gather = normal(torch.empty(seen, widths[0] * base * base), widths[0] * base * base)
        self.reader = Reader(text, seen, 4 if words else 0)

    def seen(self, images: Tensor) -> Tensor:
        """What is in pictures [B, C, R, R]: float32 [B, ``seen``]."""
        maps = self.descent(images)
        with in_full(images):
            return F.linear(maps.float().flatten(1), self.gather)

    def understood(self, text: Tensor) -> Tensor:
        """What encoded texts [B, 1 + W, D] want to be seen: float32 [B, ``seen``]."""
        with in_full(text):
            found: Tensor = self.reader(text)
            return found


def match(seen: Tensor, wanted: Tensor) -> Tensor:
    """Logits [...] of how real, and how true, what is seen [..., S] is, where so much was wanted."""
    return (seen * wanted).sum(-1) / math.sqrt(seen.shape[-1])
