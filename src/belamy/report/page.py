"""The report of a run: one page that opens offline, made from the run folder alone."""

from __future__ import annotations

import base64
import hashlib
import math
import os
import statistics
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from belamy.errors import UserError
from belamy.report import chart
from belamy.report.meanings import meaning
from belamy.report.records import Record, read_run
from belamy.report.sections import curves, measures, moment, pictures, remarks, sources, time
from belamy.report.tables import associations, columns
from belamy.report.words import compact, data_in_words, duration, figure, game_name, number, numbers


def write_report(run: Path) -> Path:
    """Writes ``report.html`` in the folder ``run`` from what is there, whole or not at all, and returns its path."""
    if not run.is_dir():
        raise UserError(f"there is no run folder at {run}; `belamy train --out {run}` makes one")
    target = run / "report.html"
    draft = run / f".report.{os.getpid()}.tmp"
    try:
        draft.write_bytes(render(read_run(run)).encode("utf-8", "replace"))
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return target


def render(record: Record) -> str:
    """The page as HTML: everything that came from a file is escaped, and only the script that we wrote may run."""
    script = _resource("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = [_head, pictures, measures, columns, associations, curves, time, remarks, sources]
    return Template(_resource("page.html")).substitute(
        title=escape(f"{_name(record)} · belamy report"),
        style=_resource("page.css"),
        script=script,
        script_hash=f"sha256-{digest}",
        plot=f"{chart.LEFT} {chart.RIGHT} {chart.TOP} {chart.BOTTOM}",
        body="\n".join(filter(None, (part(record) for part in parts))),
        footer="Made by belamy from the files of the run folder. This page is complete in itself: it loads nothing.",
    )


def _head(record: Record) -> str:
    told = record.log.summary()
    game, data = game_name(record.recipe), data_in_words(record.facts)
    trained = f"{game or 'A generator'}, trained on {data}" if data else game
    clock = f"{told['examples']:,} examples in {duration(told['seconds'])}" if told["examples"] else ""
    sentence = ": ".join(filter(None, (trained, clock)))
    tiles = "".join(
        f'<div class="number"><dt>{escape(head)}</dt><dd><b>{escape(value)}</b><span>{escape(under)}</span></dd></div>'
        for head, value, under in _headlines(record, told)
    )
    return (
        f'<header><p class="eyebrow">belamy · training report</p><h1>{escape(_name(record))}</h1>'
        f'<p class="lead">{escape(sentence)}{"." if sentence else ""}</p>'
        + (f'<dl class="numbers">{tiles}</dl>' if tiles else "")
        + "</header>"
    )


def _headlines(record: Record, told: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Label, number and what stands beneath it: the quality first, then the cost."""
    measured = {name: entry for name, entry in record.metrics.items() if math.isfinite(number(entry.get("value")))}
    distance = [name for name in measured if meaning(name).better == "lower"][:1]
    for name in [*distance, *(name for name in ("class_accuracy", "coverage") if name in measured)]:
        entry, how = measured[name], meaning(name, measured[name])
        floor = number(entry.get("floor"))
        beside = f"real data {figure(floor, how.percent)}" if math.isfinite(floor) else ""
        yield how.title, figure(number(entry["value"]), how.percent), beside
    if told["best"] and not distance:
        for name, value in list(numbers(told["best"].get("values")).items())[:1]:
            yield f"Best {meaning(name).title}", figure(value, meaning(name).percent), moment(told["best"])
    if told["examples"]:
        yield (
            "Examples",
            compact(told["examples"]),
            f"best at {compact(told['best']['examples'])}" if told["best"] else "",
        )
    if told["seconds"]:
        yield "Time", duration(told["seconds"]), ""
    if rates := [rate for _, rate in record.log.curves("step", "rate").get("rate", []) if math.isfinite(rate)]:
        yield "Examples a second", figure(statistics.median(rates)), "median over training"


def _name(record: Record) -> str:
    return record.path.resolve().name or "run"


def _resource(name: str) -> str:
    return files("belamy.report").joinpath(name).read_text(encoding="utf-8")
