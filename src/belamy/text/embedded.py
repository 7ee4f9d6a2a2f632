"""Many texts, encoded once and kept: an array that is mapped to memory."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from belamy.chance import key
from belamy.data.cache import committed
from belamy.errors import UserError
from belamy.text.encoders import Encoder, encoder, warn_cut

CHUNK = 1024


class Texts:
    """``texts`` as ``name`` encodes them, with so many ``words``; rows [B, 1 + words, D] by their numbers.

    They are kept under ``folder``, by a hash of what they are and of who encoded them. ``facts`` are what a model must
    know to read others in the same way: also the ``middle`` of all texts and of all words, which is taken away since
    captions of one kind have most in common, and the ``scale`` that brings the rest to a norm of about 1.
    """

    def __init__(self, texts: Sequence[str], name: str, words: int, folder: Path) -> None:
        own = encoder(name)
        place = folder / f"text-{key(own.digest, words, list(texts)) % 2**64:016x}"
        if not (place / "index.json").is_file():
            _encode(own, texts, words, place)
        try:
            self._rows: NDArray[np.float16] = np.load(place / "vectors.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            raise UserError(f"the encoded texts in {place} are damaged; delete that folder") from None
        parts = [_centred(self._rows[:, :1]), _centred(self._rows[:, 1:])]
        self.facts: dict[str, Any] = {
            "encoder": own.name, "hash": own.digest, "width": own.width, "words": words,
            "middle": [middle for middle, _ in parts], "scale": [scale for _, scale in parts],
        }  # fmt: skip

    def rows(self, numbers: NDArray[np.int64]) -> Tensor:
        """Texts by their numbers [...]: float32 [..., 1 + words, D]."""
        return centred(self._rows[numbers], self.facts)


def centred(vectors: NDArray[np.float16], facts: Mapping[str, Any]) -> Tensor:
    """Vectors [..., 1 + W, D] less the middle of the texts that ``facts`` tell of, float32; zeros stay."""
    found = torch.from_numpy(vectors).float()
    there = found.abs().amax(-1, keepdim=True) > 0
    for part, middle, scale in zip((slice(1), slice(1, None)), facts["middle"], facts["scale"], strict=True):
        found[..., part, :].sub_(torch.tensor(middle)).mul_(scale)
    return found.mul_(there)


def _centred(vectors: NDArray[np.float16]) -> tuple[list[float], float]:
    """The mean of those of ``vectors`` [N, W, D] that are not zero, and what to multiply by what is left of them."""
    total, count = np.zeros(vectors.shape[2]), 0
    for part in np.array_split(vectors, -(-len(vectors) // CHUNK)):
        total += part.sum((0, 1), dtype=np.float64)
        count += int(part.any(-1).sum())
    middle = np.round(total / max(count, 1), 5)
    squares = 1 - float(middle @ middle)  # of what is left of vectors with a norm of 1
    return middle.tolist(), round(max(squares, 1e-2) ** -0.5, 5)


def shared_home() -> Path:
    """Where texts are kept that belong to no folder of data."""
    return Path(os.environ.get("BELAMY_HOME") or "~/.cache/belamy").expanduser() / "text"


def _encode(own: Encoder, texts: Sequence[str], words: int, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    cut: list[int] = []
    with committed(place) as new:
        shape = (len(texts), 1 + words, own.width)
        rows = np.lib.format.open_memmap(new / "vectors.npy", mode="w+", dtype=np.float16, shape=shape)
        for first in range(0, len(texts), CHUNK):
            part, long = own.encode(texts[first : first + CHUNK], words)
            rows[first : first + len(part)] = part
            cut += [first + row for row in long]
        rows.flush()
        (new / "index.json").write_text(json.dumps({"count": len(texts), "cut": cut[:10]}))
    warn_cut(len(cut), texts[cut[0]] if cut else "")
