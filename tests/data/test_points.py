"""Points of one's own: standardised and split, trained on, sampled in their units, judged; and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import belamy
from belamy.data.points import Points, holds_points
from belamy.errors import UserError
from belamy.planning import compose, plan
from belamy.training import train

CENTRE, SPREAD = np.array([1000.0, -5.0, 0.01]), np.array([100.0, 1.0, 0.001])
SMALL: dict[str, Any] = {
    "game.latent": 4, "game.widths": [8], "batch": 16, "precision": "fp32", "watching.times": 1,
    "watching.samples": 16, "judging.times": 1, "judging.samples": 64, "average.halflife": 16,
}  # fmt: skip


def saved(path: Path, count: int = 300, seed: int = 0, **others: Any) -> Path:
    np.savez(path, x=CENTRE + SPREAD * np.random.default_rng(seed).standard_normal((count, 3)), **others)
    return path


def test_what_is_trained_on_has_mean_0_and_deviation_1(tmp_path: Path) -> None:
    source = Points(str(saved(tmp_path / "x.npz")))
    unseen = source.heldout()
    assert unseen is not None and unseen.heldout() is None and len(source) + len(unseen) == 300
    assert len(unseen) == source.facts["heldout"] and 10 < len(unseen) < 60 and len(source.everything()) == 300
    points = source.take(len(source))["points"]
    assert points.dtype == torch.float32 and points.shape == (len(source), 3)
    assert torch.allclose(points.mean(0), torch.zeros(3), atol=1e-4)
    assert torch.allclose(points.std(0, correction=0), torch.ones(3), atol=1e-4)
    assert not {*map(tuple, points.tolist())} & {*map(tuple, unseen.take(99)["points"].tolist())}
    assert np.allclose(source.facts["mean"], CENTRE, atol=4 * SPREAD / 16)
    assert torch.equal(Points(str(tmp_path / "x.npz"), seed=7).take(20)["points"], source.take(20)["points"])


def test_a_part_that_the_data_holds_out(tmp_path: Path) -> None:
    source = Points(str(saved(tmp_path / "x.npz", x_test=np.tile(CENTRE, (5, 1)))))
    unseen = source.heldout()
    assert unseen is not None and (len(source), len(unseen)) == (300, 5)
    assert unseen.take(5)["points"].abs().max() < 0.5  # by the mean of the others


def test_a_number_that_never_changes_stays(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", points=np.stack([np.arange(50), np.full(50, 7)], 1))
    source = Points(str(tmp_path / "x.npz"), heldout=0)
    assert source.heldout() is None and source.facts["scale"][1] == 1
    assert source.take(50)["points"][:, 1].abs().max() == 0


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"x": np.full((99, 2), np.nan)}, "99 of 99 rows of x of .* are not finite, or beyond 1e30: leave them out"),
        ({"x": np.diag(np.full(20, 1e31))}, "20 of 20 rows"),
        ({"x": np.zeros(9)}, r"x of .* is float64 \[9\]; points are numbers \[N, D\]"),
        ({"x": np.zeros((9, 0))}, r"\[9, 0\]; points are numbers"),
        ({"x": np.full((20, 2), "a")}, "points are numbers"),
        ({"x": np.zeros((15, 2))}, "are left to learn from; give 16 at least"),
        ({"z": np.zeros((15, 2))}, r"holds z; name the points x, \[N, D\]"),
        ({"x": np.zeros((50, 2)), "x_test": np.zeros((5, 3))}, "points of 2 and of 3 dimensions: make them alike"),
        ({"x": np.array([[{}]], dtype=object)}, "holds Python objects"),
    ],
)
def test_what_is_no_points(arrays: dict[str, Any], told: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(UserError, match=told):
        Points(str(tmp_path / "x.npz"))


def test_the_recipe_gan_takes_points_for_what_they_are(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.npz")
    settled = plan(compose("gan", str(path), SMALL), "cpu")
    assert settled.recipe.data["use"] == "belamy.data.points:Points" and settled.game().sample_key == "points"
    np.savez(tmp_path / "y.npz", x=np.zeros((20, 8, 8), np.uint8))
    assert not holds_points(str(tmp_path / "y.npz")) and not holds_points(str(tmp_path))
    with pytest.raises(UserError, match=r"holds points, which know no data\.flip: leave it out"):
        plan(compose("gan", str(path), {"data.flip": True}), "cpu")
    with pytest.raises(UserError, match=r"pictures are numbers \[N, H, W\]"):
        plan(compose("dcgan", str(path)), "cpu")
    with pytest.raises(UserError, match=r"judging\.metric modes is not for this task: choose kid, fd,"):
        plan(compose("gan", str(path), {"judging.metric": "modes"}), "cpu")


def test_trained_sampled_and_judged(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.npz")
    run = train("gan", str(path), tmp_path / "run", settings={**SMALL, "examples": 64}, report_to="none")
    model = belamy.load(run.path)
    points = model.sample(200, seed=0).points
    assert points.shape == (200, 3) and points.dtype == np.float32
    assert (abs(points.mean(0) - CENTRE) < 5 * SPREAD).all() and (points.std(0) > SPREAD / 20).all()
    report = belamy.evaluate(run.path)["metrics"]
    assert {*report} == {"kid", "fd", "precision", "recall", "density", "coverage", "spread"}
    assert report["fd"]["floor"] < report["fd"]["value"] and report["fd"]["trivial"]["gaussian"] is not None
    others = belamy.evaluate(run.path, str(saved(tmp_path / "y.npz", seed=1)), n=100, metrics=["spread"])
    assert others["heldout"] == 100 and others["metrics"]["spread"]["floor"] == pytest.approx(1, abs=0.3)
    np.savez(tmp_path / "z.npz", x=np.random.default_rng(0).standard_normal((50, 2)))
    with pytest.raises(UserError, match="has points of 2 dimensions, not of 3"):
        belamy.evaluate(run.path, str(tmp_path / "z.npz"))
