"""The game of R3GAN: its losses against their formulas, its schedules, its prior and its samples."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from belamy.chance import Chance
from belamy.errors import UserError
from belamy.game import Batch, Turn
from belamy.games.r3gan import R3GAN
from belamy.networks.r3gan import base_size, default_widths
from tiny import roughened


def made(classes: int = 3, **more: Any) -> R3GAN:
    torch.manual_seed(0)
    return roughened(R3GAN(8, 1, classes, latent=4, widths=[6, 6], **more), 0.2)


def batch(classes: int = 3) -> Batch:
    images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return {"image": images} | ({"class": torch.tensor([0, 1, 2, 0, 1])} if classes else {})


@pytest.mark.parametrize("classes", [0, 3])
def test_losses_are_those_of_the_paper(classes: int) -> None:
    game, given = made(classes, gamma=2.0), batch(classes)
    kinds = given.get("class")
    score = game.discriminator_loss(given, Chance(1, range(5)))
    fake = game.generator(Chance(1, range(5)).normal(4), kinds).detach().requires_grad_()
    real = batch(classes)["image"].requires_grad_()
    real_logits, fake_logits = game.discriminator(real, kinds), game.discriminator(fake, kinds)
    (r1,) = torch.autograd.grad(real_logits.sum(), real, retain_graph=True)
    (r2,) = torch.autograd.grad(fake_logits.sum(), fake, retain_graph=True)
    assert score.terms["adversarial"].item() == pytest.approx(F.softplus(fake_logits - real_logits).mean().item(), 1e-4)
    for name, slope in (("r1", r1), ("r2", r2)):
        assert score.terms[name].item() == pytest.approx(2.0 / 2 * slope.square().sum((1, 2, 3)).mean().item(), 1e-4)
    assert score.total.item() == pytest.approx(sum(term.item() for term in score.terms.values()))
    assert score.seen["real"].item() == pytest.approx(real_logits.mean().item(), 1e-4)

    score = game.generator_loss(batch(classes), Chance(1, range(5)))
    assert score.terms["adversarial"].item() == pytest.approx(F.softplus(real_logits - fake_logits).mean().item(), 1e-4)


def test_turns_and_players() -> None:
    game = made()
    assert game.turns() == [
        Turn("discriminator", game.discriminator_loss), Turn("generator", game.generator_loss)
    ]  # fmt: skip
    assert {name.split(".")[0] for name, _ in game.named_parameters()} == {"generator", "discriminator"}
    assert game.shipped == ("generator",)


def test_penalties_fall_and_augmentation_rises() -> None:
    game = made(gamma=2.0, burn_in=1000, augment=0.4)
    found = []
    for examples in (0, 500, 1000, 10**6):
        game.advance(examples)
        found.append((game.penalties["r1"], game.augmentation.p))
        assert game.penalties["r2"] == game.penalties["r1"]
    assert found == [pytest.approx(pair) for pair in ((2.0, 0.0), (1.1, 0.2), (0.2, 0.4), (0.2, 0.4))]


def test_augmentation_is_seen_by_the_discriminator_alone() -> None:
    game = made(burn_in=0, augment=1.0)
    plain = made(burn_in=0, augment=0.0)
    scores = [one.discriminator_loss(batch(), Chance(1, range(5))).terms["adversarial"] for one in (game, plain)]
    assert scores[0] != scores[1]
    given = game.prior(5, Chance(2, range(5))) | {"class": torch.zeros(5, dtype=torch.int64)}
    assert torch.equal(game.sample(given)["image"], plain.sample(given)["image"])


def test_the_prior_holds_all_chance_and_nothing_is_truncated() -> None:
    game = made(0)
    given = game.prior(6, Chance(0, range(6)))
    assert given["latent"].shape == (6, 4)
    assert torch.equal(game.sample(given)["image"], game.sample(given)["image"])
    assert game.truncate(given, 1.0) is given
    with pytest.raises(UserError, match="R3GAN has no styles to truncate: train the recipe stylegan"):
        game.truncate(given, 0.5)


@pytest.mark.parametrize("resolution", [8, 16, 28, 32, 36, 64, 256])
def test_widths_follow_from_the_resolution(resolution: int) -> None:
    widths = default_widths(resolution)
    assert base_size(resolution) * 2 ** (len(widths) - 1) == resolution
    assert widths == sorted(widths, reverse=True) and min(widths) >= 8


def test_classes_change_the_picture() -> None:
    game = made()
    latent = Chance(0, [0, 0]).normal(4)
    one, other = game.sample({"latent": latent, "class": torch.tensor([0, 1])})["image"]
    assert not torch.allclose(one, other)
