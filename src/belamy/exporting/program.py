"""A model as one file that answers by itself, checked against PyTorch before it is left."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch._dynamo.exc import UserError as TracingError

from belamy.errors import UserError, nearest
from belamy.exporting.inputs import Input, inputs
from belamy.exporting.precision import PRECISIONS, converted
from belamy.game import Game
from belamy.model import Model
from belamy.storage import write_json
from belamy.version import __version__

FORMATS = {"onnx": ".onnx", "torch-export": ".pt2"}
TOLERANCE = 1e-4
"""How far an answer in full precision may be from PyTorch's, on pictures in [-1, 1] and on scores."""
CHECKED = 16
EDGE = 1e-3
"""How near uniform numbers are led to 0 and 1: nearer, rounding decides which of two options is taken."""

Values = dict[str, Tensor]


class Sampler(nn.Module):
    """A game's ``sample`` as a function of its inputs ``names`` in their order; those that are ``empty`` it makes."""

    def __init__(self, game: Game, names: list[str], empty: list[str], fixed: Values) -> None:
        super().__init__()
        self.game, self.names, self.empty, self.fixed = game, names, empty, fixed

    def forward(self, *values: Tensor) -> Tensor:
        given = self.fixed | dict(zip(self.names, values, strict=True))
        given |= {name: values[0].new_empty(values[0].shape[0], 0) for name in self.empty}
        if "truncation" in self.fixed:
            given = self.game.truncate(given, float(self.fixed["truncation"]))
        (sample,) = self.game.sample(given).values()
        return sample.float()


def export(
    model: Model, out: str | Path, format: str = "onnx", precision: str = "fp32", *, truncation: float | None = None,
    backwards: bool = False,
) -> dict[str, Any]:
    """Writes ``model`` as ``out``, a recipe of its inputs as ``.json`` and, for ONNX, a script that samples as ``.py``.

    ``format`` is "onnx" or "torch-export", ``precision`` "fp32", or for ONNX "fp16" or "int8". The batch may be of any
    size, and so may pictures that are answered, in steps of the network's stride. ``truncation`` and ``backwards`` are
    those of ``Model.sample`` and ``Model.apply``, for all that the file will make.

    Returns a report: inputs, output, the file's bytes and its greatest ``difference`` from PyTorch over random and edge
    inputs. Raises UserError where that is above 1e-4 in full precision; then no file is left.
    """  # fmt: skip
    out = Path(out)
    if format not in FORMATS:
        raise UserError(f"format {format!r} is not one{nearest(format, FORMATS)}; choose {' or '.join(FORMATS)}")
    if precision not in PRECISIONS:
        raise UserError(f"precision {precision!r} should be one of {', '.join(PRECISIONS)}")
    if precision != "fp32" and format != "onnx":
        raise UserError(f"{precision} is for ONNX: leave --precision out, or --format onnx")
    if out.suffix != FORMATS[format]:
        raise UserError(f"{out} should end in {FORMATS[format]}, as {format} does")
    if backwards and not model.game.reversible:
        raise UserError(f"{type(model.game).__name__} goes one way only: leave --backwards out")
    if not out.parent.is_dir():
        raise UserError(f"there is no folder {out.parent}")
    found = inputs(model, CHECKED)
    asked = {name: one for name, one in found.items() if one.example.numel()}
    sampler = _sampler(model, found, truncation, backwards)
    key = "image" if model.game.answers else model.codec.key
    new = out.with_name(f".{out.name}.new{out.suffix}")
    try:
        with _quiet():
            sizes = _written(sampler, asked, key, new, format)
            ask = _asking(new, format)
            difference = compared(sampler, asked, ask, model.game.stride if sizes else 0)
            if difference > TOLERANCE:
                raise UserError(f"the export answers otherwise than PyTorch, by {difference:.2g}: it was not written")
            cost: dict[str, Any] = {}
            if precision != "fp32":
                converted(new, precision, {name: one.example for name, one in asked.items()})
                cost = costs(sampler, asked, _asking(new, format))
        new.replace(out)
    finally:
        new.unlink(missing_ok=True)
    report = {
        "belamy": __version__, "format": format, "precision": precision, "bytes": out.stat().st_size,
        "inputs": {name: one.told for name, one in asked.items()}, "output": _told(model, key, truncation),
        "sizes": "any that divide by the stride" if sizes else "as trained", "difference": difference, **cost,
    }  # fmt: skip
    write_json(out.with_suffix(".json"), report)
    if format == "onnx":
        shutil.copyfile(Path(__file__).with_name("standalone.py"), out.with_suffix(".py"))
    return report


def _sampler(model: Model, found: dict[str, Input], truncation: float | None, backwards: bool) -> Sampler:
    names = [name for name, one in found.items() if one.example.numel()]
    game = copy.deepcopy(model.game).cpu().eval().requires_grad_(False)
    game.settle()
    fixed = {} if truncation is None else {"truncation": torch.tensor(truncation)}
    if truncation is not None:
        game.truncate({name: one.example for name, one in found.items()}, truncation)
    empty = [name for name in found if name not in names]
    return Sampler(game, names, empty, fixed | ({"backwards": torch.ones(1)} if backwards else {})).eval()


def _told(model: Model, key: str, truncation: float | None) -> dict[str, Any]:
    kind = {
        "image": "float32 [N, C, H, W] in [-1, 1], a little beyond which is to be clipped",
        "row": "float32 [N, scores + options]: columns are decoded by belamy.codec.TableCodec and this table",
        "series": "float32 [N, C, T]: decoded by belamy.codec.SeriesCodec",
        "points": "float32 [N, D], to be multiplied by the scale, and added to the mean where there is one",
    }  # fmt: skip
    facts = {"table": ("table",), "series": ("series",), "points": ("scale", "mean")}
    own = {name: model.facts[name] for name in facts.get(model.facts.get("kind", ""), ()) if name in model.facts}
    return {"name": key, "about": kind[key], "truncation": truncation, **own}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what exporters print of their steps."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _written(sampler: Sampler, asked: dict[str, Input], key: str, path: Path, format: str) -> bool:
    """Writes it, for pictures of any size if the network allows; whether it does."""
    for sizes in (True, False) if any(one.sizes for one in asked.values()) else (False,):
        try:
            program = _program(sampler, asked, sizes)
        except (TracingError, RuntimeError, ValueError):
            if not sizes:
                raise
            continue
        break
    if format == "torch-export":
        torch.export.save(program, path)
        return sizes
    try:
        import onnxscript  # noqa: F401
    except ImportError:
        raise UserError("ONNX wants onnx, onnxscript and onnxruntime: pip install 'belamy[export]'") from None
    made = torch.onnx.export(
        program, dynamo=True, input_names=list(asked), output_names=[key], external_data=False, verbose=False
    )
    assert made is not None
    made.save(str(path))
    return sizes


def _program(sampler: Sampler, asked: dict[str, Input], sizes: bool) -> torch.export.ExportedProgram:
    batch, stride = torch.export.Dim("batch", min=1), sampler.game.stride
    open_: dict[int, Any] = {}
    if sizes:
        high, wide = (torch.export.Dim(f"_{name}", min=1, max=4096) for name in ("height", "width"))
        open_ = {2: stride * high if stride > 1 else high, 3: stride * wide if stride > 1 else wide}
    shapes = tuple({0: batch, **(open_ if one.sizes else {})} for one in asked.values())
    with torch.no_grad():
        return torch.export.export(sampler, tuple(one.example[:3] for one in asked.values()), dynamic_shapes=(shapes,))


def _asking(path: Path, format: str) -> Callable[[Values], NDArray[Any]]:
    """How the file is asked."""
    if format == "torch-export":
        program = torch.export.load(path).module()

        def run(values: Values) -> NDArray[Any]:
            with torch.no_grad():
                return np.asarray(program(*values.values()))

        return run
    session = onnx_session(path)
    return lambda values: np.asarray(session.run(None, {name: value.numpy() for name, value in values.items()})[0])


def onnx_session(path: Path) -> Any:
    """The file in onnxruntime, on the CPU."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError:
        raise UserError("ONNX is run by onnxruntime: pip install 'belamy[export]'") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # it would take the cores from PyTorch
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def compared(sampler: Sampler, asked: dict[str, Input], ask: Callable[[Values], NDArray[Any]], stride: int) -> float:
    """The greatest difference from PyTorch: one row, many, extremes, each class, and another size by ``stride``."""
    worst = 0.0
    for values in _trials(asked, stride):
        with torch.no_grad():
            wanted = sampler(*values.values()).numpy()
        found = ask(values)
        if found.shape != wanted.shape:
            raise UserError(f"the export answers {list(found.shape)} where PyTorch answers {list(wanted.shape)}")
        worst = max(worst, float(np.abs(found - wanted).max(initial=0.0)))
    return worst


def _trials(asked: dict[str, Input], stride: int) -> Iterator[Values]:
    whole = {name: one.example for name, one in asked.items()}
    yield whole
    yield {name: value[:1] for name, value in whole.items()}
    for factor in (0.0, 4.0):
        yield {
            name: value if value.dtype == torch.int64 or "draw" not in asked[name].told else
            (factor * value if asked[name].told["distribution"] == "normal" else value.round().clamp(EDGE, 1 - EDGE))
            for name, value in whole.items()
        }  # fmt: skip
    if names := asked["class"].told["names"] if "class" in asked else None:
        rows = torch.arange(len(names)) % len(whole["class"])
        yield {name: torch.arange(len(names)) if name == "class" else value[rows] for name, value in whole.items()}
    if stride:
        yield {
            name: nn.functional.pad(value, (0, 2 * stride, 0, stride), "replicate") if asked[name].sizes else value
            for name, value in whole.items()
        }  # fmt: skip


def costs(sampler: Sampler, asked: dict[str, Input], ask: Callable[[Values], NDArray[Any]]) -> dict[str, Any]:
    """What fewer bits cost: the mean and the greatest difference from PyTorch, and for pictures PSNR in dB."""
    values = {name: one.example for name, one in asked.items()}
    with torch.no_grad():
        wanted = sampler(*values.values()).numpy().clip(-1, 1)
    off = ask(values).clip(-1, 1) - wanted
    psnr = 10 * np.log10(4 / max(float(np.square(off).mean()), 1e-12))
    return {"cost": {"mean": float(np.abs(off).mean()), "greatest": float(np.abs(off).max()), "psnr": round(psnr, 2)}}
