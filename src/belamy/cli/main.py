"""The command line: it parses, calls, and shows. What is heavy is imported by the command that needs it."""

from __future__ import annotations

import contextlib
import json as jsons
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from belamy.errors import UserError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Train, judge, sample and ship generative adversarial networks.",
)  # fmt: skip
data_app = typer.Typer(no_args_is_help=True, help="Look at data before training on it.")
app.add_typer(data_app, name="data")

Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Anything in the recipe.")]
TABLES = (".parquet", ".csv", ".tsv", ".feather", ".arrow", ".jsonl", ".ndjson")
"""Endings of files that rows of a table go into."""

Json = Annotated[bool, typer.Option("--json", help="Nothing but results on stdout, as JSON.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]


def main() -> None:
    """The entry point: exit 0, 1 for a failure, 2 for what the user can mend, 75 preempted, 130 Ctrl-C."""
    warnings.formatwarning = lambda message, *where, **more: f"warning: {message}\n"
    try:
        app()
    except UserError as error:
        fail(str(error), 2)
    except KeyboardInterrupt:
        fail("interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        fail(str(error), 1)


def fail(message: str, code: int) -> None:
    if not _leads():
        time.sleep(10)  # a mistake that all have met is told by the one that leads, whose end is that of the others
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def _leads() -> bool:
    """Whether this is the only process, or the first of those that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def say(text: str) -> None:
    """On stdout, once for all processes."""
    if _leads():
        print(text)


def parse_settings(given: list[str] | None) -> dict[str, Any]:
    """``["game.gamma=0.1"]`` as ``{"game.gamma": 0.1}``; values are YAML, and 1e-3 is a number as everywhere."""
    import yaml

    settings: dict[str, Any] = {}
    for setting in given or []:
        name, sign, text = setting.partition("=")
        if not sign or not name:
            raise UserError(f"--set {setting}: write key=value")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise UserError(f"--set {setting}: {text!r} is not a value") from None
        if isinstance(value, str):
            with contextlib.suppress(ValueError):
                value = float(value)
        settings[name.strip()] = value
    return settings


@app.command()
def train(
    recipe: Annotated[str | None, typer.Argument(help="A recipe's name, or a YAML file.")] = None,
    data: Annotated[str | None, typer.Option(help="A folder, zip, parquet, npz, or Hugging Face data set.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder to create; runs/NAME-1 by default.")] = None,
    examples: Annotated[int | None, typer.Option(min=1, help="Length, in training examples seen.")] = None,
    batch: Annotated[int | None, typer.Option(min=1)] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    device: Device = "auto",
    precision: Annotated[str | None, typer.Option(help="auto, fp32 or bf16.")] = None,
    resize: Annotated[str | None, typer.Option(help="crop, pad or stretch to a square.")] = None,
    style: Annotated[str | None, typer.Option(help="A picture, or a folder: what to paint like, for style.")] = None,
    direction: Annotated[str | None, typer.Option(help="AtoB or BtoA: what is made of what.")] = None,
    flip: Annotated[bool | None, typer.Option("--flip/--no-flip", help="Mirror half of the pictures.")] = None,
    set: Settings = None,
    resume: Annotated[str | None, typer.Option(metavar="auto|RUN", help="Go on with a run.")] = None,
    report_to: Annotated[str, typer.Option(help="tensorboard, wandb, trackio, mlflow; none.")] = "tensorboard",
    checkpoints_total_limit: Annotated[int | None, typer.Option(min=1)] = None,
    dry_run: Annotated[bool, typer.Option(help="Stop after saying what would be done.")] = False,
    json: Json = False,
) -> None:
    """Train a generator: `belamy train r3gan --data PICTURES`."""
    if recipe is None and resume in (None, "auto"):
        raise UserError("name a recipe (`belamy recipes` lists them), or a run to go on with: --resume RUN")
    from belamy import planning, trackers, training
    from belamy.cli import display, told
    from belamy.ops.processes import joined
    from belamy.run import Run

    shown = display.choose(silent=json or dry_run or not _leads())
    begun = out is not None and (out / "recipe.yaml").is_file()
    with contextlib.closing(shown), joined():
        if resume is not None and (resume != "auto" or begun):
            folder = out if resume == "auto" else resume
            run = training.train(resume=folder, device=device, report_to=report_to, display=shown)
        else:
            settings = parse_settings(set)
            manner = None if style is None else str(Path(style).resolve())
            chosen_ways = {
                "data.resize": resize, "data.flip": flip, "data.style": manner, "data.direction": direction,
            }  # fmt: skip
            settings |= {key: value for key, value in chosen_ways.items() if value is not None}
            chosen = planning.compose(
                str(recipe), data, settings, examples=examples, batch=batch, seed=seed, precision=precision,
                checkpoints_total_limit=checkpoints_total_limit,
            )  # fmt: skip
            trackers.known(report_to)
            if out is not None and not dry_run:
                Run.refuse_existing(out)
            settled = planning.plan(chosen, device)
            estimate = settled.estimate()
            if dry_run:
                lines = [jsons.dumps(told.plan_json(settled, estimate))] if json else told.plan(settled, estimate)
                say("\n".join(lines))
                return
            for line in told.plan(settled, estimate):
                shown.say(line)
            run = training.begin(settled, out, shown, report_to)
    say(jsons.dumps(told.run_json(run)) if json else "\n".join(told.run(run)))


@app.command()
def sample(
    model: Annotated[str, typer.Argument(help="A run, a model folder, or a name on the hub.")],
    n: Annotated[
        int | None, typer.Option("-n", min=1, help="How many: 64, or 8 of a prompt; 6 rows for --mix, 8 for --sweep.")
    ] = None,
    seed: Annotated[int, typer.Option()] = 0,
    class_: Annotated[str | None, typer.Option("--class", help="A class by name or number.")] = None,
    attributes: Annotated[
        str | None, typer.Option(metavar="NAME,NAME", help="What samples have, and no others.")
    ] = None,
    prompt: Annotated[
        list[str] | None, typer.Option(help="What to paint; several are painted of the same noise.")
    ] = None,
    prompts: Annotated[Path | None, typer.Option(help="A file of prompts, a line each.")] = None,
    negative: Annotated[str | None, typer.Option(help="What to keep away from.")] = None,
    guidance: Annotated[float | None, typer.Option(help="Above 1: closer to the prompt.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(metavar="CONDITION", help="What rows of a table are like: age>60.")
    ] = None,
    given: Annotated[
        Path | None, typer.Option(metavar="TABLE", help="What is known of series: they are forecast, and filled.")
    ] = None,
    truncation: Annotated[
        float | None, typer.Option(min=0, help="Of stylegan, below 1: more typical, less varied.")
    ] = None,
    interpolate: Annotated[
        int | None, typer.Option(min=2, help="A film through so many, to x.mp4 or x.gif; x.png: a strip of prompts.")
    ] = None,
    mix: Annotated[bool, typer.Option("--mix", help="A sheet of mixed styles, for StyleGAN.")] = False,
    sweep: Annotated[bool, typer.Option("--sweep", help="A sheet of truncations from 0 to 1.")] = False,
    sign: Annotated[bool, typer.Option("--sign", help="With the formula of the game in the corner.")] = False,
    out: Annotated[Path, typer.Option(help="A folder, a grid.png, or x.npz; x.parquet, x.csv.")] = Path("samples.png"),
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Make pictures, or rows: the same seed gives the same ones, however many are asked for."""
    from belamy.cli.sampling import makes_series, read_prompts, write_samples, write_sheet, write_walk

    said = read_prompts(prompt, prompts, negative, guidance)
    if (interpolate is not None) + mix + sweep > 1:
        raise UserError("--interpolate, --mix and --sweep make different things: give one")
    if sign and (interpolate is not None or mix or sweep):
        raise UserError("--sign is for single pictures: leave --interpolate, --mix and --sweep out")
    if where or given or out.suffix.lower() in TABLES or makes_series(model):
        from belamy.cli.tabular import write_rows, write_series

        foreign_words = {
            "--class": class_, "--attributes": attributes, "--prompt": said, "--truncation": truncation,
            "--interpolate": interpolate, "--mix": mix, "--sweep": sweep, "--sign": sign,
        }  # fmt: skip
        series = given is not None or makes_series(model)
        if series:
            del foreign_words["--class"]
        if foreign := [name for name, value in foreign_words.items() if value not in (None, False, [])]:
            raise UserError(f"{foreign[0]} is not for tables and series: leave it out")
        if series and not _leads():
            return
        if series:
            count = write_series(model, n or (1 if given else 100), seed, class_, given, out, device)
            say(jsons.dumps({"out": str(out), "series": count}) if json else f"{count:,} series in {out}")
            return
        count = write_rows(model, n or 1000, seed, where or [], out, device, quiet=json)
        say(jsons.dumps({"out": str(out), "rows": count}) if json else f"{count:,} rows in {out}")
        return
    asked, made = (seed, class_, attributes, truncation, out, device), "samples"
    if said and (mix or sweep):
        raise UserError("--mix and --sweep show styles: leave --prompt out")
    if (interpolate is not None or mix or sweep) and not _leads():
        return
    if interpolate is not None:
        made, count = "frames", write_walk(model, interpolate, *asked, quiet=json, prompts=said)
    elif mix or sweep:
        count = write_sheet(model, n, *asked, mixed=mix)
    else:
        count = write_samples(model, n or (8 if said else 64), *asked, quiet=json, sign=sign, prompts=said)
    say(jsons.dumps({"out": str(out), made: count}) if json else f"{count:,} {made} in {out}")


@app.command()
def apply(
    model: Annotated[str, typer.Argument(help="A run, a model folder, or a name on the hub.")],
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Pictures, films, folders; - for stdin.")],
    out: Annotated[str, typer.Option(help="A folder, a file, or - for stdout.")],
    mask: Annotated[Path | None, typer.Option(help="White where pictures have holes; a file or a folder.")] = None,
    key: Annotated[str | None, typer.Option(help="A colour that stands for holes, such as #ff00ff.")] = None,
    strength: Annotated[float | None, typer.Option(min=0, help="Of a style: 0 gives the picture back.")] = None,
    denoise: Annotated[float | None, typer.Option(min=0, max=1, help="0: faithful; 1: sharp.")] = None,
    backwards: Annotated[bool, typer.Option("--backwards", help="Make A of B, for CycleGAN.")] = False,
    tile: Annotated[str, typer.Option(metavar="PIXELS|auto|none", help="Go in tiles of so many pixels.")] = "auto",
    precision: Annotated[str, typer.Option(help="fp32 or bf16.")] = "fp32",
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Answer pictures with pictures: `belamy apply RUN in.png --out out.png`."""
    from belamy.cli.applying import Wishes, parse_tile, write_answers

    wishes = Wishes(mask, key, strength, denoise, backwards, parse_tile(tile), precision)
    count = write_answers(model, inputs, out, wishes, device, quiet=json)
    if out != "-":
        told = f"{count:,} answer{'s' * (count > 1)} in {out}"
        print(jsons.dumps({"out": out, "pictures": count}) if json else told)


@app.command()
def augment(
    data: Annotated[str, typer.Option(help="A table: csv, parquet, ...")],
    target: Annotated[str, typer.Option(help="The column that rows are wanted for.")],
    out: Annotated[Path, typer.Option(help="The table with generated rows after its own.")],
    to: Annotated[str, typer.Option(help="balanced, a number of rows, or a factor such as 3x.")] = "balanced",
    examples: Annotated[int | None, typer.Option(min=1, help="Length of training, in examples seen.")] = None,
    seed: Annotated[int, typer.Option()] = 0,
    set: Settings = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Add generated rows to a table, such as of its rarer classes."""
    from belamy.cli.tabular import write_augmented

    rows, more = write_augmented(data, target, to, out, seed, examples, parse_settings(set), device)
    told = {"out": str(out), "rows": rows, "generated": more}
    print(jsons.dumps(told) if json else f"{rows:,} rows and {more:,} generated ones in {out}")


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A run, a model folder, or a name on the hub.")],
    data: Annotated[str | None, typer.Option(help="Held-out pictures; by default the run's own.")] = None,
    train_data: Annotated[str | None, typer.Option(help="What it was trained on, if it is not a run.")] = None,
    metrics: Annotated[str | None, typer.Option(help="kid,fd,prdc,class_accuracy,spread,memorisation,fid,ppl")] = None,
    n: Annotated[
        int | None, typer.Option("-n", min=2, help="How many: 1,000 pictures, 2,500 points, as many rows as trained.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column of a table that rows should teach to predict.")] = None,
    backwards: Annotated[bool, typer.Option("--backwards", help="The way from B to A, for CycleGAN.")] = False,
    seed: Annotated[int, typer.Option()] = 0,
    features: Annotated[str, typer.Option(help="efficientnet-lite0, pixels or inception.")] = "efficientnet-lite0",
    device: Device = "auto",
    json: Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write the result there.")] = None,
) -> None:
    """Judge a model on pictures it never saw, beside real data and trivial generators."""
    from belamy import judge
    from belamy.cli import told
    from belamy.ops.processes import dealing, joined
    from belamy.storage import write_json

    wanted = [name.strip() for name in metrics.split(",")] if metrics else None
    with joined(), dealing("all"):
        report = judge.evaluate(
            model, data, train_data=train_data, n=n, metrics=wanted, features=features, seed=seed, device=device,
            target=target, backwards=backwards,
        )  # fmt: skip
    if not _leads():
        return
    if json == "-":
        print(jsons.dumps(report))
        return
    if json is not None:
        write_json(Path(json), report)
    told.show_metrics(report)


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="A run, a model folder, or a name on the hub.")],
    out: Annotated[Path, typer.Option(help="model.onnx, or model.pt2; a recipe of its inputs goes beside it.")],
    format: Annotated[str, typer.Option(help="onnx or torch-export.")] = "onnx",
    precision: Annotated[str, typer.Option(help="fp32, fp16 or int8.")] = "fp32",
    truncation: Annotated[float | None, typer.Option(min=0, help="Of all that it will make.")] = None,
    backwards: Annotated[bool, typer.Option("--backwards", help="Make A of B, for CycleGAN.")] = False,
    json: Json = False,
) -> None:
    """Put a model into a file that runs without Python, checked against PyTorch."""
    from belamy import load
    from belamy.cli import told
    from belamy.exporting.program import export

    report = export(load(model), out, format, precision, truncation=truncation, backwards=backwards)
    print(jsons.dumps({"out": str(out), **report}) if json else "\n".join(told.export(out, report)))


@app.command(context_settings={"ignore_unknown_options": True})
def launch(
    words: Annotated[
        list[str], typer.Argument(metavar="-- train ...", help="train, sample or evaluate, as without launch.")
    ],
    nproc: Annotated[int, typer.Option(min=1, help="Processes on this machine.")] = 1,
    fewest: Annotated[
        int | None, typer.Option(min=1, help="Go on with fewer where one dies again, so many at least.")
    ] = None,
    nodes: Annotated[str, typer.Option(help="Machines: a number, or fewest:most.")] = "1",
    rendezvous: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where machines meet.")] = None,
    id: Annotated[str | None, typer.Option(help="A name that all machines of a training share.")] = None,
    restarts: Annotated[int, typer.Option(min=0, help="Without a checkpoint in between.")] = 3,
) -> None:
    """Train, sample or evaluate on several processes or machines, and begin again, or go on, when one dies."""
    from belamy.launch import Machines
    from belamy.launch import launch as play

    known = typer.main.get_command(app)
    assert isinstance(known, TyperGroup)
    if command := known.commands.get(words[0]):
        command.make_context(f"belamy {words[0]}", words[1:])  # so that a slip is told once, not by each process
    code = play(
        words, Machines(nproc, nodes, rendezvous, id), fewest=fewest, restarts=restarts,
        say=lambda text: print(text, file=sys.stderr),
    )  # fmt: skip
    raise typer.Exit(code)


@app.command()
def recipes(name: Annotated[str | None, typer.Argument()] = None, json: Json = False) -> None:
    """List the recipes that ship, or show one."""
    from belamy.recipe import load, names

    if name is not None:
        recipe = load(name)
        print(jsons.dumps(recipe.model_dump(mode="json")) if json else recipe.dump(), end="" if not json else "\n")
        return
    found = {each: load(each).summary for each in names()}
    print(jsons.dumps(found) if json else "\n".join(f"{each:<12} {summary}" for each, summary in found.items()))


@app.command()
def doctor(json: Json = False) -> None:
    """Versions, devices, precision, threads, what each missing extra would bring, and a short speed test."""
    from belamy.cli.checkup import examine, show

    found = examine()
    print(jsons.dumps(found) if json else "\n".join(show(found)))


@data_app.command("check")
def data_check(path: str, json: Json = False) -> None:
    """Decode every picture, and name what is broken or there twice."""
    from belamy.cli import told
    from belamy.data.images import check

    found = check(path)
    print(jsons.dumps(found) if json else "\n".join(told.check(found)))
    if found["bad"]:
        raise typer.Exit(1)


@data_app.command("info")
def data_info(path: str, json: Json = False) -> None:
    """What there is: counts, sizes, classes, and what a network would be given."""
    from belamy.cli import told
    from belamy.data.images import describe

    found = describe(path)
    print(jsons.dumps(found) if json else "\n".join(told.data(found)))


if __name__ == "__main__":
    main()
