"""Series from archives and long tables, what is guessed of them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from belamy.errors import UserError
from belamy.series.reading import from_table, read_series
from belamy.series.recorded import recorded
from swings import long_visits, swings, visits


def test_archives_of_both_forms(tmp_path: Path) -> None:
    x, y = swings(30)
    np.savez(tmp_path / "whole.npz", x=x, y=y)
    np.savez(tmp_path / "parts.npz", x_train=x[:20], y_train=y[:20], x_test=x[20:], y_test=y[20:])
    for name in ("whole", "parts"):
        found = read_series(tmp_path / f"{name}.npz")
        assert np.array_equal(found.values[:, :, 0], x)
        assert found.labels is not None and np.array_equal(found.labels, y)
        assert (found.classes, found.channels, found.times) == (["0", "1"], ["value"], None)
        assert (found.lengths == 12).all()


def test_a_long_table_comes_back(tmp_path: Path) -> None:
    series = visits()
    long_visits().sample(frac=1, random_state=0).to_csv(tmp_path / "visits.csv", index=False)
    found = read_series(tmp_path / "visits.csv", id="patient", label="state", static=["site", "age"])
    assert found.channels == ["pulse", "pressure"] and found.classes == ["ill", "well"]
    assert found.times is not None and series.times is not None
    order, other = found.times[:, 0].argsort(), series.times[:, 0].argsort()
    np.testing.assert_allclose(found.values[order], series.values[other])
    np.testing.assert_allclose(found.times[order], series.times[other])
    assert found.static is not None and series.static is not None
    assert found.static["site"].iloc[order].tolist() == series.static["site"].iloc[other].tolist()


def test_one_grid_has_no_times_and_what_lacks_is_missing() -> None:
    days = pd.date_range("2024-01-01", periods=10, freq="D")
    frame = pd.DataFrame({"shop": np.repeat(np.arange(25), 10), "date": np.tile(days, 25), "sold": np.arange(250) % 7})
    found = from_table(frame.drop(index=[13, 104]), id="shop")
    assert found.times is None and found.clock.kind == "date" and found.clock.step == 86_400
    assert np.argwhere(np.isnan(found.values[:, :, 0])).tolist() == [[1, 3], [10, 4]]


def table(count: int = 25) -> pd.DataFrame:
    return pd.DataFrame({"id": np.repeat(np.arange(count), 4), "t": np.tile(np.arange(4), count), "v": 1.0})


@pytest.mark.parametrize(
    ("frame", "options", "said"),
    [
        (table(9), {}, "9 series apart: from 20 on"),
        (table(), {"id": "idd"}, r"no column 'idd' \(did you mean 'id'\?\)"),
        (table().rename(columns={"id": "what"}), {}, "which column tells series apart\\? Set id to one of what"),
        (table().rename(columns={"t": "what"}), {}, "which column tells when\\? Set time to one of"),
        (table().assign(v=np.nan), {}, "channel v has no values"),
        (table().assign(v="x"), {}, "channel v is no number; name it under static"),
        (table().assign(v=np.inf), {}, "channel v has infinite values"),
        (table().assign(t=0), {}, "two rows of one t"),
        (table().assign(w=range(100)), {"static": ["w"]}, "w changes within the series"),
        (table().drop(columns="v"), {}, "no column is left"),
    ],
)
def test_what_is_refused(frame: pd.DataFrame, options: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        from_table(frame, **options)  # type: ignore[arg-type]


def test_arrays_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there are 3 series"):
        recorded(np.zeros((3, 4)))
    with pytest.raises(UserError, match="not one of the shape"):
        recorded(np.zeros(30))
    with pytest.raises(UserError, match="times that repeat or go back"):
        recorded(np.zeros((30, 4)), times=np.zeros((30, 4)))
    np.savez(tmp_path / "other.npz", pictures=np.zeros(3))
    with pytest.raises(UserError, match="holds pictures; name the series x"):
        read_series(tmp_path / "other.npz")


def test_series_end_at_their_last_value() -> None:
    values = np.ones((30, 5))
    values[:, 4], values[3, 2:] = np.nan, np.nan
    found = recorded(values)
    assert found.values.shape == (30, 4, 1)
    assert found.lengths.tolist() == [2 if index == 3 else 4 for index in range(30)]
