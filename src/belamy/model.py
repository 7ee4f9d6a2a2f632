"""What ships: the averaged players that sample, with all that is needed to use them elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from belamy.pictures import grid, scatter, to_pil, to_uint8
from belamy.recipe import build
from belamy.series.decoding import given, long_table
from belamy.series.recorded import Recorded
from belamy.storage import read_json, read_tensors, write_json, write_tensors, write_text
from belamy.tables.where import Asked, Where
from belamy.text.prompts import Prompt, conditions
from belamy.translation import Progress, Tile, marked, translate
from belamy.version import __version__


@dataclass
class Samples:
    """Pictures in the form that was asked for, or points, or a table: a pandas DataFrame.

    ``series`` holds values [N, T, C], lengths and times of series, of which ``table`` has a row for each step. Beside
    them what was asked for: classes int64 [N], attributes [N, A]. ``labels`` and ``attributes``, which are 0 or
    1, are None where there are none.
    """

    images: Any = None
    labels: NDArray[np.int64] | None = None
    points: Any = None
    attributes: NDArray[np.uint8] | None = None
    table: Any = None
    series: Recorded | None = None

    @property
    def values(self) -> Any:
        """The samples, whatever they are."""
        return next(found for found in (self.images, self.points, self.table) if found is not None)

    def __len__(self) -> int:
        return len(self.values)

    def grid(self, columns: int | None = None) -> Image.Image:
        """All samples in one picture. Raises UserError for a table."""
        if self.table is not None:
            raise UserError("a table is no picture: see .table")
        if self.images is None:
            return scatter(np.asarray(self.points))
        if isinstance(self.images, torch.Tensor):
            return grid(to_uint8(self.images), columns)
        if isinstance(self.images, np.ndarray):
            return grid(self.images, columns)
        stacked = np.stack([np.asarray(image).reshape(*reversed(image.size), -1) for image in self.images])
        return grid(stacked, columns)

    def _repr_png_(self) -> bytes | None:
        import io

        if self.table is not None:
            return None

        held = io.BytesIO()
        self.grid().save(held, "PNG")
        return held.getvalue()


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
        for first in range(start, start + n, self.codec.chunk):
            rows = range(first, min(first + self.codec.chunk, start + n))
            padded = [*rows, *[rows[-1]] * (self.codec.chunk - len(rows))]
            if seeds is None:
                latent, chance = (Chance(key(what, seed), padded, self.device) for what in ("sample", "class"))
            else:
                own = [seeds[row - start] for row in padded]
                latent, chance = (
                    Chance.of_seeds([key(what, one) for one in own], self.device) for what in ("sample", "class")
                )
            wanted = (each and [each[row - start] for row in padded] for each in (kinds, traits))
            conditions = self.codec.conditions(chance, *wanted) | self._of_rows(asked, len(padded))
            batch = self.make(self._given(latent, conditions, truncation, prompt))
            yield {name: value[: len(rows)] for name, value in batch.items()}

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
        tile: Tile = "auto", progress: Progress | None = None,
    ) -> Any:
        """The model's answer to a picture, as a Pillow image, or for an array as uint8 or uint16 [H, W, C].

        ``mask`` is white, or true, where an inpainting model has to fill. ``strength`` is that of a style, from 0
        (none) on; ``denoise`` goes from the faithful (0) to the sharp network (1) of super-resolution; ``backwards``
        makes A of B. Large pictures go in tiles of ``tile`` pixels; None: all at once. Raises UserError for what this
        model has no use for.
        """  # fmt: skip
        pixels = _pixels(image)
        hole = None if mask is None else marked(_pixels(mask))
        found = translate(
            self.game, self.facts, pixels, mask=hole, strength=strength, denoise=denoise, backwards=backwards,
            tile=tile, progress=progress,
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
        asked = self.codec.asked(where)
        for batch in self.batches(n, seed, start=start, asked=asked):
            yield self.codec.decode(batch["row"], start, asked)
            start += len(batch["row"])

    def _of_rows(self, asked: Asked | None, n: int) -> Batch:
        """What is asked of ``n`` rows alike, as games take it."""
        if not isinstance(self.codec, TableCodec):
            return {}
        asked = asked or self.codec.asked(None)
        given = {"barred": asked.barred.astype(np.float32), "lower": asked.lower, "upper": asked.upper}
        return {name: torch.from_numpy(value).to(self.device).expand(n, -1) for name, value in given.items()}

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
        found = {name: torch.cat([part[name] for part in made]) for name in made[0]}
        return found | {name: given[name] for name in ("class", "attributes") if name in given}

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
            return self._rows(n, seed or 0, where, start)
        if isinstance(self.codec, SeriesCodec):
            return self._series(list(self.batches(n, seed or 0, classes, start=start)), None, start)
        self.codec.asked(where)
        prompts = [prompt] if prompt is None or isinstance(prompt, str) else list(prompt)
        said = [None if text is None else Prompt(text, negative_prompt, guidance) for text in prompts]
        batches = [
            batch for one in said
            for batch in self.batches(n, seed or 0, classes, truncation, start, seeds, attributes, one)
        ]  # fmt: skip
        whole = {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}
        samples, found = Samples(), whole[self.codec.key]
        if "class" in whole:
            samples.labels = whole["class"].cpu().numpy()
        if "attributes" in whole:
            samples.attributes = whole["attributes"].byte().cpu().numpy()
        if self.codec.key == "points":
            points = self.codec.decode(found)
            samples.points = torch.from_numpy(points) if output_type == "pt" else points
        elif output_type == "pt":
            samples.images = found
        else:
            pixels = self.codec.decode(found)
            samples.images = pixels if output_type == "np" else [to_pil(one) for one in pixels]
        return samples

    def _rows(self, n: int, seed: int, where: Where | None, start: int) -> Samples:
        import pandas as pd

        return Samples(table=pd.concat(self.tables(n, seed, where, start), ignore_index=True))

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
        return self._series(batches, many, 0, whole)

    def _series(
        self, batches: Sequence[Batch], partial: Recorded | None, start: int, whole: bool = False
    ) -> Samples:
        assert isinstance(self.codec, SeriesCodec)
        found = {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}
        labels = found["class"].cpu().numpy() if "class" in found else None
        series = self.codec.decode(found["series"], labels, partial, whole)
        return Samples(labels=labels, table=long_table(series, start), series=series)

    def __call__(
        self, prompt: str | Sequence[str] | int | None = None, *, num_images: int = 1, **options: Any
    ) -> Samples:
        """``sample``, by prompt: ``model("a red circle", num_images=4)``; a number asks for so many."""
        if isinstance(prompt, int):
            return self.sample(prompt, **options)
        return self.sample(num_images, prompt=prompt, **options)

    def save_pretrained(self, folder: str | Path) -> Path:
        """Writes ``model.safetensors``, ``config.json`` and the card, each whole or not at all."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        config = {"belamy": __version__, "game": self.spec, "facts": self.facts}
        write_json(folder / "config.json", config)
        write_tensors(folder / "model.safetensors", shipped_tensors(self.game), {"format": "pt"})
        if self.card is not None:
            write_text(folder / "README.md", self.card)
        return folder

    @classmethod
    def from_pretrained(cls, name: str | Path, device: torch.device | str = "cpu") -> Model:
        """The model in a folder, or of that name on the Hugging Face hub.

        Raises UserError where there is none, or where it is damaged.
        """
        folder = Path(name)
        if not folder.is_dir():
            folder = _downloaded(str(name))
        config = read_json(folder / "config.json")
        if not {"game", "facts"} <= set(config):
            raise UserError(f"{folder / 'config.json'} is not that of a belamy model")
        if ".py:" in config["game"]["use"]:
            _own_game_allowed(folder, config["game"])
        game = build(config["game"], Game)
        tensors, own = read_tensors(folder / "model.safetensors"), shipped_tensors(game)
        if set(tensors) != set(own) or any(tensors[name].shape != value.shape for name, value in own.items()):
            raise UserError(f"{folder}: the weights are not those of the network that config.json describes")
        for name, value in own.items():
            value.detach().copy_(tensors[name])
        model, card = cls(game.to(device), config["game"], config["facts"]), folder / "README.md"
        model.card = card.read_text(encoding="utf-8") if card.is_file() else None
        return model

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Uploads the model to the Hugging Face hub; the address is returned."""
        import tempfile

        from huggingface_hub import HfApi

        api = HfApi()
        address = api.create_repo(repo_id, exist_ok=True, **options)
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            api.upload_folder(repo_id=repo_id, folder_path=folder)
        return str(address)


def _pixels(image: Image.Image | NDArray[Any]) -> NDArray[Any]:
    """[H, W, C] of a Pillow image, without palette and of 8 bits, or 16 where it is grey; of an array as it is."""
    if isinstance(image, Image.Image):
        if not image.mode.startswith("I;16"):
            image = image.convert(full_mode(image))
        image = np.asarray(image)
    return image[..., None] if image.ndim == 2 else image


def shipped_tensors(game: Game) -> dict[str, torch.Tensor]:
    """The state of the shipped players, by ``player.name``."""
    return {
        f"{name}.{inner}": value
        for name in game.shipped
        for inner, value in game.get_submodule(name).state_dict().items()
    }


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


def _own_game_allowed(folder: Path, spec: dict[str, Any]) -> None:
    """A game of the user's own is code: it is run from where the user trained it, never from a download."""
    if not Path(spec["use"].rpartition(":")[0]).is_file():
        raise UserError(f"{folder} needs the game {spec['use']}: call from the folder that holds that file")


def _downloaded(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    if name.count("/") != 1 or name.startswith((".", "/")):
        raise UserError(f"there is no run or model at {name}")
    try:
        found = Path(snapshot_download(name, allow_patterns=["model.safetensors", "config.json", "README.md"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"there is no folder {name}, and the hub does not give a model {name}: {reason}") from None
    if ".py:" in read_json(found / "config.json").get("game", {}).get("use", ""):
        raise UserError(f"{name} asks for code of its own, which is not run from a download")
    return found


def _drawn(generator: torch.Generator | None) -> int:
    device = generator.device if generator is not None else "cpu"
    return int(torch.randint(2**63 - 1, (), generator=generator, device=device).item())
