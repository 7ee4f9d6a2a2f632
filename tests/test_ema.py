"""Moving averages of the players that ship."""

from __future__ import annotations

import torch
from torch import nn

from belamy.ema import Averages
from belamy.game import Game


class Two(Game):
    def __init__(self) -> None:
        super().__init__()
        self.generator, self.discriminator = nn.BatchNorm1d(3), nn.Linear(3, 1)
        self.register_buffer("level", torch.zeros(()))


def test_averages_follow_the_formula_and_copy_buffers() -> None:
    game = Two()
    averages = Averages(game)
    expected = game.generator.weight.detach().clone()
    for value, keep in ((2.0, 0.9), (-1.0, 0.5), (4.0, 0.99)):
        with torch.no_grad():
            game.generator.weight.fill_(value)
        game.generator.running_mean.fill_(value)
        averages.update(keep)
        expected = keep * expected + (1 - keep) * value
        assert torch.allclose(averages.state()["generator.weight"], expected, atol=1e-6)
        assert torch.equal(averages.state()["generator.running_mean"], torch.full((3,), value))
    assert torch.equal(game.generator.weight, torch.full((3,), 4.0))


def test_keeping_nothing_copies_exactly() -> None:
    game = Two()
    averages = Averages(game)
    with torch.no_grad():
        game.generator.weight.copy_(torch.tensor([0.1, 1e-7, 1e7]))
    averages.update(0.0)
    assert torch.equal(averages.state()["generator.weight"], game.generator.weight)


def test_the_averaged_game_shares_all_but_what_ships() -> None:
    game = Two()
    averages = Averages(game)
    assert averages.game is not game and isinstance(averages.game, Two)
    assert averages.game.generator is averages.players["generator"] is not game.generator
    assert averages.game.discriminator is game.discriminator
    game.level.fill_(3.0)
    assert averages.game.level == 3
    assert set(averages.state()) == {f"generator.{name}" for name in game.generator.state_dict()}
    assert not any(value.requires_grad for value in averages.game.generator.parameters())
    assert not averages.game.generator.training and game.generator.training
