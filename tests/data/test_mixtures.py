"""Mixtures of Gaussians as a source."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from belamy.data.mixtures import Grid, Mixture, Ring
from belamy.errors import UserError


@pytest.mark.parametrize("kind", [Grid, Ring])
def test_points_are_of_unit_scale_and_split(kind: type[Mixture]) -> None:
    source = kind(count=5_000)
    other = source.heldout()
    assert other is not None and other.heldout() is None
    assert (len(source), len(other)) == (5_000, source.facts["heldout"])
    points, unseen = (one.plain(np.arange(len(one)))["points"] for one in (source, other))
    assert points.shape == (5_000, 2) and points.dtype == torch.float32
    assert points.square().mean().sqrt().item() == pytest.approx(1, abs=0.02)
    assert not set(map(tuple, points.tolist())) & set(map(tuple, unseen.tolist()))


def test_the_modes_are_those_of_the_protocol() -> None:
    grid, ring = Grid(10), Ring(10)
    assert sorted(map(tuple, grid.facts["centres"]))[:2] == [(-4, -4), (-4, -2)] and len(grid.facts["centres"]) == 25
    assert np.allclose(np.hypot(*np.array(ring.facts["centres"]).T), 1) and len(ring.facts["centres"]) == 8
    assert (grid.facts["deviation"], ring.facts["deviation"]) == (0.05, 0.01)


def test_every_seed_of_a_run_sees_the_same_points_in_an_order_of_its_own() -> None:
    first, second = Ring(64, seed=0), Ring(64, seed=1)
    assert torch.equal(first.take(64)["points"], second.take(64)["points"])
    ours, theirs = first.draw(0, 64)["points"], second.draw(0, 64)["points"]
    assert not torch.equal(ours, theirs) and torch.equal(ours.sort(0)[0], theirs.sort(0)[0])


def test_no_points_are_refused() -> None:
    with pytest.raises(UserError, match="a mixture of 0 points teaches nothing"):
        Ring(0)
