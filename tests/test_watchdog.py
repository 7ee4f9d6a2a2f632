"""The watchdog: what it finds in signs, how signs are taken, and what a run does about them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from belamy import critic, watchdog
from belamy.chance import Chance
from belamy.model import Model
from belamy.planning import plan
from belamy.pretrained import shipped_tensors
from belamy.run import Run
from belamy.source import Source
from belamy.storage import read_json, read_tensors
from belamy.training import Display, begin
from belamy.watchdog import NEIGHBOURS, PATIENCE, Probe, Signs, Watchdog
from tiny import draw_pictures, engine, same, tiny

HEALTHY = Signs(coverage=0.6, spread=0.9, overfitting=0.1, norm=1.0)


def signs(**others: float) -> Signs:
    return Signs(**{**vars(HEALTHY), **others})


def remedy(dog: Watchdog, seen: Signs, steps: int = 500) -> str | None:
    finding = dog.look(seen, steps)
    return finding and finding.remedy


def test_a_healthy_run_is_left_alone() -> None:
    dog = Watchdog()
    for coverage in (0.0, 0.2, 0.5, 0.4, 0.6):
        assert dog.look(signs(coverage=coverage), 500) is None


@pytest.mark.parametrize(
    ("ill", "expected", "words"),
    [
        ({"spread": 0.1}, "return", "samples are alike, 0.10"),
        ({"coverage": 0.2}, "return", "samples cover 0.20 of real ones, 0.60 at best"),
        ({"norm": 2e4}, "slower", "discriminator's gradient is 2e+04"),
        ({"norm": 21.0}, "penalties", "gradient is 21, 1 at its calmest"),
        ({"overfitting": 0.7}, "augmentation", "look 70% as false"),
    ],
)
def test_each_ill_is_named_and_has_a_remedy(ill: dict[str, float], expected: str, words: str) -> None:
    dog = Watchdog()
    dog.look(HEALTHY, 500)
    if "coverage" in ill:
        assert dog.look(signs(**ill), 500) is None  # once may be chance
    finding = dog.look(signs(**ill), 500)
    assert finding is not None and finding.remedy == expected and words in finding.words


def test_the_worst_comes_first() -> None:
    dog = Watchdog()
    dog.look(HEALTHY, 500)
    assert remedy(dog, Signs(coverage=0.0, spread=0.0, overfitting=1.0, norm=1e5)) == "slower"
    assert remedy(dog, Signs(coverage=0.0, spread=0.0, overfitting=1.0, norm=100.0)) == "return"


def test_steepness_that_stays_is_met_with_lower_rates() -> None:
    dog = Watchdog()
    dog.look(HEALTHY, 500)
    assert [remedy(dog, signs(norm=norm)) for norm in (30, 30, 1, 30)] == ["penalties", "slower", None, "penalties"]


def test_a_checkpoint_that_does_not_help_is_not_trusted_for_ever() -> None:
    dog = Watchdog()
    dog.look(HEALTHY, 500)
    found = []
    for _ in range(4):
        dog.look(signs(spread=0.0), 500)
        found.append(dog.worthy)
    assert found == [True, True, False, False]


def test_samples_may_be_alike_at_first_but_not_for_long() -> None:
    assert remedy(Watchdog(), signs(spread=0.0), 100) is None
    assert remedy(Watchdog(), signs(spread=0.0), 300) == "return"
    dog = Watchdog()
    assert remedy(dog, signs(spread=0.7), 100) is None
    assert remedy(dog, signs(spread=0.0), 150) == "return"


def test_coverage_that_was_never_there_cannot_be_lost() -> None:
    dog = Watchdog()
    dog.look(signs(coverage=0.05), 500)
    assert remedy(dog, signs(coverage=0.0)) is None


def test_returns_that_do_not_help_end_the_run() -> None:
    dog = Watchdog()
    dog.look(HEALTHY, 500)
    for _ in range(PATIENCE):
        assert remedy(dog, signs(spread=0.1)) == "return"
    assert remedy(dog, signs(spread=0.1)) == "stop"


def test_a_better_look_forgives_the_returns_before_it() -> None:
    dog = Watchdog()
    dog.look(HEALTHY, 500)
    for _ in range(2):
        for _ in range(PATIENCE):
            assert remedy(dog, signs(spread=0.1)) == "return"
        dog.look(signs(coverage=dog.covered + 0.1), 500)


def test_a_new_beginning_is_no_loss_but_forgives_nothing() -> None:
    dog = Watchdog()
    dog.look(HEALTHY, 500)
    for _ in range(PATIENCE):
        assert remedy(dog, signs(norm=1e9)) == "slower"
        dog = dog.begin_again()
        assert dog.look(signs(coverage=0.1), 10) is None and dog.look(signs(coverage=0.1), 400) is None
    assert remedy(dog, signs(norm=1e9)) == "stop"


def test_nothing_follows_from_what_is_not_known() -> None:
    dog, unknown = Watchdog(), Signs(math.nan, math.nan, math.nan, math.nan)
    assert dog.look(unknown, 900) is None
    dog.look(HEALTHY, 900)
    assert dog.look(unknown, 900) is None and (dog.covered, dog.calm) == (0.6, 1.0)


def test_norms_are_averaged_from_look_to_look() -> None:
    dog = Watchdog()
    for norm in (1.0, 4.0, math.inf, 16.0):
        dog.hear({"discriminator": norm, "generator": 100.0})
    assert dog.norm() == pytest.approx(4) and math.isnan(dog.norm())


def test_of_a_generator_that_answers_the_gradient_alone_is_watched() -> None:
    dog = Watchdog("generator")
    dog.hear({"discriminator": 1e9, "generator": 5.0})
    assert dog.norm() == pytest.approx(5)
    assert remedy(dog, Signs(norm=0.01), 50) is None  # it began by adding nothing
    found = [remedy(dog, Signs(norm=norm)) for norm in (1e5, 100.0, 1e4, 1e4)]
    assert found == [None, None, "slower", "slower"] and dog.worthy
    finding = dog.look(Signs(norm=1e4), 500)
    assert finding is not None and "the generator explodes: its gradient is 1e+04, 100" in finding.words


class Made:
    """Stands in for a generator: what it gives is what was put in."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batch: dict[str, Any] = {}
        monkeypatch.setattr(watchdog, "generator", lambda model, seed: lambda start, count: self.batch)


@pytest.fixture
def source() -> Source:
    return plan(tiny("digits", Path()), "cpu").source


def test_signs_of_real_pictures_and_of_one_picture(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    player, made = engine(tiny("digits", Path())), Made(monkeypatch)
    probe, model = Probe(source, 128, 1), Model(player.averages.game, {}, source.facts)
    made.batch = source.take(128, 500)
    real = probe.signs(player, model, 2.5)
    assert real.coverage > 0.8 and real.spread == pytest.approx(1, abs=0.15) and real.norm == 2.5
    one = source.take(1)["image"].expand(128, -1, -1, -1)
    made.batch = {"image": one, "class": made.batch["class"]}
    alike = probe.signs(player, model, 1.0)
    assert alike.coverage < 0.05 and alike.spread == pytest.approx(0, abs=1e-2)


def test_samples_that_differ_by_class_alone_are_alike(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    player, made = engine(tiny("digits", Path())), Made(monkeypatch)
    kinds = source.take(128)["class"]
    made.batch = {"image": torch.randn(10, 1, 8, 8)[kinds], "class": kinds}
    found = Probe(source, 128, 1).signs(player, Model(player.averages.game, {}, source.facts), 1.0)
    assert found.spread == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("known_by_heart", [True, False])
def test_overfitting_is_how_far_heldout_samples_fall(
    known_by_heart: bool, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    player, made = engine(tiny("digits", Path())), Made(monkeypatch)
    probe, noise = Probe(source, 100, 1), 0.1 * torch.randn(100)
    made.batch = source.take(100, 200)
    level = {id(probe.train): 1.0, id(probe.heldout): -0.9 if known_by_heart else 0.95, id(made.batch): -1.0}
    monkeypatch.setattr(player, "realness", lambda batch: level[id(batch)] + noise)
    found = probe.signs(player, Model(player.averages.game, {}, source.facts), 1.0).overfitting
    assert 0.9 < found < 0.95 if known_by_heart else abs(found) < 0.05


def test_few_pictures_are_enough_for_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 60 pictures 4 are held out, too few for neighbours of their own."""
    pictures = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), dtype=np.uint8)
    np.savez(tmp_path / "few.npz", x=pictures)
    recipe, made = tiny("r3gan", tmp_path / "few.npz"), Made(monkeypatch)
    player, source = engine(recipe), plan(recipe, "cpu").source
    probe, model = Probe(source, 128, 1), Model(player.averages.game, {}, source.facts)
    assert probe.heldout is not None and 1 < len(probe.heldout["image"]) <= NEIGHBOURS
    assert len(probe.train["image"]) + len(probe.heldout["image"]) == 60
    made.batch = source.take(60)
    assert probe.signs(player, model, 1.0).coverage > 0.85
    made.batch = {"image": source.take(1)["image"].expand(60, -1, -1, -1)}
    alike = probe.signs(player, model, 1.0)
    assert alike.coverage < 0.3 and alike.spread == pytest.approx(0, abs=1e-2)


@pytest.fixture
def collapsing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Looks at which samples are alike, by their number."""
    when: list[int] = []
    looks = iter(range(1000))
    monkeypatch.setattr(Probe, "signs", lambda *_: signs(spread=0.0 if next(looks) in when else 0.9))
    yield when


def watched(out: Path, **settings: Any) -> Run:
    chosen = {"examples": 64, "checkpoints.every": 8, "watching.times": 8, "judging.times": 2, **settings}
    return begin(plan(tiny("digits", Path(), **chosen), "cpu"), out, Display(), "none")


def said(run: Run) -> list[str]:
    return [event["message"] for event in run.events() if event["event"] == "watchdog"]


def test_a_collapsed_run_goes_back_to_its_best_checkpoint(collapsing: list[int], tmp_path: Path) -> None:
    collapsing.append(4)
    run = watched(tmp_path / "run")
    (words,) = said(run)
    assert "samples are alike" in words and "back to 32 examples, rates times 0.5, penalties weigh 3 times" in words
    state = read_json(run.saved()[-1] / "state.json")
    assert state["clock"]["examples"] == 64 and state["clock"]["brake"] == 0.5 and state["clock"]["attempt"] == 1
    tensors = read_tensors(run.saved()[-1] / "state.safetensors")
    assert tensors["game.strictness.logarithm"].item() == pytest.approx(math.log(3))
    assert run.finished


def test_a_run_whose_answers_explode_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    norms = iter([1.0, 1.0, 1.0, 1.0, 1.0, 99.0, *[1.0] * 99])
    monkeypatch.setattr(Watchdog, "norm", lambda dog: next(norms))
    monkeypatch.setattr(watchdog, "BEGUN", 1)
    drawn = draw_pictures(tmp_path / "pictures", {"cat": 12})
    chosen = {"examples": 64, "checkpoints.every": 8, "watching.times": 8, "judging.times": 2}
    run = begin(plan(tiny("inpaint", drawn, **chosen), "cpu"), tmp_path / "run", Display(), "none")
    (words,) = said(run)
    assert "the generator explodes: its gradient is 99, 1 at its calmest: back to 32 examples, rates times 0.5" in words
    assert read_json(run.saved()[-1] / "state.json")["clock"]["examples"] == 64 and run.finished


def test_one_without_a_best_begins_again(collapsing: list[int], tmp_path: Path) -> None:
    collapsing.append(2)
    run = watched(tmp_path / "run")
    assert "back to 0 examples, rates times 0.5" in said(run)[0]
    assert read_json(run.saved()[-1] / "state.json")["clock"]["examples"] == 64


def test_after_a_new_beginning_the_best_of_all_still_ships(
    collapsing: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[dict[str, torch.Tensor]] = []

    def compared(model: Model, heldout: Source, train: Source | None, **options: Any) -> dict[str, Any]:
        if train is None:
            shown.append({name: value.clone() for name, value in shipped_tensors(model.game).items()})
        entry = {"value": 1.0 if len(shown) == 1 else 5.0, "floor": 0.0, "trivial": None}
        return {"metrics": {"kid": entry}, "n": 2, "heldout": 2, "features": "x", "seconds": 0.0, "notes": []}

    monkeypatch.setattr(critic, "compared", compared)
    monkeypatch.setattr(Watchdog, "worthy", property(lambda self: False))
    collapsing.append(3)
    run = watched(tmp_path / "run", **{"judging.metric": "kid", "judging.times": 4})
    assert "back to 0 examples" in said(run)[0] and len(shown) > 4
    shipped = read_tensors(run.model / "model.safetensors")
    assert same(shipped, shown[0]) and not same(shown[0], shown[-1])


def test_one_that_cannot_be_helped_stops_with_a_model_and_a_report(
    collapsing: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "SETTLED", 0)
    collapsing.extend(range(2, 1000))
    run = watched(tmp_path / "run")
    assert len(said(run)) == PATIENCE + 1 and "stopped; the best model so far is what ships" in said(run)[-1]
    assert (run.model / "model.safetensors").is_file() and "watchdog" in (run.path / "report.html").read_text("utf-8")


def test_without_a_watchdog_nothing_happens(collapsing: list[int], tmp_path: Path) -> None:
    collapsing.extend(range(1000))
    assert not said(watched(tmp_path / "run", **{"watching.times": 0}))


def test_overfitting_is_no_reason_to_learn_slower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Probe, "signs", lambda *_: signs(overfitting=0.9))
    run = watched(tmp_path / "run", **{"game.penalties": {"r1": 0.0, "r2": 0.0}})
    raised = [words.partition("altered with a probability of ")[2][:3] for words in said(run)]
    assert raised == ["0.2", "0.4", "0.6", "0.8"]
    assert read_json(run.saved()[-1] / "state.json")["clock"]["brake"] == 1


def test_what_was_raised_stays_raised_over_a_restart() -> None:
    player, other = engine(tiny("digits", Path())), engine(tiny("digits", Path()))
    assert player.game.heed("augmentation") == "pictures are altered with a probability of 0.2 from here on"
    assert player.game.heed("penalties") == "penalties weigh 3 times as much as the recipe says from here on"
    other.restore(*player.state())
    other.step()
    assert other.game.get_submodule("augmentation").p == pytest.approx(0.2)
    assert other.game.penalties == pytest.approx({name: 3 * weight for name, weight in player.game.penalties.items()})


def test_lazy_penalties_are_raised_as_well(pictures: Path) -> None:
    player = engine(tiny("stylegan", pictures))
    batch = player.source.take(4)

    def r1() -> float:
        return player.game.turns()[0].loss(batch, Chance(1, range(4))).terms["r1"].item()

    before = r1()
    assert player.game.heed("penalties") == "penalties weigh 3 times as much as the recipe says from here on"
    assert r1() == pytest.approx(3 * before)


def test_augmentation_has_a_limit_and_penalties_come_after_it() -> None:
    player = engine(tiny("digits", Path()))
    words = []
    for _ in range(5):
        words.append(player.game.heed("augmentation"))
        player.game.advance(0)
    assert [("altered" in str(one)) for one in words] == [True] * 4 + [False] and "penalties" in str(words[-1])
