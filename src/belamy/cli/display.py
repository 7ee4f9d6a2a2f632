"""How a run looks in a terminal: a live table where there is one, plain lines elsewhere, nothing under --json."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from belamy.journal import Display
from belamy.report.words import compact, duration

console = Console(stderr=True, highlight=False)


def left(line: Mapping[str, Any], total: int) -> float:
    """Seconds to go, at the speed of the last line."""
    return max(0, total - line["examples"]) / line["rate"] if line["rate"] else 0.0


class Plain(Display):
    """A line at most every ``interval`` seconds, for logs and pipes."""

    def __init__(self, interval: float = 5.0) -> None:
        self._interval, self._shown = interval, 0.0

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def progress(self, line: Mapping[str, Any], total: int) -> None:
        if time.monotonic() - self._shown < self._interval and line["examples"] < total:
            return
        self._shown = time.monotonic()
        numbers = {**line["terms"], **(line["metric"] or {})}
        told = "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        done = f"{line['examples']:,} of {total:,} examples"
        self.say(f"{done}  {line['rate']:.0f}/s  {duration(left(line, total))} left  {told}")


class Lively(Display):
    """One table that is drawn anew, below the lines that were said."""

    def __init__(self) -> None:
        self._live = Live(console=console, refresh_per_second=4, transient=False)
        self._live.start()

    def say(self, text: str) -> None:
        console.print(text, markup=False)

    def progress(self, line: Mapping[str, Any], total: int) -> None:
        table = Table.grid(padding=(0, 2))
        share = line["examples"] / total
        bar = "━" * round(30 * share) + "─" * (30 - round(30 * share))
        table.add_row("examples", f"{bar} {compact(line['examples'])} of {compact(total)}")
        table.add_row("speed", f"{line['rate']:.0f} examples/s, {duration(left(line, total))} left")
        for title, numbers in (
            ("losses", line["terms"]), ("gradients", line["norms"]), ("held out", line["metric"] or {}),
            ("time", {name: value for name, value in line["share"].items() if value >= 0.005}),
        ):  # fmt: skip
            if numbers:
                table.add_row(title, "  ".join(f"{name} {value:.3g}" for name, value in numbers.items()))
        table.add_row("memory", f"{line['memory_mb']:,} MB")
        self._live.update(table)

    def close(self) -> None:
        self._live.stop()


def choose(silent: bool) -> Display:
    """Silence when asked for, a live table in a terminal, plain lines otherwise."""
    if silent:
        return Display()
    return Lively() if console.is_terminal else Plain()
