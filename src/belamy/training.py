"""Training: builds what a recipe names, plays it, and keeps, judges and shows what comes of it."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist

from belamy.critic import Critic
from belamy.engine import DivergedError, Step
from belamy.errors import UserError
from belamy.hardware import machine, memory_mb
from belamy.model import Model
from belamy.planning import Plan, compose, plan
from belamy.recipe import Recipe
from belamy.report import write_report
from belamy.run import Run
from belamy.source import Source
from belamy.storage import digest_of, write_json
from belamy.trackers import Tracker, known, start
from belamy.watchdog import Finding, Probe, Watchdog

PREEMPTED, INTERRUPTED = 75, 130
ROLLBACKS = 3


class Display:
    """What a run tells while it plays; this one keeps silent."""

    def say(self, text: str) -> None:
        """A line of plain words."""

    def progress(self, line: Mapping[str, Any], total: int) -> None:
        """The line that went into the log, and the examples of the whole run."""

    def close(self) -> None:
        """The run is over, or was stopped."""


def train(
    recipe: str | Recipe = "r3gan", data: str | None = None, out: str | Path | None = None, *,
    settings: Mapping[str, Any] | None = None, examples: int | None = None, batch: int | None = None,
    seed: int | None = None, device: str = "auto", precision: str | None = None, resume: str | Path | None = None,
    report_to: str = "tensorboard", checkpoints_total_limit: int | None = None, source: Source | None = None,
    display: Display | None = None,
) -> Run:
    """Trains a generator on ``data`` and returns its run folder.

    ``recipe`` is a name, a YAML file or a Recipe; ``settings`` are dotted keys over it, such as
    ``{"game.gamma": 0.1}``. ``resume`` is a run folder, or "auto" for ``out`` if it has begun; a resumed run keeps
    its recipe and ends where it would have ended.

    Raises:
        UserError: what the user can mend: unknown keys, bad data, an existing folder, divergence.
        SystemExit: 75 after SIGTERM, 130 after SIGINT, each with a checkpoint written.
    """  # fmt: skip
    display = display or Display()
    with processes():
        if resume is not None and str(resume) != "auto":
            folder: Path | None = Path(resume)
        else:
            folder = Path(out) if out is not None and resume and (Path(out) / "recipe.yaml").is_file() else None
        if folder is not None:
            run = Run.open(folder)
            if run.finished:
                display.say(f"{run.path} is finished: {run.recipe.examples:,} examples were played")
                display.close()
                return run
            return Training(run, plan(run.recipe, device, source), display, report_to).play()
        chosen = recipe if isinstance(recipe, Recipe) else compose(
            recipe, data, settings, examples=examples, batch=batch, seed=seed, precision=precision,
            checkpoints_total_limit=checkpoints_total_limit,
        )  # fmt: skip
        return begin(plan(chosen, device, source), out, display, report_to)


def begin(settled: Plan, out: str | Path | None, display: Display, report_to: str) -> Run:
    """Creates the run folder of a plan, and plays it."""
    known(report_to)
    folder = _agreed(Path(out) if out is not None else _unused(Path("runs"), settled.recipe.name))
    training = Training(Run(folder), settled, display, report_to)  # what cannot be built leaves no folder behind
    if training.leads:
        Run.create(folder, settled.recipe)
    if dist.is_initialized():
        dist.barrier()
    return training.play()


def _agreed(folder: Path) -> Path:
    """The folder that the first process found: it may be there already when another looks for an unused name."""
    held = [folder]
    if dist.is_initialized():
        dist.broadcast_object_list(held)
    return held[0]


def _unused(parent: Path, name: str) -> Path:
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"


@contextmanager
def processes() -> Iterator[None]:
    """Joins the other processes when torchrun has started several; leaves them at the end."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


class Training:
    """One sitting of a run: from its last checkpoint to its end, or to a signal."""

    def __init__(self, run: Run, settled: Plan, display: Display, report_to: str) -> None:
        self.run, self.plan, self.recipe, self.display = run, settled, settled.recipe, display
        self.engine, self.critic = settled.engine(), Critic(run, settled, display.say)
        self.leads = self.engine.rank == 0
        self.best: dict[str, Any] | None = None
        self.seconds, self.rollbacks, self.signal = 0.0, 0, 0
        self._report_to, self._trackers = report_to, list[Tracker]()
        self._spent: dict[str, float] = {}
        self._last_line = (0.0, 0)
        total = self.recipe.examples
        self.log_every = max(1, min(total // 200, 5_000))
        self.keep_every = self.recipe.checkpoints.every or max(1, min(total // 20, 50_000))
        times = self.recipe.judging.times
        self.judge_every = max(1, total // times) if times else total
        looks = self.recipe.watching.times if not self.engine.game.answers else 0  # its signs are those of samples
        self.watch_every = max(1, total // looks) if looks else total + 1
        self.watchdog, self.stopped = Watchdog(), False
        self._probe: Probe | None = None

    @property
    def examples(self) -> int:
        return self.engine.clock.examples

    def play(self) -> Run:
        """Plays to the end; see ``train`` for what it raises."""
        with ExitStack() as stack:
            if self.leads:
                stack.enter_context(self.run.lock())
            stack.callback(self.engine.close)
            stack.callback(self.display.close)
            self._listen(stack)
            self._open()
            self._play()
            self._ending = True
            self._finish()
        return self.run

    def _listen(self, stack: ExitStack) -> None:
        def heard(number: int, frame: FrameType | None) -> None:
            self.signal = number
            if self._ending:  # the last checkpoint is written: what is left can be made again
                raise SystemExit(_code(number))

        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                stack.callback(signal.signal, number, signal.signal(number, heard))
            except ValueError:
                return  # only the main thread hears signals; a notebook's thread is stopped by its kernel

    def _open(self) -> None:
        """Checkpoint 0, or back to the last one."""
        if self.leads:
            self._trackers = start(self._report_to, self.run.path, self.recipe.model_dump(mode="json"))
        saved = self.run.saved()
        if saved:
            self._restore(saved[-1])
            self._note("resume", f"went on from {self.examples:,} examples")
        else:
            sizes = {name: sum(p.numel() for p in own) for name, own in self.engine.parameters.items()}
            about = machine(self.plan.device, self.plan.precision)
            if self.leads:
                write_json(self.run.path / "facts.json", self.plan.source.facts)
            self._log("start", machine=about, parameters=sizes, processes=self.engine.ranks)
            self._keep()
            self._show()
        self._began = time.perf_counter() - self.seconds
        self._last_line, self._spent = (time.perf_counter(), self.examples), {}

    def _restore(self, checkpoint: Path) -> None:
        tensors, state = self.run.read(checkpoint)
        self.engine.restore(tensors, state["clock"])
        self.best, self.seconds, self.rollbacks = state["best"], state["seconds"], state["rollbacks"]
        self.watchdog = Watchdog(**state["watchdog"])

    def _play(self) -> None:
        total = self.recipe.examples
        while self.examples < total and not self.stopped:
            before = self.examples
            try:
                step = self.engine.step()
            except DivergedError as trouble:
                self._roll_back(str(trouble))
                continue
            self.watchdog.hear(step.norms)
            for what, seconds in step.seconds.items():
                self._spent[what] = self._spent.get(what, 0.0) + seconds
            for what in step.skipped:
                self._note("skip", f"a step was skipped: {what}")
            if _due(before, self.examples, self.log_every) or self.examples >= total:
                self._line(step)
            judged = _due(before, self.examples, self.judge_every)
            if judged or self.examples >= total:
                self._judge()
            looks = _due(before, self.examples, self.watch_every) and self.examples < total and not step.skipped
            if looks and self._watch():
                continue
            # A rollback must lead back to before the trouble, so none is kept within it.
            due = judged or _due(before, self.examples, self.keep_every)
            if (due and not step.skipped) or self.examples >= total:
                self._keep()
            if self._told_to_stop():
                self._stop()

    def _told_to_stop(self) -> bool:
        if self.engine.ranks > 1:  # a signal may reach one process a step before the others
            told = torch.tensor([self.signal], device=self.plan.device)
            dist.all_reduce(told, dist.ReduceOp.MAX)
            self.signal = int(told.item())
        return self.signal != 0

    def _stop(self) -> None:
        self._keep()
        name = "SIGTERM" if self.signal == signal.SIGTERM else "Ctrl-C"
        self._note("stop", f"{name}: saved at {self.examples:,} examples; go on with --resume {self.run.path}")
        raise SystemExit(_code(self.signal))

    def _roll_back(self, cause: str) -> None:
        self.rollbacks += 1
        if self.rollbacks > ROLLBACKS:
            raise UserError(
                f"training diverged {self.rollbacks} times, at last because {cause}; "
                "try a lower optimizers.*.rate or a higher game.gamma"
            )
        self._go_back(self.run.saved()[-1])
        self._note("rollback", f"{cause}: back to {self.examples:,} examples, {self._braked()}")
        self._keep()  # so that a restart does not replay the trouble

    def _go_back(self, checkpoint: Path | None) -> None:
        """To a checkpoint, or to the beginning: with other chance and half the rates, but with what was learnt of it.

        Later checkpoints go first: a run that is killed in between plays up to here again.
        """
        rollbacks, watchdog, clock = self.rollbacks, self.watchdog, self.engine.clock
        if self.leads:
            self.run.forget_after(checkpoint)
        if checkpoint is not None:
            self._restore(checkpoint)
        else:
            if self.best is not None:  # it still ships until a better one comes, but its checkpoint is gone
                self.best = {**self.best, "examples": None}
            self.engine.restore(*self.plan.engine().state())
        self.rollbacks, self.watchdog = rollbacks, watchdog
        self.engine.clock.attempt, self.engine.clock.brake = clock.attempt + 1, clock.brake / 2
        self.engine.clock.skipped = 0

    def _braked(self) -> str:
        return f"rates times {self.engine.clock.brake:g}"

    def _watch(self) -> bool:
        """Looks, says and does what must be done, and keeps it; whether something was."""
        with self._spending("watchdog"):
            finding, best = self._look()
        if finding is None:
            return False
        if finding.remedy in ("return", "slower"):
            self._go_back(best)
            if best is None:
                self.watchdog = self.watchdog.begin_again()
            done = f"back to {self.examples:,} examples, {self._braked()}"
            if finding.remedy == "return" and (more := self.engine.game.heed("penalties")):
                done += f", {more}"
        elif finding.remedy == "stop":
            self.stopped = True
            done = "stopped; the best model so far is what ships"
            if self.best is None:
                self._judge()
        else:
            done = self.engine.game.heed(finding.remedy) or ""
            if not done:
                self.engine.clock.brake /= 2
                done = self._braked()
        self._note("watchdog", f"{finding.words}: {done}")
        self._keep()
        return True

    def _look(self) -> tuple[Finding | None, Path | None]:
        """What the leading process finds, for all to heed, and the checkpoint that is worth a return."""
        found: list[Any] = [None, None, None]
        if self.leads:
            if self._probe is None:
                self._probe = Probe(self.plan.source, self.recipe.watching.samples, self.engine.game.pack)
            signs = self._probe.signs(self.engine, self._model(), self.watchdog.norm())
            told = {name: round(value, 4) for name, value in vars(signs).items() if not math.isnan(value)}
            self._log("signs", values=told)
            finding = self.watchdog.look(signs, self.engine.clock.steps)
            worthy = self.best if self.watchdog.worthy else None
            found = [finding, worthy and self.run.checkpoint(worthy["examples"]), self.watchdog]
        if dist.is_initialized():
            dist.broadcast_object_list(found)
        self.watchdog = found[2]
        return found[0], found[1]

    @contextmanager
    def _spending(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._spent[what] = self._spent.get(what, 0.0) + time.perf_counter() - began

    def _keep(self) -> None:
        with self._spending("checkpoints"):
            tensors, clock = self.engine.state()
            digest = digest_of(tensors)
            if self.engine.ranks > 1:
                hashes: list[str] = [""] * self.engine.ranks
                dist.all_gather_object(hashes, digest)
                if len(set(hashes)) > 1:
                    raise RuntimeError(f"the processes have drifted apart at {self.examples} examples: {hashes}")
            if self.leads:
                if self.examples:
                    self.seconds = time.perf_counter() - self._began
                state = {
                    "clock": clock, "best": self.best, "seconds": self.seconds, "rollbacks": self.rollbacks,
                    "watchdog": asdict(self.watchdog), "hash": digest,
                }  # fmt: skip
                self.run.save(tensors, state, self.recipe.checkpoints.limit)
            if self.engine.ranks > 1:
                dist.barrier()

    def _line(self, step: Step) -> None:
        now = time.perf_counter()
        elapsed, played = now - self._last_line[0], self.examples - self._last_line[1]
        aside = sum(self._spent.get(what, 0.0) for what in ("metrics", "checkpoints", "watchdog"))
        line: dict[str, Any] = {
            "examples": self.examples,
            "seconds": round(now - self._began, 3),
            "rate": round(played / (elapsed - aside), 2),
            "terms": {name: value.item() for name, value in step.terms.items()},
            "seen": {name: value.item() for name, value in step.seen.items()},
            "norms": step.norms,
            "share": {name: round(seconds / elapsed, 4) for name, seconds in self._spent.items()},
            "memory_mb": memory_mb(self.plan.device),
        }
        self._log("step", **line)
        self._last_line, self._spent = (now, self.examples), {}
        if self.leads:
            self.display.progress({**line, "metric": self._latest}, self.recipe.examples)
            numbers = {**line["terms"], **line["seen"], "rate": line["rate"]}
            for track in self._trackers:
                track(numbers | {f"norm/{name}": value for name, value in step.norms.items()}, self.examples)

    _latest: dict[str, float] | None = None
    _ending = False

    def _model(self) -> Model:
        return Model(self.engine.averages.game, self.plan.spec, self.plan.source.facts)

    def _judge(self) -> None:
        """Measures the averages on held-out data; the best so far ship."""
        if not self.leads:
            return
        with self._spending("metrics"):
            self._show()
            value, numbers = self.critic.measured(self._model())
            for alarm in self.critic.alarms(self._model()):
                self._note("watchdog", alarm)
            better = value is None or self.best is None or value < self.best["value"]
            if numbers:
                self._latest = numbers
                self._log("metric", values=numbers, best=better, seconds=round(time.perf_counter() - self._began, 3))
                for track in self._trackers:
                    track(numbers, self.examples)
            if better:
                self.best = {"value": value if value is not None else math.inf, "examples": self.examples}
                self.critic.ship(self._model())

    def _show(self) -> None:
        if self.leads:
            self._log("samples", file=self.critic.show(self._model(), self.examples))

    def _finish(self) -> None:
        if not self.leads:
            return
        self.display.say("judging the best checkpoint on held-out data")
        model, report = self.critic.verdict()
        self._log("end", seconds=round(time.perf_counter() - self._began, 3))
        self.critic.ship(model, report)
        write_report(self.run.path)

    def _note(self, event: str, message: str) -> None:
        self._log(event, message=message)
        if self.leads:
            self.display.say(message)

    def _log(self, event: str, **content: Any) -> None:
        if self.leads:
            self.run.log(event, **{"examples": self.examples, **content})


def _code(number: int) -> int:
    return PREEMPTED if number == signal.SIGTERM else INTERRUPTED


def _due(before: int, now: int, every: int) -> bool:
    return now // every != before // every

