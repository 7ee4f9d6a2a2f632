"""One column of a table as inline SVG: real data as grey bars, generated and baselines over them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from belamy.report.portraits import Column
from belamy.report.scale import decades, ticks
from belamy.report.words import compact, figure

WIDTH = 300
ROWS = 10
"""Categories that have a row each, at most; the rarer ones are among the others."""

COLOURS = {"real": "truth", "generated": "c0", "copula": "c1", "independent": "c2"}

_TOP, _BASE = 16, 96  # of upright bars
_ROW, _NAMES = 15, 118  # the height of a row, and where its bar begins
_LETTER = 5.6  # the width of a character


class Bar(NamedTuple):
    """A value, its share in each frame, and where it stands: from ``start``, ``width`` wide."""

    label: str
    shares: Mapping[str, float]
    start: float = 0
    width: float = 0


def column_chart(column: Column) -> str:
    """An SVG of a column: rows for categories, upright bars and bins for numbers and dates."""
    if column.kind in ("category", "boolean"):
        return _lying(column)
    return _standing(column)


def _lying(column: Column) -> str:
    bars = [*_named(column)[:ROWS], *_rest(column, ROWS)]
    most = max((share for bar in bars for share in bar.shares.values()), default=0) or 1
    reach = (WIDTH - _NAMES) / most
    parts, thin = [], dict.fromkeys(column.frames[2:], "")
    real = made = ""
    for place, bar in enumerate(bars):
        top = _TOP + place * _ROW
        real += f"M{_NAMES} {top + 2}h{reach * bar.shares['real']:.1f}v11H{_NAMES}z"
        made += f"M{_NAMES} {top + 5}h{reach * bar.shares['generated']:.1f}v5H{_NAMES}z"
        for frame in thin:
            thin[frame] += f"M{_NAMES + reach * bar.shares[frame]:.1f} {top + 1}v13"
        parts.append(f'<text class="end" x="{_NAMES - 6}" y="{top + 11.5}">{_short(bar.label, 19)}</text>')
        parts.append(_told(bar, 0, top, WIDTH, _ROW))
    height = _TOP + len(bars) * _ROW + 2
    axis = f'<path class="axis" d="M{_NAMES} {_TOP}V{height - 2}"/>'
    return _svg(column, height, most, _filled(real, made) + _lines(thin) + axis + "".join(parts))


def _standing(column: Column) -> str:
    """Values that have a bar each at the left, then the bins, then what is other or missing."""
    before, after = _named(column), _rest(column, len(column.values))
    bins = [column.of(place) for place in range(len(before), len(before) + max(len(column.edges) - 1, 0))]
    before, left, right, after = _placed(before, bool(bins), after)
    everything = [*(bar.shares for bar in before + after), *bins]
    most = max((share for shares in everything for share in shares.values()), default=0) or 1
    binned = max((share for shares in bins for share in shares.values()), default=0)
    times = _times(most / binned) if binned else 1
    inside = _single(before + after, most, column.frames) + _bins(column, bins, (left, right), times / most)
    inside += f'<path class="axis" d="M0 {_BASE}H{WIDTH}"/>' + _names(before, not bins) + _names(after, False)
    if bins:
        inside += _scale(column, (left, right))
    if times > 1:
        told = f"drawn {times} times as high as the bars beside them"
        inside += f'<text x="{left:.0f}" y="{_TOP - 6}">× {times}<title>{told}</title></text>'
        inside += f'<path class="axis" d="M{left - 5:.1f} {_TOP - 14}V{_BASE}"/>'
    return _svg(column, _BASE + 18, most, inside)


def _named(column: Column) -> list[Bar]:
    return [Bar(_label(column, value), column.of(place)) for place, value in enumerate(column.values)]


def _rest(column: Column, shown: int) -> list[Bar]:
    """What is other than the first ``shown`` values, and what is missing, where there is some."""
    unseen = {frame: sum(column.shares[frame][shown : len(column.values)]) for frame in column.frames}
    bars = [
        Bar("other", {frame: column.other[frame] + share for frame, share in unseen.items()}),
        Bar("missing", {frame: column.missing[frame] for frame in column.frames}),
    ]
    return [bar for bar in bars if any(bar.shares.values())]


def _placed(before: list[Bar], binned: bool, after: list[Bar]) -> tuple[list[Bar], float, float, list[Bar]]:
    """Upright bars with their places, and between them the place for the bins."""
    room = [_LETTER * len(bar.label) + 12 for bar in after]
    right = WIDTH - sum(room)
    if binned:
        wide = [max(_LETTER * len(bar.label) + 8, 22) for bar in before]
    else:
        wide = [right / max(len(before), 1)] * len(before)
    ends = np.cumsum(wide)
    before = [bar._replace(start=end - width, width=width) for bar, width, end in zip(before, wide, ends, strict=True)]
    starts = right + np.cumsum(room) - room
    after = [bar._replace(start=start, width=width) for bar, width, start in zip(after, room, starts, strict=True)]
    left = float(ends[-1]) + 10 if before else 0.0
    return before, left, right - (10 if after else 0), after


def _times(ratio: float) -> int:
    """How many times higher bins are drawn beside bars that dwarf them: 1, or 5, 10, 20, 50..."""
    if ratio < 5:
        return 1
    power = 10 ** math.floor(math.log10(ratio))
    return int(max(digit * power for digit in (1, 2, 5) if digit * power <= ratio))


def _single(bars: Sequence[Bar], most: float, frames: Sequence[str]) -> str:
    real = made = hits = ""
    thin = dict.fromkeys(frames[2:], "")
    for bar in bars:
        width = min(0.72 * bar.width, 26)
        start, middle = bar.start + (bar.width - width) / 2, bar.start + bar.width / 2
        rise = {frame: (_BASE - _TOP) * share / most for frame, share in bar.shares.items()}
        real += f"M{start:.1f} {_BASE}v{-rise['real']:.1f}h{width:.1f}V{_BASE}z"
        made += f"M{middle - width / 5:.1f} {_BASE}v{-rise['generated']:.1f}h{width * 0.4:.1f}V{_BASE}z"
        for frame in thin:
            thin[frame] += f"M{start - 1:.1f} {_BASE - rise[frame]:.1f}h{width + 2:.1f}"
        hits += _told(bar, bar.start, 0, bar.width, _BASE)
    return _filled(real, made) + _lines(thin) + hits


def _bins(column: Column, bins: Sequence[Mapping[str, float]], ends: tuple[float, float], rise: float) -> str:
    """Grey steps for real, a line of steps for each other frame; ``rise`` is the height of all, over the share."""
    if not bins:
        return ""
    width = (ends[1] - ends[0]) / len(bins)
    steps = {
        frame: "".join(f"V{_BASE - (_BASE - _TOP) * rise * shares[frame]:.1f}h{width:.2f}" for shares in bins)
        for frame in column.frames
    }
    drawn = {frame: f"M{ends[0]:.1f} {_BASE}{path}V{_BASE}" for frame, path in steps.items()}
    made = f'<path class="steps {COLOURS["generated"]}" d="{drawn["generated"]}"/>'
    return _filled(drawn["real"], "") + _lines({frame: drawn[frame] for frame in column.frames[2:]}) + made


def _names(bars: Sequence[Bar], thinned: bool) -> str:
    """Names beneath bars, as many as there is room for."""
    longest = max((len(bar.label) for bar in bars), default=0)
    stride = math.ceil(len(bars) * (_LETTER * longest + 8) / WIDTH) if thinned else 1
    return "".join(
        f'<text class="middle" x="{bar.start + bar.width / 2:.1f}" y="{_BASE + 14}">{_short(bar.label, 12)}</text>'
        for bar in bars[:: max(stride, 1)]
    )


def _scale(column: Column, ends: tuple[float, float]) -> str:
    """Round numbers beneath the bins."""
    low, high = column.edges[0], column.edges[-1]
    if column.kind == "date":
        marks = _days(low, high)
    else:
        found = decades(low, high, 4) if column.log else ticks(low, high, 3)
        marks = {_label(column, value): value for value in found if low <= value <= high}
    known = np.log(column.edges) if column.log else column.edges
    wanted = [math.log(value) if column.log else value for value in marks.values()]
    at = np.interp(wanted, known, np.linspace(*ends, len(column.edges)))
    return "".join(map(_mark, at.tolist(), marks))


def _mark(x: float, text: str) -> str:
    room = _LETTER * len(text) / 2
    middle = min(max(x, room), WIDTH - room)
    return (
        f'<path class="axis" d="M{x:.1f} {_BASE}v4"/>'
        f'<text class="middle" x="{middle:.1f}" y="{_BASE + 14}">{escape(text)}</text>'
    )


def _days(low: float, high: float) -> dict[str, float]:
    """The beginnings of some years, months or days between two days since 1970."""
    unit = "Y" if high - low > 1100 else "M" if high - low > 90 else "D"
    ends = np.array([math.ceil(low), math.floor(high)]).astype("datetime64[D]").astype(f"datetime64[{unit}]")
    found = np.arange(ends[0], ends[1] + 1)
    days = found.astype("datetime64[D]").astype(int)
    marks = {str(mark): float(day) for day, mark in zip(days, found, strict=True) if low <= day <= high}
    return dict(list(marks.items())[:: max(math.ceil(len(marks) / 3), 1)])


def _label(column: Column, value: float | str) -> str:
    if isinstance(value, str):
        return value or "(empty)"
    if column.kind == "date":
        return str(np.datetime64(math.floor(value), "D"))
    return f"{value:.0f}".replace("-", "−") if value == round(value) and abs(value) < 10_000 else compact(value)


def _short(text: str, most: int) -> str:
    return escape(text if len(text) <= most else text[: most - 1].rstrip() + "…")


def _told(bar: Bar, x: float, y: float, width: float, height: float) -> str:
    """What the pointer finds over a bar: its whole name and its share in each frame."""
    said = f"{bar.label}: {', '.join(f'{frame} {figure(share, True)}' for frame, share in bar.shares.items())}"
    return f'<path class="hit" d="M{x:.1f} {y}h{width:.1f}v{height}h{-width:.1f}z"><title>{escape(said)}</title></path>'


def _filled(real: str, made: str) -> str:
    drawn = f'<path class="real" d="{real}"/>' if real else ""
    return drawn + (f'<path class="generated {COLOURS["generated"]}" d="{made}"/>' if made else "")


def _lines(paths: Mapping[str, str]) -> str:
    return "".join(f'<path class="thin {COLOURS[frame]}" d="{path}"/>' for frame, path in paths.items() if path)


def _svg(column: Column, height: float, most: float, inside: str) -> str:
    said = f"Shares of {column.name}: generated is {figure(column.distance)} from real"
    return (
        f'<svg class="bars" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(said)}">'
        f'<text class="end" x="{WIDTH}" y="{_TOP - 6}">{figure(most, True)}</text>{inside}</svg>'
    )
