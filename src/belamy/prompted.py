"""Judging what a model paints of captions: whether pictures show what was said, beside real ones and trivial ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from belamy.chance import Chance, key
from belamy.data.captions import Captioned
from belamy.data.shapes import Shapes
from belamy.errors import UserError, nearest
from belamy.evaluation import evaluate as compare
from belamy.game import Batch
from belamy.metrics.features import DEFAULT, extract, load
from belamy.metrics.retrieval import CaptionJudge, recalls
from belamy.model import Model
from belamy.pictures import to_uint8
from belamy.scenes.checking import agrees
from belamy.scenes.grammar import Scene

ATTRIBUTES = ("shape", "colour", "size", "place", "relation", "ground", "all")
RETRIEVAL = ("retrieval_r1", "retrieval_r5", "retrieval_r10")
METRICS = (*RETRIEVAL, "novelty", "kid", "diversity")
SCENES = tuple(f"attributes_{name}" for name in ATTRIBUTES)
ASKED: dict[str, dict[str, Any]] = {"attributes_paraphrased": {"unheard": True}, "attributes_brief": {"tell": ()}}
"""Other ways to ask for scenes: in words that training never used, and with shape and colour alone."""
PICTURES = 1000
NEIGHBOURS = 4000
"""Training captions among which the nearest is looked for, and pictures that the judge of captions learns from."""
AVERAGED = (2, 3, 5, 8, 13, 21, 34, 55, 89)
"""Nearest captions whose pictures are averaged, until the result is as new as what is painted."""
PROMPTS, TIMES = 50, 4
"""Captions that diversity is measured by, and pictures of each."""

Paint = Callable[[Tensor], Tensor]


def evaluate(
    model: Model, heldout: Captioned, train: Captioned | None, *, n: int | None = None,
    metrics: Sequence[str] | None = None, features: str = DEFAULT, seed: int = 0, cache: Path | None = None,
    trivial: bool = True,
) -> dict[str, Any]:
    """Judges what the model paints of ``n`` held-out captions: 1,000, or of as many as there are.

    Of captioned shapes ``attributes_...`` are the shares of pictures that pixels show to be right, in all that was said
    and by attribute: ``value`` of as many scenes that training showed ("seen") as of such that it never did
    ("unseen"); ``attributes_paraphrased`` is of unseen scenes in words that training never used, and
    ``attributes_brief`` of such of which only shape and colour are told, and one is to be seen. Of any data
    ``retrieval_r10`` is the share of pictures whose own caption is among the ten that a judge, who learnt it from real
    pictures alone, finds likeliest; ``novelty`` how far pictures are from the nearest training picture, as a share of
    how far real held-out ones are; ``diversity`` how far apart pictures of one caption are, as a share of how far apart
    those of different captions are; ``kid`` is that of ``belamy.evaluation``.

    Returns JSON as ``belamy.evaluation.evaluate`` does; ``floor`` is what real pictures have, and ``trivial`` holds the
    training picture of the nearest caption and, of retrieval, "nearest_as_new": the average of as many of them as make
    it as new as what the model paints, between two such numbers by their straight line. Raises UserError for an
    unknown metric.
    """  # fmt: skip
    began = time.perf_counter()
    known = (*SCENES, *ASKED, "kid", "diversity") if isinstance(heldout, Shapes) else METRICS
    wanted, n = _checked(metrics, known), min(n or PICTURES, len(heldout))
    heldout, train = heldout.read_as(model.facts["text"]), train and train.read_as(model.facts["text"])

    def paint(text: Tensor) -> Tensor:
        return painted(model, text, seed)

    found: dict[str, dict[str, Any]] = {}
    if isinstance(heldout, Shapes):
        others: dict[str, Paint] = {}
        if trivial and train is not None:
            others["nearest_caption"] = partial(nearest_pictures, train.take(min(NEIGHBOURS, len(train))))
        seen = train if isinstance(train, Shapes) else None
        half = n if seen is None else n // 2
        if any(name in SCENES for name in wanted):
            found |= _scenes(heldout, seen, half, paint, others)
        for name in {*ASKED} & {*wanted}:
            value = attributes(heldout, half, paint, **ASKED[name])["all"]
            found[name] = {"value": value, "floor": _real(heldout, half)["all"], "trivial": None}
    if any(name in (*RETRIEVAL, "novelty") for name in wanted):
        found |= _retrieved(heldout, train, n, paint, trivial, features)
    if "kid" in wanted:
        found |= _likeness(heldout, train, n, paint, features, cache, trivial)
    if "diversity" in wanted:
        found |= _diversity(heldout, paint, features)
    return {
        "metrics": {name: found[name] for name in wanted if name in found}, "n": n, "heldout": len(heldout),
        "features": features, "seconds": round(time.perf_counter() - began, 2), "notes": [],
    }  # fmt: skip


def _checked(metrics: Sequence[str] | None, known: Sequence[str]) -> list[str]:
    for metric in metrics or ():
        if metric not in known:
            hint = nearest(metric, known)
            raise UserError(f"metric {metric!r} is not one of captioned pictures{hint}; there are: {', '.join(known)}")
    return list(dict.fromkeys(metrics or known))


def _scenes(
    heldout: Shapes, train: Shapes | None, n: int, paint: Paint, others: dict[str, Paint]
) -> dict[str, dict[str, Any]]:
    """What pixels say of ``n`` unseen scenes, and of as many seen ones where there is training data."""
    unseen, beside = attributes(heldout, n, paint), {name: attributes(heldout, n, one) for name, one in others.items()}
    seen = None if train is None else attributes(train, n, paint)
    floor = dict.fromkeys(unseen, None) if train is None else _real(heldout, n)
    found: dict[str, dict[str, Any]] = {}
    for name in unseen:
        both = unseen[name] if seen is None else (seen[name] + unseen[name]) / 2
        found[f"attributes_{name}"] = {
            "value": both, "seen": None if seen is None else seen[name], "unseen": unseen[name], "floor": floor[name],
            "trivial": {other: numbers[name] for other, numbers in beside.items()} or None,
        }  # fmt: skip
    return found


def _real(source: Shapes, n: int) -> dict[str, float]:
    """What is read of real pictures."""
    _, scenes, says = source.described(n)
    return _shares(scenes, says, source.take(n)["image"])


def _retrieved(
    heldout: Captioned, train: Captioned | None, n: int, paint: Paint, trivial: bool, features: str
) -> dict[str, dict[str, Any]]:
    """Retrieval and novelty."""
    if train is None:
        reason = "who judges captions learns from the training data, which is not there"
        nothing = {"value": None, "floor": None, "trivial": None, "reason": reason}
        return dict.fromkeys((*RETRIEVAL, "novelty"), nothing)
    eye, known, asked = load(features), train.take(min(NEIGHBOURS, len(train))), heldout.take(n)
    familiar = extract(known["image"], eye)
    judge = CaptionJudge(familiar, known["text"][:, 0])
    texts, right = asked["text"][:, 0].unique(dim=0, return_inverse=True)

    def judged(images: Tensor) -> dict[str, float]:
        rows = extract(images, eye)
        away = torch.cdist(rows.double(), familiar.double()).amin(1).mean().item()
        return {**recalls(judge.ranks(rows, texts, right)), "novelty": away}

    floor, value = judged(asked["image"]), judged(paint(asked["text"]))
    beside: dict[str, dict[str, float]] = {}
    if trivial:
        beside["nearest_caption"] = judged(nearest_pictures(known, asked["text"]))
        averages = (judged(nearest_pictures(known, asked["text"], count)) for count in AVERAGED)
        beside["nearest_as_new"] = _as_new(chain([beside["nearest_caption"]], averages), value["novelty"])
    whole = max(floor["novelty"], 1e-9)
    for one in (value, floor, *beside.values()):
        one["novelty"] /= whole
    found: dict[str, dict[str, Any]] = {
        name: {
            "value": value[name], "floor": floor[name],
            "trivial": {other: numbers[name] for other, numbers in beside.items()} or None,
        }
        for name in (*RETRIEVAL, "novelty")
    }  # fmt: skip
    for name in RETRIEVAL:
        found[name] |= {"chance": min(1.0, int(name.rpartition("r")[2]) / len(texts)), "captions": len(texts)}
    return found


def _as_new(trials: Iterable[dict[str, float]], novelty: float) -> dict[str, float]:
    """What ``trials``, each newer than the one before, have at so much ``novelty``; the last where none is so new."""
    before: dict[str, float] = {}
    for found in trials:
        if before and found["novelty"] >= novelty:
            share = (novelty - before["novelty"]) / (found["novelty"] - before["novelty"])
            return {name: (1 - share) * before[name] + share * value for name, value in found.items()}
        before = found
    return before


def _likeness(
    heldout: Captioned, train: Captioned | None, n: int, paint: Paint, features: str, cache: Path | None, trivial: bool
) -> dict[str, dict[str, Any]]:
    text = heldout.take(n)["text"]

    def generate(start: int, count: int) -> Batch:
        return {"image": paint(text[start : start + count])}

    found: dict[str, dict[str, Any]] = compare(
        generate, heldout, train, n=n, metrics=("kid",), features=features, cache=cache, trivial=trivial
    )["metrics"]
    return found


def _diversity(heldout: Captioned, paint: Paint, features: str) -> dict[str, dict[str, Any]]:
    text = heldout.take(PROMPTS)["text"]
    rows = extract(paint(text.repeat_interleave(TIMES, 0)), load(features))
    kinds = torch.arange(len(text)).repeat_interleave(TIMES)
    distances, same = torch.cdist(rows, rows), kinds[:, None] == kinds
    within = distances[same & ~torch.eye(len(rows), dtype=torch.bool)].mean()
    value = (within / distances[~same].mean()).item() if len(text) > 1 else None
    reason = "each real picture has captions of its own"
    return {"diversity": {"value": value, "floor": None, "trivial": None, "reason": reason, "features": features}}


@torch.inference_mode()
def painted(model: Model, text: Tensor, seed: int = 0, start: int = 0) -> Tensor:
    """One picture for each of the encoded texts [N, 1 + W, D], of the latents ``start`` and following: [N, C, R, R]."""
    found = []
    for first in range(0, len(text), model.codec.chunk):
        part = text[first : first + model.codec.chunk].to(model.device)
        rows = range(start + first, start + first + len(part))
        given = model.game.prior(len(part), Chance(key("sample", seed), rows, model.device))
        found.append(model.make({**given, "text": part})["image"].cpu())
    return torch.cat(found)


def nearest_pictures(known: Batch, text: Tensor, count: int = 1) -> Tensor:
    """For each of the encoded texts [N, 1 + W, D] the average of the ``known`` pictures of the ``count`` captions that
    are most like it."""
    count = min(count, len(known["text"]))
    most = (text[:, 0] @ known["text"][:, 0].T).topk(count, dim=1).indices
    return torch.stack([known["image"][rows].mean(0) for rows in most])


def attributes(source: Shapes, n: int, paint: Paint, **asked: Any) -> dict[str, float]:
    """The shares of pictures that show what was said, by attribute, for ``n`` scenes of ``source``, each told whole.

    Or as ``asked``, of ``described``.
    """
    text, scenes, says = source.described(n, **asked)
    return _shares(scenes, says, paint(text))


def _shares(scenes: Sequence[Scene], says: Sequence[Collection[str]], images: Tensor) -> dict[str, float]:
    seen = [agrees(scene, told, picture) for scene, told, picture in zip(scenes, says, to_uint8(images), strict=True)]
    return {name: float(np.mean([one[name] for one in seen])) for name in seen[0]}
