"""Series as a source: a pure function of position, what is known of rows, and facts that hold no series."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from belamy.data.series import Series
from belamy.errors import UserError
from belamy.series.recorded import recorded
from swings import swings, visits


@pytest.mark.parametrize("kind", ["waves", "visits"])
def test_draws_add_up(kind: str) -> None:
    source = Series.of(*swings()) if kind == "waves" else Series.of(visits())
    whole, first, second = source.draw(50, 30), source.draw(50, 13), source.draw(63, 17)
    assert whole.keys() == {"series", "known", "class"} | ({"seen"} if kind == "visits" else set())
    for name, value in whole.items():
        assert torch.equal(value, torch.cat([first[name], second[name]]))


def test_batches_are_scores_with_flags() -> None:
    source = Series.of(visits(200))
    batch = source.draw(0, 200)
    sections = source.layout.sections
    numbers, choices = source.layout.attributes
    assert sections == [2, 1, 1, numbers + sum(choices)]
    assert batch["series"].shape == batch["known"].shape == batch["seen"].shape == (200, sum(sections), 9)
    assert batch["series"].dtype == torch.float32 and batch["series"].isfinite().all()
    assert abs(batch["series"][:, 0, 0].std().item() - 1) < 0.3
    alive = batch["series"][:, 3]
    assert set(alive.unique().tolist()) == {0, 1} and alive.sum(1).min() == 3
    assert (batch["series"][:, :3] * (1 - alive)[:, None]).abs().max() == 0
    options = batch["series"][:, -sum(choices) :].sum(1)
    assert torch.equal(options, torch.full_like(options, len(choices)))
    assert ((batch["known"] == 1) <= (batch["seen"] == 1)).all()


def test_half_of_the_rows_have_something_known() -> None:
    known = Series.of(*swings(400)).draw(0, 400)["known"][:, 0]
    some = known.any(1)
    assert 0.4 < some.float().mean() < 0.6
    begun = (known.diff(dim=1) <= 0).all(1) & some
    assert 0.3 < (begun & some).sum() / some.sum() < 0.8
    assert not known.all(1).any()


def test_held_out_series_are_chosen_by_content() -> None:
    x, y = swings(300)
    source, shuffled = Series.of(x, y, heldout=0.2), Series.of(x[::-1], y[::-1], heldout=0.2)
    other, same = source.heldout(), shuffled.heldout()
    assert other is not None and same is not None and len(other) + len(source) == 300
    assert 30 < len(other) < 90
    assert sorted(other.recorded.values[:, 0, 0]) == sorted(same.recorded.values[:, 0, 0])
    assert other.draw(0, 5)["series"].shape == (5, 1, 12)
    assert other.heldout() is None and Series.of(x).heldout() is None


def test_facts_are_plain_and_hold_no_cell() -> None:
    x, y = swings(100)
    for source, values in ((Series.of(x, y), x), (Series.of(visits()), visits().values)):
        told = json.loads(json.dumps(source.facts))
        assert told == source.facts
        held = {round(one, 9) for one in numbers(told)}
        cells = values[np.abs(values * 1e4 - np.round(values * 1e4)) > 1e-3]
        assert len(cells) > 100
        assert not held & {round(one, 9) for one in cells.tolist()}


def numbers(content: object) -> list[float]:
    """All floats in nested JSON."""
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        return [one for part in content for one in numbers(part)]
    return [content] if isinstance(content, float) else []


def test_small_classes_have_no_mean_of_their_own() -> None:
    x, y = swings(60)
    y[:3] = 2
    means = np.array(Series.of(x, y).facts["means"])
    alone = np.array(Series.of(x).facts["means"])
    assert np.abs(means[0] - means[1]).max() > 0.1
    np.testing.assert_allclose(means[2], alone[0], atol=2e-4)


def test_what_is_refused() -> None:
    x, y = swings(30)
    with pytest.raises(UserError, match="are left to learn from"):
        Series.of(x, y, heldout=0.6)
    with pytest.raises(UserError, match=r"heldout 1\.0 should be a share"):
        Series.of(x, y, heldout=1.0)
    with pytest.raises(UserError, match="they should be value"):
        Series.of(x, y).layout.encode(recorded(x, channels=["other"]))
