"""The first game: its losses and penalties are the formulas', on points and on pictures."""

from __future__ import annotations

import pytest
import torch

from belamy.chance import Chance
from belamy.errors import UserError
from belamy.games.gan import GAN
from belamy.ops.adversarial import LOSSES
from belamy.ops.penalties import PENALTIES
from belamy.planning import compose, plan


def chance(rows: int) -> Chance:
    return Chance(3, range(rows))


@pytest.mark.parametrize("loss", LOSSES)
def test_turns_minimise_the_formulas(loss: str) -> None:
    game = GAN(dimensions=2, latent=3, widths=[8, 8], loss=loss, penalties={"r1": 0.6, "r2": 0.4})
    points = torch.randn(5, 2)
    fake = game.generator(chance(5).normal(3)).detach().requires_grad_()
    real = points.clone().requires_grad_()
    score = game.discriminator_loss({"points": points.clone()}, chance(5))
    logits = game.discriminator(real)[:, 0], game.discriminator(fake)[:, 0]
    assert torch.allclose(score.terms["adversarial"], LOSSES[loss].discriminator(*logits))
    for name, weight, own, samples in (("r1", 0.6, logits[0], real), ("r2", 0.4, logits[1], fake)):
        (slope,) = torch.autograd.grad(own.sum(), samples)
        assert torch.allclose(score.terms[name], weight / 2 * slope.square().sum(1).mean())
    moved = game.generator_loss({"points": points}, chance(5)).terms["adversarial"]
    assert torch.allclose(moved, LOSSES[loss].generator(*logits))


def test_penalties_fall_to_a_tenth_and_can_be_left_out() -> None:
    game = GAN(dimensions=2, widths=[4], penalties={"r1": 1.0}, burn_in=100)
    game.advance(100)
    assert game.penalties == {"r1": pytest.approx(0.1)}
    assert set(game.discriminator_loss({"points": torch.randn(4, 2)}, chance(4)).terms) == {"adversarial", "r1"}


@pytest.mark.parametrize("name", PENALTIES)
def test_every_penalty_moves_the_discriminator(name: str) -> None:
    game = GAN(resolution=8, latent=3, widths=[8, 8], penalties={name: 1.0})
    game.observe({"real": 1.0, "fake": -1.0})
    term = game.discriminator_loss({"image": torch.randn(6, 1, 8, 8)}, chance(6)).terms[name]
    term.backward()
    assert term.item() > 0 and game.discriminator.layers[0].weight.grad.abs().sum() > 0


def test_pictures_are_points_too() -> None:
    game = GAN(resolution=8, channels=3, latent=4, widths=[8])
    assert game.sample(game.prior(2, chance(2)))["image"].shape == (2, 3, 8, 8)
    assert torch.isfinite(game.discriminator_loss({"image": torch.randn(2, 3, 8, 8)}, chance(2)).total)


def test_what_cannot_work_is_told() -> None:
    with pytest.raises(ValueError, match=r"'hing' is unknown .did you mean 'hinge'"):
        GAN(dimensions=2, loss="hing")
    with pytest.raises(ValueError, match="points"):
        GAN()
    with pytest.raises(UserError, match="'x' is unknown"):
        plan(compose("grid25", settings={"game.loss": "x"}), "cpu").game()
