"""`make bench-quick`: in minutes, what shows that training has become slower; it keeps nothing.

Each recipe plays beside the same mathematics written plainly, as tutorials do: eager, float32, NCHW. The last line is
JSON: how many times as fast the engine is, and the share of the machine's measured convolution rate that its
convolutions and products of matrices reach.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.nn.utils.parametrizations import spectral_norm
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from belamy.engine import Engine
from belamy.games.pix2pix import Pix2Pix
from belamy.hardware import machine
from belamy.planning import Plan, compose, plan
from common import say
from dcgan import Dcgan
from throughput import PLAYED, Loop, duel, pictures, plain_convolutions

PRODUCTS = (
    "aten::mkldnn_convolution", "aten::convolution_backward", "aten::mm", "aten::addmm", "aten::bmm",
    "aten::_convolution", "mkldnn::_linear_pointwise",
)  # fmt: skip
"""What the profiler calls the work that the ceiling is of."""


class PlainPix2Pix:
    """pix2pix as tutorials write it: a discriminator's pass for each side, spectral norms by torch's own hooks."""

    def __init__(self, settled: Plan) -> None:
        game = settled.game()
        assert isinstance(game, Pix2Pix)
        self.generator, self.discriminator, self.weight = game.generator, game.discriminator, game.pixels
        for layer in [*self.discriminator.layers, self.discriminator.last]:
            spectral_norm(layer)
        sides = self.generator, self.discriminator
        self.moves = [torch.optim.Adam(side.parameters(), 1e-3, (0.5, 0.99), fused=False) for side in sides]
        data = settled.source.draw(0, 64)
        self.sources, self.targets, self.batch = data["source"], data["target"], settled.recipe.batch

    def step(self) -> None:
        rows = torch.randint(len(self.sources), (self.batch,))
        source, target = self.sources[rows].contiguous(), self.targets[rows].contiguous()
        fake = self.generator(source)
        real_logits = self.discriminator(torch.cat([source, target], 1))
        fake_logits = self.discriminator(torch.cat([source, fake.detach()], 1))
        self._move(1, F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean())
        logits = self.discriminator(torch.cat([source, fake], 1))
        self._move(0, self.weight * (fake - target).abs().mean() - logits.mean())

    def _move(self, which: int, loss: Tensor) -> None:
        self.moves[which].zero_grad()
        loss.backward()
        self.moves[which].step()


@dataclass
class Pair:
    """The engine, and who plays the same plainly within ``around``; ``rounds`` of so many ``steps`` of both."""

    engine: Engine
    plain: Callable[[], Any]
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    steps: int = 4


def r3gan32() -> Pair:
    settled = plan(compose("r3gan", "noise", batch=64), "cpu", pictures("32x1"))
    engine = settled.engine()
    engine.clock.examples = PLAYED
    return Pair(engine, Loop(settled, "fp32", torch.contiguous_format, fused=False).step, plain_convolutions)


def dcgan64() -> Pair:
    settled = plan(compose("dcgan", "noise", {"data.classes": False}), "cpu", pictures("64x3"))
    return Pair(settled.engine(), Dcgan(settled.source.take(1024)["image"], 0).step, steps=1)


def pix2pix64() -> Pair:
    random, root = np.random.default_rng(0), Path(tempfile.mkdtemp(prefix="belamy-quick-"))
    for side in "AB":
        (root / side).mkdir()
        for number in range(80):
            Image.fromarray(random.integers(0, 256, (64, 64, 3), np.uint8)).save(root / side / f"{number}.png")
    settled = plan(compose("pix2pix", str(root), {"data.resolution": 64}), "cpu")
    return Pair(settled.engine(), PlainPix2Pix(settled).step)


PAIRS = {"r3gan32": r3gan32, "dcgan64": dcgan64, "pix2pix64": pix2pix64}


def ceiling(precision: str) -> float:
    """The best rate in FLOP/s of a 3x3 convolution of 128 channels, of those at sizes that networks here have."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    best = 0.0
    for batch, side in ((32, 16), (32, 32), (64, 32)):
        maps = torch.randn(batch, 128, side, side, dtype=dtype).contiguous(memory_format=torch.channels_last)
        weight = torch.randn(128, 128, 3, 3, dtype=dtype).contiguous(memory_format=torch.channels_last)
        work = 2 * batch * side**2 * 128 * 128 * 9
        with torch.inference_mode():
            for _ in range(12):
                began = time.perf_counter()
                F.conv2d(maps, weight, padding=1)
                best = max(best, work / (time.perf_counter() - began))
    return best


class Work(TorchDispatchMode):
    """Counts floating point operations of convolutions and products; torch's own counter cannot see a gradient's."""

    def __init__(self) -> None:
        super().__init__()
        self.done = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func.overloadpacket):
            self.done += count(*args, **(kwargs or {}), out_val=found)
        return found


def worked(engine: Engine, steps: int = 3) -> tuple[float, float]:
    """Floating point operations of a step, and the seconds of it that went into them."""
    with Work() as work:
        engine.step()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(steps):
            engine.step()
    spent = sum(one.self_cpu_time_total for one in seen.key_averages() if one.key in PRODUCTS)
    return work.done, spent / 1e6 / steps


def measure(name: str, rounds: int, most: float) -> dict[str, float]:
    pair = PAIRS[name]()
    ours, plain = duel(pair.engine.step, pair.plain, rounds, pair.steps, pair.around)
    work, spent = worked(pair.engine)
    pair.engine.close()
    step = statistics.median(ours)
    return {
        "speedup": round(statistics.median(slow / fast for fast, slow in zip(ours, plain, strict=True)), 2),
        "examples_per_second": round(pair.engine.batch / step, 1),
        "plain_step_s": round(statistics.median(plain), 3), "step_s": round(step, 3),
        "step_gflop": round(work / 1e9, 1),
        "ceiling_share": round(work / spent / most, 3), "whole_step_share": round(work / step / most, 3),
        "in_products": round(spent / step, 3),
    }  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--only", choices=list(PAIRS), nargs="*", default=list(PAIRS))
    arguments = options.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 0)) or len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    about = machine(torch.device("cpu"), "auto")
    rates = {precision: ceiling(precision) for precision in ("bf16", "fp32")}
    say(f"{about['cpu']}, {about['threads']} threads, torch {about['torch']}: convolutions reach "
        + ", ".join(f"{rate / 1e9:,.0f} GFLOP/s in {precision}" for precision, rate in rates.items()))  # fmt: skip
    found = {}
    for name in arguments.only:
        found[name] = measure(name, arguments.rounds, max(rates.values()))
        say(f"{name}: {found[name]}")
    print(json.dumps({what: {name: one[what] for name, one in found.items()} for what in ("speedup", "ceiling_share")}))


if __name__ == "__main__":
    main()
