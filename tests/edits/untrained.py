"""Untrained models to edit: with styles, with latents alone, of points."""

from __future__ import annotations

from typing import Any

import torch

from belamy.game import Game
from belamy.model import Model
from belamy.recipe import build

GAMES: dict[str, dict[str, Any]] = {
    "stylegan": {"use": "belamy.games.stylegan:StyleGAN", "resolution": 8, "channels": 3, "widths": [4, 4]},
    "r3gan": {"use": "belamy.games.r3gan:R3GAN", "resolution": 8, "channels": 1, "widths": [4, 4]},
    "gan": {
        "use": "belamy.games.gan:GAN", "resolution": 8, "channels": 1, "widths": [4], "prior": "uniform",
    },
    "points": {"use": "belamy.games.gan:GAN", "dimensions": 2, "widths": [4]},
}


def made(name: str, classes: list[str] | None = None) -> Model:
    torch.manual_seed(0)
    spec = GAMES[name] | {"latent": 4} | ({"classes": len(classes)} if classes else {})
    game = build(spec, Game)
    with torch.no_grad():
        for parameter in game.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    facts = {"kind": "points"} if name == "points" else {"resolution": 8, "channels": spec["channels"]}
    return Model(game, spec, {**facts, "classes": classes, "class_counts": [1] * len(classes or [])})
