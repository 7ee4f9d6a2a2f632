"""Tables with differential privacy: clipped and noised gradients, rows drawn one by one, nothing told of any."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

import belamy
from belamy.chance import Chance
from belamy.data.private_table import PrivateTable as Rows
from belamy.errors import UserError
from belamy.games.private_table import PrivateTable
from belamy.planning import Plan, compose, plan
from belamy.recipe import build
from belamy.run import Run
from belamy.storage import read_tensors

TYPES = """
columns:
  height: {kind: number, low: 100, high: 220}
  visits: {kind: number, low: 0, high: 50}
  city: {kind: category, categories: [Ulm, Bonn]}
  member: boolean
  name: identifier
"""


@pytest.fixture
def people(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({
        "height": random.normal(170, 10, 80), "visits": random.integers(0, 50, 80),
        "city": random.choice(["Ulm", "Bonn"], 80), "member": random.random(80) < 0.3,
        "name": [f"P{number}" for number in range(80)],
    })  # fmt: skip
    frame.to_parquet(tmp_path / "people.parquet")
    (tmp_path / "types.yaml").write_text(TYPES)
    return tmp_path / "people.parquet"


def settled(people: Path, **settings: object) -> Plan:
    small = {"data.types": str(people.parent / "types.yaml"), "data.lot": 4, "game.width": 8, "data.secret": 1,
             "game.secret": 2, "checkpoints.every": 64, **settings}  # fmt: skip
    return plan(compose("table-private", str(people), small, examples=128, batch=16, seed=0), "cpu")


def game(people: Path, **settings: object) -> tuple[PrivateTable, Rows]:
    found = settled(people, **settings)
    made = found.game()
    assert isinstance(made, PrivateTable) and isinstance(found.source, Rows)
    made.prepare()
    return made, found.source


def test_the_gradient_is_that_of_rows_clipped_one_by_one(people: Path) -> None:
    made, source = game(people, **{"game.clip": 0.02})
    batch, made.noise = source.draw(0, 16), 1e-12
    expected = {name: torch.zeros_like(value) for name, value in made.discriminator.named_parameters()}
    for row in np.flatnonzero(batch["present"].numpy()):
        one = {name: value[row : row + 1] for name, value in batch.items()}
        made.discriminator.zero_grad()
        F.softplus(-made.judge([one["row"]], one, Chance(0, [0]))).sum().backward()
        own = {name: value.grad for name, value in made.discriminator.named_parameters() if value.grad is not None}
        norm = torch.stack([value.square().sum() for value in own.values()]).sum().sqrt().item()
        assert norm > 0.02
        for name, value in own.items():
            expected[name] += value * 0.02 / norm / 4
    found = made._noised(batch, Chance(0, range(16)))
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-7)


def test_one_row_more_or_less_moves_the_sum_by_no_more_than_the_clip(people: Path) -> None:
    made, source = game(people)
    batch, made.noise = source.draw(0, 16), 1e-12
    without = {**batch, "present": batch["present"].clone()}
    without["present"][0] = 0
    whole, less = (made._noised(one, Chance(0, range(16))) for one in (batch, without))
    moved = torch.stack([(whole[name] - less[name]).square().sum() for name in whole]).sum().sqrt()
    assert 0 < moved * made.lot <= made.clip * 1.0001


def test_noise_has_the_size_that_the_accountant_asks_for(people: Path) -> None:
    made, source = game(people, **{"game.width": 64, "game.epsilon": 1.0})
    other, _ = game(people, **{"game.epsilon": 8.0})
    assert made.noise > 1.5 * other.noise > 0
    batch = source.draw(0, 16)
    batch["present"] = torch.zeros(16)
    noise = torch.cat([value.flatten() for value in made._noised(batch, Chance(0, range(16))).values()])
    assert abs(noise.std() * made.lot / (made.noise * made.clip) - 1) < 0.05
    later = torch.cat([value.flatten() for value in made._noised(batch, Chance(1, range(16))).values()])
    assert abs((noise * later).mean() / noise.var()) < 0.05


def test_rows_are_drawn_one_by_one(people: Path) -> None:
    _, source = game(people)
    counts = [int(source.draw(16 * step, 16)["present"].sum()) for step in range(400)]
    assert abs(np.mean(counts) - 4) < 0.4 and abs(np.var(counts) - 4 * 0.95) < 1
    with pytest.raises(UserError, match="whole"):
        source.draw(8, 16)


def test_a_model_holds_no_secret_and_nothing_that_was_counted(people: Path, tmp_path: Path) -> None:
    run = belamy.train(
        "table-private", str(people), tmp_path / "run", seed=0, examples=64, report_to="none",
        settings={"data.types": str(people.parent / "types.yaml"), "data.lot": 4, "batch": 16, "game.width": 8},
    )  # fmt: skip
    config = json.loads((run.model / "config.json").read_text())
    text = json.dumps(config)
    assert config["game"]["epsilon"] == 3 and "secret" not in text and not any(f"P{one}" in text for one in range(80))
    tensors = read_tensors(run.model / "model.safetensors")
    assert all(name.startswith("generator.") for name in tensors)
    assert "differentially private" in (run.model / "README.md").read_text()
    rows = belamy.load(run.path).sample(50, where=["city=Ulm", "visits>40"]).table
    assert set(rows["city"]) == {"Ulm"} and rows["visits"].between(41, 50).all()
    frame = pd.read_parquet(people)
    assert rows.dtypes.equals(frame.dtypes) and list(rows.columns) == list(frame.columns)
    assert Run.open(run.path).recipe.data["secret"] > 0


def test_a_resumed_run_ends_with_the_same_bits(people: Path) -> None:
    whole = settled(people).engine()
    again = settled(people, **{"game.secret": 77}).engine()
    whole.step()
    tensors, clock = whole.state()
    again.restore({name: value.clone() for name, value in tensors.items()}, clock)
    for engine in (whole, again):
        engine.step()
        engine.close()
    for name, value in whole.state()[0].items():
        assert torch.equal(value, again.state()[0][name]), name


def test_what_would_not_be_private_is_refused(people: Path, tmp_path: Path) -> None:
    use = {"use": "belamy.data.private_table:PrivateTable", "path": str(people), "secret": 1, "lot": 4}
    with pytest.raises(UserError, match="told"):
        build(use, Rows)
    for wrong, message in (
        (TYPES.replace("  name: identifier\n", ""), "nothing of name"),
        (TYPES.replace("low: 100, ", ""), "low and high of height"),
        (TYPES.replace(", categories: [Ulm, Bonn]", ""), "city"),
        (TYPES + "constraints:\n  - inequality: [visits, height]\n", "constraints"),
    ):
        path = tmp_path / "wrong.yaml"
        path.write_text(wrong)
        with pytest.raises(UserError, match=message):
            build({**use, "types": str(path)}, Rows)
    with pytest.raises(UserError, match=r"data\.lot"):
        build({**use, "types": str(people.parent / "types.yaml"), "lot": 80}, Rows)
