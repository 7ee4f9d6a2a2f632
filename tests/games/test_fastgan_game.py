"""FastGAN: its losses written out, and what it refuses."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from belamy.chance import Chance
from belamy.errors import UserError
from belamy.games.fastgan import FastGAN
from belamy.planning import compose
from belamy.recipe import bind, build


def chance() -> Chance:
    return Chance(1, range(5))


@pytest.mark.parametrize("augment", [0.0, 1.0])
def test_the_losses_are_the_papers(augment: float) -> None:
    torch.manual_seed(0)
    game = FastGAN(32, 3, latent=6, width=2, reconstruction=0.5, augment=augment)
    batch = {"image": torch.rand(5, 3, 32, 32) * 2 - 1}
    twin = copy.deepcopy(game)
    score = game.discriminator_loss(batch, chance())
    fixed, rng = twin.discriminator, chance()
    fake = twin.imagine(batch, rng)
    real = batch["image"] if not augment else _augmented(twin, batch["image"], rng)
    fake = fake if not augment else _augmented(twin, fake, rng)
    fake_logits, (real_logits, maps) = fixed(fake.detach())[0], fixed(real)
    which = rng.integers(4)
    whole, part = fixed.redraw(maps, which)
    told = 0.0
    for row in range(5):
        top, left = divmod(int(which[row]), 2)
        wanted = real[row, :, 16 * top : 16 * top + 16, 16 * left : 16 * left + 16]
        told += (part[row] - wanted).abs().mean().item() / 5
        told += (whole[row] - real[row].unfold(1, 2, 2).unfold(2, 2, 2).mean((3, 4))).abs().mean().item() / 5
    assert score.terms["reconstruction"].item() == pytest.approx(0.5 * told, rel=1e-4)
    hinge = (1 - real_logits).clamp(min=0).mean() + (1 + fake_logits).clamp(min=0).mean()
    assert score.terms["adversarial"].item() == pytest.approx(hinge.item(), rel=1e-4)
    again = twin.generator_loss(batch, chance()).terms["adversarial"]
    logits, _ = game.verdict([game.imagine(batch, chance())], batch, _after(6))
    assert again.item() == pytest.approx(-logits.mean().item())


def _augmented(game: FastGAN, images: torch.Tensor, rng: Chance) -> torch.Tensor:
    from belamy.ops.augment import augment

    return augment(images, rng, game.augmentation.p, shift=0.125, cut=0.0, colour=0.5)


def _after(latent: int) -> Chance:
    """The chance of a loss that has drawn its latents."""
    rng = chance()
    rng.normal(latent)
    return rng


@pytest.mark.parametrize("options", [
    {"penalties": {"r1": 1.0, "r2-finite": 1.0, "lecam": 1.0, "drift": 1.0, "consistency": 1.0}},
    {"loss": "relativistic", "normalise": "spectral", "pack": 2}, {"loss": "wasserstein", "augment": "adaptive"},
], ids=str)  # fmt: skip
def test_it_takes_the_options_of_a_duel(options: dict[str, Any]) -> None:
    game = FastGAN(16, 1, latent=4, width=2, **options)
    game.prepare()
    batch = {"image": torch.rand(6, 1, 16, 16)}
    score = game.discriminator_loss(batch, Chance(1, range(6)))
    assert score.terms.keys() == {"adversarial", "reconstruction", *options.get("penalties", {})}
    assert all(term.isfinite() for term in score.terms.values())
    assert game.generator_loss(batch, Chance(1, range(6))).terms.keys() == {"adversarial"}


@pytest.mark.parametrize("options", [{"normalise": "gradient"}, {"penalties": {"wgan-gp": 10.0}}], ids=str)
def test_what_wants_gradients_of_single_pictures_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="FastGAN's discriminator looks at whole batches"):
        FastGAN(16, 1, **options).prepare()


def test_redrawing_trains_the_maps_that_it_starts_from() -> None:
    game = FastGAN(16, 1, latent=4, width=2)
    score = game.discriminator_loss({"image": torch.rand(5, 1, 16, 16)}, chance())
    score.terms["reconstruction"].backward()
    judge = game.discriminator
    assert judge.read[0].weight.grad.abs().sum() > 0 and judge.floors[0].long[0].weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in [*judge.head.parameters(), *game.generator.parameters()])


def test_a_size_that_it_cannot_make_is_told() -> None:
    with pytest.raises(UserError, match=r"it makes pictures of 16, 32, 64, \.\.\. pixels, not 48: .*resolution=32$"):
        build(bind(compose("fastgan").game, {"resolution": 48, "channels": 1}), FastGAN)
