"""What a run tells while it plays: its log, its trackers, what is shown, and where its time goes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from belamy.engine import Engine, Step
from belamy.hardware import memory_mb
from belamy.run import Run
from belamy.trackers import Tracker, start


class Display:
    """What a run tells while it plays; this one keeps silent."""

    def say(self, text: str) -> None:
        """A line of plain words."""

    def progress(self, line: Mapping[str, Any], total: int) -> None:
        """The line that went into the log, and the examples of the whole run."""

    def close(self) -> None:
        """The run is over, or was stopped."""


class Journal:
    """One sitting's record; ``leads``: only the first of several processes writes. ``seconds`` are of the whole run."""

    def __init__(self, run: Run, engine: Engine, display: Display) -> None:
        self.run, self.engine, self.display = run, engine, display
        self.leads = engine.rank == 0
        self._trackers: list[Tracker] = []
        self._latest: dict[str, float] | None = None
        self._began = time.perf_counter()
        self._last_line, self._spent = (self._began, 0), dict[str, float]()

    def open(self, report_to: str, recipe: dict[str, Any]) -> None:
        """Starts the trackers that ``report_to`` names."""
        if self.leads:
            self._trackers = start(report_to, self.run.path, recipe)

    def begin(self, seconds: float) -> None:
        """From here on it counts, after the ``seconds`` of earlier sittings."""
        now = time.perf_counter()
        self._began = now - seconds
        self._last_line, self._spent = (now, self.engine.clock.examples), {}

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    def note(self, event: str, message: str) -> None:
        """Into the log, and to whoever looks on."""
        self.log(event, message=message)
        if self.leads:
            self.display.say(message)

    def log(self, event: str, **content: Any) -> None:
        if self.leads:
            self.run.log(event, **{"examples": self.engine.clock.examples, **content})

    @contextmanager
    def spending(self, what: str) -> Iterator[None]:
        """Whose time it is, in the shares of the log."""
        began = time.perf_counter()
        yield
        self.spend({what: time.perf_counter() - began})

    def spend(self, seconds: Mapping[str, float]) -> None:
        for what, more in seconds.items():
            self._spent[what] = self._spent.get(what, 0.0) + more

    def metric(self, numbers: dict[str, float], better: bool) -> None:
        """What a judge found; ``better``: than ever before."""
        self._latest = numbers
        self.log("metric", values=numbers, best=better, seconds=round(self.seconds, 3))
        self._track(numbers)

    def line(self, step: Step, total: int) -> None:
        """The last step, the pace and the shares since the last line."""
        now, examples = time.perf_counter(), self.engine.clock.examples
        elapsed, played = now - self._last_line[0], examples - self._last_line[1]
        aside = sum(self._spent.get(what, 0.0) for what in ("metrics", "checkpoints", "watchdog"))
        line: dict[str, Any] = {
            "examples": examples,
            "seconds": round(now - self._began, 3),
            "rate": round(played / (elapsed - aside), 2),
            "terms": {name: value.item() for name, value in step.terms.items()},
            "seen": {name: value.item() for name, value in step.seen.items()},
            "norms": step.norms,
            "share": {name: round(seconds / elapsed, 4) for name, seconds in self._spent.items()},
            "memory_mb": memory_mb(self.engine.device),
        }
        self.log("step", **line)
        self._last_line, self._spent = (now, examples), {}
        if self.leads:
            self.display.progress({**line, "metric": self._latest}, total)
        norms = {f"norm/{name}": value for name, value in step.norms.items()}
        self._track({**line["terms"], **line["seen"], "rate": line["rate"], **norms})

    def _track(self, numbers: Mapping[str, float]) -> None:
        for track in self._trackers:
            track(numbers, self.engine.clock.examples)
