"""Judging within a run: what a model is worth while it trains, and all that is shown and told of the one that ships."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from belamy import answers
from belamy.data.pairs import Unpaired
from belamy.data.series import Series
from belamy.data.table import Table
from belamy.judge import compared
from belamy.model import Model
from belamy.planning import LOWER_IS_BETTER, Plan
from belamy.report import model_card, read_log
from belamy.run import Run
from belamy.sheets import sheet, show_finished
from belamy.storage import write_json
from belamy.tabled import portrayed

ROWS = 20
"""Rows of a table that are shown while it trains."""


class Critic:
    """Judges the models of a run on what was held out, as its recipe says, and ships the best."""

    def __init__(self, run: Run, settled: Plan, say: Callable[[str], None]) -> None:
        self.run, self.plan, self._say = run, settled, say
        self.judging, self.heldout = settled.recipe.judging, settled.source.heldout()

    def measured(self, model: Model) -> tuple[float | None, dict[str, float]]:
        """What the recipe's metric says, the less the better, and the numbers to tell; None where nothing says it."""
        name = self.judging.metric
        if name == "none" or self.heldout is None:
            return None, {}
        # Who judges series learns from those that were trained on.
        train = self.plan.source if isinstance(self.heldout, Series) else None
        found = compared(
            model, self.heldout, train, n=self.judging.samples, metrics=[name], features=self.judging.features, seed=1,
            cache=self.run.path / "cache", trivial=False,
        )["metrics"].get(name, {"value": None})  # fmt: skip
        if found["value"] is None:
            self._say(f"no {name}: {found.get('reason', 'it cannot be measured on this data')}")
            return None, {}
        numbers = {name: found["value"]}
        if "stderr" in found:
            numbers[f"{name}_stderr"] = found["stderr"]
        return found["value"] if name in LOWER_IS_BETTER else -found["value"], numbers

    def alarms(self, model: Model) -> list[str]:
        """What a generator that learns without pairs does instead of learning, in words."""
        return answers.alarms(model, self.heldout) if isinstance(self.heldout, Unpaired) else []

    def show(self, model: Model, examples: int) -> str:
        """Saves a sheet, of the same latents or pictures as ever, or some rows; its name within the run's folder."""
        if model.codec.key in ("row", "series"):
            name = f"samples/{examples:012d}.csv"
            model.sample(ROWS, seed=0).table.to_csv(self.run.path / name, index=False)
            return name
        name = f"samples/{examples:012d}.png"
        sheet(model, self.plan.source).save(self.run.path / name)
        return name

    def ship(self, model: Model, report: dict[str, Any] | None = None) -> None:
        """Puts a model into the run's folder, with a card that tells of its ``report`` where there is one."""
        recipe, summary = self.plan.recipe.model_dump(mode="json"), read_log(self.run.path / "log.jsonl").summary()
        name = self.run.path.resolve().name
        self.run.ship(model, model_card(recipe, self.plan.source.facts, report, summary, name))

    def verdict(self) -> tuple[Model, dict[str, Any] | None]:
        """The model that ships, judged beside real data and trivial answers, with the pictures of the report."""
        model, report = Model.from_pretrained(self.run.model, self.plan.device), None
        if self.heldout is not None and self.judging.metric != "none":
            report = compared(
                model, self.heldout, self.plan.source, features=self.judging.features, cache=self.run.path / "cache"
            )
            write_json(self.run.path / "evaluation.json", report)
        if isinstance(self.plan.source, Table):
            heldout = self.heldout if isinstance(self.heldout, Table) else None
            write_json(self.run.path / "portrait.json", portrayed(model, heldout, self.plan.source))
        if model.codec.key in ("row", "series"):
            return model, report
        show_finished(self.run, model, self.plan.source, report)
        return model, report
