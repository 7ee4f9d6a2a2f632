"""Speed: the engine in its precision and layout against eager float32 NCHW, and against a loop written by hand.

The players take turns, so that what else the machine does meets all of them; figures are medians over rounds.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import digits
from belamy.data.pictures import Pictures
from belamy.games.r3gan import R3GAN
from belamy.hardware import choose_device
from belamy.ops.adversarial import relativistic
from belamy.ops.penalties import squared_gradients
from belamy.ops.piecewise import penalised
from belamy.planning import Plan, compose, plan
from belamy.schedules import at
from common import Record, command, parsed, parser, record, summary

CLASSES = {"32x1": 10, "64x3": 0, "256x3": 0}
PLAYED = 100_000  # examples: past the burn-in, so that pictures are augmented as in most of a run


class Luck:
    """Chance as a loop by hand takes it: torch's own."""

    def __init__(self, rows: int, device: torch.device) -> None:
        self.rows, self.device = rows, device

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(self.rows, *shape, device=self.device)

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(self.rows, *shape, device=self.device)

    def uniforms(self, *sizes: int) -> tuple[Tensor, ...]:
        return self.uniform(sum(sizes)).split(list(sizes), dim=1)


class Loop:
    """The mathematics of the recipe with the same networks, as one would write it down for this one case."""

    def __init__(self, settled: Plan, precision: str, layout: torch.memory_format, fused: bool) -> None:
        game, self.recipe, self.device = settled.game(), settled.recipe, settled.device
        assert isinstance(game, R3GAN)
        game.advance(PLAYED)
        self.game, self.layout, self.bf16 = game.to(self.device), layout, precision == "bf16"
        self.penalised = _at_once if fused else _twice
        self.game.to(memory_format=layout)  # type: ignore[call-overload]
        self.average = copy.deepcopy(game.generator)
        adam = self.recipe.optimizers["generator"]
        rate, betas = at(adam.rate, PLAYED), (adam.beta1, at(adam.beta2, PLAYED))
        sides = game.discriminator, game.generator
        self.moves = [torch.optim.Adam(side.parameters(), rate, betas, fused=fused) for side in sides]
        data = settled.source.take(len(settled.source))
        self.pictures, self.classes = data["image"], data.get("class")

    def batch(self) -> tuple[Tensor, Tensor | None, Any]:
        rows = torch.randint(len(self.pictures), (self.recipe.batch,))
        real = self.pictures[rows].to(self.device, memory_format=self.layout)
        classes = None if self.classes is None else self.classes[rows].to(self.device)
        return real, classes, Luck(len(rows), self.device)

    def step(self) -> None:
        game, (discriminator_moves, generator_moves) = self.game, self.moves

        def seen(images: Tensor) -> Tensor:
            return game.augmentation(images, rng)

        real, classes, rng = self.batch()
        game.discriminator.requires_grad_(True)
        game.generator.requires_grad_(False)
        with self.autocast():
            both = torch.cat([real, game.generator(rng.normal(game.latent), classes)]).requires_grad_()
            pairs = torch.cat([seen(side) for side in both.chunk(2)])
            twice = None if classes is None else classes.repeat(2)
            loss = self.penalised(game.discriminator, both, pairs, twice, game.penalties["r1"])
        discriminator_moves.zero_grad()
        loss.backward()
        discriminator_moves.step()

        real, classes, rng = self.batch()
        game.discriminator.requires_grad_(False)
        game.generator.requires_grad_(True)
        with self.autocast():
            fake = game.generator(rng.normal(game.latent), classes)
            with torch.no_grad():
                real_logits = game.discriminator(seen(real), classes)
            loss = relativistic(game.discriminator(seen(fake), classes), real_logits)
        generator_moves.zero_grad()
        loss.backward()
        generator_moves.step()
        mine, theirs = ([value.detach() for value in one.parameters()] for one in (self.average, game.generator))
        torch._foreach_lerp_(mine, theirs, 1 - 0.5 ** (self.recipe.batch / self.recipe.average.halflife))

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)


def _twice(judge: nn.Module, pictures: Tensor, seen: Tensor, classes: Tensor | None, weight: float) -> Tensor:
    """The discriminator's loss, as it is written down: what it says of ``seen``, which were ``pictures``."""
    logits = judge(seen, classes)
    (squares,) = squared_gradients(logits, pictures)
    return relativistic(*logits.chunk(2)) + weight * squares.mean()


def _at_once(judge: nn.Module, pictures: Tensor, seen: Tensor, classes: Tensor | None, weight: float) -> Tensor:
    """The same without a double backward."""
    weights = seen.new_full((len(seen),), 2 * weight / len(seen))
    adversarial, squares, _ = penalised(
        lambda samples: judge(samples, classes), pictures, seen, lambda logits: relativistic(*logits.chunk(2)), weights,
        list(judge.parameters()),
    )  # fmt: skip
    return adversarial + weight * squares.mean()


@contextmanager
def plain_convolutions() -> Iterator[None]:
    """Inside, the networks call torch's convolutions on contiguous maps."""

    def conv2d(maps: Tensor, *rest: Any, **options: Any) -> Tensor:
        return F.conv2d(maps.contiguous(), *rest, **options)

    def conv_transpose2d(maps: Tensor, *rest: Any, **options: Any) -> Tensor:
        return F.conv_transpose2d(maps.contiguous(), *rest, **options)

    with (
        mock.patch("belamy.networks.r3gan.conv2d", conv2d),
        mock.patch("belamy.ops.resample.conv2d", conv2d),
        mock.patch("belamy.ops.resample.conv_transpose2d", conv_transpose2d),
    ):
        yield


def duel(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int, steps: int, around: Any) -> list[list[float]]:
    """Seconds a step of both, for each round; who begins changes, and ``theirs`` is played inside ``around``."""
    times: list[list[float]] = [[], []]
    sides = [(ours, nullcontext), (theirs, around)]
    for number in range(-1, rounds):  # the first is to warm up
        for side in (0, 1) if number % 2 else (1, 0):
            play, context = sides[side]
            with context():
                _wait()
                began = time.perf_counter()
                for _ in range(steps):
                    play()
                _wait()
            if number >= 0:
                times[side].append((time.perf_counter() - began) / steps)
    return times


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def pictures(size: str) -> Pictures:
    """Noise of that size: speed does not depend on what pictures show."""
    (resolution, channels), rng = map(int, size.split("x")), np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2048, channels, resolution, resolution), np.uint8)
    names = [str(label) for label in range(CLASSES[size])] or None
    labels = rng.integers(0, max(1, CLASSES[size]), len(pixels))
    return Pictures(pixels, np.arange(len(pixels)) < 8, labels, names, "noise")


def measure(size: str, device: str, batch: int, rounds: int, steps: int) -> Record:
    recipe = compose("r3gan", "noise", {"data.classes": bool(CLASSES[size])}, batch=batch)
    settled = plan(recipe, device, pictures(size))
    engine = settled.engine()
    engine.clock.examples = PLAYED
    loop = Loop(settled, settled.precision, torch.channels_last, fused=True)
    eager = Loop(settled, "fp32", torch.contiguous_format, fused=False)
    ours, plain = duel(engine.step, eager.step, max(3, rounds // 3), steps, plain_convolutions)
    again, by_hand = duel(engine.step, loop.step, rounds, steps, nullcontext)
    engine.close()
    return {
        "size": size, "classes": CLASSES[size], "batch": batch, "precision": settled.precision, "rounds": rounds,
        "steps_a_round": steps, "parameters": sum(value.numel() for value in loop.game.parameters()),
        "examples_per_second": summary([batch / one for one in again], 1),
        "by_hand_examples_per_second": summary([batch / one for one in by_hand], 1),
        "eager_fp32_nchw_examples_per_second": summary([batch / one for one in plain], 1),
        "speedup": summary([slow / fast for fast, slow in zip(ours, plain, strict=True)], 3),
        "overhead": summary([one / other - 1 for one, other in zip(again, by_hand, strict=True)]),
    }  # fmt: skip


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--size", choices=list(CLASSES), default="32x1", help="resolution x channels")
    options.add_argument("--batch", type=int, default=64)
    options.add_argument("--rounds", type=int, default=24)
    options.add_argument("--steps", type=int, default=4, help="of each player in a round")
    options.add_argument("--device", default="cpu")
    options.add_argument("--quality", action="store_true", help="train the digits in fp32: what bf16 costs, if it does")
    arguments = parsed(options)
    if arguments.quality:
        record("digits", arguments.seed, digits.measure(arguments.seed, "fp32"), command(), variant="fp32")
        return
    torch.manual_seed(arguments.seed)
    device = choose_device(arguments.device)
    figure = measure(arguments.size, arguments.device, arguments.batch, arguments.rounds, arguments.steps)
    variant = arguments.size + f"-{device.type}" * (device.type != "cpu")
    record("throughput", arguments.seed, figure, command(), variant=variant, device=device)


if __name__ == "__main__":
    main()
