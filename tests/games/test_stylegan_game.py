"""StyleGAN's game: its losses against their formulas, its turns, mixing, truncation, and what its prior holds."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.chance import Chance
from belamy.game import Batch
from belamy.games.stylegan import StyleGAN, default_width
from belamy.networks.stylegan import map_sizes
from tiny import roughened


def made(classes: int = 3, **more: Any) -> StyleGAN:
    torch.manual_seed(0)
    return roughened(StyleGAN(8, 1, classes, **{"latent": 4, "widths": [6, 6], **more}), 0.2)


def batch(classes: int = 3) -> Batch:
    images = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return {"image": images} | ({"class": torch.tensor([0, 1, 2, 0, 1])} if classes else {})


def chance() -> Chance:
    return Chance(1, range(5))


@pytest.mark.parametrize("classes", [0, 3])
def test_losses_are_those_of_the_paper(classes: int) -> None:
    game, given = made(classes, mixing=0.0), batch(classes)
    kinds, rng = given.get("class"), chance()
    latent, noise = rng.normal(4), rng.normal(game.generator.synthesis.noise)
    fake = game.generator.synthesis(game.generator.styles(latent, kinds), noise).detach()
    real = given["image"].clone().requires_grad_()
    real_logits, fake_logits = game.discriminator(real, kinds), game.discriminator(fake, kinds)
    (slope,) = torch.autograd.grad(real_logits.sum(), real)
    expected = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
    torch.testing.assert_close(game.discriminator_loss(given, chance()).terms["adversarial"], expected)
    torch.testing.assert_close(
        game.generator_loss(given, chance()).terms["adversarial"], F.softplus(-fake_logits).mean()
    )
    r1 = game.gamma / 2 * slope.square().sum((1, 2, 3)).mean()
    torch.testing.assert_close(game.r1_loss(given, chance()).terms["r1"], r1)


def test_path_lengths_are_those_of_the_whole_jacobian() -> None:
    game = made(0, path=3.0)
    game.observe({"length": 50.0})
    assert game.length.item() == pytest.approx(0.5)
    score, rng = game.path_loss(batch(0), chance()), chance()
    latent, noise = rng.normal(4), rng.normal(game.generator.synthesis.noise)
    y = rng.normal(1, 8, 8) / 8

    def picture(style: Tensor, row: int) -> Tensor:
        layers = style.expand(1, game.generator.synthesis.layers, -1)
        found: Tensor = game.generator.synthesis(layers, noise[row : row + 1])
        return found.flatten()

    lengths = torch.stack([
        (torch.autograd.functional.jacobian(lambda w, row=row: picture(w, row), style).t() @ y[row].flatten()).norm()
        for row, style in enumerate(game.generator.mapping(latent))
    ])  # fmt: skip
    torch.testing.assert_close(score.seen["length"], lengths.mean(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(score.terms["path"], 3 * (lengths - 0.5).square().mean(), rtol=1e-4, atol=1e-5)


def test_the_weight_of_path_lengths_is_the_papers() -> None:
    for resolution in (8, 32, 256):
        r = resolution
        papers = math.log(2) / (r**2 * (math.log(r) - math.log(2)))
        assert StyleGAN(r, 1).path / r**2 == pytest.approx(papers)


def test_turns_are_lazy_and_can_be_left_out() -> None:
    told = [(turn.player, turn.loss.__name__, turn.every) for turn in made(r1_every=8, path_every=2).turns()]
    assert told == [
        ("discriminator", "r1_loss", 8), ("discriminator", "discriminator_loss", 1),
        ("generator", "path_loss", 2), ("generator", "generator_loss", 1),
    ]  # fmt: skip
    assert [turn.every for turn in made(gamma=0.0, path=0.0).turns()] == [1, 1]
    assert {name.split(".")[0] for name, _ in made().named_parameters()} == {"generator", "discriminator"}


def test_a_share_of_pictures_is_mixed_and_the_mean_style_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    game, styles = made(0, mixing=0.75), list[Tensor]()
    monkeypatch.setattr(game.generator.synthesis, "forward", lambda given, noise: styles.append(given) or given)
    before = game.generator.mapping.average.clone()
    game.imagine({}, Chance(2, range(4000)))
    layers = styles[0]
    assert torch.equal(layers[:, 0], game.generator.mapping(Chance(2, range(4000)).normal(4)))
    changes = (layers[:, 1:] != layers[:, :-1]).all(2)
    assert changes.sum(1).max() == 1  # one crossover
    assert changes.any(1).float().mean().item() == pytest.approx(0.75, abs=0.03)
    assert changes.sum(0).float().div(4000).tolist() == pytest.approx([0.25] * 3, abs=0.03)
    share = 4000 / 5000
    torch.testing.assert_close(game.generator.mapping.average, before + share * (layers[:, 0].mean(0) - before))


def test_the_prior_holds_all_chance() -> None:
    game = made(0)
    given = game.prior(6, Chance(0, range(6)))
    assert given["latent"].shape == (6, 4) and given["noise"].shape == (6, 16 + 2 * 64)
    assert torch.equal(game.sample(given)["image"], game.sample(given)["image"])
    other = {**given, "noise": torch.zeros_like(given["noise"])}
    assert not torch.allclose(game.sample(given)["image"], game.sample(other)["image"])
    assert "noise" not in made(0, equivariant=True).prior(6, Chance(0, range(6)))


@pytest.mark.parametrize("equivariant", [False, True])
def test_styles_stand_for_latents_and_truncation_draws_them_in(equivariant: bool) -> None:
    game = made(equivariant=equivariant)
    game.generator.mapping.average.copy_(torch.randn(3, 4))
    given = game.prior(5, chance()) | {"class": batch()["class"]}
    styles = game.styles(given)
    assert styles.shape == (5, game.generator.synthesis.layers, 4)
    bare = {name: value for name, value in given.items() if name != "latent"}
    assert torch.equal(game.sample({**bare, "styles": styles})["image"], game.sample(given)["image"])
    assert torch.equal(game.truncate(given, 1.0)["styles"], styles)
    typical = game.generator.mapping.average[given["class"]][:, None].expand_as(styles)
    torch.testing.assert_close(game.truncate(given, 0.0)["styles"], typical)
    torch.testing.assert_close(game.truncate(given, 0.5)["styles"], (typical + styles) / 2)
    torch.testing.assert_close(game.truncate(game.truncate(given, 0.5), 0.5)["styles"], 0.75 * typical + 0.25 * styles)


def test_the_equivariant_form_learns_in_every_parameter() -> None:
    game, given = made(equivariant=True), batch()
    assert [turn.loss.__name__ for turn in game.turns()] == ["r1_loss", "discriminator_loss", "generator_loss"]
    game.generator_loss(given, chance()).total.backward()
    assert all(value.grad is not None and value.grad.abs().max() > 0 for value in game.generator.parameters())
    given = game.prior(2, Chance(1, range(2))) | {"class": torch.tensor([0, 1])}
    assert game.sample(given)["image"].shape == (2, 1, 8, 8)


@pytest.mark.parametrize("resolution", [8, 28, 40, 96, 256])
def test_widths_follow_from_the_resolution(resolution: int) -> None:
    widths = [default_width(size) for size in map_sizes(resolution)]
    assert widths == sorted(widths, reverse=True) and 32 <= min(widths) <= max(widths) <= 96


def test_what_cannot_work_is_told() -> None:
    with pytest.raises(ValueError, match="widths has 1 entries; 8x8 wants as many as"):
        StyleGAN(8, 1, widths=[4])
    with pytest.raises(ValueError, match=r"the nearest to 44 is 40: --set game.resolution=40"):
        StyleGAN(44, 1)
    with pytest.raises(ValueError, match="depth, r1_every and path_every should be 1 or more"):
        StyleGAN(8, 1, path_every=0)
