"""Tables in scikit-learn's manner: fitted, cloned, sampled and augmented, in the containers that are given."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import belamy
from belamy.errors import UserError
from belamy.tabular import TableGAN, missing_rows
from tiny import rows_of_people

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")

SMALL: dict[str, Any] = {"game.width": 8, "batch": 20}
N = 200


def frame() -> Any:
    random = np.random.default_rng(0)
    return pd.DataFrame({
        "whole": random.integers(0, 9, N), "gaps": pd.array(random.choice([1, 5, None], N), dtype="Int64"),
        "float": random.normal(size=N), "kind": pd.Categorical(random.choice(list("ab"), N)),
    }, index=range(7, N + 7))  # fmt: skip


def labels() -> Any:
    return pd.Series(np.where(np.random.default_rng(1).random(N) < 0.1, "yes", "no"), index=range(7, N + 7))


def small(**options: Any) -> TableGAN:
    return TableGAN(**{"random_state": 0, "examples": 60, "settings": SMALL, **options})


@pytest.fixture(scope="module")
def fitted() -> TableGAN:
    return small().fit(frame())


def test_it_samples_what_it_was_fitted_on(fitted: TableGAN, tmp_path: Path) -> None:
    found = fitted.sample(100)
    assert isinstance(found, pd.DataFrame) and (found.dtypes == frame().dtypes).all() and len(found) == 100
    pd.testing.assert_frame_equal(fitted.sample(10), found.head(10))
    assert not fitted.sample(10, random_state=1).equals(found.head(10))
    assert (fitted.sample(50, where={"whole": (7, None), "kind": "a"})["whole"] >= 7).all()
    fitted.model_.save_pretrained(tmp_path)
    pd.testing.assert_frame_equal(belamy.load(tmp_path).sample(10, seed=0).table, found.head(10))
    pd.testing.assert_frame_equal(small().fit(frame()).sample(10), found.head(10))


def test_it_holds_no_row_that_it_learnt(fitted: TableGAN) -> None:
    held = pickle.dumps({name: value for name, value in vars(fitted).items() if name != "model_"})
    assert len(held) < 2000
    table = small().fit(pa.Table.from_pandas(frame(), preserve_index=False))
    assert table._form.num_rows == 0


def test_cloning_and_parameters(fitted: TableGAN) -> None:
    base = pytest.importorskip("sklearn.base")
    twin = base.clone(fitted)
    assert twin.get_params() == fitted.get_params() and not hasattr(twin, "model_")
    with pytest.raises(UserError, match="has learnt nothing yet: call fit first"):
        twin.sample(3)
    assert twin.set_params(random_state=3) is twin and twin.random_state == 3
    with pytest.raises(UserError, match="no parameter 'epochs'; it has random_state"):
        twin.set_params(epochs=3)


def test_arrow_in_and_out() -> None:
    days = pd.date_range("2020-01-01", periods=N).date
    table = pa.Table.from_pandas(frame().assign(day=days).reset_index(drop=True), preserve_index=False)
    found = small().fit(table).sample(5)
    assert isinstance(found, pa.Table) and found.num_rows == 5
    assert found.schema.types == table.schema.types and str(found.schema.field("day").type) == "date32[day]"


def test_polars_in_and_out() -> None:
    polars = pytest.importorskip("polars")
    table = polars.from_pandas(frame())
    found = small().fit(table).sample(5)
    assert isinstance(found, polars.DataFrame) and found.schema == table.schema
    features, target = small().fit_resample(table, polars.Series("y", labels().tolist()))
    assert isinstance(features, polars.DataFrame) and isinstance(target, polars.Series) and len(target) == len(features)


def test_other_containers(tmp_path: Path) -> None:
    assert list(small().fit({"a": np.arange(40) * 0.5, "b": ["x", "y"] * 20}).sample(3).columns) == ["a", "b"]
    assert list(small().fit(np.random.default_rng(0).normal(size=(40, 2))).sample(3).columns) == ["0", "1"]
    found = small().fit(str(rows_of_people(tmp_path / "people.csv"))).sample(3)
    assert list(found.columns) == ["height", "visits", "city", "member"]


def test_resampling_balances_classes_in_the_containers_that_are_given() -> None:
    features, target = small().fit_resample(frame(), labels())
    assert (features.dtypes == frame().dtypes).all() and target.dtype == labels().dtype and target.name is None
    assert target.value_counts()["yes"] == target.value_counts()["no"] == labels().value_counts()["no"]
    pd.testing.assert_frame_equal(features.head(N), frame().reset_index(drop=True))
    assert target[:N].tolist() == labels().tolist()
    array, numbers = frame()[["whole", "float"]].to_numpy(), (labels() == "yes").astype(int).to_numpy()
    features, target = small().fit_resample(array, numbers)
    assert isinstance(features, np.ndarray) and features.dtype == array.dtype and target.dtype == numbers.dtype
    assert np.array_equal(features[:N], array) and np.bincount(target).tolist() == [np.bincount(numbers)[0]] * 2


@pytest.mark.parametrize("kind", ["category", "bool", "Int64", "float64"])
def test_labels_of_every_dtype(kind: str) -> None:
    told = (labels() if kind == "category" else (labels() == "yes")).astype(kind).rename("sick")
    features, target = small().augment(frame(), told, to=333)
    assert len(features) == len(target) == 333 and target.dtype == told.dtype and target.name == "sick"


def test_a_step_of_a_pipeline_that_resamples() -> None:
    """As imbalanced-learn's pipelines do it: a clone is fitted and resamples before the last step learns."""
    base = pytest.importorskip("sklearn.base")
    linear = pytest.importorskip("sklearn.linear_model")
    step = base.clone(small())
    features, target = step.fit_resample(frame()[["whole", "float"]], labels())
    known = linear.LogisticRegression().fit(features, target)
    assert set(known.predict(frame()[["whole", "float"]])) <= {"yes", "no"}


@pytest.mark.parametrize(("to", "expected"), [
    ("balanced", {"a": 0, "b": 4, "c": 6}), ("3x", {"a": 14, "b": 6, "c": 2}), (30, {"a": 13, "b": 5, "c": 1}),
    ("11", {"a": 0, "b": 0, "c": 0}), ("1.5x", {"a": 3, "b": 2, "c": 0}),
])  # fmt: skip
def test_how_many_rows_are_missing(to: str | int, expected: dict[str, int]) -> None:
    found = missing_rows({"a": 7, "b": 3, "c": 1}, to)
    assert sum(found.values()) == sum(expected.values())
    assert all(abs(found[label] - count) <= 1 for label, count in expected.items())


@pytest.mark.parametrize(("to", "told"), [
    ("5", "is 5 rows, and there are 11 already"), ("0.5x", "there are 11 already"), ("many", "should be balanced"),
    ("x", "should be balanced"), ("infx", "should be balanced"), ("nanx", "should be balanced"),
])  # fmt: skip
def test_how_many_rows_cannot_be_wanted(to: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        missing_rows({"a": 7, "b": 3, "c": 1}, to)


def test_mistakes_are_named() -> None:
    for features, target, told in (
        (frame(), labels().head(9), "200 rows, and y 9"), (frame(), labels().rename("kind"), "a column 'kind' already"),
        (frame(), [None] * N, "names no class"), (frame().head(5), labels().head(5), "has 5 rows"),
        ([1, 2], [1, 2], "a table is a path"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=told):
            small().fit_resample(features, target)


def test_a_schema_and_settings(tmp_path: Path) -> None:
    types = tmp_path / "types.yaml"
    types.write_text(json.dumps({"columns": {"whole": "category"}, "constraints": [{"fixed": ["whole", "kind"]}]}))
    found = small(types=str(types)).fit(frame()).sample(200)
    pairs = set(zip(frame()["whole"], frame()["kind"], strict=True))
    assert set(zip(found["whole"], found["kind"], strict=True)) <= pairs
    with pytest.raises(UserError, match=r"game\.widht"):
        small(settings={"game.widht": 8}).fit(frame())


def test_without_a_seed_fits_differ() -> None:
    one, two = (small(random_state=None).fit(frame()).sample(20) for _ in range(2))
    assert not one.equals(two)
