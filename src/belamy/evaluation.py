"""A generator judged against held-out data, each number beside those of real data and of trivial generators."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from belamy.chance import Chance, key
from belamy.data.stacked import Stacked
from belamy.errors import UserError, nearest
from belamy.game import Batch
from belamy.metrics import modes, prdc
from belamy.metrics.classifier import Classifier, fit_classifier
from belamy.metrics.features import DEFAULT, Features, load
from belamy.metrics.measure import NEEDS, NO_TRAIN, measure
from belamy.metrics.views import View, first, view
from belamy.ops.processes import one_at_first
from belamy.source import Source

METRICS = ("kid", "fd", "prdc", "class_accuracy", "spread", "memorisation")
POINTS = ("kid", "fd", "prdc", "spread")
TRAIN_ROWS = 10_000  # that memorisation compares with: half a minute's features on two cores
NOISE = 0.1  # of the noisy copies, on the pictures' scale of [-1, 1]: plain to see


def evaluate(
    generate: Callable[[int, int], Batch],
    heldout: Source,
    train: Source | None,
    *,
    n: int | None = None,
    metrics: Sequence[str] | None = None,
    features: str = DEFAULT,
    seed: int = 0,
    cache: Path | None = None,
    trivial: bool = True,
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """Compares ``n`` samples with as many held-out ones, or all there are.

    They are 1,000 pictures, 2,500 points, or 26,000 stacked digits, which are counted by a classifier of digits.

    ``generate(start, count)`` gives the samples ``start`` to ``start + count - 1``: ``image`` [count, C, H, W] in
    [-1, 1], and ``class`` int64 [count] where there are classes. What is seen of real data, and a classifier
    trained on it, is kept in the folder ``cache``, so that judging again costs little but the samples' features.

    Returns JSON: ``{"metrics": {name: {"value", "floor", "trivial", ...}}, "n", "heldout", "features", "seconds",
    "notes"}``. ``floor`` is the same number for real pictures: training ones, or held-out ones where it asks about
    the training data; ``trivial`` that of noisy copies of training pictures and of a Gaussian for each pixel. What
    can't be known is None, with a ``reason``.

    Raises:
        UserError: an unknown metric or features, missing weights, samples of another shape than the data.
    """
    if isinstance(heldout, Stacked):
        return _stacked(generate, heldout, train, n or 26_000, metrics or modes.STACKED, seed, cache)
    if "centres" in heldout.facts:
        return _mixture(generate, heldout, n or 2500, metrics or modes.NAMES)
    if heldout.facts.get("kind") == "points":
        return _points(generate, heldout, train, n or 2500, metrics or POINTS)
    n, began = n or 1000, time.perf_counter()
    wanted, notes = _checked(metrics or METRICS, features), []
    if "class_accuracy" in wanted and "class" not in heldout.take(1):
        wanted.remove("class_accuracy")
        notes.append("no class_accuracy: the data has no classes")
    needs = tuple(sorted({need for metric in wanted for need in NEEDS[metric]}))
    eye = _Eye(load(features, device), needs, seed, cache, train)
    held = eye.real(heldout, min(n, len(heldout)))
    samples = view(generate, n, needs, eye.features, eye.classifier)
    if samples["mean"].shape != held["mean"].shape:
        ours, theirs = list(samples["mean"].shape), list(held["mean"].shape)
        raise UserError(f"samples are {ours} [C, H, W] but the held-out data {theirs}: give data of the same shape")
    trained, crowds = None, {}
    if train is not None:
        trained = eye.real(train, min(len(train), max(n, TRAIN_ROWS) if "memorisation" in wanted else n))
        crowds = eye.trivial(train, trained, n) if trivial else {}
    results: dict[str, Any] = {}
    for metric in wanted:
        own = held if metric in ("class_accuracy", "memorisation") else trained and first(trained, n)
        found, floor = measure(metric, samples, held, trained), measure(metric, own, held, trained)
        beside = {name: measure(metric, crowd, held, trained) for name, crowd in crowds.items()}
        for name, entry in found.items():
            results[name] = {
                **entry,
                "floor": floor[name]["value"],
                "trivial": {crowd: numbers[name]["value"] for crowd, numbers in beside.items()} or None,
                **({"features": "pixels" if "pixels" in name else features} if "features" in NEEDS[metric] else {}),
                **({"reason": NO_TRAIN} if train is None else {}),
            }
    return {
        "metrics": results,
        "n": n,
        "heldout": min(n, len(heldout)),
        "features": features,
        "seconds": round(time.perf_counter() - began, 2),
        "notes": notes + _notes(wanted, n, min(n, len(heldout)), int(samples["flawed"]), train, held),
    }


def numbers_of(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The numbers that pictures, points or stacked digits are judged by; of other data none, which others judge."""
    found = ("kid", "fd", *prdc.NAMES, "spread")
    points = modes.NAMES if "centres" in facts else found
    kinds = {"images": (*found, "fid"), "points": points, "stacked": modes.STACKED}
    return kinds.get(facts.get("kind", "images"), ())


def _points(
    generate: Callable[[int, int], Batch], heldout: Source, train: Source | None, n: int, metrics: Sequence[str]
) -> dict[str, Any]:
    """Points of one's own as they are, beside those that were trained on and one Gaussian for each dimension."""
    began = time.perf_counter()
    _check_names(metrics, (*numbers_of(heldout.facts), "prdc"), "points")
    held, samples = _view(heldout.take(n)["points"]), _view(generate(0, n)["points"])
    if len(samples["std"]) != len(held["std"]):
        raise UserError(f"the model makes points of {len(samples['std'])} dimensions, not of {len(held['std'])}")
    trained = None if train is None else _view(train.take(n)["points"])
    chance = Chance(key("trivial", 0), torch.arange(n)).normal(len(held["std"]))
    gaussian = None if trained is None else _view(trained["mean"] + trained["std"] * chance)
    results: dict[str, Any] = {}
    for metric in dict.fromkeys("prdc" if name in prdc.NAMES else name for name in metrics):
        found, floor, trivial = (measure(metric, crowd, held, trained) for crowd in (samples, trained, gaussian))
        for name, entry in found.items():
            beside = {"floor": floor[name]["value"], "trivial": {"gaussian": trivial[name]["value"]}}
            without = {"floor": None, "trivial": None, "reason": NO_TRAIN}
            results[name] = {**entry, **(without if train is None else beside)}
    return {
        "metrics": results, "n": n, "heldout": len(held["features"]), "features": None,
        "seconds": round(time.perf_counter() - began, 2), "notes": [],
    }  # fmt: skip


def _view(points: torch.Tensor) -> View:
    """Points [N, D] as their own features, with the mean and deviation [D] of each dimension."""
    points = points.float().cpu()
    return {"features": points, "mean": points.mean(0), "std": points.std(0, correction=0)}


def _mixture(
    generate: Callable[[int, int], Batch], heldout: Source, n: int, metrics: Sequence[str]
) -> dict[str, Any]:
    """Points of a known mixture: the modes reached, beside those of held-out points and of one Gaussian."""
    began = time.perf_counter()
    _check_names(metrics, modes.NAMES, "points")
    facts = heldout.facts
    real = heldout.take(n)["points"]
    chance = Chance(key("trivial", 0), torch.arange(n)).normal(real.shape[1])
    found, floor, trivial = (
        modes.measure(facts["scale"] * points.cpu(), torch.tensor(facts["centres"]), facts["deviation"])
        for points in (generate(0, n)["points"], real, real.mean(0) + real.std(0) * chance)
    )
    return {
        "metrics": {
            name: {"value": found[name], "floor": floor[name], "trivial": {"gaussian": trivial[name]}}
            for name in modes.NAMES if name in metrics
        },
        "n": n, "heldout": len(real), "features": None, "seconds": round(time.perf_counter() - began, 2), "notes": [],
    }  # fmt: skip


def _stacked(
    generate: Callable[[int, int], Batch], heldout: Stacked, train: Source | None, n: int, metrics: Sequence[str],
    seed: int, cache: Path | None,
) -> dict[str, Any]:  # fmt: skip
    """Stacked digits: the modes that a classifier reads, beside those of real stacks and of a Gaussian for each pixel.

    Held-out digits say how often the classifier is right.
    """
    began = time.perf_counter()
    _check_names(metrics, modes.STACKED, "stacked digits")
    classifier, digits = _classifier(heldout.digits, seed, cache), heldout.digits.heldout()
    crowds = {"samples": generate}
    if train is not None:
        few = train.take(2000)["image"]

        def noise(start: int, count: int) -> Batch:
            chance = Chance(key("trivial", seed), torch.arange(start, start + count))
            return {"image": few.mean(0) + few.std(0) * chance.normal(*few.shape[1:])}

        crowds |= {"real": lambda start, count: train.take(count, start), "gaussian": noise}
    found = {crowd: modes.stacked(rows, n, classifier) for crowd, rows in crowds.items()}
    assert digits is not None  # pictures always have two parts
    batch = digits.take(len(digits))
    accuracy = (classifier.predict(batch["image"]).argmax(1) == batch["class"]).double().mean().item()
    entries: dict[str, Any] = {}
    for name in metrics:
        entries[name] = {"value": found["samples"][name], "floor": None, "trivial": None, "reason": NO_TRAIN}
        if train is not None:
            beside = {"floor": found["real"][name], "trivial": {"gaussian": found["gaussian"][name]}}
            entries[name] = {"value": found["samples"][name], **beside}
    note = f"{n:,} samples, read by a classifier that is right on {accuracy:.1%} of {len(digits):,} held-out digits"
    return {
        "metrics": entries, "n": n, "heldout": len(digits), "features": None, "classifier_accuracy": accuracy,
        "seconds": round(time.perf_counter() - began, 2), "notes": [note],
    }  # fmt: skip


def _check_names(metrics: Sequence[str], known: Sequence[str], what: str) -> None:
    for metric in metrics:
        if metric not in known:
            hint = nearest(metric, known)
            raise UserError(f"metric {metric!r} is not one of {what}{hint}; there are: {', '.join(known)}")


def _checked(metrics: Sequence[str], features: str) -> list[str]:
    """The metrics asked for, each once; the four of prdc come together."""
    known = (*NEEDS, *prdc.NAMES)
    for metric in metrics:
        if metric not in known:
            listed = (*known, "ppl")  # which asks the model alone: see ``belamy.judge``
            raise UserError(f"metric {metric!r} is unknown{nearest(metric, listed)}; there are: {', '.join(listed)}")
    if "fid" in metrics and features != "inception":
        raise UserError(f"fid is measured on Inception's features alone: ask for fd, or for features 'inception'"
                        f" in place of {features!r}")  # fmt: skip
    return list(dict.fromkeys("prdc" if metric in prdc.NAMES else metric for metric in metrics))


def _notes(wanted: list[str], n: int, rows: int, flawed: int, train: Source | None, held: View) -> list[str]:
    """What a reader of the numbers must know."""
    notes = []
    if min(n, rows) < 50:
        notes.append(f"{n} samples against {rows} held-out pictures: so few that the numbers mean little")
    if {"fd", "fid"} & set(wanted) and min(n, rows) < 5 * held["features"].shape[1]:
        notes.append(
            f"the Frechet distance of {n} samples to {rows} pictures in {held['features'].shape[1]} dimensions is"
            " biased upwards: compare it with its floor, or at the same counts; kid is unbiased"
        )
    if "memorisation" in wanted and train is not None and len(train) > max(n, TRAIN_ROWS):
        notes.append(f"memorisation compares with {max(n, TRAIN_ROWS)} of the {len(train)} training pictures")
    if flawed:
        notes.append(f"{flawed} samples held NaN or infinity, taken for grey or full colour")
    return notes


class _Eye:
    """Looks at real data and at trivial imitations of it, and remembers in ``cache`` what it saw."""

    def __init__(
        self, features: Features, needs: tuple[str, ...], seed: int, cache: Path | None, train: Source | None
    ) -> None:
        self.features, self.needs, self.seed, self.cache = features, needs, seed, cache
        self.train = None if train is None else _fingerprint(train)
        self.classifier = _classifier(train, seed, cache) if train is not None and "right" in needs else None

    def real(self, source: Source, rows: int) -> View:
        return self._remembered(lambda start, count: source.take(count, start), rows, _fingerprint(source))

    def trivial(self, train: Source, trained: View, rows: int) -> dict[str, View]:
        """Views of ``rows`` noisy copies of training pictures, and of as many Gaussians with their mean and std."""

        def noise(batch: Batch, start: int) -> torch.Tensor:
            places = torch.arange(start, start + len(batch["image"]))
            return Chance(key("trivial", self.seed), places).normal(*batch["image"].shape[1:])

        def noisy(start: int, count: int) -> Batch:
            batch = train.take(count, start)
            return {**batch, "image": batch["image"] + NOISE * noise(batch, start)}

        def gaussian(start: int, count: int) -> Batch:
            batch = train.take(count, start)
            return {**batch, "image": trained["mean"] + trained["std"] * noise(batch, start)}

        rows, seen = min(rows, len(train)), (self.train, len(trained.get("features", ())), self.seed)
        return {
            "noisy_copies": self._remembered(noisy, rows, "noisy", *seen),
            "gaussian": self._remembered(gaussian, rows, "gaussian", *seen),
        }

    def _remembered(self, rows: Callable[[int, int], Batch], n: int, *name: object) -> View:
        judge = (self.train, self.seed) if self.classifier is not None else None
        path = _place(self.cache, "view", *name, n, self.needs, self.features.name, judge)
        try:
            if path is not None and path.exists():
                return load_file(path)
        except SafetensorError:
            pass  # left by a full disk: seen anew
        found = view(rows, n, self.needs, self.features, self.classifier)
        if path is not None:
            _replace(path, lambda temporary: save_file(found, temporary))
        return found


@one_at_first()
def _classifier(train: Source, seed: int, cache: Path | None) -> Classifier:
    path = _place(cache, "classifier", _fingerprint(train), seed)
    try:
        if path is not None and path.exists():
            return Classifier.load(path)
    except SafetensorError:
        pass  # left by a full disk: trained anew
    classifier = fit_classifier(train, seed)
    if path is not None:
        _replace(path, classifier.save)
    return classifier


def _place(cache: Path | None, kind: str, *name: object) -> Path | None:
    return cache / f"{kind}-{key(*name) % (1 << 64):016x}.safetensors" if cache else None


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    """Writes beside ``path``, then moves it there, so that no reader sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    write(temporary)
    temporary.replace(path)


def _fingerprint(source: Source) -> str:
    """A hash of the facts, the number of rows, and 64 of them: held-out data may share its facts with the rest."""
    digest = hashlib.sha256(json.dumps([source.facts, len(source)], sort_keys=True, default=str).encode())
    for value in source.take(64).values():
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()
