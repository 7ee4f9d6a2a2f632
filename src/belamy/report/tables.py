"""The sections of a report on a table: its columns one by one, and how they go together."""

from __future__ import annotations

from html import escape
from itertools import combinations

from belamy.report.bars import COLOURS, column_chart
from belamy.report.heat import heat_map, is_large
from belamy.report.portraits import FRAMES, Associations, Column, associations_of, columns_of
from belamy.report.records import Record
from belamy.report.words import figure, label

SHOWN, PAIRS = 60, 6
"""Columns that are drawn, and pairs of columns that are named, at most."""

_FULL = 0.5  # the difference of associations from which on the colour grows no stronger
_LESS = "Generated less real"
_SIGNS = (
    f'<figcaption><ul class="key"><li><i class="c1"></i>Weaker than real</li><li><i class="c0"></i>Stronger</li>'
    f"<li>Full colour from {_FULL:g} on</li></ul></figcaption>"
)


def columns(record: Record) -> str:
    """A small chart for each column, the one in which generated is farthest from real first."""
    found = columns_of(record.portrait)
    if not found:
        return ""
    lead = "How each column is spread, the farthest from real first: at 0 it is the same, at 1 nothing is in common."
    lead += f" Of {len(found)} columns these {SHOWN} are farthest." if len(found) > SHOWN else ""
    if any(len(column.edges) > 1 for column in found):
        lead += " The outer bins of a number hold all that lies beyond."
    lead += " The number in a corner is the share that the longest bar stands for."
    drawn = "".join(map(_figure, found[:SHOWN]))
    key = _key([frame for frame in FRAMES if any(frame in column.shares for column in found)])
    return f'<section><h2>Columns</h2><p>{lead}</p>{key}<div class="columns">{drawn}</div></section>'


def associations(record: Record) -> str:
    """Heat maps of how strongly columns go together: real, generated, their difference, and the copula's."""
    found = associations_of(record.portrait)
    if found is None:
        return ""
    gaps = _differences(found)
    maps = {label(name): heat_map(found.frames[name], found.names, label(name)) for name in ("real", "generated")}
    maps[_LESS] = heat_map(gaps, found.names, _LESS, _FULL)
    if "copula" in found.frames:
        maps["Copula"] = heat_map(found.frames["copula"], found.names, "Copula")
    drawn = "".join(
        f"<figure><h3>{head}</h3>{svg}{_SIGNS if head == _LESS else ''}</figure>" for head, svg in maps.items()
    )
    lead = (
        "How strongly each column goes with each other, from nothing (blank) to all (full colour): correlations of "
        "numbers, Cramér's V of categories, the correlation ratio between the two."
    )
    large = " large" if is_large(found.names) else ""
    return (
        f'<section><h2>Columns together</h2><p>{lead}</p><div class="maps{large}">{drawn}</div>'
        f'<p class="aside">{_worst(found, gaps)}</p></section>'
    )


def _figure(column: Column) -> str:
    name = escape(column.name).replace("_", "_<wbr>")
    said = f"{label(column.kind)}, {figure(round(column.distance, 3))} from real"
    return f"<figure><h3>{name}</h3>{column_chart(column)}<figcaption>{said}</figcaption></figure>"


def _key(frames: list[str]) -> str:
    items = "".join(f'<li><i class="{COLOURS[frame]}"></i>{label(frame)}</li>' for frame in frames)
    return f'<ul class="key">{items}</ul>'


def _differences(found: Associations) -> list[list[float]]:
    pairs = zip(found.frames["generated"], found.frames["real"], strict=True)
    return [[made - real for made, real in zip(*rows, strict=True)] for rows in pairs]


def _worst(found: Associations, gaps: list[list[float]]) -> str:
    """The mean difference, and the pairs that differ most."""
    pairs = list(combinations(range(len(gaps)), 2))
    mean = sum(abs(gaps[a][b]) for a, b in pairs) / len(pairs)
    real, made = found.frames["real"], found.frames["generated"]
    worst = "; ".join(
        f"{found.names[a]} with {found.names[b]} ({figure(real[a][b])} real, {figure(made[a][b])} generated)"
        for a, b in sorted(pairs, key=lambda pair: -abs(gaps[pair[0]][pair[1]]))[:PAIRS]
        if gaps[a][b]
    )
    farthest = f" Farthest off: {worst}." if worst else ""
    return escape(f"Of {len(pairs)} pairs the mean difference is {figure(mean)}.{farthest}")
