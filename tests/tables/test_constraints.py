"""What always holds between columns holds in every row that is made, and under every condition."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from belamy.errors import UserError
from belamy.model import Model
from belamy.tables.columns import Schema
from belamy.tables.rows import Rows
from tiny import untrained

pd = pytest.importorskip("pandas")

N = 1500


def frame() -> Any:
    random = np.random.default_rng(0)

    def days(most: int) -> Any:
        return pd.to_timedelta(random.integers(0, most, N), "D")

    found = pd.DataFrame({"least": random.integers(0, 50, N).astype("int8")})
    found["begin"] = pd.Timestamp("2020-01-01") + days(900)
    found["middle"] = found["least"].astype(int) + random.integers(0, 50, N)
    found["most"] = found["middle"] + random.integers(0, 50, N) * 2
    found["end"] = (found["begin"] + days(100)).mask(pd.Series(random.random(N) < 0.3))
    found["tens"], found["ones"] = random.integers(0, 9, N) * 10, random.integers(0, 30, N)
    found["sum"] = found["tens"] + found["ones"]
    found["one"], found["two"], found["three"] = random.exponential(size=(3, N))
    found["total"] = found[["one", "two", "three"]].sum(axis=1)
    found["paid"] = np.round(random.exponential(30, N), 2)
    found["tip"] = np.round(random.exponential(3, N), 2)
    found["bill"] = np.round(found["paid"] + found["tip"], 2)
    found["shop"] = random.choice(list("abc"), N)
    found["town"] = found["shop"].map({"a": "x", "b": "x", "c": "y"})
    found["size"] = [f"{shop}{number}" for shop, number in zip(found["shop"], random.integers(0, 3, N), strict=True)]
    found["key"] = random.permutation(N) * 7
    return found


FRAME = frame()
TOLD: list[dict[str, Any]] = [
    {"inequality": ["least", "middle", "most"]}, {"inequality": ["begin", "end"]},
    {"of": "sum", "sum": ["tens", "ones"]}, {"sum": ["one", "two", "three"], "of": "total"},
    {"sum": ["paid", "tip"], "of": "bill"}, {"depends": "town", "on": "shop"}, {"unique": "key"},
]  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("types") / "types.yaml"
    path.write_text(json.dumps({"constraints": TOLD}))
    found = untrained(FRAME, path)
    found.codec.chunk = 500
    return found


def kept(found: Any) -> bool:
    late = found["end"].isna() | (found["begin"] <= found["end"])
    rising = (found["least"] <= found["middle"]) & (found["middle"] <= found["most"])
    exact = found["tens"] + found["ones"] == found["sum"]
    close = np.isclose(found[["one", "two", "three"]].sum(axis=1), found["total"])
    cents = np.isclose(found["paid"] + found["tip"], found["bill"])
    pairs = set(zip(found["shop"], found["town"], strict=True)) <= {("a", "x"), ("b", "x"), ("c", "y")}
    return bool((late & rising & exact & close & cents).all()) and pairs and found["key"].is_unique


def test_constraints_are_kept(model: Model) -> None:
    found = model.sample(5000, seed=0).table
    assert kept(found) and (found.dtypes == FRAME.dtypes).all()
    assert model.codec.rows.broken(found) == 0  # type: ignore[attr-defined]
    assert found["end"].isna().mean() == pytest.approx(0.3, abs=0.05)
    assert (found["begin"].dt.normalize() == found["begin"]).all()
    assert (found["end"].dropna().dt.normalize() == found["end"].dropna()).all()
    assert np.allclose(found["bill"] * 100, np.round(found["bill"] * 100))
    for name in ("tens", "ones", "one", "two", "three", "paid", "tip"):
        assert (found[name] >= 0).all()


@pytest.mark.parametrize(("where", "test"), [
    (["most>=120"], lambda found: found["most"] >= 120),
    (["most<10"], lambda found: found["most"] < 10),
    (["most=17", "least>10"], lambda found: (found["most"] == 17) & (found["least"] > 10)),
    (["middle!=20", "middle>=20", "most<=21"], lambda found: found["middle"] == 21),
    (["least>40", "middle<43"], lambda found: (found["least"] > 40) & (found["middle"] < 43)),
    (["end="], lambda found: found["end"].isna()),
    (["end!="], lambda found: found["end"].notna()),
    (["end>2021-05-05", "begin<=2021-05-05"], lambda found: found["end"] > pd.Timestamp("2021-05-05")),
    (["end=2021-05-05"], lambda found: found["end"] == pd.Timestamp("2021-05-05")),
    (["sum=7"], lambda found: found["sum"] == 7),
    (["sum>=100"], lambda found: found["sum"] >= 100),
    (["sum!=20", "sum!=21", "sum>=20", "sum<=22"], lambda found: found["sum"] == 22),
    (["tens=10"], lambda found: found["tens"] == 10),
    (["tens>=30", "ones<5"], lambda found: (found["tens"] >= 30) & (found["ones"] < 5)),
    (["total<0.5"], lambda found: found["total"] < 0.5),
    (["total>6"], lambda found: found["total"] > 6),
    (["bill=19.99"], lambda found: found["bill"] == 19.99),
    (["bill<=1"], lambda found: found["bill"] <= 1),
    ({"sum": [10, 50]}, lambda found: found["sum"].isin([10, 50])),
    ({"most": [30, 90]}, lambda found: found["most"].isin([30, 90])),
    (["town=y"], lambda found: found["shop"] == "c"),
    (["town=x", "shop!=a"], lambda found: found["shop"] == "b"),
    (["sum=50", "most=60", "end>2022-01-01", "town=y", "bill>50"], lambda found: found["bill"] > 50),
])  # fmt: skip
def test_conditions_are_honoured_beside_constraints(model: Model, where: Any, test: Callable[[Any], Any]) -> None:
    found = model.sample(500, seed=2, where=where).table
    assert test(found).all() and kept(found) and (found.dtypes == FRAME.dtypes).all()
    for name in ("tens", "ones", "one", "two", "three", "paid", "tip"):
        assert (found[name] >= 0).all()


@pytest.mark.parametrize(("where", "told"), [
    (["least>40", "most<30"], "of least and most: least <= middle <= most always holds"),
    (["most=50", "middle=60"], "always holds"),
    (["end<2019-01-01"], "begin <= end always holds"),
    (["end<2021-01-01", "begin>2021-01-01"], "begin <= end always holds"),
    (["end=", "end>2021-01-01"], "end"),
    (["most="], "most is never missing"),
    (["sum=40", "tens=20"], "sum is the sum of tens, ones: ask for it, or for tens"),
    (["sum="], "ask for one of them to be missing"),
    (["sum>200"], "sum lies between 0 and 109"),
    (["sum=7.5"], "holds whole numbers"),
    (["town=x", "shop=c"], "none with what is asked of shop and town"),
    (["key=7"], "key is a column of kind identifier"),
])  # fmt: skip
def test_what_contradicts_a_constraint_is_refused(model: Model, where: list[str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        model.sample(3, where=where)


def test_broken_rows_are_counted(model: Model) -> None:
    layout: Rows = model.codec.rows  # type: ignore[attr-defined]
    assert layout.broken(FRAME) == 0
    wrong = FRAME.assign(most=-1).head(9)
    assert layout.broken(wrong) == 9
    assert layout.broken(pd.concat([FRAME.head(5), FRAME.head(2)])) == 4  # of which two keys are there twice
    assert layout.broken(FRAME.head(8).assign(town="z", bill=0)) == 8


def refused(*told: dict[str, Any], **columns: Any) -> str:
    with pytest.raises(UserError) as caught:
        Rows.fit(FRAME.assign(**columns), Schema({}, told))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("constraint", "told"), [
    ({"inequlity": ["least", "most"]}, "none of inequality, sum, fixed, depends, unique (did you mean 'inequality'?)"),
    ({}, "none of inequality"),
    ({"inequality": ["least"]}, "should name more columns"),
    ({"inequality": None}, "should name more columns"),
    ({"inequality": ["least", "least"]}, "none of them twice"),
    ({"inequality": ["least", "mots"]}, "'mots', which is no column (did you mean 'most'?)"),
    ({"inequality": ["least", "shop"]}, "least is a number and shop is a category"),
    ({"inequality": ["least", "begin"]}, "least is a number and begin is a date"),
    ({"inequality": ["most", "least"]}, "the constraint on most, least is broken in 1,500 rows"),
    ({"inequality": ["least", "most"], "strict": True}, "written as {inequality: [COLUMN, COLUMN]}"),
    ({"sum": ["tens", "ones"]}, "written as {sum: [COLUMN, COLUMN], of: COLUMN}"),
    ({"sum": "tens", "of": "sum"}, "should name more columns"),
    ({"sum": ["tens", "ones"], "of": "most"}, "the constraint on tens, ones, most is broken"),
    ({"sum": ["begin", "end"], "of": "most"}, "is about numbers"),
    ({"fixed": ["shop"]}, "should name more columns"),
    ({"fixed": ["shop", "key"]}, "key is a column of kind identifier"),
    ({"depends": "shop"}, "written as {depends: [COLUMN, COLUMN], on: COLUMN}"),
    ({"depends": "shop", "on": "town"}, "shop should depend on town, but vary where it is 'x'"),
    ({"unique": "shop"}, "shop should be unique, but holds"),
    ({"unique": "begin"}, "about whole numbers and texts, and begin is datetime64"),
])  # fmt: skip
def test_mistakes_in_constraints_are_named(constraint: dict[str, Any], told: str) -> None:
    whole = FRAME.assign(key=[f"k{row:05}" for row in range(N)])
    assert told in refused(constraint, **{"key": whole["key"]})


def test_a_column_is_in_one_constraint() -> None:
    assert "stands in two constraints" in refused({"inequality": ["least", "most"]}, {"fixed": ["least", "shop"]})


def test_what_is_missing_before_what_is_there_breaks_an_inequality() -> None:
    gaps = FRAME["begin"].mask(FRAME.index < 10)
    assert "is broken in" in refused({"inequality": ["begin", "end"]}, begin=gaps)
    assert "is broken in" in refused({"sum": ["paid", "tip"], "of": "bill"}, tip=FRAME["tip"].mask(FRAME.index < 10))


def test_combinations_are_found_or_told() -> None:
    layout = Rows.fit(FRAME, Schema({}))
    assert layout.constraints.fixed == [["size", "shop", "town"]]
    told = Rows.fit(FRAME, Schema({}, [{"fixed": ["shop", "tens"]}]))
    assert told.constraints.fixed == [["shop", "tens"], ["size", "town"]]


def test_a_part_of_one_number_alone_does_not_go_below_zero(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    small = pd.DataFrame({"a": random.integers(20, 90, 300), "b": random.integers(0, 3, 300)})
    small["c"] = small["a"] + small["b"]
    path = tmp_path / "types.yaml"
    path.write_text(json.dumps({"constraints": [{"sum": ["a", "b"], "of": "c"}]}))
    found = untrained(small, path).sample(200, seed=0, where=["c=21"]).table
    assert (found["c"] == 21).all() and (found["a"] + found["b"] == 21).all() and (found["b"] >= 0).all()
    with pytest.raises(UserError, match=r"c lies between 2\d and"):
        untrained(small, path).sample(2, where=["c<20"])


def test_bounds_that_a_user_vouches_for(tmp_path: Path) -> None:
    path = tmp_path / "types.yaml"
    told = {"columns": {"most": {"high": 200}}, "constraints": [{"inequality": ["least", "most"]}]}
    path.write_text(json.dumps(told))
    found = untrained(FRAME, path).sample(500, seed=0, where=["most>190"]).table
    assert found["most"].between(191, 200).all()
    with pytest.raises(UserError, match="always holds"):
        untrained(FRAME, path).sample(2, where=["most>200"])
