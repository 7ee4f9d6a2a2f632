"""What commands say, in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.table import Table

from belamy.cli.display import console
from belamy.planning import Plan
from belamy.report.words import duration, listing
from belamy.run import Run
from belamy.storage import read_json


def data(found: dict[str, Any]) -> Iterator[str]:
    """What a data set holds, in lines."""
    sizes = found["sizes"]
    spread = f"{sizes['smallest']} to {sizes['largest']}" if sizes["different"] > 1 else sizes["smallest"]
    yield f"{found['count']:,} pictures ({', '.join(found['kinds'])}) of {spread} pixels"
    if found["classes"]:
        counts = listing([f"{name} ({count:,})" for name, count in found["classes"].items()])
        yield f"{len(found['classes'])} classes: {counts}"
    if found["attributes"]:
        counts = listing([f"{name} ({count:,})" for name, count in found["attributes"].items()])
        yield f"{len(found['attributes'])} attributes: {counts}"
    if found["captioned"]:
        yield f"{found['captioned']:,} of them with captions"
    yield f"{found['training']:,} for training, {found['heldout']:,} held out"
    if found["duplicates"]:
        yield f"{found['duplicates']:,} duplicates"
    if found["in_both_parts"]:
        yield f"{found['in_both_parts']:,} training pictures are held out too: results will look better than they are"
    for bad in found["unreadable"][:5]:
        yield f"unreadable: {bad['name']}: {bad['why']}"
    if len(found["unreadable"]) > 5:
        yield f"and {len(found['unreadable']) - 5:,} more unreadable ones: `belamy data check` names all"
    yield f"seen as {found['resolution']}x{found['resolution']} with {found['channels']} channels"


def plan(settled: Plan, estimate: dict[str, Any]) -> Iterator[str]:
    """What a training will do, in lines."""
    summary = getattr(settled.source, "summary", None)
    if summary:
        yield from data(summary)
    else:
        facts = settled.source.facts
        yield f"{len(settled.source):,} training examples, {facts.get('heldout', 0):,} held out"
    sizes = ", ".join(f"{name} {count / 1e6:.2f}M" for name, count in estimate["parameters"].items())
    yield f"networks: {sizes} parameters"
    yield f"on {settled.device} in {settled.precision}: {estimate['examples_per_second']:.0f} examples/s, "\
        f"{estimate['memory_mb']:,} MB, about {duration(estimate['seconds'])} for "\
        f"{settled.recipe.examples:,} examples"  # fmt: skip


def plan_json(settled: Plan, estimate: dict[str, Any]) -> dict[str, Any]:
    return {
        "recipe": settled.recipe.model_dump(mode="json"), "game": settled.spec, "facts": settled.source.facts,
        "data": getattr(settled.source, "summary", None), "device": str(settled.device),
        "precision": settled.precision, "estimate": estimate,
    }  # fmt: skip


TOLD = (
    "kid", "coverage", "class_accuracy", "spread", "memorisation", "modes", "high_quality", "kl",
    "psnr", "psnr_y", "ssim", "perceptual", "patch_swd", "attributes_all", "attributes_paraphrased", "retrieval_r10",
    "quality", "distinguishable", "useful_auc", "useful_f1", "useful_r2", "nearer", "violations",
    "discriminative", "useful_accuracy", "predictive",
)  # fmt: skip
EXAMPLES = {1: "a large red circle at the top left on a blue background", 2: "a red circle above a blue square"}
"""Prompts for scenes of so many shapes."""


def run(finished: Run) -> Iterator[str]:
    """What a run made, and what to do next."""
    report = _report(finished)
    for name, entry in (report["metrics"] if report else {}).items():
        if name in TOLD and entry["value"] is not None:
            beside = {"real data": entry.get("floor")} if entry.get("floor") else entry.get("trivial")
            told = listing([f"{which} {value:.4g}" for which, value in (beside or {}).items() if value is not None])
            yield f"{name} {entry['value']:.4g}" + f" ({told})" * bool(told)
    path = finished.path
    yield f"made {path}/model, {path}/report.html and {path}/samples"
    yield "next:"
    facts = read_json(path / "facts.json")
    if "target_channels" in facts:
        yield f"  belamy apply {path} PICTURE --out answer.png"
        yield f"  belamy evaluate {path}"
        return
    if facts.get("kind") == "table":
        yield f"  belamy sample {path} -n 10000 --out rows.parquet"
        yield f"  belamy evaluate {path}" + " --target COLUMN" * (facts.get("target") is None)
        yield f"  python -c \"import belamy; print(belamy.load('{path}').sample(10, seed=0).table)\""
        return
    if facts.get("kind") == "series":
        yield f"  belamy sample {path} -n 100 --out series.csv"
        yield f"  belamy sample {path} --given BEGINNINGS.csv --out forecasts.csv"
        yield f"  belamy evaluate {path}"
        return
    said = f'--prompt "{EXAMPLES.get(facts.get("scenes"), "...")}" ' if facts.get("text") else ""
    yield f"  belamy sample {path} {said}-n 64 --seed 1 --out grid.png"
    yield f"  belamy evaluate {path}"
    yield f"  python -c \"import belamy; belamy.load('{path}').sample(16, seed=0).grid().save('grid.png')\""


def run_json(finished: Run) -> dict[str, Any]:
    return {"run": str(finished.path), "model": str(finished.model), "evaluation": _report(finished)}


def _report(finished: Run) -> dict[str, Any] | None:
    path = finished.path / "evaluation.json"
    return read_json(path) if path.is_file() else None


def check(found: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a data set, in lines."""
    for bad in found["bad"]:
        yield f"{bad['name']}: {bad['why']}"
    for names in found["duplicates"]:
        yield f"the same picture: {', '.join(names)}"
    yield f"{found['pictures']:,} pictures, {len(found['bad']):,} bad, {len(found['duplicates']):,} repeated"


def show_metrics(report: dict[str, Any]) -> None:
    """The table of an evaluation on the terminal."""
    from rich.console import Console

    names = sorted({name for entry in report["metrics"].values() for name in (entry.get("trivial") or {})})
    table = Table("metric", "value", "real data", *names)
    for metric, entry in report["metrics"].items():
        value = _figure(entry["value"]) + (f" ± {_figure(entry['stderr'])}" if entry.get("stderr") else "")
        beside = entry.get("trivial") or {}
        table.add_row(metric, value, _figure(entry.get("floor")), *(_figure(beside.get(name)) for name in names))
    Console(highlight=False).print(table)
    for note in report["notes"]:
        console.print(note, markup=False)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def export(out: Path, report: dict[str, Any]) -> Iterator[str]:
    """What an exported file takes and gives, in lines."""
    for name, told in report["inputs"].items():
        shape = ", ".join(["N", *map(str, told["shape"])])
        yield f"in   {name} {told['dtype']} [{shape}]"
    yield f"out  {report['output']['name']}: {report['output']['about']}"
    yield f"at most {report['difference']:.1g} from PyTorch"
    if "cost" in report:
        psnr, mean, greatest = (report["cost"][name] for name in ("psnr", "mean", "greatest"))
        yield f"{report['precision']} costs: {psnr} dB, {mean:.2g} off on average, {greatest:.2g} at most"
    yield f"{report['bytes'] / 1e6:.1f} MB in {out}, what to ask it beside it in {out.with_suffix('.json').name}"
    if report["format"] == "onnx":
        yield f"samples without belamy: python {out.with_suffix('.py')} -n 16 --seed 0 --out samples.npz"
