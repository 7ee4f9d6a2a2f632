"""What is asked of rows is what all of them have, whatever is asked; what cannot be is refused."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from belamy.errors import UserError
from belamy.model import Model
from belamy.tables.where import Reach, Wish, split
from tiny import untrained

pd = pytest.importorskip("pandas")

N = 1500
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip


def frame() -> Any:
    random = np.random.default_rng(0)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 900, N), "D")
    moments = days + pd.to_timedelta(random.integers(0, 24, N), "h")
    found = pd.DataFrame({
        "whole": random.integers(-100, 100, N).astype("int8"),
        "heap": pd.array(np.where(random.random(N) < 0.6, 0, random.integers(0, 3000, N)), dtype="Int64"),
        "odd": np.where(random.random(N) < 0.4, 62, random.integers(0, 100, N) * 5),
        "few": random.integers(0, 4, N),
        "float": random.normal(size=N),
        "short": random.normal(size=N).astype("float32"),
        "twentieths": np.round(random.exponential(60, N).round() * 0.05, 2),
        "cents": np.round(random.exponential(30, N), 2),
        "epoch": random.integers(1_600_000_000_000, 1_700_000_000_000, N),
        "day": days,
        "second": days.astype("datetime64[s]"),
        "berlin": moments.tz_localize("Europe/Berlin", ambiguous=True, nonexistent="shift_forward"),
        "moment": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 10**15, N), "us"),
        "rare": pd.Categorical(random.choice(list("abcd"), N, p=[0.6, 0.3, 0.095, 0.005])),
        "truth": random.random(N) < 0.1,
        "text": random.choice(["x", "y", None], N),
        "zip": random.choice(list("1234"), N, p=[0.5, 0.3, 0.19, 0.01]),
    })  # fmt: skip
    found["city"] = found["zip"].map({"1": "A", "2": "A", "3": "B", "4": "C"})
    found["people"] = found["zip"].map({"1": 5, "2": 5, "3": 50, "4": 7})
    for name in ("heap", "cents", "day"):
        found[name] = found[name].mask(pd.Series(random.random(N) < 0.1))
    return found


FRAME = frame()


@pytest.fixture(scope="module")
def model() -> Model:
    found = untrained(FRAME)
    found.codec.chunk = 300
    return found


def holds(values: Any, sign: str, wanted: Any) -> Any:
    if wanted is None:
        return values.isna() if sign == "=" else values.notna()
    found = OPERATORS[sign](values, wanted)
    return found.fillna(False).astype(bool) | (values.isna() if sign == "!=" else False)


def rows(model: Model, where: Any, n: int = 300) -> Any:
    found = model.sample(n, seed=1, where=where).table
    assert (found.dtypes == FRAME.dtypes).all() and len(found) == n
    return found


def asked_of(name: str) -> list[Any]:
    """Values of a column from end to end, its rarest among them."""
    present = FRAME[name].dropna()
    if present.dtype.kind in "iufM" or str(present.dtype).startswith(("Int", "datetime")):
        ordered = present.sort_values().drop_duplicates().tolist()
        return [ordered[len(ordered) * part // 100] for part in (0, 2, 50)] + [ordered[-1]]
    return list(present.unique())


@pytest.mark.parametrize("name", list(FRAME))
def test_every_condition_is_honoured(model: Model, name: str) -> None:
    ordered = FRAME[name].dtype.kind in "iufM" or str(FRAME[name].dtype).startswith(("Int", "datetime"))
    honoured = 0
    for wanted in [*asked_of(name), None]:
        for sign in OPERATORS if ordered and wanted is not None else ("=", "!="):
            told = f"{name}{sign}{'' if wanted is None else wanted}"
            try:
                found = rows(model, [told])
            except UserError:
                # The ends of a column of many numbers are nobody's, so not all of them can be asked for.
                assert holds(FRAME[name], sign, wanted).sum() <= 0.01 * N, told
                continue
            assert holds(found[name], sign, wanted).all(), told
            honoured += 1
    assert honoured >= (12 if ordered else 3)


@pytest.mark.parametrize(("where", "test"), [
    (["whole>=60.5"], lambda found: (found["whole"] >= 61).all()),
    (["whole<-99.5"], lambda found: (found["whole"] == -100).all()),
    (["odd>60", "odd<64"], lambda found: (found["odd"] == 62).all()),
    (["twentieths>0.1", "twentieths<=0.2"], lambda found: set(found["twentieths"]) <= {0.15, 0.2}),
    (["twentieths>=0.12", "twentieths<=0.16"], lambda found: (found["twentieths"] == 0.15).all()),
    (["whole!=99", "whole!=98", "whole>=97"], lambda found: (found["whole"] == 97).all()),
    (["whole>=5", "whole<=7", "whole!=6"], lambda found: set(found["whole"]) == {5, 7}),
    (["day>2020-02-01 12:00", "day<2020-02-04"], lambda found: set(found["day"].dt.day) == {2, 3}),
    (["berlin>=2021-01-01", "berlin<2021-01-02"], lambda found: (found["berlin"].dt.day_of_year == 1).all()),
    (["rare=d", "truth=True", "zip=4", "heap=", "day="], lambda found: found["heap"].isna().all()),
    (["truth=true"], lambda found: found["truth"].all()),
    (["city=A", "zip!=1"], lambda found: (found["zip"] == "2").all()),
    (["people>=6", "people<=7"], lambda found: (found["city"] == "C").all()),
    ("rare=d", lambda found: (found["rare"] == "d").all()),
    ({"rare": ["c", "d"], "whole": (90, None)},
     lambda found: set(found["rare"]) <= {"c", "d"} and found["whole"].min() >= 90),
    ({"heap": [0, 5, None]}, lambda found: set(found["heap"].fillna(-1)) <= {0, 5, -1}),
    ({"heap": [5, 6]}, lambda found: set(found["heap"]) == {5, 6}),
    ({"cents": (1, 2), "text": None}, lambda found: found["cents"].between(1, 2).all() and found["text"].isna().all()),
    ({"cents": float("nan"), "text": pd.NA}, lambda found: found[["cents", "text"]].isna().all(axis=None)),
    ({"float": 0.123}, lambda found: (found["float"] == 0.123).all()),
    ({"short": (0.1, 0.1)}, lambda found: (found["short"] == 0.1).all()),
    ({"day": ["2020-02-01", pd.Timestamp("2020-03-01")]}, lambda found: set(found["day"].dt.month) == {2, 3}),
    ({"berlin": (pd.Timestamp("2021-06-01", tz="UTC"), None)},
     lambda found: (found["berlin"] >= pd.Timestamp("2021-06-01", tz="UTC")).all()),
])  # fmt: skip
def test_conditions_together(model: Model, where: Any, test: Callable[[Any], bool]) -> None:
    assert test(rows(model, where))


@pytest.mark.parametrize(("where", "told"), [
    (["whole>5", "whole<5"], "whole lies between"),
    (["whole>5", "whole<6"], "whole lies between"),
    (["whole=5", "whole!=5"], "whole lies between"),
    (["whole=5", "whole>5"], "whole lies between"),
    (["whole=5", "whole=6"], "whole lies between"),
    (["whole>=5", "whole<=6", "whole!=5", "whole!=6"], "whole lies between"),
    (["whole=500"], "lies between -100 and 99"),
    (["whole=5.5"], "holds whole numbers, and 5.5 is none"),
    (["whole="], "whole is never missing"),
    (["rare="], "rare is never missing"),
    (["rare=a", "rare=b"], "none with what is asked of rare"),
    (["city=A", "zip=3"], "none with what is asked of zip and city"),
    (["few>7"], "none with what is asked of few"),
    ({"rare": []}, "none with what is asked"),
    (["cents=", "cents>5"], "cents"),
    (["rare=e"], "rare is never 'e' in the training data"),
    (["rare>a"], "rare has no order; ask by = or !="),
    (["rarer=a"], r"no column 'rarer' \(did you mean 'rare'\?\)"),
    (["whole>x"], "whole is a number, and 'x' is none"),
    (["day>soon"], "day is a date, and 'soon' is none"),
    (["whole>inf"], "'inf' is none"),
    (["whole"], "write a column, one of"),
    (["=5"], "write a column, one of"),
    ([""], "write a column, one of"),
])  # fmt: skip
def test_what_cannot_be_is_refused(model: Model, where: Any, told: str) -> None:
    with pytest.raises(UserError, match=told) as caught:
        model.sample(3, where=where)
    assert "\n" not in str(caught.value)


def test_what_is_not_learnt_cannot_be_asked_for() -> None:
    with pytest.raises(UserError, match="id is a column of kind identifier"):
        untrained(FRAME[["whole", "rare"]].assign(id=[f"k{row}" for row in range(N)])).sample(3, where=["id=x"])


@pytest.mark.parametrize("fits", [
    ["same=x"], ["yes=True"], ["yes=true"], ["seven>=7"], ["seven<8", "seven!=8"], ["seven=7.0"], ["none="], ["same!="],
    {"same": ["x", None]}, {"seven": (None, 7)}, {"seven": (6.5, 7.5)}, {"none": None},
])  # fmt: skip
def test_constant_columns_are_as_they_may_be_asked_to_be(fits: Any) -> None:
    frame = FRAME[["whole", "rare"]].assign(same="x", seven=7, yes=True, none=None)
    table = untrained(frame).sample(3, where=fits).table
    assert table["same"].eq("x").all() and table["seven"].eq(7).all() and table["none"].isna().all()


@pytest.mark.parametrize(("where", "told"), [
    (["same=y"], "same is never 'y'.*there are x"), (["same!=x"], "same is always 'x'"),
    (["same>a"], "same has no order"), (["yes=False"], "yes is never 'False'"),
    (["seven>7"], "seven is always 7"), (["seven="], "seven is always 7"), ({"seven": (8, None)}, "seven is always 7"),
    (["none=3"], "none is never '3'"), (["none!="], "none is always None"), ({"same": None}, "same is always"),
])  # fmt: skip
def test_constant_columns_cannot_be_otherwise(where: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        untrained(FRAME[["whole", "rare"]].assign(same="x", seven=7, yes=True, none=None)).sample(3, where=where)


def test_an_empty_text_is_not_what_is_missing() -> None:
    model = untrained(pd.DataFrame({"a": ["", "x", None] * 50, "b": range(0, 300, 2)}))
    assert model.sample(50, where={"a": ""}).table["a"].eq("").all()
    assert model.sample(50, where=["a="]).table["a"].isna().all()


def test_nothing_asked_is_no_condition(model: Model) -> None:
    asked = model.codec.asked(None)
    assert asked is not None and not asked.barred.any() and not asked.lower.any() and (asked.upper == 1).all()
    asked = model.codec.asked(["whole!=5", "heap!=1"])
    assert asked is not None and not asked.barred.any() and not asked.lower.any() and (asked.upper == 1).all()


@pytest.mark.parametrize(("told", "parts"), [
    ("income=>50K", ("income", "=", ">50K")), ("income=<=50K", ("income", "=", "<=50K")), ("a>=5", ("a", ">=", "5")),
    ("a!=b", ("a", "!=", "b")), (" a b < 5 ", ("a b", "<", "5")), ("a=", ("a", "=", "")), ("a=b=c", ("a", "=", "b=c")),
])  # fmt: skip
def test_conditions_are_split_at_the_leftmost_operator(told: str, parts: tuple[str, str, str]) -> None:
    assert split(told) == parts


def test_wishes_meet() -> None:
    both = Wish(low=1, without=frozenset([3])) & Wish(high=5, among=frozenset([2, 3, None]))
    assert [cell for cell in (None, 0, 1, 2, 3, 5) if both.accepts(cell)] == [2]
    assert Wish(without=frozenset([None])).present and not Wish().present and Wish(high=3).present
    assert Wish(among=frozenset([None])).absent and not Wish().absent


@pytest.mark.parametrize("step", [0.0, 0.05, 1.0])
def test_a_reach_holds_the_nearest_number_that_is_wished(step: float) -> None:
    values = np.round(np.random.default_rng(0).uniform(-2, 12, 500) / 0.05) * 0.05
    for wish in (Wish(), Wish(low=3.02), Wish(2, 7), Wish(without=frozenset([3.0, 4.0, 10.0, None])),
                 Wish(4, without=frozenset([4.0])), Wish(among=frozenset([2.0, 5.0, 50.0, None]))):  # fmt: skip
        reach = Reach(wish, 0.0, 10.0, step)
        up, down, near = reach.up(values), reach.down(values), reach.near(values)
        for found in (up[np.isfinite(up)], down[np.isfinite(down)], near):
            assert all(wish.accepts(one) and 0 <= one <= 10 for one in found.tolist())
        assert (up >= values - 1e-9).all() and (down <= values + 1e-9).all()
        assert (np.abs(near - values) <= np.minimum(up - values, values - down) + 1e-9).all()
    assert np.isnan(Reach(Wish(), 0, 1, step).near(np.array([np.nan])))
    assert Reach(Wish(8, 4), 0.0, 10.0, step).up(values).min() == np.inf
