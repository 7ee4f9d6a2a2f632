"""Sampling speed of an exported model beside PyTorch's, and what fewer bits cost.

The players take turns on the same latents; figures are medians over rounds. Weights are first ones, since speed does
not depend on them; what fp16 and int8 cost in KID is measured on a trained run, where one is given.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from belamy.evaluation import evaluate
from belamy.exporting.inputs import inputs
from belamy.exporting.program import export, onnx_session
from belamy.exporting.standalone import inputs as drawn
from belamy.judge import source_of
from belamy.model import Model
from belamy.planning import compose, plan
from belamy.run import Run, load
from common import Record, command, parsed, parser, record, say, summary
from throughput import pictures

PRECISIONS = ("fp32", "fp16", "int8")
BATCH = 16


def speeds(recipe: str, size: str, rounds: int, folder: Path) -> Record:
    """Pictures a second of PyTorch and of onnxruntime in each precision."""
    settled = plan(compose(recipe, "noise", {"data.classes": False}), "cpu", pictures(size))
    model = Model(settled.game().eval(), settled.spec, settled.source.facts)
    given = {name: one.example for name, one in inputs(model, BATCH).items()}
    players: dict[str, Callable[[], Any]] = {"pytorch": lambda: model.make(given)}
    for precision in PRECISIONS:
        export(model, folder / f"{precision}.onnx", precision=precision)
        session, feed = onnx_session(folder / f"{precision}.onnx"), {name: one.numpy() for name, one in given.items()}
        players[precision] = lambda session=session, feed=feed: session.run(None, feed)
    times: dict[str, list[float]] = {name: [] for name in players}
    for turn in range(rounds + 1):
        for name, play in players.items():
            began = time.perf_counter()
            play()
            if turn:
                times[name].append(time.perf_counter() - began)
    pace = {name: summary([BATCH / one for one in found], 1) for name, found in times.items()}
    middle = {name: statistics.median(found) for name, found in times.items()}
    ratio = {name: round(middle["pytorch"] / middle[name], 2) for name in PRECISIONS}
    return {"recipe": recipe, "size": size, "batch": BATCH, "pictures_per_second": pace, "times_pytorch": ratio}


def costs(run: Path, n: int, folder: Path) -> Record:
    """KID of a run's model on what it never saw, in each precision."""
    model, source = load(run), source_of(Run.open(run).recipe)
    heldout = source.heldout()
    assert heldout is not None
    found: Record = {}
    for precision in PRECISIONS:
        report = export(model, folder / f"{precision}.onnx", precision=precision)
        session = onnx_session(folder / f"{precision}.onnx")

        def make(start: int, count: int, report: Any = report, session: Any = session) -> dict[str, torch.Tensor]:
            given = drawn(report, count, 1, start)
            made = np.concatenate([
                session.run(None, {name: one[row : row + BATCH] for name, one in given.items()})[0]
                for row in range(0, count, BATCH)
            ])  # fmt: skip
            return {"image": torch.from_numpy(made)}

        kid = evaluate(make, heldout, source, n=n, metrics=("kid",), trivial=False)["metrics"]["kid"]
        found[precision] = {"kid": round(kid["value"], 5), "stderr": round(kid["stderr"], 5), "bytes": report["bytes"]}
        say(f"{precision}: {found[precision]}")
    return found


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--recipe", default="stylegan")
    options.add_argument("--size", default="64x3")
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--run", type=Path, help="a trained run, for what fewer bits cost")
    options.add_argument("-n", type=int, default=1000)
    arguments = parsed(options)
    with tempfile.TemporaryDirectory() as folder:
        figure = speeds(arguments.recipe, arguments.size, arguments.rounds, Path(folder))
        if arguments.run is not None:
            figure["cost"] = costs(arguments.run, arguments.n, Path(folder))
    record("exported", arguments.seed, figure, command(), variant=f"{arguments.recipe}-{arguments.size}")


if __name__ == "__main__":
    main()
