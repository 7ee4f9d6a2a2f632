"""Networks that are told what to paint: DCGAN's convolutions (Radford et al., 2016) without normalisation.

As in DF-GAN (Tao et al., 2022) there is one stage. Residual towers, as R3GAN has them, begin with blocks that do
nothing, and learn to tell shapes apart several times as late.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from belamy.networks.dcgan import halved
from belamy.networks.r3gan import bent, normal
from belamy.ops.convolution import conv2d, conv_transpose2d, pointwise
from belamy.ops.precision import in_full

HEAD = 64
QUESTIONS = 8
KINK = 0.2
KEPT = math.sqrt(2 / (1 + KINK**2))
"""Of weights before a kink, so that maps are as large after it (He et al., 2015)."""
FAINT = 0.3
"""Pictures begin so much fainter."""
SEEN = 256
"""Numbers by which a picture and a text are compared."""
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

    The whole text goes through two layers, beside what QUESTIONS that are learned find among its W = ``words``, by what
    they are and by where they stand: who is red and who is not, their mean hardly tells. Zeros are a text that was not
    told, or a word that is not there.
    """

    def __init__(self, width: int, code: int, words: int) -> None:
        super().__init__()
        self.width = width
        self.queries = nn.Parameter(torch.randn(QUESTIONS, HEAD)) if words else None
        if words:
            self.nothing = nn.Parameter(torch.zeros(1, width))
            self.keys, self.values = normal(torch.empty(HEAD, width), width), Linear(width, HEAD)
            self.places = nn.Parameter(torch.randn(1 + words, HEAD))
        self.enter = Linear(width + bool(words) * QUESTIONS * HEAD, 2 * code)
        self.leave = Linear(2 * code, code)

    def forward(self, text: Tensor) -> Tensor:
        text = math.sqrt(self.width) * text.float()  # each number of about 1
        seen = text[:, 0]
        if self.queries is not None:
            words, absent = with_nothing(text[:, 1:], self.nothing)
            asked = self.queries.expand(text.shape[0], -1, -1)
            keys = F.linear(words, self.keys) + self.places[: words.shape[1]]
            found = attended(asked, keys, self.values(words), absent)
            seen = torch.cat([seen, found.flatten(1)], 1)
        code: Tensor = self.leave(F.leaky_relu(self.enter(seen), KINK))
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

    ``widths`` are channels from maps [base, base] upwards. ``read`` makes codes of encoded texts; ``heard``, where it
    ``hears``, says what pictures of a code should show, to learn by. With ``words``, places of the second maps look at
    words as well. A ground is painted at once: it takes long to find from maps.
    """

    def __init__(self, channels: int, base: int, widths: Sequence[int], latent: int, text: int, code: int,
                 words: int, hears: bool = False) -> None:  # fmt: skip
        super().__init__()
        told, places = latent + code, base * base
        self.base = base
        self.reader, self.heard = Reader(text, 2 * code, words), Linear(code, SEEN) if hears else None
        self.enter = normal(torch.empty(widths[0] * places, told), told)
        self.filters = nn.ParameterList(
            normal(torch.empty(before, after, 4, 4), 4 * before, KEPT) for before, after in pairwise(widths)
        )
        self.biases = nn.ParameterList(torch.zeros(size) for size in (widths[0] * places, *widths[1:], channels))
        self.listening = Listening(widths[1], text) if words else None
        self.paint = normal(torch.empty(channels, widths[-1], 3, 3), 9 * widths[-1], FAINT)
        self.ground = nn.Parameter(torch.zeros(channels, told))

    def read(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance, each [B, ``code``], of what a text may mean (StackGAN, 2017)."""
        with in_full(text):
            mean, spread = self.reader(text).chunk(2, dim=1)
        return mean, spread - 4  # at first sure of what it reads

    def forward(self, latent: Tensor, code: Tensor, text: Tensor) -> Tensor:
        told = torch.cat([latent, code], 1)
        first, *biases, last = self.biases
        maps = F.leaky_relu(F.linear(told, self.enter, first), KINK).unflatten(1, (-1, self.base, self.base))
        maps = maps.contiguous(memory_format=torch.channels_last)
        for index, (filters, bias) in enumerate(zip(self.filters, biases, strict=True)):
            maps = F.leaky_relu(conv_transpose2d(maps, filters, bias, stride=2, padding=1), KINK)
            if index == 0 and self.listening is not None:
                maps = self.listening(maps, text)
        ground = F.linear(told, self.ground)[:, :, None, None].float()
        return bent(conv2d(maps, self.paint, last, padding=1).float() + ground)


class Discriminator(nn.Module):
    """Images [B, ``channels``, R, R] to what is ``seen`` in them, which ``match`` holds against texts."""

    def __init__(self, channels: int, base: int, widths: Sequence[int], text: int, words: int) -> None:
        super().__init__()
        last = widths[0] * base * base
        self.look = normal(torch.empty(widths[-1], channels, 3, 3), 9 * channels, KEPT)
        self.filters = nn.ParameterList(
            normal(torch.empty(after, before, 4, 4), 16 * before, KEPT) for before, after in pairwise(widths[::-1])
        )
        self.biases = nn.ParameterList(torch.zeros(width) for width in widths[::-1])
        self.gather = normal(torch.empty(SEEN, last), last)
        self.reader = Reader(text, SEEN, words)

    def seen(self, images: Tensor) -> Tensor:
        """What is in pictures [B, C, R, R]: float32 [B, SEEN]."""
        first, *biases = self.biases
        images = images.contiguous(memory_format=torch.channels_last)
        maps = halved(F.leaky_relu(conv2d(images, self.look, first, padding=1), KINK), self.filters, biases)
        with in_full(images):
            return F.linear(maps.float().flatten(1), self.gather)

    def understood(self, text: Tensor) -> Tensor:
        """What encoded texts [B, 1 + W, D] want to be seen: float32 [B, SEEN]."""
        with in_full(text):
            found: Tensor = self.reader(text)
            return found


def match(seen: Tensor, wanted: Tensor) -> Tensor:
    """Logits [...] of how real, and how true, what is seen [..., S] is, where so much was wanted."""
    return (seen * wanted).sum(-1) / math.sqrt(seen.shape[-1])
