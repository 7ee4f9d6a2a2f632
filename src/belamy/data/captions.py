"""What sources of captioned pictures have in common: encoded texts, captions left out, and wrong ones to tell apart."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from belamy.chance import Chance, key
from belamy.errors import UserError
from belamy.game import Batch
from belamy.source import Source
from belamy.text.embedded import Texts

TRIES = 4
"""Captions that are drawn for each wrong one that is wanted, since some may be true by chance."""


class Captioned(Source):
    """Rows ``{"image": [B, C, R, R], "text": [B, 1 + W, D], "wrong": [B, K, 1 + W, D]}``: a picture, one of its
    captions, and captions of other pictures that are not true of it.

    A share ``untold`` of the captions is left out: all zeros, so that a game learns to paint without being told. A
    caption's first vector is that of the whole text, the others those of its words. A subclass sets ``texts``,
    ``untold`` and ``wrongs``, which is K.
    """

    texts: Texts
    untold: float
    wrongs: int

    @abstractmethod
    def pictures(self, indices: NDArray[np.int64], rng: Chance) -> Tensor:
        """The pictures [B, C, R, R] in [-1, 1] of the rows at ``indices``."""

    @abstractmethod
    def told(self, indices: NDArray[np.int64], rng: Chance) -> NDArray[np.int64]:
        """For each row the number of a caption of its picture, [B]."""

    @abstractmethod
    def strangers(self, indices: NDArray[np.int64], drawn: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether captions ``drawn`` [B, N] are wrong of the pictures at ``indices`` [B]: [B, N]."""

    @abstractmethod
    def spoken(self, number: int) -> str:
        """A caption by its number."""

    @property
    @abstractmethod
    def numbers(self) -> NDArray[np.int64]:
        """The captions that belong to these rows, from which wrong ones are drawn."""

    def rows(self, indices: NDArray[np.int64], rng: Chance) -> Batch:
        image, told = self.pictures(indices, rng), self.told(indices, rng)
        wrong = self._wrong(indices, rng)
        text = self.texts.rows(told)
        silent = rng.uniform() < self.untold
        text[silent] = 0
        return {"image": image, "text": text, "wrong": self.texts.rows(wrong)}

    def plain(self, indices: NDArray[np.int64]) -> Batch:
        """As evaluation sees them: with a caption each, and no wrong ones."""
        image = self.pictures(indices, Chance(key("plain"), torch.from_numpy(indices)))
        return {"image": image, "text": self.texts.rows(self._first(indices))}

    def captions(self, size: int, start: int = 0) -> list[str]:
        """What the captions of ``take(size, start)`` say."""
        return [self.spoken(number) for number in self._first(self.order(size, start)).tolist()]

    def _first(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each row the caption by which it is judged."""
        return self.told(indices, Chance(key("told"), torch.from_numpy(indices)))

    def read_as(self, facts: dict[str, Any]) -> Self:
        """The same rows, whose texts are read as a model of these ``facts`` does.

        Raises UserError where another encoder has read them.
        """
        mine = self.texts.facts
        if any(mine[name] != facts[name] for name in ("hash", "words")):
            raise UserError(f"the captions were read by {mine['encoder']}, the model learnt with {facts['encoder']}")
        other = copy.copy(self)
        other.texts = copy.copy(self.texts)
        other.texts.facts = facts
        return other

    def nearly(self, indices: NDArray[np.int64], rng: Chance) -> NDArray[np.int64]:
        """Captions [B, N] that may be all but true, so that a game learns to tell them apart: here none."""
        return np.empty((len(indices), 0), np.int64)

    def _wrong(self, indices: NDArray[np.int64], rng: Chance) -> NDArray[np.int64]:
        """Numbers [B, K] of captions that are not true; where chance finds too few, right ones stay."""
        own = self.numbers
        drawn = own[rng.integers(len(own), TRIES * self.wrongs).numpy()]
        drawn = np.concatenate([self.nearly(indices, rng), drawn], 1)
        order = np.argsort(~self.strangers(indices, drawn), axis=1, kind="stable")[:, : self.wrongs]
        return np.take_along_axis(drawn, order, axis=1)


def numbered(texts: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Different texts in the order in which they first stand, and the number of each text among them."""
    numbers: dict[str, int] = {}
    found = [numbers.setdefault(text, len(numbers)) for text in texts]
    return list(numbers), np.array(found, np.int64)
