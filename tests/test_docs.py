"""The documents keep their word: their code runs, their commands parse, and their tables agree with the code."""

from __future__ import annotations

import inspect
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from pydantic import BaseModel
from typer.main import get_command
from typer.testing import CliRunner

import belamy
from belamy import recipe as recipes
from belamy.cli.main import app
from belamy.data.captioned import CaptionedImages
from belamy.data.images import Images
from belamy.data.pairs import Pairs, Unpaired
from belamy.data.photos import Degraded, Holed, Styled
from belamy.data.points import Points
from belamy.data.private_table import PrivateTable as PrivateRows
from belamy.data.series import Series as SeriesRows
from belamy.data.shapes import Shapes
from belamy.data.stacked import Stacked
from belamy.data.table import Table as Rows
from belamy.duel import Duel
from belamy.games.cgan import CGAN
from belamy.games.cut import CUT
from belamy.games.cyclegan import CycleGAN
from belamy.games.dcgan import DCGAN
from belamy.games.fastgan import FastGAN
from belamy.games.gan import GAN
from belamy.games.inpaint import Inpaint
from belamy.games.pix2pix import Pix2Pix
from belamy.games.private_table import PrivateTable
from belamy.games.progressive import Progressive
from belamy.games.r3gan import R3GAN
from belamy.games.series import Series
from belamy.games.style import Style
from belamy.games.stylegan import StyleGAN
from belamy.games.superres import SuperRes
from belamy.games.table import Table
from belamy.games.text2image import Text2Image
from belamy.ops.adversarial import LOSSES
from belamy.ops.penalties import PENALTIES

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
SMALL: dict[str, Any] = {"batch": 16, "judging.metric": "none", "precision": "fp32"}


def blocks(document: Path) -> list[tuple[str, str]]:
    """Each fenced block: the words after the fence, and what it holds."""
    return re.findall(r"^```([^\n]*)\n(.*?)^```$", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """The belamy commands of a shell block, without the word belamy."""
    lines = [shlex.split(line, comments=True) for line in text.replace("\\\n", " ").splitlines()]
    return [line[line.index("belamy") + 1 :] for line in lines if "belamy" in line]


def keys(document: str, section: str) -> dict[str, str]:
    """The first column of a section's table, and its column of defaults."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{document} has no section {section}"
    return {name: default for name, default in re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \|", found[1], re.MULTILINE)}


def draw(folder: Path, count: int = 40) -> None:
    """Circles and squares of 16x16 pixels, all different."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:16, :16]
    for kind in ("circles", "squares"):
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            (y, x), reach = random.uniform(5, 11, 2), random.uniform(2, 5)
            apart = np.stack([abs(rows - y), abs(columns - x)])
            inside = (np.hypot(*apart) if kind == "circles" else apart.max(0)) < reach
            pixels = np.full((16, 16, 3), 230, np.uint8)
            pixels[inside] = random.integers(0, 160, 3)
            Image.fromarray(pixels).save(folder / kind / f"{number:02}.png")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_parse(document: Path) -> None:
    root = get_command(app)
    for kind, text in blocks(document):
        for words in commands(text) if kind == "bash" else []:
            command = root
            while words and hasattr(command, "commands"):
                assert words[0] in command.commands, f"belamy {' '.join(words)}"
                command, words = command.commands[words[0]], words[1:]
            command.make_context("belamy", list(words))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_documents_that_exist(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8")):
        if target.endswith(".md") and not target.startswith("benchmarks/"):  # those are written by `make bench`
            assert (document.parent / target).is_file(), target


@pytest.mark.parametrize(
    ("section", "model"),
    [
        ("Recipe", recipes.Recipe), ("Adam", recipes.Adam), ("Cosine", recipes.Cosine), ("Average", recipes.Average),
        ("Judging", recipes.Judging), ("Keeping", recipes.Keeping),
    ],
)  # fmt: skip
def test_keys_of_recipes(section: str, model: type[BaseModel]) -> None:
    defaults = {
        name: inspect.Parameter.empty if field.is_required() else field.get_default(call_default_factory=True)
        for name, field in model.model_fields.items()
    }
    if model is recipes.Recipe:
        defaults["name"] = "the file's name"
    if model is recipes.Average:  # a recipe may leave it out altogether
        defaults["halflife"] = recipes.Recipe.model_fields["average"].default.halflife
    agree(keys("recipes.md", section), defaults)


@pytest.mark.parametrize(("section", "kind"), [
    ("The options of every duel", Duel), ("The game of `r3gan`", R3GAN), ("The data of `r3gan`", Images),
    ("The game of `gan`", GAN), ("The data of `gan`", Points), ("The game of `dcgan`", DCGAN),
    ("The game of `cgan`", CGAN),
    ("The data of `stacked-mnist`", Stacked),
    ("The game of `progressive`", Progressive), ("The game of `fastgan`", FastGAN),
    ("The game of `stylegan`", StyleGAN),
    ("The game of `pix2pix`", Pix2Pix), ("The data of `pix2pix`", Pairs), ("The data of `pix2pix`", Unpaired),
    ("The game of `cyclegan`", CycleGAN), ("The game of `cut`", CUT),
    ("The game of `text2image`", Text2Image), ("The data of `text2image`", CaptionedImages),
    ("The data of `text2image-shapes`", Shapes), ("The game of `table`", Table), ("The data of `table`", Rows),
    ("The game of `series`", Series), ("The data of `series`", SeriesRows),
    ("The game of `table-private`", PrivateTable), ("The data of `table-private`", PrivateRows),
    ("The game of `superres`", SuperRes), ("The data of `superres`", Degraded),
    ("The game of `inpaint`", Inpaint), ("The data of `inpaint`", Holed),
    ("The game of `style`", Style), ("The data of `style`", Styled),
])  # fmt: skip
def test_keys_of_classes(section: str, kind: type) -> None:
    parameters = dict(inspect.signature(kind).parameters)
    parameters.pop("latent" if kind is Duel else "seed", None)  # each game's own; the recipe's
    if "others" in parameters:
        assert issubclass(kind, Duel) and parameters.pop("others").kind is inspect.Parameter.VAR_KEYWORD
    agree(keys("recipes.md", section), {name: parameter.default for name, parameter in parameters.items()})


@pytest.mark.parametrize(("section", "names"), [("Losses", LOSSES), ("Penalties", PENALTIES)])
def test_names_of_losses_and_penalties(section: str, names: dict[str, Any]) -> None:
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE) == list(names)


def agree(told: dict[str, str], real: dict[str, Any]) -> None:
    assert list(told) == list(real)
    for name, default in real.items():
        if isinstance(default, tuple):
            default = list(default)
        if default is inspect.Parameter.empty:
            assert told[name] == "required", name
        elif isinstance(default, BaseModel):
            assert told[name] == "see below", name
        else:
            assert told[name] == default or yaml.safe_load(told[name].strip("`")) == default, name


def test_options_of_train() -> None:
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    told = {option.split("/")[0] for option in re.findall(r"^\| `(--[\w-]+)", text, re.MULTILINE)}
    real = {option.opts[0] for option in get_command(app).commands["train"].params if option.opts[0].startswith("--")}
    assert told == real


def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    small = {
        "train": ["--examples", "96", *settings],
        "evaluate": ["-n", "32", "--metrics", "kid", "--features", "pixels"],
    }
    for kind, text in blocks(ROOT / "docs" / "own-game.md"):
        language, _, file = kind.partition(" ")
        if file:
            Path(file).write_text(text, encoding="utf-8")
        elif language == "python":
            exec(compile(text, "own-game.md", "exec"), {})
        else:
            for words in commands(text):
                result = CliRunner().invoke(app, [*words, *small.get(words[0], [])])
                assert result.exit_code == 0, (words, result.output, result.exception)
    for made in ("runs/mine/report.html", "runs/narrow/report.html", "grid.png", "threes.png"):
        assert Path(made).is_file()
    assert belamy.load("runs/mine").facts["classes"] == [str(digit) for digit in range(10)]


class Hub:
    """The Hugging Face hub, as a folder."""

    def create_repo(self, name: str, **options: Any) -> str:
        return f"https://hub/{name}"

    def upload_folder(self, repo_id: str, folder_path: str) -> None:
        shutil.copytree(folder_path, Path("hub", repo_id))


def test_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "pictures")
    Path("PICTURES").symlink_to("pictures")  # as README.md calls them
    smaller(monkeypatch, "belamy.training.train", lambda given: {} if "resume" in given else {
        "examples": 96, "device": "cpu", "settings": {**SMALL, "game.widths": [8, 8, 8], **given.get("settings", {})},
    })  # fmt: skip
    smaller(monkeypatch, "belamy.judge.evaluate", lambda given: {"n": 32, "metrics": ["kid"], "features": "pixels"})
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **options: str(Path("hub", name)))
    names: dict[str, Any] = {}
    for document in ("docs/python.md", "README.md"):
        for kind, text in blocks(ROOT / document):
            if kind == "python":
                exec(compile(text, document, "exec"), names)
    assert Image.open("one.png").size == (16, 16)
    assert Path("grid.png").is_file() and names["tensor"].shape == (16, 3, 16, 16)
    assert names["samples"].labels.tolist() == [0, 1] and names["samples"]._repr_png_().startswith(b"\x89PNG")
    assert names["report"]["metrics"]["kid"]["floor"] is not None
    assert names["run"].model == Path("runs/mine/model")
    assert belamy.load("circles-and-squares").facts == belamy.load("runs/first").facts


def smaller(
    monkeypatch: pytest.MonkeyPatch, place: str, options: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """Calls of the function at ``place`` get ``options`` of what they were given, over it."""
    module, _, name = place.rpartition(".")
    function = getattr(__import__(module, fromlist=[name]), name)
    monkeypatch.setattr(place, lambda *given, **named: function(*given, **{**named, **options(named)}))
