"""Perceptual path length against its closed form for a linear generator, whose lengths are known."""

from __future__ import annotations

import math

import pytest
import torch
from untrained import made

from belamy.edits.smoothness import path_length, slerp
from belamy.errors import UserError
from belamy.model import Model

SCALE = 0.01  # so that no pixel leaves [-1, 1]


def linear(styled: bool) -> Model:
    """Pictures of 8x8 that are a style, or a latent, of 64 numbers, scaled."""
    model = made("stylegan" if styled else "r3gan")
    name = "styles" if styled else "latent"
    model.game.prior = lambda n, rng: {"latent": rng.normal(64)}  # type: ignore[method-assign]
    model.game.styles = lambda given: given["latent"][:, None] if styled else None  # type: ignore[method-assign]
    model.game.sample = lambda given: {"image": SCALE * given[name].view(-1, 1, 8, 8)}  # type: ignore[method-assign]
    return model


def test_a_straight_line_between_normals_has_twice_their_dimensions() -> None:
    """|b - a|^2 is 2 * 64 in the mean for every t."""
    value, error = path_length(linear(True), 2000, features="pixels")
    assert value / SCALE**2 == pytest.approx(128, abs=4 * error / SCALE**2)
    assert error / SCALE**2 == pytest.approx(math.sqrt(2 * 64 * 4 / 2000), rel=0.2)


def test_a_great_circle_has_its_angle() -> None:
    """For latents of equal length the speed is angle times radius: (pi / 2)^2 * 64, nearly."""
    value, _ = path_length(linear(False), 2000, features="pixels")
    assert value / SCALE**2 == pytest.approx(math.pi**2 / 4 * 64, rel=0.05)


def test_slerp_keeps_lengths() -> None:
    begin, end = torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([[0.0, 2.0, 0.0]])
    for t in (0.0, 0.25, 1.0):
        angle = t * math.pi / 2
        found = slerp(begin, end, torch.tensor([[t]]))
        assert found[0].tolist() == pytest.approx([2 * math.cos(angle), 2 * math.sin(angle), 0], abs=1e-5)


def test_paths_keep_their_class_and_repeat() -> None:
    model = made("r3gan", ["1", "0"])  # names that look like each other's numbers
    found = path_length(model, 20, seed=3, features="pixels")
    assert found == path_length(model, 20, seed=3, features="pixels") and found[0] > 0
    assert found != path_length(model, 20, seed=4, features="pixels")


def test_points_have_none() -> None:
    with pytest.raises(UserError, match="path length is of pictures, and this model makes points"):
        path_length(made("points"), 10, features="pixels")
