"""The judges of tables: by hand and against scipy on small tables, at their floors, and on every kind of column."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from belamy.errors import UserError
from belamy.metrics.cells import cells
from belamy.metrics.privacy import membership, nearest_records
from belamy.metrics.tables import distinguishable, quality, rare, shapes, trends
from belamy.metrics.usefulness import usefulness

KINDS = {
    "size": "number", "count": "number", "day": "date", "colour": "category", "grade": "category", "open": "boolean",
    "empty": "number", "never": "category", "same": "number",
}  # fmt: skip


def mixed(rows: int, seed: int) -> pd.DataFrame:
    """Columns of every kind with missing cells, ``size`` and ``open`` following ``colour``, and one identifier."""
    rng = np.random.default_rng(seed)
    colour = rng.choice(4, rows, p=[0.5, 0.3, 0.17, 0.03])
    size = 2.0 * colour + rng.normal(size=rows)
    frame = pd.DataFrame({"key": np.arange(rows), "size": size.astype(np.float32)})
    frame["count"] = pd.array(rng.poisson(3, rows), dtype="Int64")
    frame["day"] = pd.Timestamp("2020-01-01", tz="Europe/Berlin") + pd.to_timedelta(rng.integers(900, size=rows), "D")
    frame["colour"] = pd.Categorical.from_codes(colour, ["red", "green", "blue", "mauve"])
    frame["grade"] = rng.choice(np.array([1, "b", 2.5], dtype=object), rows)
    frame["open"] = pd.array(colour + rng.normal(size=rows) > 1, dtype="boolean")
    for place, name in enumerate(["size", "count", "day", "colour", "grade", "open"]):
        frame.loc[rng.random(rows) < 0.02 * place, name] = None
    return frame.assign(empty=np.nan, never=pd.Series([None] * rows, dtype=object), same=7)


def shuffled(frame: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({name: frame[name].iloc[rng.permutation(len(frame))].to_numpy() for name in frame})


def test_cells_are_floats_and_shared_codes() -> None:
    one = pd.DataFrame({"n": ["1.5", "x"], "d": ["2020-01-02", None], "c": [1, 2], "b": [True, False]})
    other = pd.DataFrame({"n": [np.inf, -0.0], "d": pd.to_datetime(["1970-01-02 00:00", "1970-01-01 12:00"])})
    other = other.assign(c=[2.0, np.nan], b=pd.array([None, True], dtype="boolean"))
    first, second = cells([one, other], {"n": "number", "d": "date", "c": "category", "b": "boolean"})
    np.testing.assert_equal(first["n"], [1.5, np.nan])
    np.testing.assert_equal(second["n"], [np.nan, 0])
    np.testing.assert_equal(first["d"], [18263, np.nan])
    np.testing.assert_equal(second["d"], [1, 0.5])
    assert [part["c"].tolist() for part in (first, second)] == [[0, 1], [1, -1]]
    assert [part["b"].tolist() for part in (first, second)] == [[0, 1], [-1, 0]]


def test_columns_that_are_not_there_are_named() -> None:
    frame = mixed(9, 0)
    with pytest.raises(UserError, match=r"no column 'colours' \(did you mean 'colour'\?\)"):
        shapes(frame, frame, {"colours": "category"})
    with pytest.raises(UserError, match="kinds are number, date"):
        quality(frame, frame, {"key": "identifier"})
    with pytest.raises(UserError, match="no column is to be judged"):
        quality(frame, frame, {})
    with pytest.raises(UserError, match="has no rows"):
        distinguishable(frame, frame[:0], KINDS)


def test_shapes_are_those_of_scipy_and_by_hand() -> None:
    real, synthetic = mixed(300, 0), mixed(200, 1)
    synthetic["size"] = synthetic["size"] * 2
    found = shapes(real, synthetic, KINDS)
    assert list(found) == list(KINDS)
    for name in ("size", "count"):
        twin = ks_2samp(real[name].dropna().astype(float), synthetic[name].dropna().astype(float))
        assert found[name] == pytest.approx(1 - twin.statistic)
    shares = [frame["colour"].value_counts(normalize=True, dropna=False) for frame in (real, synthetic)]
    assert found["colour"] == pytest.approx(1 - shares[0].sub(shares[1]).abs().sum() / 2)
    assert (found["empty"], found["never"], found["same"]) == (1, 1, 1)
    assert shapes(real, real.assign(size=np.nan), {"size": "number"}) == {"size": 0}


def test_a_category_of_one_side_and_missing_count() -> None:
    real = pd.DataFrame({"c": ["a", "a", "b", None]})
    synthetic = pd.DataFrame({"c": ["a", "z", "z", None]})
    assert shapes(real, synthetic, {"c": "category"}) == {"c": 0.5}


def test_trends_of_numbers_are_those_of_pandas() -> None:
    names = ["size", "count", "day", "same"]
    kinds = {name: KINDS[name] for name in names}
    real, synthetic = mixed(300, 0), shuffled(mixed(200, 1))
    real["count"] += real["size"].round().fillna(0).astype(int)
    found = trends(real, synthetic, kinds)

    def correlations(frame: pd.DataFrame) -> pd.DataFrame:
        days = pd.to_datetime(frame["day"], utc=True)
        return frame.assign(day=(days - days.min()).dt.total_seconds())[names].astype(float).corr().fillna(0)

    apart = (correlations(real) - correlations(synthetic)).abs() / 2
    assert found == pytest.approx({pair: 1 - apart.loc[pair] for pair in found})
    assert found["size", "count"] < 0.9
    assert found["size", "same"] == 1


def test_trends_of_categories_are_by_hand() -> None:
    real = pd.DataFrame({"c": ["a", "a", "b", "b"], "d": [0, 0, 1, 1]})
    synthetic = pd.DataFrame({"c": ["a", "a", "b", "b"], "d": [0, 1, 1, None]})
    assert trends(real, synthetic, {"c": "category", "d": "category"}) == {("c", "d"): 0.5}
    # numbers: the bins of 0 to 10 are 1 wide, the last holds 10, and -5 and 99 are beyond it
    numbers = pd.DataFrame({"c": ["a", "a", "a", "a"], "d": [0, 5.5, 9.9, 10]})
    others = pd.DataFrame({"c": ["a", "a", "a", "a"], "d": [0.9, 9.1, -5, 99]})
    assert trends(numbers, others, {"c": "category", "d": "number"}) == {("c", "d"): 0.5}


def test_trends_of_many_categories_are_those_of_few() -> None:
    rng = np.random.default_rng(0)
    real, synthetic = (pd.DataFrame(rng.integers(300, size=(200, 2)), columns=["a", "b"]) for _ in range(2))
    tables = [set(map(tuple, frame.to_numpy().tolist())) for frame in (real, synthetic)]
    met = tables[0] | tables[1]
    counts = [frame.value_counts().reindex(pd.MultiIndex.from_tuples(met), fill_value=0) for frame in (real, synthetic)]
    found = trends(real, synthetic, {"a": "category", "b": "category"})
    assert found["a", "b"] == pytest.approx(1 - (counts[0] - counts[1]).abs().sum() / 400)


def test_quality_is_1_for_the_same_and_falls_with_lost_relations() -> None:
    real = mixed(600, 0)
    assert quality(real, real, KINDS) == pytest.approx(1)
    assert quality(real, mixed(600, 1), KINDS) > 0.95
    kinds = {"size": "number", "open": "boolean", "colour": "category"}
    lost = shuffled(real)
    assert quality(real, lost, kinds) == pytest.approx(0.5 + np.mean(list(trends(real, lost, kinds).values())) / 2)
    assert quality(real, lost, kinds) < 0.92
    assert quality(real, lost, {"size": "number"}) == pytest.approx(1)


def test_rare_is_by_hand() -> None:
    real = pd.DataFrame({"c": ["a"] * 96 + ["b"] * 3 + ["c"], "n": 1.0})
    synthetic = pd.DataFrame({"c": ["a"] * 97 + ["b"] + ["c"] * 2, "n": 1.0})
    kinds = {"c": "category", "n": "number"}
    assert rare(real, synthetic, kinds) == pytest.approx((1 / 3 + 1) / 2)
    assert rare(real, synthetic, kinds, below=0.02) == 1
    assert rare(real, synthetic, {"n": "number"}) is None


def test_halves_are_not_told_apart_and_shuffled_columns_are() -> None:
    rows = mixed(1600, 0)
    assert 0.5 <= distinguishable(rows[:800], rows[800:], KINDS) < 0.57
    assert distinguishable(rows[:800], shuffled(rows[800:]), KINDS) > 0.7
    assert distinguishable(rows[:800], rows[800:].assign(colour="pink"), KINDS) == pytest.approx(1)
    assert distinguishable(rows, rows, KINDS, seed=1) == distinguishable(rows, rows, KINDS, seed=1)


def test_copies_are_not_told_by_their_twins() -> None:
    rows = mixed(400, 0)
    assert distinguishable(rows, rows, KINDS) < 0.57
    assert distinguishable(rows, rows, {"same": "number"}) == 0.5
    assert distinguishable(rows, rows, {"empty": "number"}) == 0.5


def test_one_column_of_other_shares_is_told_apart() -> None:
    real = pd.DataFrame({"c": ["a"] * 90 + ["b"] * 10})
    synthetic = pd.DataFrame({"c": ["a"] * 10 + ["b"] * 90})
    assert distinguishable(real, synthetic, {"c": "category"}) == pytest.approx(0.9, abs=0.02)


def test_the_classifier_bears_more_than_255_categories() -> None:
    rare = np.random.default_rng(0).integers(20, 620, size=(2, 900))
    real, synthetic = (pd.DataFrame({"c": [*row, *np.arange(600) % 10 + 10 * i]}) for i, row in enumerate(rare))
    assert distinguishable(real, synthetic, {"c": "category"}) > 0.65


def test_usefulness_of_real_rows_and_of_shuffled_ones() -> None:
    train, test = mixed(500, 0), mixed(500, 1)
    good, poor = (usefulness(table, test, "open", KINDS) for table in (train, shuffled(train)))
    assert good["auc"] > 0.75
    assert good["f1"] > 0.5
    assert abs(poor["auc"] - 0.5) < 0.2
    assert poor["auc"] < good["auc"] - 0.1
    assert usefulness(train, test, "open", KINDS) == good


def test_usefulness_for_a_number_and_for_many_classes() -> None:
    train, test = mixed(400, 0), mixed(400, 1)
    number = usefulness(train, test, "size", KINDS)
    assert set(number) == {"r2", "mae"}
    assert number["r2"] > 0.5
    assert number["mae"] < 1.3
    colours = usefulness(train, test, "colour", KINDS)
    assert colours["auc"] > 0.7
    assert 0.2 < colours["f1"] < 1


def test_usefulness_is_perfect_where_the_target_is_told() -> None:
    rows = pd.DataFrame({"x": np.arange(200) % 2, "y": (np.arange(200) % 2).astype(bool)})
    kinds = {"x": "number", "y": "boolean"}
    assert usefulness(rows, rows, "y", kinds) == {"auc": 1, "f1": 1}
    assert usefulness(rows, rows, "x", kinds)["mae"] < 0.02


def test_usefulness_survives_what_a_generator_leaves_out() -> None:
    train, test = mixed(300, 0), mixed(300, 1)
    assert usefulness(train[train["open"].fillna(False)], test, "open", KINDS) == {"auc": 0.5, "f1": 0.0}
    assert usefulness(train.assign(open=None), test, "open", KINDS) == {"auc": 0.5, "f1": 0.0}
    nothing = usefulness(train.assign(size=np.nan), test, "size", KINDS)
    assert nothing["r2"] == pytest.approx(0)
    fewer = train[train["colour"].isin(["red", "blue"])]
    assert 0.5 < usefulness(fewer, test, "colour", KINDS)["auc"] < 0.9
    assert usefulness(train.assign(grade=None), test.assign(grade="new"), "open", KINDS)["auc"] > 0.7


@pytest.mark.parametrize(
    ("target", "kinds", "said"),
    [
        ("colur", KINDS, r"no column of the table \(did you mean 'colour'\?\)"),
        ("key", KINDS, "should be a number, date, category or boolean"),
        ("key", {**KINDS, "key": "identifier"}, "should be a number, date, category or boolean"),
        ("same", KINDS, "all rows of the test table have the same 'same'"),
        ("size", {"size": "number"}, "no column to predict"),
    ],
)
def test_a_wrong_target_is_named(target: str, kinds: dict[str, str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        usefulness(mixed(20, 0), mixed(20, 1), target, kinds)


def test_the_nearest_are_by_hand() -> None:
    kinds = {"n": "number", "c": "category"}
    train = pd.DataFrame({"n": [0.0, 4.0, 8.0, np.nan], "c": ["a", "a", "b", "b"]})  # interquartile range 4, median 4
    heldout = pd.DataFrame({"n": [1.0, 4.0, 20.0, 4.0], "c": ["a", "a", "b", "z"]})
    synthetic = pd.DataFrame({"n": [0.0, 16.0, 4.0, None], "c": ["a", "b", "a", "b"]})
    # to train: 0, 2, 0, 0; to held-out: 1/4, 1, 0, 2: nearer, farther, a tie, nearer
    assert nearest_records(train, heldout, synthetic, kinds) == {
        "nearer": 2.5 / 4, "copies": 3 / 4, "copies_by_chance": 1 / 4
    }  # fmt: skip
    # members: 0, 0, 1 (to 16), 0 (to the missing); others: 1/4, 0, 1, 1
    pairs = [(member < other) + (member == other) / 2 for member in (0, 0, 2, 0) for other in (0.25, 0, 1, 1)]
    assert membership(train, heldout, synthetic, kinds) == np.mean(pairs)


def test_new_rows_betray_nobody_and_copies_all() -> None:
    train, heldout, new = mixed(400, 0), mixed(300, 1), mixed(500, 2)
    fresh, copied = nearest_records(train, heldout, new, KINDS), nearest_records(train, heldout, train, KINDS)
    assert fresh["nearer"] == pytest.approx(0.5, abs=0.08)
    assert fresh["copies"] == fresh["copies_by_chance"] == 0
    assert copied["nearer"] > 0.85  # 300 of the 400 are looked at, so that either side has as many
    assert copied["copies"] == 1
    assert membership(train, heldout, new, KINDS) == pytest.approx(0.5, abs=0.06)
    assert membership(train, heldout, train, KINDS) > 0.99


def test_nothing_warns() -> None:
    real, synthetic = mixed(60, 0), mixed(50, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quality(real, synthetic, KINDS)
        rare(real, synthetic, KINDS)
        distinguishable(real, synthetic, KINDS)
        nearest_records(real, synthetic, synthetic, KINDS)
        for target in ("open", "grade", "day"):
            usefulness(real, synthetic, target, KINDS)
