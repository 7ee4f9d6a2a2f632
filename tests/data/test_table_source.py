"""Rows of a table as a source: each fulfils what is asked of it, and depends on its number alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from belamy.data.table import FIRST, PER_ROW, Table, fingerprint, hashes_of
from belamy.errors import UserError
from tiny import rows_of_people

pd = pytest.importorskip("pandas")

RANDOM = np.random.default_rng(0)
N = 600


def frame(count: int = N) -> Any:
    found = pd.DataFrame({
        "heap": np.where(RANDOM.random(count) < 0.5, 0, RANDOM.lognormal(size=count)),
        "gaps": pd.Series(RANDOM.normal(size=count)).mask(RANDOM.random(count) < 0.4),
        "whole": RANDOM.integers(0, 100, count),
        "rare": RANDOM.choice(list("abcd"), count, p=[0.9, 0.08, 0.01, 0.01]),
        "truth": RANDOM.random(count) < 0.2,
        "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(RANDOM.integers(0, 300, count), "D"),
        "zip": RANDOM.choice(list("1234"), count),
    })  # fmt: skip
    return found.assign(city=found["zip"].map({"1": "x", "2": "x", "3": "y", "4": "y"}))


FRAMES = {
    "all": frame(), "numbers": frame()[["whole", "day"]], "categories": frame()[["rare", "truth"]],
    "one": frame()[["gaps"]], "one category": frame()[["rare"]],
}  # fmt: skip


@pytest.fixture(params=FRAMES)
def source(request: pytest.FixtureRequest) -> Table:
    return Table.of(FRAMES[request.param])


def test_a_row_fulfils_what_is_asked_of_it(source: Table) -> None:
    batch, encoding = source.draw(0, 20_000), source.layout.encoding
    scores, options = batch["row"].tensor_split([encoding.numbers], 1)
    assert not (options * batch["barred"]).any()
    for part in options.split(encoding.choices, 1) if encoding.choices else ():
        assert (part.sum(1) == 1).all() and ((part == 0) | (part == 1)).all()
    for part in batch["barred"].split(encoding.choices, 1) if encoding.choices else ():
        assert (part.min(1).values == 0).all()
    assert ((batch["lower"] >= 0) & (batch["lower"] <= batch["upper"]) & (batch["upper"] <= 1)).all()
    places, asked = torch.special.ndtr(scores.double()), (batch["lower"] > 0) | (batch["upper"] < 1)
    for index, owner in enumerate(encoding.owners):
        there = options[:, encoding.starts[owner]] == 1 if owner >= 0 else torch.ones(20_000).bool()
        assert (scores[~there, index] == 0).all() and not asked[~there, index].any()
        # What is asked of a number bars the options that stand for other ones, and for what is missing.
        if owner >= 0:
            start, end = encoding.starts[owner] + 1, encoding.starts[owner] + encoding.choices[owner]
            assert batch["barred"][asked[:, index]][:, start:end].all()
    within = (places >= batch["lower"] - 3e-5) & (places <= batch["upper"] + 3e-5)
    assert within[asked].all()
    share = ((batch["barred"] > 0).any(1) | asked.any(1)).float().mean()
    assert 0.3 < share < 0.52


def test_rare_options_are_asked_for_often() -> None:
    source = Table.of(FRAMES["one category"])
    batch = source.draw(0, 20_000)
    alone = batch["barred"].sum(1) == 3
    drawn = batch["row"][alone].mean(0)
    counts = torch.tensor([share * N for share in source.layout.encoding.fields[0].shares])
    assert torch.allclose(drawn, (counts + 1).log() / (counts + 1).log().sum(), atol=0.04)
    assert torch.allclose(batch["row"][batch["barred"].sum(1) == 0].mean(0), counts / N, atol=0.02)


def test_batches_are_a_function_of_position(source: Table) -> None:
    whole = source.draw(64, 96)
    parts = [source.draw(64, 32), source.draw(96, 64)]
    for name, value in whole.items():
        assert torch.equal(value, torch.cat([part[name] for part in parts]))
    assert not torch.equal(source.draw(0, 96)["row"], whole["row"])


def test_facts_are_plain_and_tell_the_shapes(source: Table) -> None:
    assert json.loads(json.dumps(source.facts)) == source.facts
    numbers, choices = source.facts["numbers"], source.facts["choices"]
    batch = source.draw(0, 4)
    assert batch["row"].shape == (4, numbers + sum(choices)) and batch["barred"].shape == (4, sum(choices))
    assert batch["lower"].shape == batch["upper"].shape == (4, numbers)
    assert len(source.facts["levels"]) == sum(choices) and len(source.facts["owners"]) == numbers
    assert np.shape(source.facts["factors"])[0] == numbers + sum(choices)
    assert source.facts["count"] == len(source) == N and source.length == FIRST + PER_ROW * N


def test_heldout_rows_are_chosen_by_content() -> None:
    whole = pd.concat([frame(), frame().head(0)])
    doubled = pd.concat([whole, whole], ignore_index=True)
    source = Table.of(doubled, heldout=0.2)
    other = source.heldout()
    assert other is not None and other.heldout() is None
    assert len(source) + len(other) == 2 * N and len(other) == source.facts["heldout"]
    assert len(other) == pytest.approx(0.4 * N, rel=0.25)
    assert not set(hashes_of(source.frame)) & set(hashes_of(other.frame))
    shuffled = Table.of(doubled.sample(frac=1, random_state=0), heldout=0.2)
    assert set(hashes_of(shuffled.frame)) == set(hashes_of(source.frame))
    assert shuffled.facts["fingerprint"] == source.facts["fingerprint"] != fingerprint(hashes_of(whole.head(5)))
    assert Table.of(whole).heldout() is None


def test_other_rows_in_the_same_layout() -> None:
    source = Table.of(FRAMES["all"])
    seen = source.seen_as(frame(50))
    assert len(seen) == 50 and seen.draw(0, 8)["row"].shape == source.draw(0, 8)["row"].shape
    alike = Table.like(frame(50), source.layout)
    assert len(alike) == 50 and alike.facts["count"] == 50


def test_files(tmp_path: Path) -> None:
    path = rows_of_people(tmp_path / "people.csv")
    source = Table(str(path), target="city")
    assert source.facts["target"] == "city" and list(source.layout.columns) == ["height", "visits", "city", "member"]
    assert len(source) + source.facts["heldout"] == 60
    types = tmp_path / "types.yaml"
    types.write_text("columns: {visits: category}")
    assert Table(str(path), str(types)).layout.kinds["visits"] == "category"


def test_mistakes_are_named(tmp_path: Path) -> None:
    path = str(rows_of_people(tmp_path / "people.csv"))
    for options, told in (
        ({"target": "town"}, "no column 'town'"), ({"target": "citi"}, "did you mean 'city'"),
        ({"heldout": 1}, "heldout 1 should be a share"), ({"types": str(tmp_path / "no.yaml")}, "cannot be read"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=told):
            Table(path, **options)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="has 19 rows: one of at least 20"):
        Table.of(frame(19))


def test_rows_that_are_all_alike_but_in_one_column() -> None:
    source = Table.of(pd.DataFrame({"same": ["x"] * 40, "other": [0.5, 1.5] * 20}))
    assert source.facts["choices"] == [2] and source.facts["numbers"] == 0
    assert source.draw(0, 8)["lower"].shape == (8, 0)
