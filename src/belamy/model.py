"""What ships: the averaged players that sample, with all that is needed to use them elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from belamy.chance import Chance, key
from belamy.codec import SeriesCodec, TableCodec, codec
from belamy.data.decode import full_mode
from belamy.errors import UserError
from belamy.game import Batch, Game
from belamy.ops.processes import dealt
from belamy.pretrained import Pretrained
from belamy.samples import Samples
from belamy.series.decoding import given
from belamy.series.recorded import Recorded
from belamy.tables.where import Asked, Where
from belamy.text.prompts import Prompt, conditions
from belamy.translation import Progress, Tile, marked, translate


class Model:
    """A trained generator: ``belamy.load(path).sample(16, seed=0).images``."""

    def __init__(self, game: Game, spec: dict[str, Any], facts: dict[str, Any]) -> None:
        self.game, self.spec, self.facts = game, spec, facts
        for name in game.shipped:
            game.get_submodule(name).eval()
        # Only of what the game learns: others see the same data, and look past its attributes.
        self.codec = codec(facts if spec.get("attributes") else {**facts, "attributes": None})
        self.card: str | None = None

    @property
    def device(self) -> torch.device:
        return next(self.game.parameters()).device

    def to(self, device: torch.device | str) -> Model:
        self.game.to(device)
        return self

    def batches(
        self, n: int, seed: int = 0, classes: str | int | Sequence[str | int] | None = None,
        truncation: float | None = None, start: int = 0, seeds: Sequence[int] | None = None,
        attributes: Sequence[str] | Sequence[Sequence[str]] | None = None, prompt: Prompt | None = None,
        asked: Asked | None = None,
    ) -> Iterator[Batch]:
        """The samples ``start`` to ``start + n - 1`` of ``seed`` (or one for each of ``seeds``), a chunk at a time.

        A sample depends on its seed and number alone, and on what is asked for.
        """  # fmt: skip
        if n < 1:
            raise UserError(f"{n} samples were asked for; ask for one at least")
        kinds, traits = _asked(n, classes, attributes)

        def made(first: int) -> Batch:
            rows = self._part(first, start, n)
            padded = [min(max(row, rows[0]), rows[-1]) for row in range(first, first + self.codec.chunk)]
            if seeds is None:
                latent, chance = (Chance(key(what, seed), padded, self.device) for what in ("sample", "class"))
            else:
                own = [seeds[row - start] for row in padded]
                latent, chance = (
                    Chance.of_seeds([key(what, one) for one in own], self.device) for what in ("sample", "class")
                )
            wanted, having = (each and [each[row - start] for row in padded] for each in (kinds, traits))
            conditions = self.codec.conditions(chance, wanted, having, asked)
            batch = self.make(self._given(latent, conditions, truncation, prompt))
            return {name: value[rows[0] - first :][: len(rows)] for name, value in batch.items()}

        yield from dealt(made, self._firsts(start, n))

    def _firsts(self, start: int, n: int) -> range:
        """Where chunks begin: at multiples of their size, since a kernel may round each of its rows differently."""
        return range(start - start % self.codec.chunk, start + n, self.codec.chunk)

    def _part(self, first: int, start: int, n: int) -> range:
        """Which of ``start`` to ``start + n - 1`` are in the chunk that begins at ``first``."""
        return range(max(first, start), min(first + self.codec.chunk, start + n))

    def given(
        self, n: int, seed: int = 0, classes: str | int | Sequence[str | int] | None = None,
        truncation: float | None = None, start: int = 0,
        attributes: Sequence[str] | Sequence[Sequence[str]] | None = None, prompt: Prompt | None = None,
    ) -> Batch:
        """What the samples ``start`` to ``start + n - 1`` of ``seed`` are made from, to be edited before ``make``.

        Latents, classes where there are any, and in place of latents ``styles`` [n, layers, D] where the game has them.
        """  # fmt: skip
        rows = range(start, start + n)
        latent, chance = (Chance(key(what, seed), rows, self.device) for what in ("sample", "class"))
        asked = self.codec.conditions(chance, *_asked(n, classes, attributes))
        given = self._given(latent, asked, truncation, prompt)
        with torch.inference_mode():
            styles = self.game.styles(given)
        if styles is None:
            return given
        return {name: value for name, value in given.items() if name != "latent"} | {"styles": styles}

    def apply(
        self, image: Image.Image | NDArray[Any], *, mask: Image.Image | NDArray[Any] | None = None,
        strength: float | None = None, denoise: float | None = None, backwards: bool = False,
        tile: Tile = "auto", precision: str = "fp32", progress: Progress | None = None,
    ) -> Any:
        """The model's answer to a picture, as a Pillow image, or for an array as uint8 or uint16 [H, W, C].

        ``mask`` is white, or true, where an inpainting model has to fill. ``strength`` is that of a style, from 0
        (none) on; ``denoise`` goes from the faithful (0) to the sharp network (1) of super-resolution; ``backwards``
        makes A of B. Large pictures go in tiles of ``tile`` pixels; None: all at once. ``precision`` "bf16" is faster
        where the device is made for it, and answers differ by a level or so of 255. Raises UserError for what this
        model has no use for.
        """  # fmt: skip
        pixels = _pixels(image)
        hole = None if mask is None else marked(_pixels(mask))
        found = translate(
            self.game, self.facts, pixels, mask=hole, strength=strength, denoise=denoise, backwards=backwards,
            tile=tile, precision=precision, progress=progress,
        )  # fmt: skip
        if not isinstance(image, Image.Image):
            return found
        return Image.fromarray(found.squeeze(2) if found.shape[2] == 1 else found)

    def told(self, prompt: Prompt | None) -> Batch:
        """What a prompt asks for, as games take it, of one row. Raises UserError for one that cannot be read."""
        if prompt is None:
            return {}
        return {name: value.to(self.device) for name, value in conditions(prompt, self.facts).items()}

    def tables(self, n: int, seed: int = 0, where: Where | None = None, start: int = 0) -> Iterator[Any]:
        """The rows ``start`` to ``start + n - 1`` of ``seed``, as DataFrames of a chunk each.

        Raises UserError for a model that makes no rows, and for what no row can be.
        """
        if not isinstance(self.codec, TableCodec):
            raise UserError(f"this model makes {self.codec.plural}, not rows of a table")
        rows, asked = self.codec, self.codec.asked(where)

        def made(first: int) -> Any:
            part = self._part(first, start, n)
            (batch,) = self.batches(len(part), seed, start=part[0], asked=asked)
            return rows.decode(batch["row"], part[0], asked)

        yield from dealt(made, self._firsts(start, n))

    @torch.inference_mode()
    def _given(self, latent: Chance, asked: Batch, truncation: float | None, prompt: Prompt | None) -> Batch:
        if self.game.answers:
            raise UserError("this model answers pictures with pictures: belamy apply MODEL PICTURE --out FILE")
        told = {name: value.expand(len(latent), *value.shape[1:]) for name, value in self.told(prompt).items()}
        given = self.game.prior(len(latent), latent) | asked | told
        return given if truncation is None else self.game.truncate(given, truncation)

    @torch.inference_mode()
    def make(self, given: Batch) -> Batch:
        """The samples [N, ...] of ``given``, with their classes where there are any; made a chunk at a time."""
        n, made = len(next(iter(given.values()))), list[Batch]()
        for rows in torch.arange(n, device=self.device).split(self.codec.chunk):
            # A short chunk is filled up, since kernels may round differently for another number of rows.
            filled = torch.cat([rows, rows[-1:].expand(self.codec.chunk - len(rows))])
            samples = self.game.sample({name: value[filled] for name, value in given.items()})
            made.append({name: value[: len(rows)] for name, value in samples.items()})
        return _joined(made) | {name: given[name] for name in ("class", "attributes") if name in given}

    def sample(
        self, n: int = 1, *, seed: int | None = None, generator: torch.Generator | list[torch.Generator] | None = None,
        classes: str | int | Sequence[str | int] | None = None, truncation: float | None = None, start: int = 0,
        output_type: str = "pil", attributes: Sequence[str] | Sequence[Sequence[str]] | None = None,
        prompt: str | Sequence[str] | None = None, negative_prompt: str | None = None, guidance: float | None = None,
        where: Where | None = None,
    ) -> Samples:
        """``n`` samples as ``output_type``: "pil" images, "np" uint8 [N, H, W, C], or "pt" float [N, C, H, W].

        Points are float32 [N, D] in the units of their data: an array, or for "pt" a tensor. Rows of a table are a
        pandas DataFrame, in which all is as ``where`` asks: ["age>60", "income=>50K"], or {"age": (60, None),
        "income": ">50K"}, with (low, high) for a range and a list for one of several.

        ``seed`` or a ``torch.Generator`` fixes them; a list of generators gives each sample its own. ``classes`` is
        a name or a number, one for all or one for each; ``attributes`` are the names of what samples have, and they
        have no others: one list for all, or one for each. What is not asked for comes in the data's proportions.
        ``n`` samples are made for each ``prompt``, of the same latents; ``guidance`` above 1 goes further from the
        ``negative_prompt``, or from nothing said, towards it. Raises UserError for a class or an attribute that does
        not exist, and for a prompt that cannot be read.
        """  # fmt: skip
        if output_type not in ("pil", "np", "pt"):
            raise UserError(f"output_type {output_type!r} should be 'pil', 'np' or 'pt'")
        seeds = None
        if isinstance(generator, list):
            if len(generator) != n:
                raise UserError(f"{len(generator)} generators for {n} samples: give one, or one for each")
            seeds = [_drawn(one) for one in generator]
        elif seed is None:
            seed = _drawn(generator)
        if prompt is None and (negative_prompt, guidance) != (None, None):
            raise UserError("negative_prompt and guidance want a prompt beside them")
        if isinstance(self.codec, TableCodec):
            import pandas as pd

            return Samples(table=pd.concat(self.tables(n, seed or 0, where, start), ignore_index=True))
        self.codec.asked(where)
        prompts = [prompt] if prompt is None or isinstance(prompt, str) else list(prompt)
        said = [None if text is None else Prompt(text, negative_prompt, guidance) for text in prompts]
        return self.codec.samples(_joined(
            batch for one in said
            for batch in self.batches(n, seed or 0, classes, truncation, start, seeds, attributes, one)
        ), output_type, start)  # fmt: skip

    def around(self, partial: Recorded, n: int = 1, *, seed: int = 0, whole: bool = False) -> Samples:
        """``n`` series for each of those of which a part is known: forecasts of what begins, and what fills gaps.

        ``partial`` is as ``belamy.series.decoding.partial_table`` and ``partial_series`` give it, NaN where nothing is
        known; what is known comes back as it is. ``whole``: a series ends where it ends. Those of one come together.
        Raises UserError for a model that makes no series.
        """
        if not isinstance(self.codec, SeriesCodec):
            raise UserError(f"this model makes {self.codec.plural}, not series")
        many = partial.part(np.repeat(np.arange(len(partial)), n))
        known = {name: value.to(self.device) for name, value in given(many, self.facts, whole).items()}
        batches = []
        for first in range(0, len(many), self.codec.chunk):
            rows = range(first, min(first + self.codec.chunk, len(many)))
            chance = Chance(key("sample", seed), rows, self.device)
            asked = self.codec.conditions(Chance(key("class", seed), rows, self.device))
            told = asked | {name: value[rows.start : rows.stop] for name, value in known.items()}
            batches.append(self.make(self._given(chance, told, None, None)))
        return self.codec.samples(_joined(batches), partial=many, whole=whole)

    def __call__(
        self, prompt: str | Sequence[str] | int | None = None, *, num_images: int = 1, **options: Any
    ) -> Samples:
        """``sample``, by prompt: ``model("a red circle", num_images=4)``; a number asks for so many."""
        if isinstance(prompt, int):
            return self.sample(prompt, **options)
        return self.sample(num_images, prompt=prompt, **options)

    def save_pretrained(self, folder: str | Path) -> Path:
        """Writes ``model.safetensors``, ``config.json`` and the card, each whole or not at all."""
        return self._pretrained().save(folder)

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Uploads the model to the Hugging Face hub; the address is returned."""
        return self._pretrained().push(repo_id, **options)

    def _pretrained(self) -> Pretrained:
        return Pretrained(self.game, self.spec, self.facts, self.card)

    @classmethod
    def from_pretrained(cls, name: str | Path, device: torch.device | str = "cpu") -> Model:
        """The model in a folder, or of that name on the Hugging Face hub.

        Raises UserError where there is none, or where it is damaged.
        """
        found = Pretrained.load(name)
        model = cls(found.game.to(device), found.spec, found.facts)
        model.card = found.card
        return model


def _pixels(image: Image.Image | NDArray[Any]) -> NDArray[Any]:
    """[H, W, C] of a Pillow image, without palette and of 8 bits, or 16 where it is grey; of an array as it is."""
    if isinstance(image, Image.Image):
        if not image.mode.startswith("I;16"):
            image = image.convert(full_mode(image))
        image = np.asarray(image)
    return image[..., None] if image.ndim == 2 else image


def _joined(batches: Iterable[Batch]) -> Batch:
    parts = list(batches)
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _asked(
    n: int, classes: str | int | Sequence[str | int] | None, attributes: Sequence[str] | Sequence[Sequence[str]] | None
) -> tuple[list[Any] | None, list[Any] | None]:
    """What is asked of each of ``n`` samples: its class and its attributes."""
    names = [attributes] if isinstance(attributes, str) else attributes
    return (
        _each(classes, n, "classes", isinstance(classes, str | int)),
        _each(names, n, "lists of attributes", all(isinstance(name, str) for name in names or ())),
    )


def _each(asked: Sequence[Any] | str | int | None, n: int, what: str, alone: bool) -> list[Any] | None:
    """What is asked of each of ``n`` samples, where it is one for all (``alone``) or one for each."""
    if asked is None:
        return None
    found = [asked] * n if isinstance(asked, str | int) or alone else list(asked)
    if len(found) != n:
        raise UserError(f"{len(found)} {what} for {n} samples: give one, or one for each")
    return found


def _drawn(generator: torch.Generator | None) -> int:
    device = generator.device if generator is not None else "cpu"
    return int(torch.randint(2**63 - 1, (), generator=generator, device=device).item())
