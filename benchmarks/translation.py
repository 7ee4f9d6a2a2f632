"""Pictures answered by pictures, on held-out data beside the classical baselines: pairs, kinds, larger, whole, style.

The seconds are those of the whole run, start, judging and report included.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import time
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

import belamy
from belamy.answers import evaluate
from belamy.data.photos import Degraded
from belamy.judge import source_of
from belamy.run import Run
from belamy.storage import read_json
from belamy.translation import between
from common import CACHE, DATA, RESULTS, ROOT, say, tried

COLOURS = {"circle": (214, 68, 60), "square": (60, 110, 214), "triangle": (64, 168, 84)}
WHITE = (255, 255, 255)
STYLES = {"texture": "skimage_gravel.png", "painting": "getty_march-pastoral.png"}


def heldout(name: str, share: int = 10) -> bool:
    """One name of so many, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") < 2**64 // share


def on_white(pixels: np.ndarray) -> np.ndarray:
    """RGBA uint8 [..., 4] as RGB on white."""
    values = pixels.astype(np.uint16)
    opacity = values[..., 3:]
    mixed: np.ndarray = ((values[..., :3] * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
    return mixed


def keep(root: Path, files: Iterable[tuple[str, np.ndarray]]) -> Path:
    """A folder of PNGs, written once."""
    if not (root / "done").is_file():
        for name, pixels in files:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / f"{name}.png")
        (root / "done").touch()
    return root


def part(out: bool) -> str:
    return "val" if out else "train"


def lines(root: Path) -> Path:
    """OpenMoji's black lines and its coloured emoji; all skin tones of one are on one side."""
    stem = "openmoji_line_colour_64"
    with np.load(DATA / f"{stem}.npz") as archive:
        colour, line = on_white(archive["color"]), 255 - archive["line"]
    entries = json.loads((DATA / f"{stem}.json").read_text(encoding="utf-8"))
    sides = [part(heldout(entry["skintone_base_hexcode"] or entry["hexcode"])) for entry in entries]
    return keep(root, (
        (f"{side}/{kind}/{row}", pixels[row])
        for row, side in enumerate(sides) for kind, pixels in (("A", line), ("B", colour))
    ))  # fmt: skip


def shapes(root: Path, count: int = 1500, side: int = 64) -> Path:
    """Outlines of circles, squares and triangles, and the same filled with the colour of their kind."""

    def drawn() -> Iterable[tuple[str, np.ndarray]]:
        random = np.random.default_rng(0)
        for number in range(count):
            outline, filled = (Image.new("RGB", (side, side), WHITE) for _ in range(2))
            for _ in range(random.integers(1, 4)):
                kind = str(random.choice(list(COLOURS)))
                (x, y), reach = random.uniform(14, side - 14, 2), random.uniform(7, 13)
                for image, fill in ((outline, WHITE), (filled, COLOURS[kind])):
                    pen = ImageDraw.Draw(image)
                    box = (x - reach, y - reach, x + reach, y + reach)
                    corners = [(x, y - reach), (x - reach, y + reach), (x + reach, y + reach)]
                    draw: dict[str, Callable[..., None]] = {"circle": pen.ellipse, "square": pen.rectangle}
                    draw.get(kind, pen.polygon)(corners if kind == "triangle" else box, fill=fill, outline=(0, 0, 0))
            for kind, image in (("A", outline), ("B", filled)):
                yield f"{part(number % 10 == 0)}/{kind}/{number}", np.asarray(image)

    return keep(root, drawn())


def emoji(root: Path) -> Path:
    """Noto's and Twemoji's: no emoji is in both of the training heaps, all held-out ones are true pairs."""
    stem = "emoji_noto_twemoji_64"
    with np.load(DATA / f"{stem}.npz") as archive:
        kinds = {"A": on_white(archive["noto"]), "B": on_white(archive["twemoji"])}
    entries = json.loads((DATA / f"{stem}.json").read_text(encoding="utf-8"))

    def chosen() -> Iterable[tuple[str, np.ndarray]]:
        for row, entry in enumerate(entries):
            base = entry["unified"].split("-1F3F")[0]
            out = heldout(base)
            for kind, pixels in kinds.items():
                if out or heldout(f"side of {base}", 2) == (kind == "A"):
                    yield f"{part(out)}/{kind}/{row}", pixels[row]

    return keep(root, chosen())


def one_kind(root: Path) -> Path:
    """OpenMoji in colour, for itself."""
    source = lines(root.with_name("lines"))
    return keep(root, (
        (f"{side}/{path.stem}", np.asarray(Image.open(path)))
        for side in ("train", "val") for path in sorted((source / side / "B").iterdir())
    ))  # fmt: skip


def photos(root: Path) -> Path:
    """39 photographs, a fifth of them held out; grey ones in colour."""

    def unpacked() -> Iterable[tuple[str, np.ndarray]]:
        with zipfile.ZipFile(DATA / "photos.zip") as archive:
            for name in sorted(archive.namelist()):
                if name.endswith(".png"):
                    picture = Image.open(io.BytesIO(archive.read(name))).convert("RGB")
                    yield f"{part(heldout(name, 5))}/{Path(name).stem}", np.asarray(picture)

    return keep(root, unpacked())


def patches(root: Path, side: int = 64, count: int = 25) -> Path:
    """The photographs to learn from, and so many patches of each of those that are held out."""

    def cut() -> Iterable[tuple[str, np.ndarray]]:
        random = np.random.default_rng(0)
        for path in sorted(photos(root.with_name("photos")).glob("*/*.png")):
            pixels = np.asarray(Image.open(path))
            if path.parent.name == "train":
                yield f"train/{path.stem}", pixels
                continue
            for number in range(count):
                top, left = (random.integers(length - side + 1) for length in pixels.shape[:2])
                yield f"val/{path.stem}-{number}", pixels[top : top + side, left : left + side]

    return keep(root, cut())


@dataclass(frozen=True)
class Trial:
    """A recipe on data, for so many examples."""

    recipe: str
    data: Callable[[Path], Path]
    examples: int
    settings: dict[str, Any] = field(default_factory=dict)


TRIALS = {
    "lines": Trial("pix2pix", lines, 60_000),
    "shapes": Trial("pix2pix", shapes, 16_000),
    "emoji": Trial("cyclegan", emoji, 22_000),
    "emoji-cut": Trial("cut", emoji, 24_000),
    "photos-x2": Trial("superres", photos, 16_000),
    "photos-x4": Trial("superres", photos, 24_000, {"game.scale": 4, "data.resolution": 128}),
    "emoji-x4": Trial("superres", one_kind, 40_000, {"game.scale": 4, "data.resolution": 64}),
    "emoji-holes": Trial("inpaint", one_kind, 80_000),
    "photo-holes": Trial("inpaint", patches, 48_000),
    "texture": Trial("style", photos, 8_000),
    "painting": Trial("style", photos, 8_000),
}


def trained(name: str) -> Path:
    """Where the run of a trial is kept until it is measured again."""
    return CACHE / "translation" / f"run-{name}"


def right(run: Path, report: dict[str, Any]) -> dict[str, float]:
    """The share of held-out pixels whose nearest colour, of those that shapes are drawn in, is the true one."""
    palette = np.array([*COLOURS.values(), WHITE, (0, 0, 0)])
    model, found = belamy.load(run), []
    for path in sorted((CACHE / "translation" / "shapes" / "val" / "A").iterdir()):
        pictures = np.asarray(model.apply(Image.open(path))), np.asarray(Image.open(path.parents[1] / "B" / path.name))
        kinds = [((one[..., None, :] - palette.astype(int)) ** 2).sum(-1).argmin(-1) for one in pictures]
        found.append((kinds[0] == kinds[1]).mean())
    return {"right": float(np.mean(found))}


def faithful(run: Path, report: dict[str, Any]) -> dict[str, float]:
    """How much better than bicubic the network is before it is sharpened."""
    model, source = belamy.load(run), source_of(Run.open(run).recipe)
    assert isinstance(source, Degraded)
    model.game = between(model.game, 0.0)
    entry = evaluate(model, source.heldout(), source, metrics=["psnr_y"])["metrics"]["psnr_y"]
    return {"faithful_psnr_y": entry["value"] - entry["trivial"]["bicubic"]}


def backwards(run: Path, report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The other way, by the same network."""
    found = belamy.evaluate(run, backwards=True, device="cpu")["metrics"]
    return {f"back_{metric}": {"value": entry["value"], **entry["trivial"]} for metric, entry in found.items()}


def measure(name: str, seed: int, examples: int | None, settings: dict[str, Any]) -> dict[str, Any]:
    trial, kept = TRIALS[name], CACHE / "translation"
    data, settings = trial.data(kept / trial.data.__name__), trial.settings | settings
    if name in STYLES:
        settings = {"data.style": str(next(photos(kept / "photos").glob(f"*/{STYLES[name]}")))} | settings
    place = trained(name)
    shutil.rmtree(place, ignore_errors=True)
    began = time.perf_counter()
    run = belamy.train(
        trial.recipe, str(data), place, seed=seed, settings=settings, device="cpu",
        examples=examples or trial.examples, report_to="none",
    )  # fmt: skip
    seconds = time.perf_counter() - began
    report = read_json(run.path / "evaluation.json")
    others = {"shapes": right, "photos-x2": faithful, "emoji": backwards}
    more = others[name](run.path, report) if name in others else {}
    sheet = (ROOT / "docs" if RESULTS.is_relative_to(ROOT) else RESULTS) / f"translation-{name}.png"
    Image.open(run.samples / "generated.png").save(sheet, optimize=True)
    shown = {key: value for key, value in settings.items() if key != "data.style"}
    say(f"{name}: {seconds:.0f} s")
    return {
        "train_seconds": round(seconds, 1), "examples": examples or trial.examples, "settings": shown,
        "n": report["n"], "picture": f"docs/{sheet.name}", **more,
        **{metric: {"value": entry["value"], **entry["trivial"]} for metric, entry in report["metrics"].items()},
    }  # fmt: skip


if __name__ == "__main__":
    tried("translation", __doc__, TRIALS, measure)
