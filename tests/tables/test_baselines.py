"""The generators to beat: what they keep of a table, what they lose, and that dtypes and missing cells survive."""

import warnings

import numpy as np
import pandas as pd
import pytest

from belamy.errors import UserError
from belamy.metrics.tables import shapes, trends
from belamy.tables.baselines import Copula, Independent

KINDS = {
    "x": "number", "y": "number", "day": "date", "word": "category", "kind": "category", "on": "boolean",
    "empty": "number", "one": "category",
}  # fmt: skip


def table(rows: int = 2000, seed: int = 0) -> pd.DataFrame:
    """``y``, ``day``, ``kind`` and ``on`` follow ``x``; ``y`` is missing where ``x`` is large."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    y = np.exp(x + 0.5 * rng.normal(size=rows)).round(1)
    frame = pd.DataFrame({"key": np.arange(rows), "x": x.astype(np.float32), "y": np.where(x > 1, np.nan, y)})
    frame["day"] = pd.Timestamp("2021-03-01", tz="Asia/Tokyo") + pd.to_timedelta((x * 100).astype(int), "D")
    frame["word"] = rng.choice(["a", "b", "c"], rows, p=[0.9, 0.08, 0.02])
    frame["kind"] = pd.Categorical(np.where(x < 0.5, "low", "high"), ["high", "low", "never"], ordered=True)
    frame["on"] = pd.array(x > 0, dtype="boolean")
    frame.loc[rng.random(rows) < 0.1, "on"] = None
    return frame.assign(empty=pd.array([None] * rows, dtype="Int64"), one="same")


@pytest.mark.parametrize("generator", [Independent, Copula])
def test_columns_keep_their_values_dtypes_and_shares(generator: type[Independent] | type[Copula]) -> None:
    real = table()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = generator().fit(real, KINDS).sample(3000, seed=4)
    assert list(made) == list(KINDS)
    assert list(made.index) == list(range(3000))
    assert (made.dtypes == real[list(KINDS)].dtypes).all()
    assert min(shapes(real, made, KINDS).values()) > 0.95
    assert all(set(made[name].dropna()) <= set(real[name].dropna()) for name in KINDS)
    assert made["y"].isna().mean() == pytest.approx(real["y"].isna().mean(), abs=0.03)


@pytest.mark.parametrize("generator", [Independent, Copula])
def test_a_seed_gives_one_table(generator: type[Independent] | type[Copula]) -> None:
    real = table(100)
    first, second = (generator().fit(real, KINDS).sample(50, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    assert not first.equals(generator().fit(real, KINDS).sample(50, seed=5))


def test_the_copula_keeps_relations_and_independent_columns_do_not() -> None:
    real = table()
    alone, together = (generator().fit(real, KINDS).sample(2000) for generator in (Independent, Copula))
    assert abs(alone["x"].corr(alone["y"])) < 0.1
    ranks = [frame["x"].corr(frame["y"], method="spearman") for frame in (real, together)]
    assert ranks[0] == pytest.approx(ranks[1], abs=0.1)
    pairs = [np.mean(list(trends(real, made, KINDS).values())) for made in (alone, together)]
    assert pairs[1] > pairs[0] + 0.02
    assert together.loc[together["y"].isna(), "x"].mean() > 0.8


def test_the_copula_of_normal_numbers_has_their_correlation() -> None:
    rng = np.random.default_rng(0)
    real = pd.DataFrame(rng.multivariate_normal([0, 5], [[1, -1.6], [-1.6, 4]], 4000), columns=["a", "b"])
    made = Copula().fit(real, {"a": "number", "b": "number"}).sample(4000)
    assert made["a"].corr(made["b"]) == pytest.approx(-0.8, abs=0.02)


def test_cells_that_are_missing_together_stay_together() -> None:
    gone = np.arange(1000) % 4 == 0
    real = pd.DataFrame({"a": np.where(gone, np.nan, 1.0), "b": pd.Series(["u", "v"] * 500).mask(gone)})
    made = Copula().fit(real, {"a": "number", "b": "category"}).sample(1000)
    assert (made["a"].isna() == made["b"].isna()).mean() > 0.97


def test_correlations_of_no_table_are_mended() -> None:
    # each pair is there together in rows of its own, and the three correlations contradict each other
    x, none = np.arange(40.0), np.full(40, np.nan)
    real = pd.DataFrame({"a": [*x, *x, *none], "b": [*x, *none, *x], "c": [*none, *-x, *x]})
    made = Copula().fit(real, dict.fromkeys("abc", "number")).sample(500)
    assert made.notna().any().all()


@pytest.mark.parametrize("generator", [Independent, Copula])
def test_a_column_that_is_not_there_is_named(generator: type[Independent] | type[Copula]) -> None:
    with pytest.raises(UserError, match="did you mean 'word'"):
        generator().fit(table(9), {"words": "category"})


@pytest.mark.parametrize("generator", [Independent, Copula])
def test_one_row_and_no_rows(generator: type[Independent] | type[Copula]) -> None:
    made = generator().fit(table(1), KINDS)
    assert len(made.sample(5)) == 5
    assert len(made.sample(0)) == 0
