"""Series to tensors and back: what is encoded returns, what is known stays, long tables have the user's form."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from belamy.chance import Chance
from belamy.data.series import Series
from belamy.errors import UserError
from belamy.games.series import Series as Game
from belamy.recipe import bind
from belamy.series.decoding import decoded, given, long_table, partial_series, partial_table
from belamy.series.layout import Layout, levelled
from belamy.series.reading import from_table
from swings import swings, visits


def game(source: Series) -> Game:
    facts = {**source.facts, "classes": len(source.facts["classes"] or [])}
    torch.manual_seed(0)
    spec = bind({"use": "belamy.games.series:Series", "width": 16, "blocks": 1}, facts)
    return Game(**{name: value for name, value in spec.items() if name != "use"})


def made(source: Series, n: int = 50, **others: torch.Tensor) -> torch.Tensor:
    player = game(source)
    kinds = {"class": torch.arange(n) % 2} if player.classes else {}
    with torch.inference_mode():
        return player.sample({**kinds, **player.prior(n, Chance(1, range(n))), **others})["series"]


def test_what_is_encoded_comes_back() -> None:
    series = visits()
    layout = Layout.from_json(json.loads(json.dumps(Layout.fit(series).as_json())))
    encoded = layout.encode(series)
    scores = encoded.scores(np.arange(len(series)), torch.full(encoded.lower.shape, 0.5))
    values, lengths, times, static = layout.decode(scores)
    assert np.array_equal(lengths, series.lengths)
    there = ~np.isnan(series.values)
    assert np.quantile(np.abs(values - series.values)[there], 0.99) < 1e-3 * np.nanstd(series.values)
    assert times is not None and series.times is not None
    assert np.nanquantile(np.abs(times / series.times - 1), 0.95) < 1e-3
    assert static is not None and series.static is not None
    assert static["site"].tolist() == series.static["site"].tolist()


def test_generated_series_are_whole_and_in_range() -> None:
    series = visits()
    source = Series.of(series)
    found = decoded(made(source), source.facts, np.arange(50) % 2)
    assert np.array_equal(np.isnan(found.values).any(2), ~found.alive)
    assert found.lengths.min() >= 3 and found.lengths.max() == 9
    assert abs(found.lengths.mean() - series.lengths.mean()) < 1.5
    assert found.times is not None and (np.diff(found.times, axis=1)[found.alive[:, 1:]] > 0).all()
    frame = long_table(found)
    assert list(frame) == ["patient", "time", "pulse", "pressure", "site", "age", "state"]
    assert len(frame) == found.lengths.sum() and set(frame["site"]) <= {"north", "south", "west"}
    assert frame.groupby("patient")["age"].nunique().max() == 1
    assert np.corrcoef(found.values[:, 0, 0], found.static["age"])[0, 1] > 0.5  # type: ignore[index]


@pytest.mark.parametrize("whole", [False, True])
def test_what_is_known_comes_back_exactly(whole: bool) -> None:
    source = Series.of(visits())
    partial = visits(50, seed=3)
    batch = given(partial, source.facts, whole)
    found = decoded(made(source, **batch), source.facts, partial.labels, partial, whole)
    known = ~np.isnan(partial.values)
    assert np.array_equal(found.values[:, :9][known], partial.values[known])
    assert (found.lengths == partial.lengths).all() if whole else (found.lengths >= partial.lengths).all()
    assert found.times is not None and partial.times is not None
    assert np.array_equal(found.times[partial.alive], partial.times[partial.alive])
    assert (np.diff(found.times, axis=1)[found.alive[:, 1:]] > 0).all()
    assert not np.isnan(found.values[found.alive]).any()


def test_a_forecast_goes_on_from_what_is_known() -> None:
    x, y = swings(200)
    source = Series.of(x, y)
    truth, kinds = swings(50, seed=5)
    partial = partial_series(truth[:, :8], source.facts, labels=kinds.tolist())
    found = decoded(made(source, **given(partial, source.facts)), source.facts, partial=partial)
    assert np.array_equal(found.values[:, :8, 0], truth[:, :8])
    error = np.abs(found.values[:, 8, 0] - truth[:, 8]).mean()
    assert error < 0.5 * np.abs(x.mean() - truth[:, 8]).mean()


def test_a_long_table_of_some_steps_is_filled() -> None:
    days = pd.date_range("2024-01-01", periods=12, freq="D")
    x, _ = swings(40)
    frame = pd.DataFrame({"shop": np.repeat(np.arange(40), 12), "date": np.tile(days, 40), "sold": x.flatten()})
    source = Series.of(from_table(frame, id="shop"))
    known = pd.DataFrame({"date": days[[0, 1, 5]], "sold": [5.0, 5.5, 4.5]})
    partial = partial_table(known, source.facts)
    found = long_table(decoded(made(source, 1, **given(partial, source.facts)), source.facts, partial=partial))
    assert found["date"].tolist() == days.tolist() and found["date"].dtype == frame["date"].dtype
    assert found["sold"].iloc[[0, 1, 5]].tolist() == [5.0, 5.5, 4.5]
    with pytest.raises(UserError, match="off this model's grid"):
        partial_table(known.assign(date=known["date"] + pd.Timedelta("1h")), source.facts)


def test_series_that_were_normalised_each_stay_so() -> None:
    x, _ = swings(60)
    x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    source = Series.of(x)
    found = decoded(made(source), source.facts).values[:, :, 0]
    np.testing.assert_allclose(found.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(found.std(1), 1, atol=1e-6)


def test_levels_leave_what_is_fixed() -> None:
    values = np.array([[1.0, 2.0, 4.0, np.nan], [3.0, 1.0, 0.0, 5.0]])
    fixed = np.array([[True, False, False, False], [False] * 4])
    found = levelled(values, 0.0, 1.0, fixed)
    assert found[0, 0] == 1.0 and np.isnan(found[0, 3])
    assert np.nanmean(found, 1) == pytest.approx([0, 0])
    assert np.nanstd(found, 1) == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        (np.zeros((2, 13)), {}, r"the shape \[2, 13, 1\]; this model's are \[N, 12 at most, 1\]"),
        (np.zeros((2, 4)), {"labels": ["2", "1"]}, "no class '2'"),
    ],
)
def test_what_is_not_the_models_is_refused(values: np.ndarray, options: dict[str, list[str]], said: str) -> None:
    with pytest.raises(UserError, match=said):
        partial_series(values, Series.of(*swings()).facts, **options)
