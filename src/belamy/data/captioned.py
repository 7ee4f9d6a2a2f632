"""Captioned pictures of one's own."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from belamy.chance import Chance
from belamy.data.cache import room
from belamy.data.captions import Captioned, numbered
from belamy.data.decode import Resize
from belamy.data.files import find
from belamy.data.images import Images
from belamy.text.embedded import Texts
from belamy.text.encoders import DEFAULT, encoder


class CaptionedImages(Captioned):
    """The pictures at ``path`` with their captions, a tenth of them held out.

    Captions stand in ``metadata.jsonl`` ("text"), in text files beside the pictures, a line each, in parquet columns,
    or as in CUB and COCO. ``encoder`` reads them: "minilm", a file of word vectors, or a Hugging Face model; so many
    ``words`` are told one by one. The other arguments are those of Images and of Captioned. Pictures are not mirrored
    by default, for captions may speak of left and right. Raises UserError where a picture has no caption.
    """

    def __init__(
        self, path: str, resolution: int | None = None, channels: int | None = None, resize: Resize = "crop",
        flip: bool = False, encoder: str = DEFAULT, words: int = 20, untold: float = 0.1, wrongs: int = 3,
        bad_limit: float = 0.05, seed: int = 0,
    ) -> None:  # fmt: skip
        self._images: Any = Images(path, resolution, channels, resize, flip, False, [], bad_limit, seed)
        self.seed, self.untold, self.wrongs = seed, untold, wrongs
        said = self._images.texts
        self._spoken, numbers = numbered([text for own in said for text in own])
        self._ends = np.cumsum([len(own) for own in said])
        self._captions = numbers
        self.texts = Texts(self._spoken, encoder, words, _folder(str(path), len(self._spoken), encoder, words))
        facts = self._images.facts
        self.facts = {
            "kind": "captions", **{name: facts[name] for name in ("resolution", "channels", "resize")},
            "classes": None, "text": self.texts.facts, "text_width": self.texts.facts["width"], "words": words,
            **{name: facts[name] for name in ("count", "heldout", "fingerprint")},
        }  # fmt: skip

    def __len__(self) -> int:
        return len(self._images)

    @property
    def has_parts(self) -> bool:
        """Whether the data itself says what is held out."""
        return bool(self._images.has_parts)

    @property
    def summary(self) -> dict[str, Any]:
        """What was found, as plain JSON."""
        found: dict[str, Any] = self._images.summary
        return found

    @cached_property
    def numbers(self) -> NDArray[np.int64]:  # type: ignore[override]
        return np.concatenate([self._captions[self._span(row)] for row in self._images.own])

    def pictures(self, indices: NDArray[np.int64], rng: Chance) -> Tensor:
        found: Tensor = self._images.rows(indices, rng)["image"]
        return found

    def told(self, indices: NDArray[np.int64], rng: Chance) -> NDArray[np.int64]:
        spans = [self._span(row) for row in self._images.own[indices]]
        counts = np.array([span.stop - span.start for span in spans])
        drawn = (rng.uniform().numpy() * counts).astype(np.int64)
        return np.array([self._captions[span.start + one] for span, one in zip(spans, drawn, strict=True)])

    def strangers(self, indices: NDArray[np.int64], drawn: NDArray[np.int64]) -> NDArray[np.bool_]:
        """What is said of a picture in the same words is not wrong."""
        own = [self._captions[self._span(row)] for row in self._images.own[indices]]
        return np.stack([~np.isin(others, mine) for mine, others in zip(own, drawn, strict=True)])

    def spoken(self, number: int) -> str:
        return self._spoken[number]

    def heldout(self) -> CaptionedImages | None:
        return self._of(self._images.heldout())

    def everything(self) -> CaptionedImages:
        """All pictures, on whichever side."""
        other = self._of(self._images.whole(None))
        assert other is not None
        return other

    def _of(self, images: Any) -> CaptionedImages | None:
        if images is None:
            return None
        other = copy.copy(self)
        other.__dict__.pop("numbers", None)  # those of other rows
        other._images = images
        return other

    def _span(self, row: int) -> slice:
        return slice(int(self._ends[row - 1]) if row else 0, int(self._ends[row]))


def _folder(path: str, count: int, name: str, words: int) -> Any:
    """Beside the data, where that can be written."""
    size = count * (1 + words) * encoder(name).width * 2
    return room(find(path), "texts", size).parent
