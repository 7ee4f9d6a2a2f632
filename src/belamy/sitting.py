"""One sitting of a run: from its last checkpoint to its end, or to a signal."""

from __future__ import annotations

import math
import signal
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import torch.distributed as dist

from belamy.critic import Critic
from belamy.engine import DivergedError
from belamy.errors import UserError
from belamy.hardware import machine
from belamy.journal import Display, Journal
from belamy.model import Model
from belamy.planning import Plan
from belamy.report import write_report
from belamy.run import Run
from belamy.storage import digest_of, write_json
from belamy.watchdog import Finding, Probe, Signs, Watchdog

PREEMPTED, INTERRUPTED = 75, 130
SIGNALS = (signal.SIGTERM, signal.SIGINT)
ROLLBACKS = 3


class Sitting:
    """Plays, keeps, judges, shows, and mends what goes wrong; see ``belamy.training.train`` for what it raises."""

    def __init__(self, run: Run, settled: Plan, display: Display, report_to: str) -> None:
        self.run, self.plan, self.recipe, self.display = run, settled, settled.recipe, display
        self.engine, self.critic = settled.engine(), Critic(run, settled, display.say)
        self.leads = self.engine.rank == 0
        self.journal = Journal(run, self.engine, display)
        self.best: dict[str, Any] | None = None
        self.seconds, self.rollbacks, self.signal = 0.0, 0, 0
        self._report_to, self._ending = report_to, False
        total = self.recipe.examples
        self.log_every = max(1, min(total // 200, 5_000))
        self.keep_every = self.recipe.checkpoints.every or max(1, min(total // 20, 50_000))
        times = self.recipe.judging.times
        self.judge_every = max(1, total // times) if times else total
        looks = self.recipe.watching.times
        self.watch_every = max(1, total // looks) if looks else total + 1
        answers = self.engine.game.answers
        self.watchdog, self.stopped = Watchdog("generator" if answers else "discriminator"), False
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

        for number in SIGNALS:
            try:
                stack.callback(signal.signal, number, signal.signal(number, heard))
            except ValueError:
                return  # only the main thread hears signals; a notebook's thread is stopped by its kernel

    def _open(self) -> None:
        """Checkpoint 0, or back to the last one."""
        self.journal.open(self._report_to, self.recipe.model_dump(mode="json"))
        saved = self.run.saved()
        if saved:
            self._restore(saved[-1])
            self.journal.note("resume", f"went on from {self.examples:,} examples")
        else:
            sizes = {name: sum(p.numel() for p in own) for name, own in self.engine.parameters.items()}
            about = machine(self.plan.device, self.plan.precision)
            if self.leads:
                write_json(self.run.path / "facts.json", self.plan.source.facts)
            self.journal.log("start", machine=about, parameters=sizes, processes=self.engine.ranks)
            self._keep()
            self._show()
        self.journal.begin(self.seconds)

    def _restore(self, checkpoint: Path) -> None:
        tensors, state = self.run.read(checkpoint)
        self.engine.restore(tensors, state["clock"])
        self.best, self.seconds, self.rollbacks = state["best"], state["seconds"], state["rollbacks"]
        self.watchdog = Watchdog(**state["watchdog"])

    def _play(self) -> None:
        total = self.recipe.examples
        while self.examples < total and not self.stopped:
            before = self.examples
            self.engine.alarms = [self.signal == number for number in SIGNALS]
            try:
                step = self.engine.step()
            except DivergedError as trouble:
                self._roll_back(str(trouble))
                continue
            self.watchdog.hear(step.norms)
            self.journal.spend(step.seconds)
            for what in step.skipped:
                self.journal.note("skip", f"a step was skipped: {what}")
            if _due(before, self.examples, self.log_every) or self.examples >= total:
                self.journal.line(step, total)
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
        if self.engine.ranks == 1:
            return self.signal != 0
        heard = [number for number, raised in zip(SIGNALS, self.engine.alarms, strict=True) if raised]
        self.signal = heard[0] if heard else self.signal  # which may reach one process a step before the others
        return bool(heard)

    def _stop(self) -> None:
        self._keep()
        name = "SIGTERM" if self.signal == signal.SIGTERM else "Ctrl-C"
        self.journal.note("stop", f"{name}: saved at {self.examples:,} examples; go on with --resume {self.run.path}")
        raise SystemExit(_code(self.signal))

    def _roll_back(self, cause: str) -> None:
        self.rollbacks += 1
        if self.rollbacks > ROLLBACKS:
            raise UserError(
                f"training diverged {self.rollbacks} times, at last because {cause}; "
                "try a lower optimizers.*.rate or a higher game.gamma"
            )
        self._go_back(self.run.saved()[-1])
        self.journal.note("rollback", f"{cause}: back to {self.examples:,} examples, {self._braked()}")
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
        with self.journal.spending("watchdog"):
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
            if not done and finding.remedy == "augmentation":
                return False  # all is done that helps
            if not done:
                self.engine.clock.brake /= 2
                done = self._braked()
        self.journal.note("watchdog", f"{finding.words}: {done}")
        self._keep()
        return True

    def _look(self) -> tuple[Finding | None, Path | None]:
        """What the leading process finds, for all to heed, and the checkpoint that is worth a return."""
        found: list[Any] = [None, None, None]
        if self.leads:
            signs = self._signs()
            told = {name: round(value, 4) for name, value in vars(signs).items() if not math.isnan(value)}
            self.journal.log("signs", values=told)
            if not self.engine.game.steady:
                self.watchdog.forget()
            finding = self.watchdog.look(signs, self.engine.clock.steps)
            worthy = self.best if self.watchdog.worthy else None
            found = [finding, worthy and self.run.checkpoint(worthy["examples"]), self.watchdog]
        if dist.is_initialized():
            dist.broadcast_object_list(found)
        self.watchdog = found[2]
        return found[0], found[1]

    def _signs(self) -> Signs:
        norm = self.watchdog.norm()
        if self.engine.game.answers:
            return Signs(norm=norm)
        if self._probe is None:
            self._probe = Probe(self.plan.source, self.recipe.watching.samples, self.engine.game.pack)
        return self._probe.signs(self.engine, self._model(), norm)

    def _keep(self) -> None:
        with self.journal.spending("checkpoints"):
            tensors, clock = self.engine.state()
            digest = digest_of(tensors)
            if self.engine.ranks > 1:
                hashes: list[str] = [""] * self.engine.ranks
                dist.all_gather_object(hashes, digest)
                if len(set(hashes)) > 1:
                    raise RuntimeError(f"the processes have drifted apart at {self.examples} examples: {hashes}")
            if self.leads:
                if self.examples:
                    self.seconds = self.journal.seconds
                state = {
                    "clock": clock, "best": self.best, "seconds": self.seconds, "rollbacks": self.rollbacks,
                    "watchdog": asdict(self.watchdog), "hash": digest,
                }  # fmt: skip
                self.run.save(tensors, state, self.recipe.checkpoints.limit)
            if self.engine.ranks > 1:
                dist.barrier()

    def _model(self) -> Model:
        return Model(self.engine.averages.game, self.plan.spec, self.plan.source.facts)

    def _judge(self) -> None:
        """Measures the averages on held-out data; the best so far ship."""
        if not self.leads:
            return
        with self.journal.spending("metrics"):
            self._show()
            value, numbers = self.critic.measured(self._model())
            for alarm in self.critic.alarms(self._model()):
                self.journal.note("watchdog", alarm)
            better = value is None or self.best is None or value < self.best["value"]
            if numbers:
                self.journal.metric(numbers, better)
            if better:
                self.best = {"value": value if value is not None else math.inf, "examples": self.examples}
                self.critic.ship(self._model())

    def _show(self) -> None:
        if self.leads:
            self.journal.log("samples", file=self.critic.show(self._model(), self.examples))

    def _finish(self) -> None:
        if not self.leads:
            return
        self.display.say("judging the best checkpoint on held-out data")
        model, report = self.critic.verdict()
        self.journal.log("end", seconds=round(self.journal.seconds, 3))
        self.critic.ship(model, report)
        write_report(self.run.path)

def _code(number: int) -> int:
    return PREEMPTED if number == signal.SIGTERM else INTERRUPTED


def _due(before: int, now: int, every: int) -> bool:
    return now // every != before // every

