"""Series from end to end: a short training, samples by class, forecasts around what is known, and what judges them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import belamy
from belamy.cli.main import app
from belamy.errors import UserError
from belamy.run import Run
from belamy.series.decoding import partial_series, partial_table
from tiny import waves


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("series")
    data = waves(folder / "waves.npz", 240)
    return belamy.train(
        "series", str(data), folder / "run", examples=1280, seed=0, report_to="none",
        settings={"judging.metric": "none", "game.width": 16},
    )  # fmt: skip


def test_series_are_sampled_by_seed_and_class(run: Run) -> None:
    model = belamy.load(run.path)
    few, many = (model.sample(n, seed=3, classes="1") for n in (5, 300))
    assert few.series is not None and many.series is not None
    assert few.series.values.shape == (5, 6, 2) and np.array_equal(few.series.values, many.series.values[:5])
    assert set(many.table["label"]) == {"1"} and len(many.table) == 300 * 6
    assert not np.array_equal(model.sample(5, seed=4).series.values, few.series.values)


def test_what_is_known_comes_back_and_the_rest_differs(run: Run) -> None:
    model = belamy.load(run.path)
    known = np.full((2, 6, 2), np.nan)
    known[:, :3] = np.random.default_rng(0).normal(size=(2, 3, 2))
    found = model.around(partial_series(known, model.facts), 4, seed=1).series
    assert found is not None and found.values.shape == (8, 6, 2)
    assert np.array_equal(found.values[:, :3], np.repeat(known[:, :3], 4, axis=0))
    assert np.isfinite(found.values).all() and len(np.unique(found.values[:4, 5, 0])) == 4
    table = model.sample(2, seed=0).table
    again = model.around(partial_table(table[table["time"] < 4], model.facts)).table
    merged = again.merge(table, on=["id", "time"])
    early = merged[merged["time"] < 4]
    names = [name for name in table.columns if name not in ("id", "time", "label")]
    for name in names:
        assert np.array_equal(early[f"{name}_x"], early[f"{name}_y"])


def test_the_command_line_makes_and_forecasts(run: Run, tmp_path: Path) -> None:
    def call(*words: str) -> str:
        done = CliRunner().invoke(app, list(words), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    call("sample", str(run.path), "-n", "4", "--seed", "0", "--out", str(tmp_path / "all.csv"))
    table = pd.read_csv(tmp_path / "all.csv")
    assert len(table) == 24 and table["id"].nunique() == 4
    table[table["time"] < 2].to_csv(tmp_path / "begun.csv", index=False)
    call("sample", str(run.path), "--given", str(tmp_path / "begun.csv"), "-n", "3", "--out", str(tmp_path / "f.csv"))
    assert pd.read_csv(tmp_path / "f.csv")["id"].nunique() == 12
    call("sample", str(run.path), "-n", "7", "--class", "0", "--out", str(tmp_path / "x.npz"))
    with np.load(tmp_path / "x.npz") as archive:
        assert archive["x"].shape == (7, 6, 2) and (archive["y"] == 0).all() and (archive["lengths"] == 6).all()
    with pytest.raises(UserError, match="--truncation"):
        call("sample", str(run.path), "--truncation", "0.5", "--out", str(tmp_path / "y.csv"))


def test_series_are_judged_beside_real_and_trivial_ones(run: Run) -> None:
    report = belamy.evaluate(run.path)
    assert set(report["metrics"]) == {"discriminative", "useful_accuracy", "predictive"}
    told = report["metrics"]["discriminative"]
    assert 0 <= told["value"] <= 0.5 and told["trivial"]["independent_steps"] > 0.3
    assert report["metrics"]["useful_accuracy"]["floor"] > 0.8
    with pytest.raises(UserError, match="did you mean 'predictive'"):
        belamy.evaluate(run.path, metrics=["predictiv"])
