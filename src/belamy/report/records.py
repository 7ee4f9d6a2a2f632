"""A run folder as far as it can be read: every file is optional, and what is broken is left out."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from belamy.report.words import number, numbers

Event = dict[str, Any]
Points = list[tuple[float, float]]

REMARKS = ("skip", "rollback", "watchdog", "resume", "stop", "note")


@dataclass(frozen=True)
class Log:
    """The events of ``log.jsonl`` in the order of their examples."""

    events: list[Event] = field(default_factory=list)

    def of(self, *kinds: str) -> list[Event]:
        return [event for event in self.events if event["event"] in kinds]

    def curves(self, kind: str, key: str) -> dict[str, Points]:
        """``{name: [(examples, value), ...]}`` of the numbers under ``key``, or of ``key`` itself if it is a number."""
        found: dict[str, Points] = {}
        for event in self.of(kind):
            values = event.get(key, {})
            for name, value in numbers(values if isinstance(values, dict) else {key: values}).items():
                found.setdefault(name, []).append((event["examples"], value))
        return found

    @property
    def shares(self) -> dict[str, float]:
        """What share of the time went where, largest first: step lines weighted by their seconds."""
        total: dict[str, float] = {}
        before = spent = 0.0
        for event in self.of("step"):
            now, shares = number(event.get("seconds")), numbers(event.get("share"))
            if not math.isfinite(now) or not shares:
                continue
            weight, before = max(now - before, 0.0), now
            spent += weight
            for name, share in shares.items():
                if share > 0 and math.isfinite(share):
                    total[name] = total.get(name, 0.0) + weight * share
        ordered = sorted(total.items(), key=lambda item: -item[1])
        return {name: share / spent for name, share in ordered} if spent else {}

    def summary(self) -> dict[str, Any]:
        """What it comes to: examples, seconds, rate (examples/s), machine, parameters, and the best metric event."""
        start = next(iter(self.of("start")), {})
        examples = max((event["examples"] for event in self.of("step", "metric", "samples", "stop")), default=0)
        clock = (number(event.get("seconds")) for event in self.events)
        seconds = max(filter(math.isfinite, clock), default=0.0)
        best = [event for event in self.of("metric") if event.get("best") is True]
        return {
            "examples": int(examples),
            "seconds": seconds,
            "rate": examples / seconds if seconds else math.nan,
            "machine": start["machine"] if isinstance(start.get("machine"), dict) else {},
            "parameters": {
                name: int(count) for name, count in numbers(start.get("parameters")).items() if math.isfinite(count)
            },
            "best": best[-1] if best else None,
        }


@dataclass(frozen=True)
class Record:
    """What a run folder holds. ``samples``: pictures by the examples at which they were drawn, in that order."""

    path: Path
    recipe_text: str
    recipe: dict[str, Any]
    facts: dict[str, Any]
    log: Log
    evaluation: dict[str, Any]
    samples: dict[int, Path]
    portrait: dict[str, Any] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """The metrics of the evaluation, each as a dict with at least a ``value``."""
        return metric_entries(self.evaluation)


def metric_entries(evaluation: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """The metrics of an evaluation by name, each as a dict; a bare number is a ``value`` with nothing beside it."""
    found = (evaluation or {}).get("metrics")
    entries = found.items() if isinstance(found, dict) else ()
    return {str(name): entry if isinstance(entry, dict) else {"value": entry} for name, entry in entries}


def read_run(run: Path) -> Record:
    """Reads the files of ``run`` and nothing outside it."""
    text = _text(run / "recipe.yaml")
    log = read_log(run / "log.jsonl")
    facts, evaluation, portrait = (_json(run / f"{name}.json") for name in ("facts", "evaluation", "portrait"))
    return Record(run, text, _recipe(text), facts, log, evaluation, _samples(run, log), portrait)


def read_log(path: Path) -> Log:
    """Reads a log. A half-written line is left out; where a resumed run played steps again, the later line counts."""
    latest: dict[tuple[Any, ...], Event] = {}
    for event in _lines(path):
        kind, examples = event.get("event"), number(event.get("examples", 0))
        if isinstance(kind, str) and math.isfinite(examples):
            # Two different remarks can be made at the same place; a step can not.
            message = str(event.get("message")) if kind in REMARKS else None
            latest[kind, examples, message] = {**event, "examples": examples}
    return Log(sorted(latest.values(), key=lambda event: event["examples"]))


def spaced(frames: list[tuple[int, Path]], most: int) -> list[tuple[int, Path]]:
    """The first, the last, and between them more of the early frames, for that is when most changes."""
    if len(frames) <= most:
        return frames
    last = len(frames) - 1
    picks = [round(last * (k / (most - 1)) ** 1.6) for k in range(most)]
    picks = [max(pick, k) for k, pick in enumerate(picks)]  # no frame twice, however steep the beginning
    return [frames[pick] for pick in picks]


def _lines(path: Path) -> Iterator[Event]:
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    event = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                if isinstance(event, dict):
                    yield event
    except OSError:
        return


def _samples(run: Path, log: Log) -> dict[int, Path]:
    """The pictures that the log names and those named by a number, as far as they lie inside the run."""
    named = {int(path.stem): path for path in (run / "samples").glob("*.png") if re.fullmatch("[0-9]{1,18}", path.stem)}
    told = {int(event["examples"]): run / str(event.get("file")) for event in log.of("samples")}
    return {examples: path for examples, path in sorted({**named, **told}.items()) if _inside(path, run)}


def _inside(path: Path, run: Path) -> bool:
    try:
        return path.resolve().is_relative_to(run.resolve()) and path.is_file()
    except (OSError, ValueError, RuntimeError):  # a name that no file can have, a loop of links
        return False


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_text(path))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _recipe(text: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
