"""The model card: what a model is, how to use it, what it was trained on, how good it is, and what it can not do."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from html import escape
from pathlib import PureWindowsPath
from string import Template
from typing import Any, NamedTuple

import yaml

from belamy.report.meanings import meaning, standing
from belamy.report.records import metric_entries
from belamy.report.table import evaluation_note
from belamy.report.words import (
    class_count,
    data_in_words,
    duration,
    figure,
    game_name,
    label,
    listing,
    number,
    numbers,
)

_CARD = Template("""---
$front---

# $name

$what

## Use

```bash
$command
```

```python
import belamy

model = belamy.load("path/to/model")
$call
```
$conditional
## Training data

$data

## Results

$results

## Limits

$limits

## Training

$cost

## Licence

No licence has been stated for this model, so `other` stands above. Whoever publishes it should name one that the
licence of the training data allows.
""")


class _Use(NamedTuple):
    """What a model does: the hub's tag and pipeline, a command, a call, and words for it."""

    tag: str
    pipeline: str
    command: str
    call: str
    does: str


_USES = {
    "translation": _Use(
        "image-to-image", "image-to-image", "belamy apply path/to/model picture.png --out answer.png",
        'answer = model.apply(PIL.Image.open("picture.png"))  # or an array [H, W, C] of 8 or 16 bits',
        "It answers pictures with pictures",
    ),
    "captions": _Use(
        "text-to-image", "text-to-image", 'belamy sample path/to/model --prompt "..." -n 8 --out grid.png',
        'pictures = model("...", num_images=4).images', "It paints what a sentence says",
    ),
    "table": _Use(
        "tabular", "", "belamy sample path/to/model -n 10000 --seed 0 --out rows.parquet",
        'rows = model.sample(1000, seed=0, where=["age>60"]).table  # a DataFrame; without where: as in the data',
        "It makes rows under any conditions",
    ),
}  # fmt: skip
_SAMPLES = _Use(
    "image-generation", "unconditional-image-generation",
    "belamy sample path/to/model -n 16 --seed 0 --out grid.png",
    "pictures = model.sample(16, seed=0)  # the same seed gives the same pictures, whatever the batch",
    "It draws new samples",
)  # fmt: skip


def model_card(
    recipe: Mapping[str, Any],
    facts: Mapping[str, Any],
    evaluation: Mapping[str, Any] | None,
    log_summary: Mapping[str, Any],
    name: str,
) -> str:
    """The card in Markdown, with the front matter of the Hugging Face hub.

    ``log_summary`` is ``read_log(path).summary()``. Of paths in the recipe only the last part is told.
    """
    game, data = game_name(recipe), data_in_words(facts)
    use = _USES.get(str(facts.get("kind")), _SAMPLES)
    tag, pipeline = (use.tag, use.pipeline) if "pixels" in data or facts.get("kind") == "table" else ("", "")
    front = {
        "library_name": "belamy",
        "tags": ["belamy", "gan", *([game.lower()] if game else []), *([tag] if tag else [])],
        **({"pipeline_tag": pipeline} if pipeline else {}),
        "license": "other",
    }
    entries = metric_entries(evaluation)
    return _CARD.substitute(
        front=yaml.safe_dump(front, sort_keys=False, allow_unicode=True),
        name=_plain(name),
        what=f"A generative adversarial network{f' ({_plain(game)})' if game else ''}, trained with "
        f"belamy{f' on {data}' if data else ''}. {use.does}, in the manner of its training data.",
        command=use.command,
        call=use.call,
        conditional=_conditional(facts) + _private(recipe, facts),
        data=_data(recipe, facts),
        results=_results(entries, evaluation or {}),
        limits=_limits(entries, facts),
        cost=_cost(recipe, log_summary),
    )


def _conditional(facts: Mapping[str, Any]) -> str:
    classes = facts.get("classes")
    if not class_count(facts):
        return ""
    example = str(classes[-1]) if isinstance(classes, list) else "0"
    # A name goes into a command that readers paste: only a harmless one.
    example = example if re.fullmatch(r"[\w.][\w. -]{0,40}", example) else "0"
    quoted = f"'{example}'" if " " in example else example
    return f"\nOne class alone: `belamy sample path/to/model -n 16 --class {quoted} --out grid.png`.\n"


def _private(recipe: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    game = recipe.get("game")
    if not facts.get("private") or not isinstance(game, Mapping):
        return ""
    epsilon = number(game.get("epsilon"))
    delta = number(game.get("delta"), 0.1 / max(1, number(facts.get("count"), 1)))
    return (
        f"\n(ε, δ)-differentially private of its training rows, at ε = {epsilon:g} and δ = {delta:.1g}. That is true of"
        " this folder alone: the run that made it holds secrets and measures of real rows.\n"
    )


def _data(recipe: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    data, words, classes = recipe.get("data"), data_in_words(facts), facts.get("classes")
    places = [data.get(key) for key in ("path", "folder", "root")] if isinstance(data, Mapping) else [data]
    lines = [f"- {label(words)}" if words else "- Not recorded"]
    # Only the last part: the rest of a path tells about the machine, not about the data.
    lines += [f"- From {_plain(PureWindowsPath(place).name)}" for place in places if isinstance(place, str)]
    if isinstance(classes, list | dict) and classes:
        lines.append(f"- Classes: {_plain(listing(list(map(str, classes)), most=40))}")
    return "\n".join(lines)


def _results(entries: Mapping[str, Mapping[str, Any]], evaluation: Mapping[str, Any]) -> str:
    if not entries:
        return "Not evaluated yet: `belamy evaluate path/to/model --data HELDOUT` measures it."
    trivial = list(dict.fromkeys(name for entry in entries.values() for name in numbers(entry.get("trivial"))))
    rows = [["Measure", "Generated", "Real data", *(_plain(name.replace("_", " ")) for name in trivial), "Meaning"]]
    rows.append(["---", *["---:"] * (2 + len(trivial)), "---"])
    for name, entry in entries.items():
        how, error, baselines = meaning(name, entry), number(entry.get("stderr")), numbers(entry.get("trivial"))
        shown = figure(number(entry.get("value")), how.percent)
        shown += f" ± {figure(error, how.percent)}" if math.isfinite(error) else ""
        beside = [number(entry.get("floor")), *(baselines.get(one, math.nan) for one in trivial)]
        why = f"{'' if math.isfinite(number(entry.get('value'))) else 'Not measured: '}{entry.get('reason') or ''}"
        told = f"{how.sentence} {why if entry.get('reason') else ''}".strip()
        rows.append([_plain(how.title), shown, *(figure(x, how.percent) for x in beside), _plain(told)])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    note = _plain(evaluation_note(evaluation))
    return f"{table}\n\nReal data is the floor: as good as a number gets at this count of samples. {note}".rstrip()


def _limits(entries: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any]) -> str:
    lines = ["- It knows only what its training data shows, with the gaps and the leanings of that data."]
    size = facts.get("resolution")
    if facts.get("kind") == "translation":
        lines.append(f"- It saw squares of {size} pixels; on pictures of another scale it may do less well.")
    elif isinstance(size, int):
        lines.append(f"- It draws at {size} × {size} pixels; larger pictures need another training or an upscaler.")
    for name, entry in entries.items():
        where, how = standing(entry, meaning(name, entry)), meaning(name, entry)
        if where and where.grade != "good" and not name.startswith("memorisation"):
            lines.append(f"- {_plain(how.title)}: {where.verdict} between trivial generators and real data.")
    if facts.get("kind") == "table":
        lines.append("- No row is anybody's, but what is rare may be told of few: see nearer, copies and membership.")
    elif facts.get("kind") != "translation":
        lines.append(f"- Memorisation: {_memorisation(entries.get('memorisation', {}))}")
    return "\n".join(lines)


def _memorisation(entry: Mapping[str, Any]) -> str:
    value, copies = number(entry.get("value")), number(entry.get("share_of_copies"))
    if not math.isfinite(value):
        reason = _plain(str(entry.get("reason") or ""))
        return f"not measured ({reason})." if reason else "not measured."
    chance = f"a sample lies nearer to the training data than an unseen picture does in {figure(value, True)} of cases"
    if value > 0.7:
        return f"{chance}, where new pictures give about 50 %. Expect copies, and check before use."
    if copies > 0.05:  # new pictures give .01
        return f"{chance}, as new pictures do, but {figure(copies, True)} lie as near as copies: look for these first."
    return f"{chance}, as new pictures do: no sign of copies."


def _cost(recipe: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    examples, seconds = number(told.get("examples")), number(told.get("seconds"))
    machine = told.get("machine") or {}
    facts = {"Examples": f"{examples:,.0f}" if examples > 0 else "", "Time": duration(seconds) if seconds > 0 else ""}
    batch = recipe.get("batch")
    if isinstance(batch, Mapping):
        facts["Batch"] = ", ".join(f"{size} from {start} examples on" for start, size in batch.items())
    facts |= {key.capitalize(): str(recipe[key]) for key in ("batch", "seed") if isinstance(recipe.get(key), int)}
    facts |= {label(key): str(value) for key, value in machine.items()} if isinstance(machine, dict) else {}
    facts |= {f"Parameters, {key}": f"{value:,.0f}" for key, value in numbers(told.get("parameters")).items()}
    return "\n".join(f"- {_plain(key)}: {_plain(value)}" for key, value in facts.items() if value) or "Not recorded."


def _plain(text: str) -> str:
    """``text`` on one line, without a meaning in Markdown or HTML."""
    return re.sub(
        r"([\\`*\[\]|<>#~])",
        lambda found: escape(found[1]) if found[1] in "<>" else "\\" + found[1],
        " ".join(text.replace("&", "&amp;").split()),
    )
