"""The one loop: plays a game's turns, on one process or many, and can be stopped and resumed at any step."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from belamy.chance import Chance, key
from belamy.ema import Averages
from belamy.errors import UserError
from belamy.game import Batch, Game, Score, Turn
from belamy.ops.processes import speaking
from belamy.recipe import Recipe
from belamy.schedules import at
from belamy.source import Loader, Source


class DivergedError(Exception):
    """Gradients were not finite for ``patience`` steps in a row; the message names the turn and its terms."""


@dataclass
class Clock:
    """Where a run is. ``examples`` is the only clock; ``position`` counts rows of the source.

    ``attempt`` grows at a rollback, or the same chance would replay the same trouble; ``brake`` scales all rates.
    """

    examples: int = 0
    steps: int = 0
    position: int = 0
    attempt: int = 0
    brake: float = 1.0
    skipped: int = 0


@dataclass
class Step:
    """What a step reports: per turn its terms and what it saw (tensors, read when asked), gradient norms, seconds."""

    terms: dict[str, Tensor] = field(default_factory=dict)
    seen: dict[str, Tensor] = field(default_factory=dict)
    norms: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


class Engine:
    """Plays ``game`` on ``source`` as ``recipe`` says; ``device`` and ``precision`` ("fp32" or "bf16") are settled.

    Under an initialised ``torch.distributed`` each rank plays its rows of the global batch, and gradients are
    averaged, so that checkpoints know nothing of ranks.
    """

    def __init__(self, game: Game, source: Source, recipe: Recipe, device: torch.device, precision: str) -> None:
        self.ranks = dist.get_world_size() if dist.is_initialized() else 1
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.recipe, self.source, self.device, self.precision = recipe, source, device, precision
        if recipe.micro and not game.rowwise:
            raise UserError(f"{type(game).__name__} looks at the whole batch: leave micro out, and lower batch instead")
        if recipe.batch is None:
            raise UserError("the recipe says no batch: how many examples there are in a step")
        self._sizes = recipe.batch
        for size in self._sizes.values() if isinstance(self._sizes, Mapping) else [self._sizes]:
            if size < (least := game.fewest * game.pack):
                name = type(game).__name__
                raise UserError(f"{name} compares the rows of a batch, and {size} is too few: --batch {least} or more")
            _share(size, self.rank, self.ranks, recipe.micro, game.pack)  # what would fail in an hour is refused now
        self.rows = slice(0)
        game.prepare()
        self.game = game.to(device)
        self.game.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averages = Averages(self.game)
        children = dict(game.named_children())
        self.players = {name: children[name] for name in recipe.optimizers if name in children}
        if strange := {turn.player for turn in game.turns()} - set(self.players):
            raise UserError(f"the recipe has no optimizers.{min(strange)}, which the game plays")
        self.parameters = {
            name: [value for value in player.parameters() if value.requires_grad]
            for name, player in self.players.items()
        }
        self.optimizers = {name: self._optimizer(name) for name in self.players}
        self.clock = Clock()
        self.alarms: list[bool] = []
        """Raised by a process before a step; after it each is raised in all of them where it was in one."""
        self._loader: Loader | None = None

    def _optimizer(self, player: str) -> torch.optim.Optimizer:
        plan = self.recipe.optimizers[player]
        return torch.optim.AdamW(
            self.parameters[player], lr=at(plan.rate, 0), betas=(plan.beta1, float(at(plan.beta2, 0))),
            eps=plan.epsilon, weight_decay=plan.decay, fused=self.device.type in ("cpu", "cuda"),
        )  # fmt: skip

    @property
    def batch(self) -> int:
        """Examples in the coming step, over all processes."""
        return int(at(self._sizes, self.clock.examples))

    def step(self) -> Step:
        """One global batch further. Raises DivergedError after too many skipped steps in a row."""
        report, batch = Step(), self.batch
        self._take_seats(batch)
        self.game.train()
        self.game.advance(self.clock.examples)
        for index, turn in enumerate(self.game.turns()):
            if self.clock.steps % turn.every == 0:
                for repeat in range(turn.repeats):
                    self._play(turn, index, repeat, report)
        self.clock.examples += batch
        self.clock.steps += 1
        halflife = min(self.recipe.average.halflife, self.recipe.average.ramp * self.clock.examples)
        self.averages.update(0.5 ** (batch / halflife) if halflife > 0 else 0.0)
        self.clock.skipped = self.clock.skipped + 1 if report.skipped else 0
        if self.clock.skipped >= self.recipe.patience:
            raise DivergedError(report.skipped[-1])
        return report

    def _take_seats(self, batch: int) -> None:
        """Settles which rows of the global batch are played here; the loader fetches ahead, so it must hear of it."""
        rows = _share(batch, self.rank, self.ranks, self.recipe.micro, self.game.pack)
        if rows != self.rows:
            self.close()
            self.rows = rows

    def _play(self, turn: Turn, index: int, repeat: int, report: Step) -> None:
        with _timed(report, "data"):
            batch = self._next()
        with _timed(report, turn.player):
            parameters = self.parameters[turn.player]
            self._only(turn.player)
            for parameter in parameters:
                parameter.grad = None
            where = (self.recipe.seed, self.clock.attempt, self.clock.examples, index, repeat)
            score = self._agreed(parameters, self._backward(turn, batch, key("step", *where)))
            whole = get_total_norm([value.grad for value in parameters if value.grad is not None])
            report.norms[turn.player] = norm = whole.item()
            name = turn.loss.__name__.removesuffix("_loss")
            report.terms |= {f"{name}/{term}": value for term, value in score.terms.items()}
            report.seen |= {f"{name}/{what}": value for what, value in score.seen.items()}
            if not math.isfinite(norm):
                terms = ", ".join(f"{term} {value.item():.3g}" for term, value in score.terms.items())
                report.skipped.append(f"the gradient of {turn.player} is {norm} ({terms})")
                return
            if (clip := self.recipe.optimizers[turn.player].clip) is not None:
                clip_grads_with_norm_(parameters, clip, whole)
            self._move(turn.player)
            if score.seen:
                self.game.observe({what: value.item() for what, value in score.seen.items()})

    def _backward(self, turn: Turn, batch: Batch, seed: int) -> Score:
        """Adds up the gradients of this rank's rows, ``micro`` at a time; returns the mean of their scores."""
        count = self.rows.stop - self.rows.start
        micro = self.recipe.micro or count
        scores = []
        for start in range(0, count, micro):
            rows = slice(start, start + micro)
            part = {name: value[rows] for name, value in batch.items()}
            rng = Chance(seed, range(self.rows.start + start, self.rows.start + start + micro), self.device)
            with self.autocast():
                score = turn.loss(part, rng)
            (score.total * (turn.every * micro / count)).backward()
            scores.append(score)
        return Score(_mean([score.terms for score in scores]), _mean([score.seen for score in scores]))

    def _agreed(self, parameters: list[nn.Parameter], score: Score) -> Score:
        """Replaces gradients, and the score, by their means over ranks, in one reduction, and passes ``alarms`` on.

        A parameter that no rank has used is left without a gradient: a zero would count as a step of Adam's.
        """
        if self.ranks == 1:
            return score
        gradients = [value.grad if value.grad is not None else torch.zeros_like(value) for value in parameters]
        told = [*score.terms.values(), *score.seen.values()]
        marks = [*(float(value.grad is not None) for value in parameters), *map(float, self.alarms)]
        flat = torch.cat([
            *(gradient.flatten() for gradient in gradients), *(value.view(1).to(gradients[0]) for value in told),
            torch.tensor(marks).to(gradients[0]),
        ])  # fmt: skip
        with speaking():
            dist.all_reduce(flat)
        sizes = [*(one.numel() for one in gradients), len(told), len(marks)]
        *pieces, values, shares = (flat / self.ranks).split(sizes)
        used, alarms = shares.split([len(parameters), len(self.alarms)])
        for value, gradient, piece, share in zip(parameters, gradients, pieces, used.tolist(), strict=True):
            # Into memory laid out as the parameter is: the fused Adam pairs elements by address.
            value.grad = gradient.copy_(piece.view(value.shape)) if share else None
        self.alarms = [share > 0 for share in alarms.tolist()]
        means = iter(values.to(told[0]).unbind())
        return Score({name: next(means) for name in score.terms}, {name: next(means) for name in score.seen})

    def _move(self, player: str) -> None:
        plan, optimizer = self.recipe.optimizers[player], self.optimizers[player]
        for group in optimizer.param_groups:
            group["lr"] = at(plan.rate, self.clock.examples) * self.clock.brake
            group["betas"] = (plan.beta1, float(at(plan.beta2, self.clock.examples)))
        optimizer.step()

    def _only(self, player: str) -> None:
        for name, parameters in self.parameters.items():
            for parameter in parameters:
                parameter.requires_grad_(name == player)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The precision that losses and samples are computed in."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def realness(self, batch: Batch) -> Tensor | None:
        """``Game.realness`` of a batch of any size, float32 [B] or less, on the CPU; None where the game has none."""
        self.game.eval()
        rng = Chance(key("realness"), range(len(batch[self.game.sample_key])), self.device)
        with self.autocast():
            found = self.game.realness({name: self._placed(value) for name, value in batch.items()}, rng)
        return None if found is None else found.detach().float().cpu()

    def _next(self) -> Batch:
        if self._loader is None:
            self._loader = Loader(
                self.source, self.batch, self.rows, self.clock.position, pin=self.device.type == "cuda"
            )
        batch = next(self._loader)
        self.clock.position += self.batch
        return {name: self._placed(value) for name, value in batch.items()}

    def _placed(self, value: Tensor) -> Tensor:
        layout = torch.channels_last if value.dim() == 4 else torch.preserve_format
        return value.to(self.device, non_blocking=True, memory_format=layout)

    def close(self) -> None:
        """Ends the loader's thread; the next step starts another at the right place."""
        if self._loader is not None:
            self._loader.close()
            self._loader = None

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that a resumed run needs: named tensors, and plain JSON."""
        tensors = {f"game.{name}": value for name, value in self.game.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.averages.state().items()}
        for player, optimizer in self.optimizers.items():
            for index, parameter in enumerate(self.parameters[player]):
                for name, value in optimizer.state.get(parameter, {}).items():
                    tensors[f"optimizer.{player}.{index}.{name}"] = value
        return tensors, asdict(self.clock)

    def restore(self, tensors: dict[str, Tensor], clock: dict[str, Any]) -> None:
        """Back to a ``state``. Raises UserError where it belongs to another game."""
        self.close()
        self.clock = Clock(**clock)
        own = {f"game.{name}": value for name, value in self.game.state_dict().items()}
        own |= {f"average.{name}": value for name, value in self.averages.state().items()}
        saved = {name for name in tensors if not name.startswith("optimizer.")}
        if strange := sorted(saved ^ set(own)):
            raise UserError(f"the checkpoint is of another game: {strange[0]} is in one of them only")
        for name, value in own.items():
            if value.shape != tensors[name].shape:
                shapes = f"{list(tensors[name].shape)} there, {list(value.shape)} here"
                raise UserError(f"the checkpoint is of another game: {name} is {shapes}")
            value.copy_(tensors[name])
        for player, optimizer in self.optimizers.items():
            optimizer.state.clear()
            for index, parameter in enumerate(self.parameters[player]):
                prefix = f"optimizer.{player}.{index}."
                mine = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
                if mine:
                    optimizer.state[parameter] = {
                        name: value.clone() if name == "step" else torch.empty_like(parameter).copy_(value)
                        for name, value in mine.items()
                    }


def _mean(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    names = list(parts[0])
    if not names:
        return {}
    values = torch.stack([torch.stack([part[name].detach().float() for name in names]) for part in parts]).mean(0)
    return dict(zip(names, values.unbind(), strict=True))


def _share(batch: int, rank: int, ranks: int, micro: int | None, pack: int) -> slice:
    """The rows of a global batch that a rank plays."""
    if batch % (whole := ranks * pack):
        parts = " and ".join([f"pack {pack}"] * (pack > 1) + [f"{ranks} processes"] * (ranks > 1))
        raise UserError(f"batch {batch} does not divide by {parts}; try {batch // whole * whole or whole}")
    if micro and micro % pack:
        raise UserError(f"micro {micro} does not divide by pack {pack}; try {micro // pack * pack or pack}")
    count = batch // ranks
    if micro and count % micro:
        raise UserError(f"micro {micro} does not divide the {count} rows that each process plays")
    return slice(rank * count, (rank + 1) * count)


@contextlib.contextmanager
def _timed(report: Step, what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    report.seconds[what] = report.seconds.get(what, 0.0) + time.perf_counter() - began
