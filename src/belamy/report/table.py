"""The table of metrics: each beside real data and trivial generators, so that it can be read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

from belamy.report.meanings import Meaning, Standing, meaning, standing
from belamy.report.words import duration, figure, label, listing, number, numbers

_DIRECTIONS = {"lower": "Lower is better", "higher": "Higher is better", "target": "The nearer the better"}


def metric_table(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """A table of ``{name: {"value", "stderr", "floor", "trivial": {name: value}, "features", "reason"}}``."""
    trivial = list(dict.fromkeys(name for entry in metrics.values() for name in numbers(entry.get("trivial"))))
    heads = ["Measure", "Generated", "Real data", *map(label, trivial), "Stands"]
    head = "".join(f'<th scope="col">{escape(words)}</th>' for words in heads)
    rows = "".join(_row(name, entry, trivial) for name, entry in metrics.items())
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def evaluation_note(evaluation: Mapping[str, Any]) -> str:
    """One line: how many samples, against what, with which features, how long; then the notes of the evaluation."""
    count, against, seconds = (number(evaluation.get(key)) for key in ("n", "heldout", "seconds"))
    words = f"Measured on {count:,.0f} samples" if math.isfinite(count) else ""
    words += f" against {against:,.0f} held-out ones" if words and math.isfinite(against) else ""
    words += f" in {duration(seconds)}" if words and math.isfinite(seconds) else ""
    metrics = evaluation.get("metrics")
    entries = metrics.values() if isinstance(metrics, Mapping) else []
    named = dict.fromkeys(str(e["features"]) for e in entries if isinstance(e, Mapping) and e.get("features"))
    notes = evaluation.get("notes") or []
    sentences = [words, f"Features: {listing(list(named))}" if named else ""]
    sentences += map(str, notes) if isinstance(notes, list) else [str(notes)]
    return " ".join(f"{sentence.rstrip('.')}." for sentence in sentences if sentence)


def _row(name: str, entry: Mapping[str, Any], trivial: list[str]) -> str:
    how = meaning(name, entry)
    direction = _DIRECTIONS.get(how.better or "", "") + _ideal(how)
    told = " ".join(part for part in (how.sentence, f"{direction}." if direction else "") if part)
    value, error = number(entry.get("value")), number(entry.get("stderr"))
    spread = f"<small>± {escape(figure(error, how.percent))}</small>" if math.isfinite(error) else ""
    copies = number(entry.get("share_of_copies"))
    spread += f"<small>{figure(copies, percent=True)} suspect</small>" if math.isfinite(copies) else ""
    why = str(entry.get("reason") or "")
    reason = f"<small>{'' if math.isfinite(value) else 'Not measured: '}{escape(why)}</small>" if why else ""
    cells = [f'<th scope="row">{escape(how.title)}<small>{escape(told)}</small>{reason}</th>']
    cells.append(f'<td class="value" data-label="Generated"><span>{figure(value, how.percent)}{spread}</span></td>')
    cells.append(_cell("Real data", number(entry.get("floor")), how))
    baselines = numbers(entry.get("trivial"))
    cells += [_cell(label(one), baselines.get(one, math.nan), how) for one in trivial]
    return f'<tr>{"".join(cells)}<td class="stands">{_scale(standing(entry, how))}</td></tr>'


def _ideal(how: Meaning) -> str:
    return f", ideal {how.ideal:g}" if how.better and how.ideal is not None and math.isfinite(how.ideal) else ""


def _cell(head: str, value: float, how: Meaning) -> str:
    return f'<td class="num" data-label="{escape(head)}">{figure(value, how.percent)}</td>'


def _scale(where: Standing | None) -> str:
    """A track from the worst trivial generator to real data, with the value's dot on it and a verdict in words."""
    if where is None:
        return "<small>–</small>"

    def at(place: float) -> float:
        return 8 + 174 * min(max(place, 0.0), 1.0)

    marks = "".join(
        f'<line class="trivial" x1="{at(place):.1f}" x2="{at(place):.1f}" y1="4" y2="16">'
        f"<title>{escape(name.replace('_', ' '))}</title></line>"
        for name, place in where.trivial.items()
    )
    return (
        f'<svg class="scale" viewBox="0 0 190 20" role="img" aria-label="{where.verdict}">'
        f'<line class="track" x1="8" x2="182" y1="10" y2="10"/>{marks}'
        f'<circle class="real" cx="182" cy="10" r="5"><title>real data</title></circle>'
        f'<circle class="{where.grade}" cx="{at(where.place):.1f}" cy="10" r="6"/></svg>'
        f'<small><span class="dot {where.grade}"></span>{where.verdict}</small>'
    )
