"""Walks pass through their samples, are smooth, close, and keep latents as normal as the generator knows them."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
import torch
from untrained import made

from belamy.edits.walk import loop, walk
from belamy.errors import UserError
from belamy.model import Model


def test_weights_are_those_of_a_closed_spline() -> None:
    for normal in (False, True):
        at = loop(torch.arange(5).float(), 5, normal)
        assert torch.equal(at, torch.eye(5))
        ends = loop(torch.tensor([0.0, 4.9999]), 5, normal)
        assert (ends[0] - ends[1]).abs().max() < 1e-3
        places = torch.arange(0, 5, 0.01)
        steps = loop(places, 5, normal).diff(dim=0)
        assert steps.diff(dim=0).abs().max() < 0.1 * steps.abs().max()  # no corners
    straight = loop(torch.tensor([1.5]), 5, normal=False)
    assert straight[0].tolist() == pytest.approx([-1 / 16, 9 / 16, 9 / 16, -1 / 16, 0])
    assert loop(torch.rand(100) * 5, 5, normal=False).sum(1).sub(1).abs().max() < 1e-5


@pytest.mark.parametrize("stations", [2, 3, 8])
def test_latents_stay_standard_normal(stations: int) -> None:
    weights = loop(torch.arange(0, stations, 0.1), stations, normal=True)
    latents = weights @ torch.randn(stations, 20_000, generator=torch.Generator().manual_seed(0))
    assert latents.std(1).sub(1).abs().max() < 0.03
    assert (loop(torch.tensor([0.5]), 8, normal=False) @ torch.randn(8, 20_000)).std() < 0.9  # which these would not


def test_uniform_latents_stay_uniform(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = made("gan"), []
    sample = model.game.sample
    monkeypatch.setattr(model.game, "sample", lambda given: seen.append(given["latent"].clone()) or sample(given))
    deque(walk(model, 400, 5), 0)
    latents = torch.cat(seen)
    assert latents.abs().max() <= 1 and latents.mean().abs() < 0.1
    assert latents.square().mean().item() == pytest.approx(1 / 3, abs=0.04)
    rows = torch.rand(50, 4) * 2 - 1
    assert torch.allclose(model.game.from_normal(model.game.as_normal(rows)), rows, atol=1e-5)
    ends = torch.tensor([[-1.0, 1.0]])
    assert torch.allclose(model.game.from_normal(model.game.as_normal(ends)), ends, atol=1e-5)


def test_frames_pass_through_the_samples(model: Model) -> None:
    frames = list(walk(model, 3, 4, seed=5))
    assert len(frames) == 12
    assert all(frame.dtype == np.uint8 and frame.shape == (8, 8, model.facts["channels"]) for frame in frames)
    given = model.given(3, 5)
    name = "styles" if "styles" in given else "latent"
    given |= {key: value[:1].expand_as(value) for key, value in given.items() if key != name}
    stations = model.codec.decode(model.make(given)["image"])
    for station in range(3):
        assert np.abs(frames[4 * station].astype(int) - stations[station]).max() <= 1
    assert len({frame.tobytes() for frame in frames}) == 12
    again = list(walk(model, 3, 4, seed=5))
    assert all(np.array_equal(*pair) for pair in zip(frames, again, strict=True))


def test_truncation_and_classes() -> None:
    model = made("stylegan", ["ant", "bee"])
    typical = list(walk(model, 2, 3, classes="bee", truncation=0.0))
    assert len({frame.tobytes() for frame in typical}) == 1
    latents = made("r3gan", ["ant", "bee"])
    seed = next(seed for seed in range(9) if len(set(latents.given(4, seed)["class"].tolist())) == 2)
    first = latents.facts["classes"][latents.given(1, seed)["class"][0]]
    ours, theirs = (list(walk(latents, 4, 2, seed=seed, classes=kind)) for kind in (None, first))
    assert all(np.array_equal(*pair) for pair in zip(ours, theirs, strict=True))


def test_a_long_walk_is_made_as_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    model, made_rows = made("r3gan"), []
    make = model.make
    monkeypatch.setattr(model, "make", lambda given: made_rows.append(len(given["latent"])) or make(given))
    frames = walk(model, 1000, 25)
    next(frames)
    assert made_rows == [16]


def test_what_cannot_be_walked_through() -> None:
    with pytest.raises(UserError, match="a walk is of pictures, and this model makes points"):
        walk(made("points"))
    model = made("r3gan")
    model.game.prior = lambda n, rng: {"code": rng.normal(4)}  # type: ignore[method-assign]
    with pytest.raises(UserError, match="R3GAN has no latents to walk through"):
        walk(model)
