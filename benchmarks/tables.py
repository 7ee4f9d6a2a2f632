"""RESULTS.md: the figures in benchmarks/results as tables, each beside its target, met or missed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from common import RESULTS, ROOT, Record, records, summary

PLAYERS, COLUMNS = ("ours", "dcgan"), ("kid", "coverage", "examples")
STUDIES = {
    "watchdog": "Runs that are made to fail, with the watchdog and with penalties that follow the discriminator, and"
    " without either",
    "gamma": "Short runs with penalties and rates far from the default",
    "small": "100 emoji at 64x64: likeness to all others, and the memorisation test (.5: none)",
    "losses": "Stacked digits by four games: which of them reach the thousand modes",
}
SHOWN = ("kid", "coverage", "class_accuracy", "spread", "memorisation", "memorisation_pixels", "modes", "kl")
MARGINS = {  # of the modes, of high quality, KL, minutes
    "grid25": (25, 0.95, 0.01, 5), "ring8": (8, 0.95, 0.01, 5), "stacked-mnist": (990, 0.0, 0.1, 60),
}  # fmt: skip
VARIED = 0.5
"""Samples nearer to each other than this share of the distance between real ones have collapsed."""
UNPAIRED = tuple(
    (metric, other, -1)
    for metric in ("perceptual", "patch_swd") for other in ("identity", "nearest_neighbour", "colour_transfer")
)  # fmt: skip
GOALS: dict[str, tuple[tuple[str, str, float], ...]] = {
    # metric, the baseline it is held against, and how much better: more by so many, or at most this share of it (< 0)
    "lines": tuple((metric, other, 0) for metric in ("psnr", "ssim") for other in ("nearest_neighbour", "mean")),
    "shapes": (("psnr", "", 28), ("right", "", 0.95)),
    "emoji": UNPAIRED,
    "emoji-cut": UNPAIRED,
    "photos-x2": (("psnr_y", "bicubic", 1.2), ("patch_swd", "bicubic", -0.6), ("faithful_psnr_y", "", 1.5)),
    "photos-x4": (("psnr_y", "bicubic", 1),),
    "emoji-x4": (("psnr_y", "bicubic", 1),),
    "emoji-holes": (("psnr", "harmonic", 3), ("patch_swd", "harmonic", -1)),
    "photo-holes": (("psnr", "harmonic", 0.5), ("patch_swd", "harmonic", -1)),
    "texture": (("patch_swd", "identity", -0.5), ("ssim", "", 0.5)),
    "painting": (("patch_swd", "identity", -0.5), ("ssim", "", 0.5)),
}
MEASURED = ("psnr", "psnr_y", "ssim", "perceptual", "patch_swd", "back_perceptual", "back_patch_swd", "right",
            "faithful_psnr_y")  # fmt: skip


def reworded(one: Record) -> bool:
    """Whether words that training never used lose less than five points."""
    return one["attributes_paraphrased"]["value"] > one["attributes_all"]["unseen"] - 0.05


def retrieved(one: Record) -> bool:
    """Whether pictures are recognised five times as often as by chance, and more often than copies that are as new."""
    found = one["retrieval_r10"]
    return found["value"] >= 5 * found["chance"] and found["value"] > found["nearest_as_new"]


SAYINGS: dict[str, dict[str, Callable[[Record], bool]]] = {
    "shapes": {
        "attributes_all": lambda one: one["attributes_all"]["unseen"] >= 0.9 and one["attributes_all"]["seen"] >= 0.95,
        "attributes_paraphrased": reworded,
    },
    "relations": {
        "attributes_all": lambda one: one["attributes_all"]["unseen"] >= 0.7, "attributes_paraphrased": reworded,
    },
    "openmoji": {"retrieval_r10": retrieved},
    "stamps": {"retrieval_r10": retrieved},
}  # fmt: skip
ABLATED = ("shape", "colour", "place", "ground")
"""Attributes that the table of what is left out shows."""
TITLE = """# Figures

Written by `make bench` from `benchmarks/results/*.json`; below each table is what measures it again. Several seeds are
shown as median (least to most). KID and coverage are measured on EfficientNet-Lite0's features (not Inception's), so
they can be compared with each other, but not with published ones.
"""


def write() -> None:
    """Replaces RESULTS.md."""
    sections = [TITLE, *machines(), *digits(), *images(), *family(), *modes(), *stability(), *translation(), *applied()]
    sections += [*text2image(), *tabular(), *throughput(), *exported(), *scale(), *resume(), *notes()]
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
    names = ("digits", "images", "modes", *STUDIES, "translation", "applied", "text2image", "throughput", "scale")
    for name in (*names, "resume"):
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
            ["seconds in all", several((one["train_seconds"] for one in found), ".0f"), "", ""],
            ["seconds to the last step", several((one["seconds_until_last_step"] for one in found), ".0f"), "", ""],
        ]  # fmt: skip
        seeds = ", ".join(str(one["seed"]) for one in found)
        sections += [f"## Digits, {precision}\n\n{found[0]['examples']:,} examples; seeds {seeds}; 1,000 samples.\n"]
        sections += [table(["", "generated", "real", "target"], rows), commands(found)]
    return sections


def images() -> list[str]:
    sections = []
    for data in ("fashion", "openmoji"):
        ours, theirs = ([one for one in records("images") if one["variant"] == f"{data}-{who}"] for who in PLAYERS)
        if ours and theirs:
            sections += contest(data, ours, theirs)
    return sections


def family() -> list[str]:
    """Other recipes for pictures, each at its last mark."""
    found = records("family")
    rows = []
    for one in found:
        last, floor = one["curve"][-1], one["floor"]
        data, _, recipe = one["variant"].partition("-")
        figures = [f"{last[name]:.3f} ({floor[name]:.3f})" for name in ("kid", "coverage", "density")]
        rows.append([recipe, data, f"{last['minutes']:g}", f"{last['examples']:,}", *figures])
    head = ["recipe", "data", "minutes", "examples", "KID (training pictures)", "coverage", "density"]
    about = "Other generators of pictures, as their recipes are, after so many minutes of training; seed 0."
    pictures = "\n".join(f"![{one['variant']}](results/{one['picture']})" for one in found)
    return [f"## The family\n\n{about}\n", table(head, rows), f"{pictures}\n", commands(found)] if rows else []


def contest(data: str, ours: list[Record], theirs: list[Record]) -> list[str]:
    """Two players on the same data, mark by mark."""
    rows, behind, errors = [], list[str](), list[float]()
    for marks in zip(*(one["curve"] for one in ours + theirs), strict=False):
        sides = marks[: len(ours)], marks[len(ours) :]
        kid, coverage, examples = ([[mark[name] for mark in side] for side in sides] for name in COLUMNS)
        minutes = marks[0]["minutes"]
        if minutes > 1:
            behind += [f"KID at {minutes:g} minutes"] * (not below(*kid))
            behind += [f"coverage at {minutes:g} minutes"] * (not below(*coverage[::-1]))
            errors += [mark["kid_stderr"] for mark in marks]
        cells = [*map(several, kid + coverage), *(several(values, ",.0f") for values in examples)]
        rows.append([f"{minutes:g}", *cells])
    one, floor = ours[0], ours[0]["floor"]
    about = (
        f"{one['resolution']}x{one['resolution']}; {one['samples']:,} samples against at most as many of"
        f" {one['heldout']:,} held-out pictures. Training pictures against the same:"
        f" KID {floor['kid']:.3f}, coverage {floor['coverage']:.3f}."
    )
    about += f" KID's standard error after the first minute: at most {max(errors):.3f}." if errors else ""
    head = ["minutes", *(f"{name}, {who}" for name in COLUMNS for who in PLAYERS)]
    ending = "nothing later was measured" if not errors else f"{verdict(not behind)} {', '.join(behind)}".strip()
    pictures = "\n".join(
        f"![{who}](results/{side[0]['picture']})" for who, side in zip(PLAYERS, (ours, theirs), strict=True)
    )
    return [
        f"## {data}: ours and DCGAN in the same minutes of training\n\n{about}\n",
        table(head, rows),
        f"Target, ahead at every mark from the first minute to the 15th, of which both were played to {rows[-1][0]}:"
        f" {ending}.\n\n{pictures}\n",
        commands(ours + theirs),
    ]


def below(these: list[float], those: list[float]) -> bool:
    return statistics.median(these) < statistics.median(those)


def modes() -> list[str]:
    sections = []
    for variant, group in groupby(records("modes"), key=lambda one: one["variant"]):
        found = list(group)
        least, quality, most, minutes = MARGINS.get(variant, (0, 0.0, 1.0, 60))
        rows = []
        for one in found:
            met = one["modes"] >= least and one.get("high_quality", 1.0) >= quality and one["kl"] <= most
            met = met and one["train_seconds"] < 60 * minutes
            rows.append([
                str(one["seed"]), f"{one['modes']:.0f}", f"{one['high_quality']:.3f}" if "high_quality" in one else "",
                f"{one['kl']:.4f}", f"{one['kl_floor']:.4f}", f"{one['train_seconds']:.0f}", verdict(met),
            ])  # fmt: skip
        target = f"Target: {least} modes, high quality {quality:g}, KL {most:g}, {minutes} minutes;"
        draws = ", mean of ten draws" if found[0].get("draws", 1) > 1 else ""
        target += f" {found[0]['n']:,} samples{draws}."
        if "classifier_accuracy" in found[0]:
            target += f" Their classifier is right on {found[0]['classifier_accuracy']:.1%} of held-out digits."
        head = ["seed", "modes", "high quality", "KL", "KL of a perfect sampler", "seconds in all", "target"]
        sections += [f"## {variant}\n\n{target}\n", table(head, rows), commands(found)]
    return sections


def stability() -> list[str]:
    sections = []
    for study, about in STUDIES.items():
        found = records(study)
        names = [name for name in SHOWN if any(name in one for one in found)]
        rows = [
            [one["variant"], str(one["seed"]), *(f"{one[name]:.3f}" if name in one else "" for name in names),
             f"{one['train_seconds']:.0f}", one["failure"] or "; ".join(one["remarks"])]
            for one in found
        ]  # fmt: skip
        if rows:
            head = ["run", "seed", *(name.replace("_", " ") for name in names), "seconds", "what was done"]
            if study == "gamma":
                whole = sum(not one["failure"] and one["spread"] >= VARIED for one in found)
                about += f": {whole} of {len(found)} end whole, with a spread of {VARIED} or more"
            again = f"    .venv/bin/python benchmarks/stability.py --study {study}\n"
            sections += [f"## {study}\n\n{about}.\n", table(head, rows), again]
    return sections


def translation() -> list[str]:
    rows = []
    for one in records("translation"):
        goals = GOALS.get(one["variant"], ())
        for metric in MEASURED:
            if metric not in one:
                continue
            figures = one[metric] if isinstance(one[metric], dict) else {"value": one[metric]}
            mine = [reached(figures, *goal[1:]) for goal in goals if goal[0] == metric.removeprefix("back_")]
            told = verdict(all(mine)) if mine else ""
            rows.append([one["variant"], metric, listed(figures), f"{one['train_seconds']:.0f}", told])
    about = (
        "On held-out pictures, with what needs no learning beside it; the faithful network's is its gain in dB, and "
        "back is the other way."
    )
    return tasks("Pictures from pictures", about, rows, "translation.py")


def applied() -> list[str]:
    rows = []
    for one in records("applied"):
        fp32, bf16 = (one[f"megapixels_per_second_{kind}"] for kind in ("fp32", "bf16"))
        levels = one["bf16_levels"]
        tiles = {edge: one[f"tile_{edge}"] for edge in (64, 256, 512)}
        apart = max(tile["levels"] for tile in tiles.values())
        large = {size: found["mib"] / 1024 for size, found in one["by_megapixels"].items()}
        gib = ", ".join(f"{size} MP {most:.2f}" for size, most in large.items())
        small = ", ".join(f"{tile}: {found['mib'] / 1024:.2f}" for tile, found in one["by_tile"].items())
        rows.append([
            one["variant"], f"{fp32:.2f}", f"{bf16:.2f}, {levels['mean']:.2g} ({levels['most']}) levels",
            f"{apart}: {verdict(apart <= 1)}",
            ", ".join(f"{edge}: {tile['times_whole']}" for edge, tile in tiles.items()),
            small, f"{gib}: {verdict(max(large.values()) < 4)}",
        ])  # fmt: skip
    if not rows:
        return []
    head = ["network of", "megapixels a second, fp32", "bf16, and the mean (most) that it differs",
            "levels of 255 between tiles and whole, at most", "time in tiles of so many pixels, whole 1",
            "GiB held for one megapixel in tiles of so many pixels", "GiB held at most (below 4)"]  # fmt: skip
    about = "`belamy apply` on large pictures; megapixels are those of the input, and scale is the task's."
    again = "    .venv/bin/python benchmarks/applied.py --trial TASK\n"
    return [f"## Large pictures\n\n{about}\n", table(head, rows), again]


def text2image() -> list[str]:
    rows, ablations = [], []
    for one in records("text2image"):
        if one["variant"].startswith("without-"):
            shares = [one[f"attributes_{name}"]["unseen"] for name in ("all", *ABLATED)]
            values = [*shares, one["attributes_paraphrased"]["value"], one["kid"]["value"]]
            ablations.append([one["variant"].replace("-", " "), *(f"{value:.3f}" for value in values)])
            continue
        goals = SAYINGS.get(one["variant"], {})
        for metric, figures in one.items():
            if isinstance(figures, dict) and "value" in figures:
                told = verdict(goals[metric](one)) if metric in goals else ""
                rows.append([one["variant"], metric, listed(figures), f"{one['train_seconds']:.0f}", told])
        rows.append([one["variant"], "milliseconds a picture, one core", f"{one['milliseconds']:.3g}", "",
                     verdict(one["milliseconds"] <= 5)])  # fmt: skip
    about = (
        "On held-out captions: floor is what real pictures have, nearest caption a training picture, and nearest as new"
        " the average of so many that it is just as new as what is painted."
    )
    found = tasks("Pictures from sentences", about, rows, "text2image.py")
    if ablations:
        head = ["shapes for half as long, with reading", "all right", *ABLATED, "all right in new words", "KID"]
        found[-1:-1] = ["What parts of the game are good for, by shares of unseen scenes:\n", table(head, ablations)]
    return found


def tabular() -> list[str]:
    found: dict[str, dict[str, list[Record]]] = {}
    for one in records("tabular"):
        found.setdefault(one["data"], {}).setdefault(one["player"], []).append(one)
    rows = [
        [data, player, *(_of(played, name) for name in ("auc", "f1", "r2", "quality_at_thresholds", "quality", "c2st")),
         _of(played, "cpu_seconds"), "; ".join(_goals(players)) if player == "ours" else ""]
        for data, players in found.items() for player, played in [*players.items(), ("real", _real(players))]
    ]  # fmt: skip
    if not rows:
        return []
    head = ["data", "rows of", "AUC", "F1", "R2", "quality", "quality, all pairs", "C2ST", "CPU seconds", "targets"]
    about = (
        "AUC, F1 and R2 of held-out rows by models that learnt from as many rows as there are to train on: the mean of"
        " boosting, a linear model and a forest. Quality is sdmetrics', at its thresholds and over all pairs; C2ST the"
        " AUC of a classifier that tells rows from held-out ones (ideal .5). Seconds of fitting and sampling."
    )
    again = "    .venv/bin/python benchmarks/tabular.py --data DATA --player PLAYER\n"
    return [f"## Tables\n\n{about}\n", table(head, rows), again]


def _of(played: Sequence[Record], name: str) -> str:
    values = [one[name] for one in played if name in one]
    return ranged(summary(values), ".3f" if name != "cpu_seconds" else ".0f") if values else ""


def _real(players: dict[str, list[Record]]) -> list[Record]:
    first = next(iter(players.values()))[0]
    return [{name.removeprefix("real_"): value for name, value in first.items() if name.startswith("real_")}]


def _goals(players: dict[str, list[Record]]) -> list[str]:
    """Each target in words, and whether the median of ours meets it."""
    middle = {
        player: {name: statistics.median(one[name] for one in played) for name, value in played[0].items()
                 if isinstance(value, int | float)} for player, played in players.items()
    }  # fmt: skip
    ours, copula, ctgan = (middle.get(player, {}) for player in ("ours", "copula", "ctgan"))
    goals = {}
    if "r2" in ours:
        goals["R2 at least .93 of real rows'"] = ours["r2"] >= 0.93 * ours["real_r2"]
        goals["C2ST <= .95"] = ours["c2st"] <= 0.95
    elif copula:
        goals["F1 above the copula's"] = ours["f1"] > copula["f1"]
    goals["quality >= .93"] = ours["quality_at_thresholds"] >= 0.93
    if copula:
        near = ours["quality_at_thresholds"] >= copula["quality_at_thresholds"] - 0.02
        goals["quality at most .02 below the copula's"] = near
    if ctgan:
        better = all(ours[name] > ctgan[name] for name in ("auc", "f1", "r2") if name in ours)
        goals |= {
            "of more use than CTGAN's": better, "C2ST below CTGAN's": ours["c2st"] < ctgan["c2st"],
            "a third of CTGAN's seconds": ours["cpu_seconds"] <= ctgan["cpu_seconds"] / 3,
        }  # fmt: skip
    return [f"{words}: {verdict(met)}" for words, met in goals.items()]


def tasks(title: str, about: str, rows: Sequence[Sequence[str]], script: str) -> list[str]:
    """A table of tasks and their metrics, where any has been measured."""
    if not rows:
        return []
    head = ["task", "metric", "ours, then the others", "seconds in all", "target"]
    again = f"    .venv/bin/python benchmarks/{script} --trial TASK\n"
    return [f"## {title}\n\n{about}\n", table(head, rows), again]


def listed(figures: dict[str, float]) -> str:
    """A value, and by their names those that stand beside it."""
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in figures.items()).removeprefix("value ")


def reached(figures: dict[str, float], baseline: str, amount: float) -> bool:
    """Whether a figure is above a baseline by an amount, or where that is negative below such a share of it."""
    value, other = figures["value"], figures[baseline] if baseline else 0.0
    return value <= -amount * other if amount < 0 else value >= other + amount


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


def exported() -> list[str]:
    rows = []
    for one in records("exported"):
        for name, pace in one["pictures_per_second"].items():
            cost = one.get("cost", {}).get(name)
            kid = f"{cost['kid']:.4f} ± {cost['stderr']:.4f}" if cost else ""
            ratio = one["times_pytorch"].get(name)
            rows.append([one["variant"], name, ranged(pace, ".0f"), f"{ratio:.2f}" if ratio else "1", kid])
    if not rows:
        return []
    head = ["network", "run by", "pictures a second", "times PyTorch", "KID of the digits' run"]
    about = "PyTorch and onnxruntime take turns on the same latents, in batches of 16 and float32 unless told."
    return [f"## Out of Python\n\n{about}\n", table(head, rows), commands(records("exported"))]


def scale() -> list[str]:
    found = {one["variant"]: one for one in records("scale")}
    rows = []
    if one := found.get("processes"):
        met = verdict(one["efficiency"]["median"] >= 0.9)
        rows.append(["examples a second of two processes, against twice those of one", "at least .9",
                     f"{ranged(one['efficiency'], '.3f')}: {met}"])  # fmt: skip
    if one := found.get("files"):
        told = f"{one['again_seconds']:.1f}; {one['first_seconds']:.0f} when they were decoded"
        rows.append([f"seconds to open {one['files']:,} files again", "seconds", told])
    if one := found.get("rows"):
        met = verdict(one["seconds"]["max"] < 1)
        place = f"seconds to the first batch anywhere in an epoch of {one['rows']:,} rows"
        rows.append([place, "below 1", f"{ranged(one['seconds'], '.4f')}: {met}"])
    if one := found.get("start"):
        for what, name, most in (("`belamy --help`", "help_seconds", 0.5), ("the first step", "train_seconds", 10)):
            met = verdict(one[name]["median"] < most)
            rows.append([f"seconds to {what}", f"below {most:g}", f"{ranged(one[name], '.2f')}: {met}"])
    if one := found.get("table"):
        for what, value, most in (
            ("minutes to learn from 199,523 rows of 42 columns", one["train_seconds"] / 60, 20),
            ("seconds to sample a million of them", one["million_seconds"], 60), ("GiB held at most", one["gib"], 4),
        ):
            rows.append([what, f"below {most}", f"{value:.1f}: {verdict(value < most)}"])
    if not rows:
        return []
    return ["## Scale\n", table(["what", "target", "measured"], rows), commands(found.values())]


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
    launched = records("relaunch")
    for one in launched:
        end = "yes" if one["equal"] else "no"
        rows.append([f"{one['kills']}, of two launched processes", "", "", "", "", end, verdict(one["equal"])])
    return ["## Resume after `kill -9`\n", table(head, rows), commands([*found, *launched])]


def notes() -> list[str]:
    """What is written by hand: why a target is missed, and what else a reader should know."""
    path = RESULTS / "notes.md"
    return [f"## Notes\n\n{path.read_text(encoding='utf-8')}"] if path.is_file() else []
