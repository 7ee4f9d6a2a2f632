"""Matrices as inline SVG: each cell coloured by its value, the paths of equal colour drawn as one."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from belamy.report.words import figure

LEVELS = 10

_LARGE = 12  # rows from which on a map is drawn larger
_LETTER = 0.57  # the width of a character, over its height


def heat_map(values: Sequence[Sequence[float]], names: Sequence[str], title: str, full: float = 1.0) -> str:
    """A square map of ``values`` [N, N]: blue, and orange below 0, at their strongest from ``full`` on."""
    width, margin = (460, 120) if is_large(names) else (300, 96)
    cell = (width - margin) / len(names)
    size = min(10.5, 0.98 * cell)
    most = int((margin - 6) / (_LETTER * size))
    texts = "".join(
        f'<text class="end" font-size="{size:.1f}" x="{margin - 5}" y="{(place + 0.5) * cell + size / 3:.1f}">'
        f"{escape(name if len(name) <= most else name[: most - 1] + '…')}</text>"
        for place, name in enumerate(names)
    )
    rows = "".join(_row(row, place, names) for place, row in enumerate(values))
    ground = f'<path class="ground" d="M0 0h{len(names)}v{len(names)}H0z"/>'
    return (
        f'<svg class="heat" viewBox="0 0 {width} {width - margin}" role="img" aria-label="{escape(title)}">{texts}'
        f'<g transform="translate({margin}) scale({cell:.4f})">{ground}{_cells(values, full)}{rows}</g></svg>'
    )


def is_large(names: Sequence[str]) -> bool:
    return len(names) > _LARGE


def _cells(values: Sequence[Sequence[float]], full: float) -> str:
    """A path for each level of colour, of runs of equal cells."""
    paths: dict[int, str] = {}
    for y, row in enumerate(values):
        x = 0
        for level, run in groupby(max(-LEVELS, min(LEVELS, round(LEVELS * value / full))) for value in row):
            length = len(list(run))
            paths[level] = paths.get(level, "") + f"M{x} {y}.5h{length}"
            x += length
    return "".join(
        f'<path class="cell {"c0" if level > 0 else "c1"}" stroke-opacity="{abs(level) / LEVELS:g}" d="{path}"/>'
        for level, path in sorted(paths.items())
        if level
    )


def _row(row: Sequence[float], place: int, names: Sequence[str]) -> str:
    """What the pointer finds over a row: its name, and with what it has the largest values."""
    others = sorted((other for other in range(len(names)) if other != place), key=lambda other: -abs(row[other]))
    said = f"{names[place]}: " + "; ".join(f"{names[other]} {figure(row[other])}" for other in others[:3])
    return f'<path class="hit" d="M0 {place}h{len(names)}v1H0z"><title>{escape(said)}</title></path>'
