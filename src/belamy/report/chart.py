"""Line charts as inline SVG: no library and no script, for the light and the dark; `page.css` gives the colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from belamy.report.scale import Scale, decades, ticks
from belamy.report.words import compact, figure

Point = tuple[float, float]
Values = NDArray[np.float64]

WIDTH, HEIGHT = 500, 280
LEFT, RIGHT, TOP, BOTTOM = 46, 362, 26, 246
"""The box of the plot in the units of the SVG; the labels of the lines stand right of it."""

COLOURS = 6
MOST = 400
"""Points of a line, at most."""

LARGEST = 1e100
"""A value that is not smaller than this counts as not finite: a curve that reached it has exploded."""

_SMOOTHED = 30  # points from which on a line is drawn smooth, with the raw one thin behind it
_SPACING = 14.5  # between the baselines of labels


def line_chart(
    series: Mapping[str, Sequence[Point]],
    title: str,
    x_label: str = "examples",
    y_label: str = "",
    log_y: bool | Literal["auto"] = "auto",
    references: Mapping[str, float] | None = None,
    bands: Mapping[str, Sequence[tuple[float, float, float]]] | None = None,
    marks: Sequence[tuple[float, str]] = (),
    best: Point | None = None,
    zero: bool = False,
) -> str:
    """One SVG with a line for each of ``series``.

    ``references``: dashed levels to compare with, by name. ``bands``: ``(x, low, high)`` around a series. ``marks``:
    places on the x axis where something happened. ``best``: a point to ring. ``zero``: the y axis begins there.
    Values that are not finite (or not positive, on a logarithmic scale) break the line. With ``log_y="auto"`` the
    scale is logarithmic for positive values over more than a factor of 50.
    """
    lines = {name: _array(points) for name, points in series.items()}
    everything = np.concatenate([*(line[np.isfinite(line).all(axis=1)] for line in lines.values()), np.empty((0, 2))])
    if not len(everything):
        return _frame(title, "No finite values yet.", '<text class="empty" x="204" y="140">no finite values yet</text>')
    low, high = np.percentile(everything[:, 1], [0, 100] if len(everything) < _SMOOTHED else [0.5, 99.5])
    log = bool((everything[:, 1] > 0).all() and high > 50 * low) if log_y == "auto" else log_y
    low, log = (min(low, 0.0), False) if zero else (low, log)
    references = {name: value for name, value in (references or {}).items() if abs(value) < LARGEST}
    x = _x_scale(everything[:, 0])
    y = _y_scale(everything[:, 1], float(low), float(high), log, list(references.values()))
    parts = [_axes(x, y, x_label, y_label)]
    parts += [
        f'<line class="mark" x1="{x.inside(at):.1f}" x2="{x.inside(at):.1f}" y1="{TOP}" y2="{BOTTOM}">'
        f"<title>{escape(words)}</title></line>"
        for at, words in marks
        if abs(at) < LARGEST
    ]
    labels: list[tuple[float, str, str]] = []
    for name, value in references.items():
        at = y.inside(value if value > 0 or not log else y.low)
        beyond = " ↑" if value > y.high else " ↓" if value < y.low else ""
        parts.append(f'<line class="reference" x1="{LEFT}" x2="{RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        labels.append((at, f"{name} {figure(value)}{beyond}", "reference"))
    for index, (name, line) in enumerate(lines.items()):
        colour = f"c{index % COLOURS}"
        if bands and name in bands:
            parts.append(_band(bands[name], x, y, colour))
        thick, raw = _smooth(line) if len(line) >= _SMOOTHED else (line, None)
        if raw is not None:
            parts.append(_path(raw, x, y, f"raw {colour}"))
        parts.append(_path(thick, x, y, f"line {colour}", name))
        if len(ends := thick[_drawable(thick, log)]):
            said = "" if name == title else name
            labels.append((y.inside(ends[-1, 1]), f"{said} {figure(ends[-1, 1])}".strip(), colour))
    if best and all(abs(part) < LARGEST for part in best):
        parts.append(
            f'<circle class="best" cx="{x.inside(best[0]):.1f}" cy="{y.inside(best[1]):.1f}" r="5">'
            f"<title>best: {figure(best[1])} at {compact(best[0])}</title></circle>"
        )
    parts.append(_labels(labels))
    told = "; ".join(label for _, label, _ in labels)
    data = f' data-x="{x.low:g} {x.high:g}" data-y="{y.low:g} {y.high:g}" data-log="{int(log)}"'
    return _frame(title, f"{y_label or 'Values'} over {x_label}. Last: {told}.", "".join(parts), data)


def _x_scale(values: Values) -> Scale:
    low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low - 1, high + 1
    # From the beginning of training, unless the curve is a window far from it.
    return Scale(0.0 if 0 < low < 0.3 * high else low, high, LEFT, RIGHT)


def _y_scale(values: Values, low: float, high: float, log: bool, references: list[float]) -> Scale:
    """A scale that outliers do not stretch, and references only to three times the curve's own range."""
    if log:
        low = max(low, float(values[values > 0].min(initial=high))) if high > 0 else 1.0
        high = max(high, low * 1.0001)
        near = [r for r in references if low / 30 <= r <= high * 30]
        low, high = min([low, *near]), max([high, *near])
        room = max((high / low) ** 0.06, 1.05)
        return Scale(low / room, high * room, BOTTOM, TOP, log=True)
    extent = max(high - low, 1e-9 + 0.02 * max(abs(low), abs(high)))
    near = [r for r in references if low - 2 * extent <= r <= high + 2 * extent]
    low, high = min([low, *near]), max([high, *near])
    room = 0.06 * max(high - low, extent)
    positive = low >= 0 and low < 0.5 * high
    return Scale(0.0 if positive else low - room, high + room, BOTTOM, TOP)


def _axes(x: Scale, y: Scale, x_label: str, y_label: str) -> str:
    parts = []
    for value in decades(y.low, y.high) if y.log else ticks(y.low, y.high):
        at = y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="tick end" x="{LEFT - 7}" y="{at + 4:.1f}">{compact(value)}</text>')
    for value in ticks(x.low, x.high):
        parts.append(f'<text class="tick middle" x="{x(value):.1f}" y="{BOTTOM + 17}">{compact(value)}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{BOTTOM}" y2="{BOTTOM}"/>')
    parts.append(f'<text class="tick end" x="{RIGHT}" y="{BOTTOM + 32}">{escape(x_label)} →</text>')
    unit = ", ".join(filter(None, (y_label, "log scale" if y.log else "")))
    parts.append(f'<text class="tick" x="6" y="{TOP - 13}">{escape(unit)}</text>')
    return "".join(parts)


def _array(points: Sequence[Point]) -> Values:
    line = np.array(sorted(points, key=lambda point: point[0]), dtype=float).reshape(-1, 2)
    return np.where(np.abs(line) < LARGEST, line, np.nan)


def _drawable(line: Values, log: bool) -> NDArray[np.bool_]:
    finite = np.isfinite(line).all(axis=1)
    return np.asarray(finite & (line[:, 1] > 0) if log else finite)


def _path(line: Values, x: Scale, y: Scale, style: str, name: str = "") -> str:
    """One path, a stroke for each run of values that can be drawn; a lonely value becomes a dot."""
    good, steps = _drawable(line, y.log), []
    for index in np.flatnonzero(good):
        begins, ends = index == 0 or not good[index - 1], index == len(line) - 1 or not good[index + 1]
        steps.append(f"{'M' if begins else 'L'}{x(line[index, 0]):.1f} {y.inside(line[index, 1]):.1f}")
        steps += ["h.1"] if begins and ends else []
    told = f' data-name="{escape(name)}"' if name else ""
    return f'<path class="{style}"{told} d="{"".join(steps)}"/>'


def _band(band: Sequence[tuple[float, float, float]], x: Scale, y: Scale, colour: str) -> str:
    held = [point for point in sorted(band) if all(abs(part) < LARGEST for part in point)]
    upper = [(at, high) for at, _, high in held]
    lower = [(at, low) for at, low, _ in reversed(held)]
    corners = " ".join(f"{x.inside(at):.1f},{y.inside(value):.1f}" for at, value in upper + lower)
    return f'<polygon class="band {colour}" points="{corners}"/>'


def _smooth(line: Values) -> tuple[Values, Values]:
    """A noisy line made calm, and the line itself thinned to its extremes: ``MOST`` points each at most.

    Calm is the running mean of bucket medians, so that neither a spike nor a lag moves it.
    """
    buckets = np.array_split(line, min(len(line), MOST // 2))
    middle = np.array([_median(bucket) for bucket in buckets])
    reach = max(2, len(middle) // 25)
    calm = middle.copy()
    for index in np.flatnonzero(np.isfinite(middle[:, 1])):
        calm[index, 1] = np.nanmean(middle[max(0, index - reach) : index + reach + 1, 1])
    return calm, line if len(line) <= MOST else np.concatenate([_extremes(bucket) for bucket in buckets])


def _median(bucket: Values) -> Values:
    held = bucket[np.isfinite(bucket).all(axis=1)]
    middle: Values = np.median(held, axis=0) if len(held) else np.array([np.nan, np.nan])
    return middle


def _extremes(bucket: Values) -> Values:
    held = bucket[np.isfinite(bucket).all(axis=1)]
    if not len(held):
        return bucket[:1]
    return held[sorted({int(held[:, 1].argmin()), int(held[:, 1].argmax())})]


def _labels(labels: list[tuple[float, str, str]]) -> str:
    """Names at the ends of lines, moved apart where they would touch, with a leader to where they belong."""
    labels = sorted(labels)
    spacing = min(_SPACING, (BOTTOM - TOP) / max(len(labels), 1))
    places = [at for at, _, _ in labels]
    for _ in range(60):
        for i, (upper, lower) in enumerate(pairwise(places)):
            if (push := (spacing - (lower - upper)) / 2) > 0:
                places[i], places[i + 1] = upper - push, lower + push
        for i, place in enumerate(places):
            places[i] = min(max(place, TOP + spacing * i), BOTTOM - spacing * (len(places) - 1 - i))
    parts = []
    for place, (at, words, style) in zip(places, labels, strict=True):
        parts.append(f'<path class="leader" d="M{RIGHT + 2} {at:.1f}L{RIGHT + 9} {place:.1f}"/>')
        short = words if len(words) <= 20 else words[:11].rstrip() + "…" + words[-7:].lstrip()
        parts.append(
            f'<text class="label {style}" x="{RIGHT + 12}" y="{place + 4:.1f}">{escape(short)}'
            f"<title>{escape(words)}</title></text>"
        )
    return "".join(parts)


def _frame(title: str, description: str, inside: str, data: str = "") -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}: {escape(description)}"{data}><title>{escape(title)}</title>'
        f"<desc>{escape(description)}</desc>{inside}</svg>"
    )
