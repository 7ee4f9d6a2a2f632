"""Numbers and names in plain words: short, exact enough, the same on the page and on the card."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def number(value: Any, default: float = math.nan) -> float:
    """``value`` as a float where it is one, ``default`` where it is not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    try:
        return float(value)
    except OverflowError:
        return default


def numbers(value: Any) -> dict[str, float]:
    """The numbers of a dict, null as NaN, and without what is neither; empty for anything else."""
    if not isinstance(value, Mapping):
        return {}
    held = {str(key): x for key, x in value.items() if not isinstance(x, bool)}
    return {key: number(x) for key, x in held.items() if x is None or isinstance(x, int | float)}


def figure(value: float, percent: bool = False) -> str:
    """At most three significant digits: ``0.0123``, ``98.7 %``, ``12,800``; a dash where there is none."""
    if not math.isfinite(value):
        return "–"
    if percent:
        return f"{100 * value:.1f} %"
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}".replace("-", "−")
    if abs(value) < 1e-4:
        return f"{value:.1e}".replace("e-0", "e-").replace("-", "−")
    digits = min(6, max(0, 2 - math.floor(math.log10(abs(value)))))
    shown = f"{value:.{digits}f}"
    return (shown.rstrip("0").rstrip(".") if digits else shown).replace("-", "−")


def compact(value: float) -> str:
    """As short as an axis wants it: ``12.8k``, ``2M``, ``0.05``, ``1e−5``."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * size:
            return f"{value / size:.3g}{unit}".replace("-", "−")
    return f"{value:.3g}".replace("e-0", "e-").replace("-", "−")


def duration(seconds: float) -> str:
    """``48 s``, ``1 min 52 s``, ``3 h 05 min``, ``2 d 4 h``."""
    if not math.isfinite(seconds):
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def listing(items: list[str], most: int = 12) -> str:
    """``a, b, c``, and how many more."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def label(name: Any) -> str:
    """``noisy_copies`` as ``Noisy copies``, and ``cpu`` as ``CPU``."""
    words = str(name).replace("_", " ")
    return words.upper() if words in ("cpu", "gpu") else words[:1].upper() + words[1:]


def data_in_words(facts: Mapping[str, Any]) -> str:
    """``1,437 grey pictures of 8 × 8 pixels in 10 classes``, as far as the facts say so; else nothing."""
    size = facts.get("resolution")
    sides = list(map(number, size if isinstance(size, list | tuple) else [size, size]))
    pictures = len(sides) == 2 and all(map(math.isfinite, sides))
    count = number(facts.get("count"))
    kind = {1.0: "grey ", 4.0: "transparent "}.get(number(facts.get("channels")), "") if pictures else ""
    words = (f"{count:,.0f} " if math.isfinite(count) else "") + kind + ("pictures" if pictures else "rows")
    if pictures:
        words += f" of {sides[1]:.0f} × {sides[0]:.0f} pixels"
    if classes := class_count(facts):
        words += f" in {classes:,} classes"
    if attributes := facts.get("attributes"):
        words += f" with {len(attributes):,} attribute{'s'[: len(attributes) - 1]}"
    return words if pictures or math.isfinite(count) else ""


def class_count(facts: Mapping[str, Any]) -> int:
    """How many classes the data has; 0 where it has none."""
    classes = facts.get("classes")
    if isinstance(classes, list | dict):
        return len(classes)
    return max(classes, 0) if type(classes) is int else 0


def game_name(recipe: Mapping[str, Any]) -> str:
    """``R3GAN`` of ``game: {use: "belamy.games.r3gan:R3GAN"}``; nothing where the recipe names no game."""
    game = recipe.get("game")
    use = game.get("use") if isinstance(game, Mapping) else game
    return use.rsplit(":", 1)[-1] if isinstance(use, str) else ""
