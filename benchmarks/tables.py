"""RESULTS.md: the figures in benchmarks/results as tables, each beside its target, met or missed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from itertools import groupby

from common import RESULTS, ROOT, Record, records

TITLE = """# Figures

Written by `make bench` from `benchmarks/results/*.json`; every figure is followed by the command that measures it again.
Several seeds are shown as median (least to most). KID and coverage are measured on EfficientNet-Lite0's features (not
Inception's), so they can be compared with each other, but not with published ones.
"""


def write() -> None:
    """Replaces RESULTS.md."""
    sections = [TITLE, *machines(), *digits(), *images(), *throughput(), *resume()]
    path = RESULTS.parent / "RESULTS.md" if RESULTS.is_relative_to(ROOT) else RESULTS / "RESULTS.md"
    path.write_text("\n".join(sections), encoding="utf-8")


def several(values: Iterable[float], form: str = ".3f") -> str:
    found = list(values)
    middle = format(statistics.median(found), form)
    return middle if len(found) == 1 else f"{middle} ({min(found):{form}} to {max(found):{form}})"


def ranged(entry: dict[str, float], form: str) -> str:
    return f"{entry['median']:{form}} ({entry['min']:{form}} to {entry['max']:{form}})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def verdict(met: bool) -> str:
    return "met" if met else "**missed**"


def commands(found: Iterable[Record]) -> str:
    return "".join(f"    {one['command']}\n" for one in found)


def machines() -> list[str]:
    found: dict[str, list[str]] = {}
    for name in ("digits", "images", "throughput", "resume"):
        for one in records(name):
            about, device = one["machine"], one["machine"].get("device", "cpu")
            place = f"{about['cpu']}, {about['threads']} threads, torch {about['torch']}" + f", {device}" * (
                device != "cpu"
            )
            found.setdefault(f"{place}, commit {one['commit']}", []).append(f"{name} {one['variant']}")
    lines = [f"- {place}: {', '.join(dict.fromkeys(names))}" for place, names in found.items()]
    return [*lines, "\nA + after a commit: the package had changes that were not committed.\n"] if lines else []


def digits() -> list[str]:
    sections = []
    for precision, group in groupby(records("digits"), key=lambda one: one["variant"]):
        found = list(group)
        share = [one["coverage"] / one["coverage_floor"] for one in found]
        accuracy, spread = ([one[name] for one in found] for name in ("accuracy", "spread"))

        def middle(values: list[float], least: float) -> str:
            return f"at least {least}: {verdict(statistics.median(values) >= least)}"

        def row(name: str, title: str, found: list[Record] = found) -> list[str]:
            return [title, several(one[name] for one in found), several(one[f"{name}_floor"] for one in found), ""]

        real = several(one["accuracy_real"] for one in found)
        rows = [
            ["right class, by an independent SVM", several(accuracy), real, middle(accuracy, 0.98)],
            ["spread: pixels' deviation, as share of held-out digits'", several(spread),
             several(one["spread_floor"] for one in found), middle(spread, 0.9)],
            ["coverage of held-out digits, as share of real digits'", several(share), "1", middle(share, 0.8)],
            row("kid", "KID"), row("coverage", "coverage"), row("density", "density"),
            row("memorisation", "memorisation, by features (.5: none)"),
            row("memorisation_pixels", "memorisation, by pixels (.5: none)"),
            ["KID's standard error", several(one["kid_stderr"] for one in found), "", ""],
            ["seconds of training, judging and report", several((one["train_seconds"] for one in found), ".0f"), "", ""],
            ["seconds until the last step", several((one["seconds_until_last_step"] for one in found), ".0f"), "", ""],
        ]  # fmt: skip
        seeds = ", ".join(str(one["seed"]) for one in found)
        sections += [f"## Digits, {precision}\n\n{found[0]['examples']:,} examples; seeds {seeds}; 1,000 samples.\n"]
        sections += [table(["", "generated", "real", "target"], rows), commands(found)]
    return sections


def images() -> list[str]:
    sections = []
    for data in ("fashion", "openmoji"):
        sides = [
            [one for one in records("images") if one["variant"] == f"{data}-{player}"] for player in ("ours", "dcgan")
        ]
        if not all(sides):
            continue
        rows, behind = [], []
        for points in zip(*(one["curve"] for side in sides for one in side), strict=False):
            parts = points[: len(sides[0])], points[len(sides[0]) :]
            minutes = points[0]["minutes"]
            kid, coverage, examples = (
                [[point[name] for point in part] for part in parts] for name in ("kid", "coverage", "examples")
            )
            if minutes > 1:
                first, second = (statistics.median(values) for values in kid)
                behind += [f"KID at {minutes:g} min"] * (first >= second)
                first, second = (statistics.median(values) for values in coverage)
                behind += [f"coverage at {minutes:g} min"] * (first <= second)
            rows.append([f"{minutes:g}", *map(several, kid), *map(several, coverage),
                         *(several(values, ",.0f") for values in examples)])  # fmt: skip
        one = sides[0][0]
        head = f"{one['resolution']}x{one['resolution']}, {one['samples']:,} samples against held-out pictures"
        floor = f"real training pictures: KID {one['floor']['kid']:.3f}, coverage {one['floor']['coverage']:.3f}"
        error = max(point["kid_stderr"] for side in sides for one in side for point in one["curve"] if point["minutes"] > 1) \
            if one["curve"][-1]["minutes"] > 1 else float("nan")  # fmt: skip
        wanted = f"{verdict(not behind)}{': behind in ' + ', '.join(behind) if behind else ''}"
        sections += [
            f"## {data}, ours against DCGAN, in the same minutes of training\n\n{head}; {floor};"
            f" KID's standard error at most {error:.3f} after the first minute.\n",
            table(["minutes", "KID ours", "KID DCGAN", "coverage ours", "coverage DCGAN", "examples ours",
                   "examples DCGAN"], rows),
            f"Target: ahead at every mark after the first minute: {wanted}.\n",
            *(f"![{side[0]['player']} after {side[0]['curve'][-1]['minutes']:g} minutes](results/{side[0]['picture']})\n"
              for side in sides),
            commands([*sides[0], *sides[1]]),
        ]  # fmt: skip
    return sections


def throughput() -> list[str]:
    found = records("throughput")
    rows = [
        [one["variant"], one["precision"], ranged(one["examples_per_second"], ".0f"),
         ranged(one["by_hand_examples_per_second"], ".0f"), ranged(one["eager_fp32_nchw_examples_per_second"], ".0f"),
         f"{ranged(one['speedup'], '.2f')}: {verdict(one['speedup']['median'] >= 2)}",
         f"{ranged(one['overhead'], '.1%')}: {verdict(one['overhead']['median'] < 0.03)}"]
        for one in found
    ]  # fmt: skip
    if not rows:
        return []
    head = ["pictures", "precision", "engine", "loop by hand", "eager fp32 NCHW", "engine against eager, target 2",
            "engine over loop, target below 3 %"]  # fmt: skip
    about = "Examples a second, in rounds that take turns. What bf16 costs in quality: compare the tables of digits."
    return [f"## Throughput\n\n{about}\n", table(head, rows), commands(found)]


def resume() -> list[str]:
    found = records("resume")
    rows = [
        [str(one["kills"]), f"{one['share_of_time_in_saving']:.0%}", str(one["unreadable"]), str(one["mixed"]),
         str(one["lost"]), f"{'yes' if one['equal'] else 'no'}, {one['runs_compared']} compared",
         verdict(one["equal"] and not one["unreadable"] + one["mixed"] + one["lost"])]
        for one in found
    ]  # fmt: skip
    if not rows:
        return []
    head = ["kills", "time in saving", "unreadable", "mixed", "lost", "end equal bit for bit", "target: none lost"]
    return ["## Resume after `kill -9`\n", table(head, rows), commands(found)]
