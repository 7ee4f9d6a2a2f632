"""Fashion-MNIST 32x32 and OpenMoji 64x64: likeness to held-out pictures against minutes of training, ours or DCGAN's.

Both players are measured by the same code at the same marks; the clock stands still while they are. ``--recipe`` plays
another of the family of image generators, and ``few`` are 100 emoji, all others held out.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from belamy.cli.main import parse_settings
from belamy.evaluation import evaluate
from belamy.model import Model
from belamy.pictures import grid, to_uint8
from belamy.planning import Plan, compose, plan
from belamy.source import Source
from common import CACHE, DATA, RESULTS, command, parsed, parser, record, say
from dcgan import Dcgan

FEW = "few"
MARKS = (1, 2, 3, 5, 7.5, 10, 15)
SAMPLES = 2000


class Ours:
    """The recipe's game, played by the engine; ``samples`` are the averaged generator's."""

    def __init__(self, settled: Plan) -> None:
        self.engine = settled.engine()
        self.model = Model(self.engine.averages.game, settled.spec, settled.source.facts)

    def step(self) -> int:
        """One batch further; returns the examples seen."""
        self.engine.step()
        return self.engine.clock.examples

    def samples(self, n: int) -> Tensor:
        """Pictures of the same latents as ever, their classes in the data's proportions."""
        images: Tensor = self.model.sample(n, seed=1, output_type="pt").images
        return images


def fashion() -> tuple[Path, dict[str, Any]]:
    """70,000 grey pictures in 10 classes, the official 10,000 held out; what is kept of them stays out of DATA."""
    path = CACHE / "fashion" / "fashion.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.symlink_to(DATA / "fashion_mnist70k.npz")
    return path, {"data.resolution": 32}


def openmoji() -> tuple[Path, dict[str, Any]]:
    """4,494 emoji on white, a tenth held out by base emoji: all skin tones of one, and equal pictures, on one side."""
    path = CACHE / "openmoji" / "openmoji.npz"
    if path.is_file():
        return path, {}
    stem = "openmoji_line_colour_64"
    with np.load(DATA / f"{stem}.npz") as archive:
        values = archive["color"].astype(np.uint16)
    opacity = values[..., 3:]
    pixels = ((values[..., :3] * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
    entries = json.loads((DATA / f"{stem}.json").read_text(encoding="utf-8"))
    heldout = np.array([_chosen(entry["skintone_base_hexcode"] or entry["hexcode"]) for entry in entries])
    unseen = {picture.tobytes() for picture in pixels[heldout]}
    seen = np.array([not out and pixels[row].tobytes() not in unseen for row, out in enumerate(heldout)])
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name("new.npz")
    np.savez(new, x_train=pixels[seen], x_test=pixels[heldout])
    new.replace(path)
    return path, {}


def few_emoji(count: int = 100) -> str:
    """So many emoji to learn from; all others of the training part are held out."""
    path = CACHE / "few" / f"emoji{count}.npz"
    if not path.is_file():
        whole, _ = openmoji()
        with np.load(whole) as archive:
            pictures = archive["x_train"]
        order = np.random.default_rng(0).permutation(len(pictures))
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, x_train=pictures[order[:count]], x_test=pictures[order[count:]])
    return str(path)


def _chosen(name: str) -> bool:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") < 2**64 // 10


def judged(images: Tensor, source: Source, cache: Path) -> dict[str, dict[str, Any]]:
    """Pictures [N, C, R, R] against as many held-out ones, beside training pictures against the same."""
    heldout = source.heldout()
    assert heldout is not None
    found: dict[str, dict[str, Any]] = evaluate(
        lambda start, count: {"image": images[start : start + count]}, heldout, source, n=len(images),
        metrics=("kid", "prdc"), cache=cache, trivial=False,
    )["metrics"]  # fmt: skip
    return found


def played(step: Callable[[], int], judge: Callable[[], dict[str, Any]], minutes: float) -> list[dict[str, Any]]:
    """Trains for so long, and judges at every mark on the way."""
    curve: list[dict[str, Any]] = []
    spent, examples = 0.0, 0
    for mark in [*(mark for mark in MARKS if mark < minutes), minutes]:
        began = time.perf_counter()
        while spent + time.perf_counter() - began < 60 * mark:
            examples = step()
        spent += time.perf_counter() - began
        curve.append({"minutes": mark, "examples": examples, **judge()})
        say(curve[-1])
    return curve


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--data", choices=["fashion", "openmoji", FEW], required=True)
    options.add_argument("--player", choices=["ours", "dcgan"], default="ours")
    options.add_argument("--recipe", default="r3gan", help="what ours plays")
    options.add_argument("--minutes", type=float, default=15)
    options.add_argument("--samples", type=int, default=SAMPLES)
    options.add_argument("--set", action="append", metavar="KEY=VALUE", help="anything in the recipe")
    options.add_argument("--variant", default="", help="a name for a trial, to keep it apart")
    arguments = parsed(options)

    opened = {"fashion": fashion, "openmoji": openmoji, FEW: lambda: (Path(few_emoji()), {})}
    path, settings = opened[arguments.data]()
    settings |= parse_settings(arguments.set)
    settled = plan(compose(arguments.recipe, str(path), settings, seed=arguments.seed), "cpu")
    source, cache = settled.source, path.parent / "views"
    if arguments.player == "ours":
        player: Ours | Dcgan = Ours(settled)
    else:
        player = Dcgan(source.take(len(source))["image"], arguments.seed)
    floor: dict[str, float] = {}

    def judge() -> dict[str, float]:
        found = judged(player.samples(arguments.samples), source, cache)
        floor.update({name: found[name]["floor"] for name in ("kid", "coverage", "density")})
        values = {name: found[name]["value"] for name in ("kid", "coverage", "density")}
        return {name: round(value, 5) for name, value in {**values, "kid_stderr": found["kid"]["stderr"]}.items()}

    curve = played(player.step, judge, arguments.minutes)
    name, who = ("images", arguments.player) if arguments.recipe == "r3gan" else ("family", arguments.recipe)
    variant = "-".join(filter(None, (arguments.data, who, arguments.variant)))
    picture = RESULTS / f"{name}-{variant}-{arguments.seed}.png"
    RESULTS.mkdir(parents=True, exist_ok=True)
    grid(to_uint8(player.samples(80)), 16, scale=1).save(picture, optimize=True)
    figure: dict[str, Any] = {
        "data": arguments.data, "player": arguments.player, "samples": arguments.samples,
        "resolution": source.facts["resolution"], "training": source.facts["count"],
        "heldout": source.facts["heldout"], "settings": settings, "curve": curve, "floor": floor,
        "precision": settled.precision if arguments.player == "ours" else "fp32", "picture": picture.name,
    }  # fmt: skip
    record(name, arguments.seed, figure, command(), variant=variant)
    if isinstance(player, Ours):
        player.engine.close()


if __name__ == "__main__":
    main()
