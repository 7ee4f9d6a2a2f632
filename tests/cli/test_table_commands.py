"""Tables from the command line: trained, sampled, judged and augmented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Belamy

pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

SMALL = ["--set", "game.width=8", "--set", "batch=20"]


def people(count: int, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    age, hours = random.integers(17, 90, count), random.integers(1, 99, count)
    return pd.DataFrame({
        "age": age.astype("int8"), "work": pd.Categorical(random.choice(["Private", "State", "Self"], count)),
        "weight": random.lognormal(size=count).astype("float32"), "hours": pd.Series(hours, dtype="Int64"),
        "gain": np.where(random.random(count) < 0.9, 0, random.integers(100, 9999, count)),
        "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 900, count), "D"),
        "income": np.where(age + hours > 130, ">50K", "<=50K"),
    })  # fmt: skip


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "train.parquet"
    people(400).to_parquet(path)
    return path


@pytest.fixture(scope="module")
def run(train: Path) -> Path:
    """A run of a table, as the command trains it."""
    import sys

    from belamy.cli.main import main

    out = train.parent / "run"
    words = ["train", "table", "--data", str(train), "--out", str(out), "--seed", "0", "--report-to", "none", *SMALL]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["belamy", *words, "--set", "examples=200", "--set", "judging.metric=none"])
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code
    return out


def test_training_leaves_a_run(run: Path) -> None:
    assert {"recipe.yaml", "facts.json", "model", "log.jsonl"} <= {path.name for path in run.iterdir()}
    facts = json.loads((run / "facts.json").read_text())
    assert facts["kind"] == "table" and facts["count"] + facts["heldout"] == 400
    assert list(pd.read_csv(next((run / "samples").glob("*.csv"))).columns) == list(people(1).columns)


def test_rows_are_as_they_were_in_the_file(belamy: Belamy, run: Path, train: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.parquet"
    ended = belamy("sample", run, "-n", 100, "--where", "income=>50K", "--seed", 0, "--out", out, "--json")
    assert ended.code == 0 and json.loads(ended.out) == {"out": str(out), "rows": 100} and ended.err == ""
    found, real = pd.read_parquet(out), pd.read_parquet(train)
    assert list(found.columns) == list(real.columns) and (found.dtypes == real.dtypes).all()
    assert len(found) == 100 and (found["income"] == ">50K").all()
    ended = belamy("sample", run, "-n", 10, "--where", "income=>50K", "--out", tmp_path / "few.parquet")
    assert ended.code == 0 and "10 rows in" in ended.out
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "few.parquet"), found.head(10))


def test_conditions_and_forms(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    words = ["--where", "age>60", "--where", "gain=0", "--where", "since>=2021-01-01", "--where", "work!=Private"]
    assert belamy("sample", run, "-n", 50, *words, "--out", tmp_path / "s.csv").code == 0
    found = pd.read_csv(tmp_path / "s.csv", parse_dates=["since"])
    assert (found["age"] > 60).all() and (found["gain"] == 0).all() and (found["work"] != "Private").all()
    assert (found["since"] >= "2021-01-01").all()
    for name in ("s.jsonl", "s.feather", "s.tsv"):
        assert belamy("sample", run, "-n", 5, "--out", tmp_path / name).code == 0 and (tmp_path / name).stat().st_size


@pytest.mark.parametrize(("words", "told"), [
    (["--where", "agge>60"], "did you mean 'age'"),
    (["--where", "income=50K"], "income is never '50K'"),
    (["--where", "age>200"], "no row can be as asked"),
    (["--where", "work>a"], "work has no order"),
    (["--class", "x"], "--class is not for tables and series"),
    (["--truncation", "0.5"], "--truncation is not for tables and series"),
])  # fmt: skip
def test_what_cannot_be_sampled(belamy: Belamy, run: Path, tmp_path: Path, words: list[str], told: str) -> None:
    ended = belamy("sample", run, "-n", 5, *words, "--out", tmp_path / "s.csv")
    assert ended.code == 2 and told in ended.err and not (tmp_path / "s.csv").exists()


def test_rows_are_no_pictures(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    for name in ("s.png", "s.npz", "folder"):
        ended = belamy("sample", run, "-n", 5, "--out", tmp_path / name)
        assert ended.code == 2 and "rows of a table do not go into" in ended.err


def test_conditions_go_with_tables(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    for words in (["--where", "age>60", "--out", tmp_path / "x.png"], ["--out", tmp_path / "x.xlsx"]):
        ended = belamy("sample", run, "-n", 5, *words)
        assert ended.code == 2 and ended.err.startswith("error: ") and len(ended.err.splitlines()) == 1


def test_rows_are_judged_on_others(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    people(150, seed=1).to_parquet(tmp_path / "test.parquet")
    ended = belamy("evaluate", run, "--data", tmp_path / "test.parquet", "--target", "income", "--json", "-")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["heldout"] == 150 and found["target"] == "income"
    assert {"quality", "shapes", "trends", "distinguishable", "nearer"} <= set(found["metrics"])
    assert any(name.startswith("useful_") for name in found["metrics"]) and found["metrics"]["violations"]["value"] == 0
    quality = found["metrics"]["quality"]
    assert 0 < quality["value"] < 1 and quality["floor"] > quality["value"] and set(quality["trivial"]) == {
        "copula", "independent"
    }  # fmt: skip


def test_mistakes_in_judging(belamy: Belamy, run: Path, tmp_path: Path) -> None:
    people(50).drop(columns="age").to_parquet(tmp_path / "less.parquet")
    for words, told in (
        (["--data", tmp_path / "less.parquet"], "lacks columns that the model makes: age"),
        (["--data", tmp_path / "none.parquet"], "there is no file"),
        (["--target", "incom"], "did you mean 'income'"),
        (["--metrics", "qualty"], "did you mean 'quality'"),
    ):  # fmt: skip
        ended = belamy("evaluate", run, *words)
        assert ended.code == 2 and told in ended.err


@pytest.mark.parametrize(("to", "rows"), [("balanced", None), ("150", 150), ("2x", 240)])
def test_augmenting(belamy: Belamy, tmp_path: Path, to: str, rows: int | None) -> None:
    small = people(120).drop(columns="work").assign(outcome=[0, 1, 1, 1] * 30)
    small.to_csv(tmp_path / "small.csv", index=False)
    out = tmp_path / "augmented.csv"
    words = ["--data", tmp_path / "small.csv", "--target", "outcome", "--to", to, "--out", out]
    ended = belamy("augment", *words, "--examples", 100, *SMALL, "--json")
    assert ended.code == 0, ended.err
    found = pd.read_csv(out, parse_dates=["since"])
    assert list(found.columns) == list(small.columns) and len(found) == (rows or 180)
    assert json.loads(ended.out) == {"out": str(out), "rows": 120, "generated": len(found) - 120}
    assert found["outcome"].head(120).tolist() == small["outcome"].tolist()
    if rows is None:
        assert found["outcome"].value_counts().to_dict() == {0: 90, 1: 90}


def test_augmenting_keeps_dtypes(belamy: Belamy, tmp_path: Path) -> None:
    small = people(100).assign(outcome=pd.Categorical(["a", "b", None, "b", "b"] * 20))
    small.to_parquet(tmp_path / "small.parquet")
    words = ["--data", tmp_path / "small.parquet", "--target", "outcome", "--out", tmp_path / "more.parquet"]
    assert belamy("augment", *words, "--examples", 60, *SMALL).code == 0
    found = pd.read_parquet(tmp_path / "more.parquet")
    assert (found.dtypes == small.dtypes).all() and found["outcome"].value_counts().to_dict() == {"a": 60, "b": 60}


def test_mistakes_in_augmenting(belamy: Belamy, tmp_path: Path) -> None:
    people(60).to_csv(tmp_path / "small.csv", index=False)
    for words, told in (
        (["--target", "incom"], "did you mean 'income'"), (["--target", "income", "--to", "9"], "there are 60 already"),
        (["--target", "income", "--to", "lots"], "should be balanced, a number of rows"),
    ):  # fmt: skip
        ended = belamy("augment", "--data", tmp_path / "small.csv", "--out", tmp_path / "out.csv", *words)
        assert ended.code == 2 and told in ended.err and not (tmp_path / "out.csv").exists()
