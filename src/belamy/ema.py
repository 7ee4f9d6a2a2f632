"""Moving averages of the players that ship."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from belamy.game import Game


class Averages:
    """Averaged copies of a game's shipped players; ``game`` is the same game with them in their place."""

    def __init__(self, game: Game) -> None:
        self._live = {name: game.get_submodule(name) for name in game.shipped}
        self.players = {
            name: copy.deepcopy(player).eval().requires_grad_(False) for name, player in self._live.items()
        }
        self.game = copy.copy(game)
        self.game._modules = {**game._modules, **self.players}

    def update(self, keep: float) -> None:
        """``average = keep * average + (1 - keep) * live``; buffers are copied."""
        for name, player in self.players.items():
            live = self._live[name]
            mine: list[Tensor] = list(player.parameters())
            theirs = [value.detach() for value in live.parameters()]
            if mine:
                torch._foreach_lerp_(mine, theirs, 1 - keep)
            for own, other in zip(player.buffers(), live.buffers(), strict=True):
                own.copy_(other)

    def state(self) -> dict[str, Tensor]:
        """All tensors by ``player.name``."""
        return {
            f"{name}.{inner}": value
            for name, player in self.players.items()
            for inner, value in player.state_dict().items()
        }
