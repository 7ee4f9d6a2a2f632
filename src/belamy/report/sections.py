"""The sections of a report: each a function of what the run folder holds, and empty where it holds nothing for it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from belamy.report import chart
from belamy.report.embed import embed
from belamy.report.meanings import meaning
from belamy.report.records import REMARKS, Points, Record, spaced
from belamy.report.table import evaluation_note, metric_table
from belamy.report.words import compact, duration, figure, label, number, numbers

FRAMES, FRAME_BYTES, PICTURE_BYTES = 8, 420_000, 1_000_000
"""Pictures of the film, and base64 bytes of each of them and of each other picture: 6.4 MB at most together."""

_CHARACTERS = 60_000  # of a file that is shown as it is
_KINDS = {
    "skip": "Skipped", "rollback": "Rolled back", "watchdog": "Watchdog", "resume": "Resumed", "stop": "Stopped",
    "note": "Note",
}  # fmt: skip

Marks = Sequence[tuple[float, str]]


def pictures(record: Record) -> str:
    folder = record.path / "samples"
    real, made = _picture(folder / "real.png", "<b>Real</b>"), _picture(folder / "generated.png", "<b>Generated</b>")
    near = _picture(
        folder / "neighbours.png",
        "<b>Above:</b> samples. <b>Below:</b> the training picture nearest to each. "
        "A sample that equals its neighbour is a copy.",
    )
    film = "".join(
        _picture(path, f"<b>{compact(examples)}</b> examples", FRAME_BYTES)
        for examples, path in spaced(list(record.samples.items()), FRAMES)
    )
    return (
        _section("Real beside generated", "", real or made, f'<div class="pair">{real}{made}</div>')
        + _section(
            "Samples over time", "From the same latents, as training went on.", film, f'<div class="film">{film}</div>'
        )
        + _section("Nearest in the training data", "", near, f'<div class="near">{near}</div>')
    )


def measures(record: Record) -> str:
    lead = (
        "Each number stands beside the same number for real data, which is as good as it gets, and for trivial "
        "generators. The line at the right runs from the worst of these (left) to real data (the ring)."
    )
    note = f'<p class="aside">{escape(evaluation_note(record.evaluation))}</p>'
    return _section("How good it is", lead, bool(record.metrics), metric_table(record.metrics) + note)


def curves(record: Record) -> str:
    log = record.log
    marks = [
        (event["examples"], f"{_KINDS[event['event']]}: {event.get('message') or ''}")
        for event in log.of("skip", "rollback", "watchdog", "resume")
    ][:80]
    losses = _by_player(log.curves("step", "terms"), "{}: loss terms", marks)
    norms = log.curves("step", "norms")
    health = [_chart(norms, "Gradient norms", marks)] if norms else []
    signs = {name: curve for name, curve in log.curves("signs", "values").items() if name != "norm"}
    health += [_chart(signs, "What the watchdog sees", marks)] if signs else []
    health += _by_player(log.curves("step", "seen"), "{}: what it saw", marks)
    dotted = " Dotted upright lines: see the remarks below." if marks else ""
    return (
        _charts(
            "Quality while training",
            "Dashed: real data and trivial generators, from the final evaluation.",
            _metric_charts(record, marks),
        )
        + _charts("Losses", f"What each player minimises. In a game they balance; they need not fall.{dotted}", losses)
        + _charts("Health", "", health)
    )


def _metric_charts(record: Record, marks: Marks) -> list[str]:
    values, best, drawn = record.log.curves("metric", "values"), record.log.summary()["best"] or {}, []
    for name, points in values.items():
        if name.endswith("_stderr"):
            continue
        entry, how = record.metrics.get(name, {}), meaning(name)
        levels = {"real data": number(entry.get("floor")), **numbers(entry.get("trivial"))}
        error = dict(values.get(f"{name}_stderr", []))
        band = [(at, value - error.get(at, 0.0), value + error.get(at, 0.0)) for at, value in points]
        drawn.append(
            _chart(
                {how.title: points},
                how.title,
                marks,
                log_y="auto" if how.better == "lower" else False,
                references={key.replace("_", " "): level for key, level in levels.items()},
                bands={how.title: band} if error else None,
                best=(best["examples"], numbers(best.get("values")).get(name, math.nan)) if best else None,
            )
        )
    return drawn


def time(record: Record) -> str:
    log, told = record.log, record.log.summary()
    shares = log.shares
    colours = {name: f"c{index % chart.COLOURS}" for index, name in enumerate(shares)}
    if shares and (rest := 1 - sum(shares.values())) > 0.004:
        shares, colours = {**shares, "everything else": rest}, {**colours, "everything else": "rest"}
    bar = "".join(f'<i class="{colours[name]}" style="flex:{share:.4f}"></i>' for name, share in shares.items())
    key = "".join(
        f'<li><i class="{colours[name]}"></i>{escape(name)} {figure(share, percent=True)}</li>'
        for name, share in shares.items()
    )
    memory = [value for _, value in log.curves("step", "memory_mb").get("memory_mb", []) if math.isfinite(value)]
    facts = {"Time": duration(told["seconds"])} if told["seconds"] else {}
    if math.isfinite(number(record.evaluation.get("seconds"))):
        facts["Final evaluation"] = duration(number(record.evaluation["seconds"]))
    facts |= {label(name): str(value) for name, value in told["machine"].items()}
    facts |= {f"Parameters, {name}": f"{count:,}" for name, count in told["parameters"].items()}
    facts |= {"Memory, peak": f"{max(memory):,.0f} MB"} if memory else {}
    listed = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    rate = log.curves("step", "rate").get("rate")
    speed = _chart({"examples/s": rate}, "Speed", [], zero=True) if rate else ""
    parts = [
        f'<div class="bar" aria-hidden="true">{bar}</div><ul class="key">{key}</ul>' if bar else "",
        f'<dl class="facts">{listed}</dl>' if listed else "",
        f'<div class="charts">{speed}</div>' if speed else "",
    ]
    return _section("How long it took", "", any(parts), "".join(parts))


def remarks(record: Record) -> str:
    items = []
    for kind, group in groupby(record.log.of(*REMARKS), key=lambda event: str(event["event"])):
        events = list(group)
        # A long row of the same is one remark: a thousand skipped steps are still one piece of news.
        many = f"{len(events)} times since {compact(events[0]['examples'])}, lastly: " if len(events) > 3 else ""
        items += [
            f'<li class="{kind}"><small>{_KINDS[kind]} · {moment(event)}</small>'
            f"{escape(many + str(event.get('message') or ''))}</li>"
            for event in (events[-1:] if many else events)
        ]
    return _section("Remarks", "", bool(items), f'<ol class="remarks">{"".join(items[-60:])}</ol>')


def sources(record: Record) -> str:
    facts = json.dumps(record.facts, indent=2, ensure_ascii=False) if record.facts else ""
    folded = "".join(
        f"<details><summary>{name}</summary><pre>{escape(text[:_CHARACTERS])}</pre></details>"
        for name, text in (("Recipe", record.recipe_text), ("Facts of the data", facts))
        if text.strip()
    )
    return _section("Recipe and data", "", folded, folded)


def moment(event: dict[str, Any]) -> str:
    """When an event was: ``at 51.2k examples, 57 s``."""
    seconds = number(event.get("seconds"))
    return f"at {compact(event['examples'])} examples" + (f", {duration(seconds)}" if math.isfinite(seconds) else "")


def _by_player(series: dict[str, Points], title: str, marks: Marks) -> list[str]:
    """One chart a player, of curves named ``player/term``."""
    players: dict[str, dict[str, Points]] = {}
    for name, points in series.items():
        player, _, term = name.rpartition("/")
        players.setdefault(player or name, {})[term] = points
    return [_chart(terms, title.format(label(player)), marks) for player, terms in players.items()]


def _chart(series: dict[str, Points], title: str, marks: Marks, **options: Any) -> str:
    drawn = chart.line_chart(series, title, marks=marks, **options)
    return f'<figure><h3>{escape(title)}</h3>{drawn}<p class="readout" aria-hidden="true"></p></figure>'


def _charts(title: str, lead: str, drawn: list[str]) -> str:
    return _section(title, lead, bool(drawn), f'<div class="charts">{"".join(drawn)}</div>')


def _picture(path: Path, caption: str, budget: int = PICTURE_BYTES) -> str:
    """A picture with its caption, which is HTML of our own; nothing where the picture can not be read."""
    picture = embed(path, budget)
    if picture is None:
        return ""
    return (
        f'<figure><img class="print" src="{picture.address}" width="{picture.width}" height="{picture.height}" '
        f'alt="{escape(path.stem)}"><figcaption>{caption}</figcaption></figure>'
    )


def _section(title: str, lead: str, any_content: object, content: str) -> str:
    said = f"<p>{escape(lead)}</p>" if lead else ""
    return f"<section><h2>{escape(title)}</h2>{said}{content}</section>" if any_content else ""
