"""The portrait of a table: shares by hand, heaps and tails, what few rows share unnamed, associations by hand."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from belamy.errors import UserError
from belamy.metrics.portrait import ACROSS, BINS, CATEGORIES, portrait
from belamy.metrics.tables import shapes


def drawn(real, generated=None, kind: str = "number", **more) -> dict:
    """The portrait of one column."""
    frames = {"real": real, "generated": real if generated is None else generated, **more}
    (column,) = portrait({name: pd.DataFrame({"x": x}) for name, x in frames.items()}, {"x": kind})["columns"]
    return column


def whole(column: dict) -> None:
    """What is true of every column."""
    for frame, row in column["shares"].items():
        assert len(row) == len(column["values"]) + max(len(column["edges"]) - 1, 0)
        assert sum(row) + column["other"][frame] + column["missing"][frame] == pytest.approx(1, abs=3e-3)
    assert len(column["edges"]) <= BINS + 1 and np.all(np.diff(column["edges"]) > 0)


def test_few_whole_numbers_are_bins_of_their_own():
    column = drawn([0] * 20 + [1] * 30 + [7] * 3 + [5] * 47, [0] * 3 + [1] * 1 + [2] * 2 + [None] * 2)
    assert (column["values"], column["edges"]) == ([0, 1, 5], [])  # three rows with a 7 are too few to name it
    assert column["shares"] == {"real": [0.2, 0.3, 0.47], "generated": [0.375, 0.125, 0]}
    assert column["other"] == {"real": 0.03, "generated": 0.25}
    assert column["missing"] == {"real": 0, "generated": 0.25}


def test_bins_are_round_and_shares_by_hand():
    column = drawn(np.arange(200) / 2 + 0.25, [0.25, 7.5, 99.75, None])
    assert column["edges"] == list(range(0, 105, 5))
    assert column["shares"]["real"] == [0.05] * 20
    assert column["shares"]["generated"] == [0.25, 0.25, *[0] * 17, 0.25]
    whole(column)


def test_the_outer_bins_hold_what_lies_beyond():
    rng = np.random.default_rng(0)
    column = drawn(np.r_[rng.uniform(0, 10, 5000), [-1e9, 1e9, 1e9]])
    assert column["edges"][0] == 0 and column["edges"][-1] == 10 and len(column["edges"]) == 21
    whole(column)


def test_a_heap_stands_beside_the_bins():
    rng = np.random.default_rng(0)
    real = np.r_[np.zeros(600), np.exp(rng.normal(5, 2, 400))]
    column = drawn(real, np.r_[np.zeros(100), np.ones(100)])
    assert column["values"] == [0] and column["log"] and column["edges"][0] > 0
    assert column["shares"]["real"][0] == 0.6 and column["shares"]["generated"][0] == 0.5
    assert max(column["shares"]["real"][1:]) < 0.1  # the tail is spread, though most of it is near its low end
    whole(column)
    assert drawn(np.r_[np.full(90, 40), np.arange(110)])["values"] == [40]


def test_edges_and_names_give_no_cell_away():
    values = np.random.default_rng(0).normal(54321.987, 7, 1000)
    column = drawn(values)
    assert not set(column["edges"]) & set(values) and column["values"] == []
    assert all(float(f"{edge:.6g}") == edge for edge in column["edges"])
    salaries = drawn([51234 + 17 * n for n in range(25)])
    assert salaries["values"] == [] and all(edge % 20 == 0 for edge in salaries["edges"])
    people = drawn([*["ann"] * 4, *["bob"] * 6, "cy"], kind="category")
    assert people["values"] == ["bob"] and people["other"]["real"] == pytest.approx(5 / 11, abs=1e-4)


def test_categories_are_the_commonest_by_real():
    real = [f"{n:02d}" for n in range(20) for _ in range(40 - n)]
    column = drawn(real, ["19"] * 3 + ["00", "new"] + [None] * 5, "category", copula=["01"])
    assert column["values"] == [f"{n:02d}" for n in range(CATEGORIES)]
    assert column["shares"]["generated"] == [0.1, *[0] * 14] and column["other"]["generated"] == 0.4
    assert column["missing"] == {"real": 0, "generated": 0.5, "copula": 0} and column["shares"]["copula"][1] == 1
    whole(column)
    truth = drawn(pd.array([True] * 30 + [False] * 60 + [None] * 10, dtype="boolean"), kind="boolean")
    assert truth["values"] == ["False", "True"] and truth["shares"]["real"] == [0.6, 0.3]


def test_dates_are_days():
    days = pd.Series(pd.Timestamp("1970-01-01") + pd.to_timedelta(np.arange(1000), "D"))
    column = drawn(days, kind="date")
    assert column["edges"] == list(range(0, 1001, 50)) and column["shares"]["real"] == [0.05] * 20
    few = drawn(pd.Series(pd.to_datetime(["1970-01-03", "1970-01-05"] * 20)), kind="date")
    assert few["values"] == [2, 4] and few["shares"]["real"] == [0.5, 0.5]


def test_the_distance_is_that_of_shapes_or_of_what_is_missing():
    real = pd.DataFrame({"x": [1.0, 2, 3, 4] * 10, "c": ["a", "b"] * 20})
    made = pd.DataFrame({"x": [2.0, 3, 4, 5] * 10, "c": ["a", "a", "a", "b"] * 10})
    kinds = {"x": "number", "c": "category"}
    found = portrait({"real": real, "generated": made}, kinds)
    alike = shapes(real, made, kinds)
    assert {c["name"]: c["distance"] for c in found["columns"]} == {name: 1 - alike[name] for name in kinds}
    assert found["rows"] == {"real": 40, "generated": 40}
    assert drawn([1.0, 2] * 10, [1.0, 2, None, None] * 10)["distance"] == 0.5


def together(**columns) -> np.ndarray:
    """The association of two columns, numbers as they are and texts as categories."""
    frame = pd.DataFrame(columns)
    kinds = {name: "number" if frame[name].dtype.kind in "if" else "category" for name in frame}
    found = portrait({"real": frame, "generated": frame[::-1]}, kinds)["associations"]
    assert found["frames"]["real"] == found["frames"]["generated"]
    return np.array(found["frames"]["real"])


def test_associations_by_hand():
    assert together(a=[1, 2, 3, 4], b=[-1, -2, -3, -4.0])[0, 1] == 1
    assert together(a=[1, 2, 3, 4], b=[1, 1, 1, 1])[0, 1] == 0
    crossed = together(a=["x"] * 40 + ["y"] * 40, b=(["u"] * 30 + ["v"] * 10) + (["u"] * 10 + ["v"] * 30))
    assert crossed[0, 1] == round(math.sqrt((0.25 - 1 / 79) / (78 / 79)), 2)
    assert together(a=["x", "y", "z"] * 9, b=["u", "v", "w"] * 9)[0, 1] == 1
    mixed = together(a=["x", "x", "x", "y", "y", "y"], b=[0, 1, 2, 4, 5, 6])
    between, within = 6 * 4, 2 + 2
    assert mixed[0, 1] == round(math.sqrt(1 - within / (between + within) * 5 / 4), 2)


def test_what_chance_gives_counts_as_nothing():
    rng = np.random.default_rng(0)
    a, b = rng.integers(30, size=(2, 400)).astype(str)
    found = together(a=a, b=b, c=rng.normal(size=400), d=np.where(rng.random(400) < 0.5, a, None))
    assert found.shape == (4, 4) and np.all(np.diag(found) == 1) and np.all(found == found.T)
    assert np.sum(found > 0.3) == 4 + 2  # only d goes with another, from which it was made


def test_like_stands_beside_like_in_at_most_40_columns():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 300))
    frame = pd.DataFrame({"x": x, "y": y, "x2": x + rng.normal(size=300) / 9, "y2": y + rng.normal(size=300) / 5})
    names = portrait({"real": frame, "generated": frame}, dict.fromkeys(frame, "number"))["associations"]["names"]
    assert names in (["x", "x2", "y2", "y"], ["x", "x2", "y", "y2"], ["x2", "x", "y", "y2"], ["x2", "x", "y2", "y"])
    wide = pd.DataFrame(rng.normal(size=(9, 50)))
    found = portrait({"real": wide, "generated": wide}, dict.fromkeys(wide, "number"))
    assert len(found["columns"]) == 50 and len(found["associations"]["names"]) == ACROSS


@pytest.mark.parametrize(
    "values",
    [
        [1e308, -1e308, 3.5, 2], [5e-324, 1e-320, 0, 1e-323], [np.nan] * 3, [3.7], [1e15, 1e15 + 0.1], [None, 1, "x"],
        [1e-300, 1, 1e300], [0.1, 1e40] + [0.2] * 20, list(range(31)), [-5, -5.5],
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["number", "category"])
def test_any_values_have_a_portrait_in_json(values, kind):
    frame = pd.DataFrame({"x": pd.Series(values, dtype=object), "y": np.arange(len(values)), "z": ["a"] * len(values)})
    found = portrait({"real": frame, "generated": frame[:1]}, {"x": kind, "y": "number", "z": "category"})
    json.dumps(found, allow_nan=False)
    for column in found["columns"]:
        whole(column)


def test_unknown_columns_are_refused():
    with pytest.raises(UserError, match="no column 'y'"):
        portrait({"real": pd.DataFrame({"x": [1]}), "generated": pd.DataFrame({"x": [1]})}, {"y": "number"})
