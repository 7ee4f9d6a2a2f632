"""Small runs for the tests: any recipe that ships, cut down to milliseconds a step, and processes to play them in."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from belamy import recipe as recipes
from belamy.data.table import Table
from belamy.engine import Engine
from belamy.model import Model
from belamy.planning import compose, plan
from belamy.recipe import Recipe
from belamy.scenes.grammar import PALETTE, PLACES, RELATIONS, SHAPES, SIZES
from belamy.source import Source

processes = multiprocessing.get_context("forkserver")
"""Starts processes quickly: its server has imported torch already, and has no threads that a fork would tear."""
processes.set_forkserver_preload(["pytest", "sklearn.datasets", "belamy.training", "belamy.data.digits"])

DIGITS: dict[str, Any] = {
    "game.widths": [4, 4], "game.latent": 4, "batch": 16, "precision": "fp32", "judging.metric": "none",
    "judging.times": 2, "watching.times": 2, "watching.samples": 16, "examples": 96, "average.halflife": 64,
}  # fmt: skip
"""Settings that make the digits a matter of six steps, with a checkpoint at each."""


OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "packed": ("ring8", {"game.pack": 2, "game.normalise": "gradient", "game.penalties": {"r1": 1.0, "wgan-gp": 1.0}}),
    "spectral": ("digits", {
        "game.normalise": "spectral", "game.augment": "adaptive", "game.augment_over": 160, "game.pack": 2,
        "game.classes": 0, "game.correct": 16, "game.penalties": {"consistency": 1.0, "consistency-fake": 1.0},
    }),
    "concatenated": ("cgan", {
        "game.conditioning": "concatenation", "game.loss": "least-squares",
        "game.penalties": {"r1-finite": 1.0, "r2-finite": 1.0},
    }),
    "auxiliary": ("cgan", {"game.conditioning": "auxiliary", "game.loss": "minimax"}),
    "attributes": ("cgan", {"data.attributes": ["striped", "wild"], "data.classes": False}),
    "equivariant": ("stylegan", {
        "game.equivariant": True, "data.classes": False, "game.pack": 2, "game.normalise": "spectral",
        "game.augment": 0.5, "game.scale": 0.2, "game.turn": 3.0, "game.flip": True,
    }),
    "redrawn": ("fastgan", {
        "game.loss": "relativistic", "game.normalise": "spectral", "game.augment": "adaptive", "game.pack": 2,
        "game.penalties": {"r1": 1.0, "lecam": 1.0},
    }),
    "average": ("grid25", {"game.loss": "relativistic-average", "game.penalties": {"dragan": 1.0, "lecam": 1.0}}),
}  # fmt: skip
"""Options of every duel that no recipe takes, over the recipes that are tested with them."""

PLAYED = [name for name in (*recipes.names(), *OPTIONS) if name != "table-private"]
"""What the contract is held to; privacy is promised of one process and whole batches alone, and has its own tests."""


def draw_pictures(root: Path, counts: Mapping[str, int], side: int = 16, channels: int = 3) -> Path:
    """So many different noise pictures in each class's folder."""
    random = np.random.default_rng(0)
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = random.integers(0, 256, (side, side, channels), dtype=np.uint8)
            Image.fromarray(pixels.squeeze()).save(root / name / f"{number}.png")
    return root


def tiny(name: str, pictures: Path, **settings: Any) -> Recipe:
    """One of PLAYED, with networks of a few channels on 8x8 digits or on ``pictures`` of 16x16."""
    base, options = OPTIONS.get(name, (name, {}))
    shipped = recipes.load(base)
    small: dict[str, Any] = {
        "batch": 8, "precision": "fp32", "judging.metric": "none", "watching.times": 2, "watching.samples": 16,
        "average.halflife": 64,
    }  # fmt: skip
    from_path = recipes.accepts(shipped.data, "path")
    if from_path:
        small["data.path"] = str(_pairs(pictures) if recipes.accepts(shipped.data, "direction") else pictures)
    tabular = shipped.data["use"] == "belamy.data.table:Table"
    if tabular:
        small["data.path"] = str(rows_of_people(pictures.parent / "people.csv"))
    if shipped.data["use"] == "belamy.data.series:Series":
        tabular, small["data.path"] = True, str(waves(pictures.parent / "waves.npz"))
    if recipes.accepts(shipped.data, "encoder"):
        small["data.encoder"] = str(word_vectors(pictures.parent / "words.txt"))
        small |= {"data.path": str(_captioned(pictures))} if from_path else {"data.count": 48}
        small |= {"game.code": 8, "data.words": 6}
    if "data.attributes" in options:
        small["data.path"] = str(_with_attributes(pictures, options["data.attributes"]))
    if recipes.accepts(shipped.data, "style"):
        small["data.style"] = str(pictures / "cat" / "0.png")
    # What grows has reached all its parameters by the fourth step.
    growing = {"fade": 16, "stay": 0}
    levels = 3 if from_path or "shapes" in shipped.data["use"] else 2
    widths = {"widths": [8] * levels, "generator_widths": [8, 8], "width": 4}
    answering = shipped.data["use"].startswith(("belamy.data.pairs:", "belamy.data.photos:"))
    # The latents of tables and of series follow their data.
    others = {"pool": 12} if answering else {} if tabular else {"latent": 8}
    if base == "dcgan":
        others["resolution"] = 16
    if base in ("superres", "inpaint"):
        others["warmup"] = 16
    if base == "style":  # else an untrained network keeps enough, and that term is nothing
        others["keep"] = 1.0
    for option, value in {**widths, **growing, **others}.items():
        if recipes.accepts(shipped.game, option):
            small[f"game.{option}"] = value
    return recipes.load(base, {**small, **options, "name": name, **settings}).lasting(4096)


def waves(path: Path, count: int = 48, steps: int = 6) -> Path:
    """Series of two channels in two classes, whose waves are of different lengths."""
    if not path.exists():
        random = np.random.default_rng(0)
        kinds = np.arange(count) % 2
        phase = random.uniform(0, 6, (count, 1)) + np.arange(steps) * (1 + kinds[:, None])
        series = np.stack([np.sin(phase), np.cos(phase)], axis=2) + 0.1 * random.standard_normal((count, steps, 2))
        np.savez(path, x=series, y=kinds)
    return path


def rows_of_people(path: Path, count: int = 60) -> Path:
    """A table of numbers, of which some are missing and many zero, and of categories."""
    if not path.exists():
        random = np.random.default_rng(0)
        lines = [
            f"{random.normal(170, 10):.3f},{random.choice(['', 0, 0, random.integers(1, 90)])},"
            f"{random.choice(['Ulm', 'Bonn', 'Köln'])},{random.random() < 0.3}"
            for _ in range(count)
        ]
        path.write_text("\n".join(["height,visits,city,member", *lines]), encoding="utf-8")
    return path


def untrained(frame: Any, types: Path | None = None) -> Model:
    """A model of a table's rows with its first weights, by which it is a Gaussian copula."""
    source = Table.of(frame, None if types is None else str(types))
    settled = plan(compose("table", "memory", {"game.width": 8}), "cpu", source)
    return Model(settled.game(), settled.spec, source.facts)


def word_vectors(path: Path, width: int = 12) -> Path:
    """A file of vectors for the words that captions of shapes are made of, and for some others."""
    if not path.exists():
        words = ["a", "an", "the", "cat", "dog", "on", "at", "to", "in", "of", "background", "corner", "there", "is",
                 "picture", "big", "little", "upper", "lower", "below", "under", "over", "middle", *PALETTE, *SHAPES,
                 *SIZES, *(word for name in (*PLACES, *RELATIONS) for word in name.split())]  # fmt: skip
        rows = np.random.default_rng(0).standard_normal((len(words), width))
        lines = (f"{word} {' '.join(f'{value:.4f}' for value in row)}" for word, row in zip(words, rows, strict=True))
        path.write_text("\n".join(lines))
    return path


def _captioned(pictures: Path) -> Path:
    """The same pictures with captions of their own, in a folder beside them."""
    root = pictures.parent / "captioned"
    if not root.exists():
        root.mkdir()
        for number, file in enumerate(sorted(pictures.glob("*/*.png"))):
            (root / f"{number}.png").symlink_to(file)
            said = f"a {list(PALETTE)[number % 8]} {file.parent.name} at the {PLACES[number // 8]}"
            (root / f"{number}.txt").write_text(said)
    return root


def _with_attributes(pictures: Path, names: Sequence[str]) -> Path:
    """The same pictures, which have attributes in every combination, in a folder beside them."""
    root = pictures.parent / "attributes"
    if not root.exists():
        root.mkdir()
        lines = []
        for number, file in enumerate(sorted(pictures.glob("*/*.png"))):
            (root / f"{number}.png").symlink_to(file)
            had = {name: number >> place & 1 for place, name in enumerate(names)}
            lines.append(json.dumps({"file_name": f"{number}.png", **had}))
        (root / "metadata.jsonl").write_text("\n".join(lines))
    return root


def _pairs(pictures: Path) -> Path:
    """The two classes of ``pictures``, whose files have the same names, as A and B."""
    root = pictures.parent / "pairs"
    for kind, name in (("A", "cat"), ("B", "dog")):
        root.mkdir(exist_ok=True)
        if not (root / kind).exists():
            (root / kind).symlink_to(pictures / name)
    return root


_sources: dict[str, Source] = {}


def engine(recipe: Recipe, precision: str | None = None) -> Engine:
    """Of a source that is opened once: it is a pure function of positions."""
    about = repr((recipe.name, recipe.seed, recipe.data))
    settled = plan(recipe.model_copy(update={"precision": precision} if precision else {}), "cpu", _sources.get(about))
    _sources[about] = settled.source
    return settled.engine()


def steps(player: Engine, count: int) -> None:
    for _ in range(count):
        assert not player.step().skipped
    player.close()


def state(player: Engine) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in player.state()[0].items()}


Network = TypeVar("Network", bound=nn.Module)


def roughened(network: Network, by: float = 0.3, seed: int = 5) -> Network:
    """The network with every parameter moved off its start, since what begins at zero hides gradients."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += by * torch.randn(parameter.shape, generator=generator, dtype=torch.float64).to(parameter)
    return network


def roughen(player: Engine, seed: int = 5) -> None:
    """Moves every parameter of a game off its start, and adaptive augmentation."""
    roughened(player.game, 0.1, seed)
    for name, value in player.game.named_buffers():
        if name == "augmentation.level":
            value.fill_(0.5)


def same(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> bool:
    """Whether all tensors are there, and equal bit for bit."""
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def contents(folder: Path) -> dict[str, str]:
    """Every file below ``folder``, with a hash of what it holds."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
