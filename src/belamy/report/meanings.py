"""What each metric means, which way is better, and where a value stands between trivial generators and real data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from belamy.report.words import label, number, numbers

Better = Literal["lower", "higher", "target"]


class Meaning(NamedTuple):
    """How to read a metric: its title, a sentence, which way is better, and the ideal value."""

    title: str
    sentence: str
    better: Better | None = None
    ideal: float | None = None
    percent: bool = False


_MEANINGS = {
    "kid": Meaning("KID", "How far the features of samples are from real ones; fair to small sets.", "lower", 0),
    "fid": Meaning("FID", "How far samples are from real data in Inception features, as papers do it.", "lower", 0),
    "fd": Meaning(
        "Fréchet distance",
        "How far samples are from real data in mean and covariance of features; compare at one count only.",
        "lower",
        0,
    ),
    "precision": Meaning("Precision", "The share of samples that look like real data.", "higher", 1),
    "recall": Meaning("Recall", "The share of real data that the samples could stand for.", "higher", 1),
    "density": Meaning("Density", "How deep samples lie where real data is dense; can exceed 1.", "higher", 1),
    "coverage": Meaning("Coverage", "The share of real data that has a sample close by: variety.", "higher", 1),
    "class_accuracy": Meaning(
        "Class accuracy", "How often an independent classifier sees the class asked for.", "higher", 1, percent=True
    ),
    "memorisation": Meaning(
        "Memorisation",
        "The chance that a sample lies nearer to the training data than an unseen picture does. "
        "Half: new pictures; 1: copies. Suspect: nearer than all but 1 % of the unseen.",
        "target",
        0.5,
    ),
    "spread": Meaning("Spread", "How much samples vary, over how much real data does. Below 1: alike.", "target", 1),
    "modes": Meaning("Modes", "How many of the known modes have a sample of high quality.", "higher"),
    "high_quality": Meaning(
        "High quality", "The share of samples within three deviations of a mode.", "higher", 1, percent=True
    ),
    "kl": Meaning("KL", "How far the shares of the modes are from equal ones, in nats.", "lower", 0),
    "ppl": Meaning(
        "Perceptual path length", "How fast pictures change along latents, in features; jumps raise it.", "lower"
    ),
    "attributes_all": Meaning(
        "All as said", "The share of pictures that show all that was said, and nothing beside.", "higher", 1, True
    ),
    "attributes_paraphrased": Meaning(
        "All as said, in new words", "The same for scenes and words that training never had.", "higher", 1, True
    ),
    "attributes_brief": Meaning(
        "All as said, in few words", "The same where shape and colour alone are told.", "higher", 1, True
    ),
    **{
        f"attributes_{name}": Meaning(f"{name.capitalize()} as said", "By pixels.", "higher", 1, True)
        for name in ("shape", "colour", "size", "place", "relation", "ground")
    },
    **{
        f"retrieval_r{k}": Meaning(
            f"Right caption in {k}", "The share of pictures for which a judge, taught by real pictures alone, finds the"
            f" right caption among the likeliest {k}.", "higher", 1, True,
        )
        for k in (1, 5, 10)
    },
    "novelty": Meaning(
        "Novelty", "How far pictures are from the nearest training picture, as a share of how far real held-out ones"
        " are. Copies have none.", "higher",
    ),
    "diversity": Meaning(
        "Diversity", "How far apart pictures of one caption are, over how far apart those of others are.", "higher"
    ),
    "shapes": Meaning("Shapes", "How alike each column's values are spread, in the mean.", "higher", 1, True),
    "trends": Meaning("Trends", "How alike pairs of columns go together, in the mean.", "higher", 1, True),
    "quality": Meaning("Quality", "The mean of shapes and trends.", "higher", 1, True),
    "distinguishable": Meaning(
        "Told apart", "How well gradient boosting tells generated rows from real ones, as an AUC. Half: not at all.",
        "lower", 0.5,
    ),
    "useful_auc": Meaning(
        "Useful, AUC", "How well models trained on generated rows rank real ones; beside it, trained on real rows.",
        "higher",
    ),
    "useful_f1": Meaning(
        "Useful, F1", "How well models trained on generated rows find the rarer class among real ones.", "higher"
    ),
    "useful_r2": Meaning(
        "Useful, R²", "How much of a real column's variance models trained on generated rows explain.", "higher"
    ),
    "nearer": Meaning(
        "Nearer to training",
        "The share of generated rows that are nearer to a training row than to any of as many held-out ones. "
        "Half: new rows; 1: copies.",
        "target",
        0.5,
    ),
    "membership": Meaning(
        "Membership", "How well an attacker tells training rows from unseen ones by the generated rows, as an AUC. "
        "Half: not at all.", "target", 0.5,
    ),
    "copies": Meaning(
        "Copies", "The share of generated rows that equal a training row; held-out rows do too, by chance.", "lower",
        percent=True,
    ),
    "rare": Meaning("Rare values", "How much of the rare categories' share is there, in the mean.", "higher", 1, True),
    "violations": Meaning("Violations", "How many rows break a constraint.", "lower", 0),
    "lpips": Meaning("LPIPS", "Perceptual distance to the reference.", "lower", 0),
    "psnr": Meaning("PSNR", "Agreement with the true answer in decibels.", "higher"),
    "psnr_y": Meaning("PSNR-Y", "Agreement of the luma with the true answer's, in decibels.", "higher"),
    "ssim": Meaning("SSIM", "Likeness of structure, 1 at best.", "higher", 1),
    "perceptual": Meaning("Perceptual distance", "How far deep features are from the true answer's.", "lower", 0),
    "patch_swd": Meaning("Patch SWD", "How far patches of all answers are from those of all true ones.", "lower", 0),
}


def meaning(name: str, entry: Mapping[str, Any] | None = None) -> Meaning:
    """How to read metric ``name``, also as ``kid_efficientnet``.

    An entry may say its own ``title``, ``meaning``, ``better`` (lower, higher, target) and ``ideal``, so that a new
    task needs no line here.
    """
    entry = entry or {}
    known = [key for key in _MEANINGS if name == key or name.startswith((f"{key}_", f"{key}-"))]
    key = max(known, key=len, default="")
    found = _MEANINGS.get(key, Meaning(label(name), ""))
    if key and name != key:
        found = found._replace(title=f"{found.title} ({name[len(key) + 1 :]})")
    if entry.get("better") in ("lower", "higher", "target"):
        found = found._replace(better=entry["better"], ideal=number(entry.get("ideal")))
    return found._replace(
        title=str(entry.get("title") or found.title), sentence=str(entry.get("meaning") or found.sentence)
    )


class Standing(NamedTuple):
    """Where a value lies between the worst trivial generator (0) and real data (1), and the same of each trivial."""

    place: float
    verdict: str
    grade: Literal["good", "fair", "poor"]
    trivial: dict[str, float]


def standing(entry: Mapping[str, Any], how: Meaning) -> Standing | None:
    """Where ``entry`` stands; None where it has no value, no direction, or nothing to stand between."""
    value, target, noise = (number(entry.get(key)) for key in ("value", "floor", "stderr"))
    target = number(how.ideal) if math.isnan(target) else target
    trivial = {name: level for name, level in numbers(entry.get("trivial")).items() if math.isfinite(level)}
    if how.better is None or not trivial or not math.isfinite(value) or not math.isfinite(target):
        return None

    def away(x: float) -> float:
        short = {"lower": x - target, "higher": target - x, "target": abs(x - target)}
        return max(0.0, short[how.better or "target"])

    # What should meet a target is at its worst at 0 and as far above it, though a trivial generator may meet it.
    worst = max([*map(away, trivial.values()), abs(target) if how.better == "target" else 0.0])
    if worst <= 0:
        return None
    places = {name: 1 - away(level) / worst for name, level in trivial.items()}
    place = max(0.0, 1 - away(value) / worst)
    if place >= 0.99 or away(value) <= 2 * noise:
        return Standing(place, "like real data", "good", places)
    if place >= 0.85:
        return Standing(place, "close to real data", "good", places)
    if place > 0.02:
        return Standing(place, "part of the way", "fair", places)
    return Standing(place, "no better than trivial", "poor", places)
