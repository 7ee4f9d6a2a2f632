"""The options of every duel: augmentation, packs and normalised discriminators, against their papers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from belamy.chance import Chance
from belamy.duel import Duel
from belamy.errors import UserError
from belamy.games.dcgan import DCGAN
from belamy.games.gan import GAN
from belamy.games.pix2pix import Pix2Pix
from belamy.games.progressive import Progressive
from belamy.games.r3gan import R3GAN
from belamy.games.stylegan import StyleGAN
from belamy.networks.augmentation import Augmentation
from belamy.networks.equalised import Equalised
from belamy.networks.spectral import SpectralNorm
from belamy.ops.augment import augment
from belamy.ops.packing import packed, unpacked
from tiny import engine, tiny


def chance(rows: int) -> Chance:
    return Chance(3, range(rows))


def pictures(rows: int = 6, channels: int = 1) -> Tensor:
    return torch.rand(rows, channels, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1


def points(**options: Any) -> GAN:
    torch.manual_seed(0)
    game = GAN(dimensions=2, latent=3, widths=[8, 8], **options)
    game.prepare()
    return game


def painter(**options: Any) -> R3GAN:
    torch.manual_seed(0)
    game = R3GAN(8, 1, latent=4, widths=[6, 6], **{"gamma": 0.0, "augment": 0.0, **options})
    with torch.no_grad():
        for parameter in game.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    game.prepare()
    return game


def direct(game: Duel, images: Tensor) -> Tensor:
    """Logits without any option."""
    return game.judge([images], {}, chance(len(images)))


# --- spectral normalisation

def convolutions() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=2), nn.Flatten(), nn.Linear(8, 5))


def test_weights_are_divided_by_their_largest_singular_values() -> None:
    for network in (convolutions(), painter().discriminator, points().discriminator):
        norm = SpectralNorm(network)
        weights = dict(network.named_parameters())
        found = norm.normalised(network)
        assert found.keys() == {name for name, value in weights.items() if value.dim() > 1}
        for name, value in found.items():
            largest = torch.linalg.matrix_norm(weights[name].flatten(1), ord=2)
            assert torch.allclose(value, weights[name] / largest, rtol=1e-2, atol=1e-5), name


def test_gradients_know_that_the_norm_depends_on_the_weight() -> None:
    network = nn.Linear(7, 5).double()
    norm = SpectralNorm(network)
    for _ in range(300):
        norm.follow(network)
    cost = torch.randn(5, 7, dtype=torch.float64)
    (ours,) = torch.autograd.grad((norm.normalised(network)["weight"] * cost).sum(), network.weight)
    exact = network.weight / torch.linalg.matrix_norm(network.weight, ord=2)
    (theirs,) = torch.autograd.grad((exact * cost).sum(), network.weight)
    assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", [
    "gan", "dcgan", "stacked-mnist", "r3gan", "cgan", "stylegan", "progressive", "fastgan", "pix2pix", "cut",
    "text2image-shapes", "table", "series",
])  # fmt: skip
def test_weights_have_a_norm_of_1_as_they_are_used(name: str, pictures: Path) -> None:
    player = engine(tiny(name, pictures, **{"game.normalise": "spectral"}))
    game, network = player.game, copy.deepcopy(player.game.discriminator)
    network.load_state_dict(game.spectrum.normalised(game.discriminator), strict=False)
    for place, layer in network.named_modules():
        for own, value in layer.named_parameters(recurse=False):
            if value.dim() > 1:
                used = layer.scaled if isinstance(layer, Equalised) else value * getattr(layer, "scale", 1)
                largest = torch.linalg.matrix_norm(used.flatten(1), ord=2).item()
                assert largest == pytest.approx(1, rel=0.05), f"{place}.{own}"
    game.advance(4096)  # what grows has grown
    batch = player.source.draw(0, 8)
    with torch.no_grad():
        logits, _ = game.verdict([batch[game.sample_key]], batch, chance(8))
    assert logits.std() > 1e-4 * logits.abs().max() and logits.std() > 1e-6


def test_the_norm_is_followed_step_by_step() -> None:
    game = points(normalise="spectral")
    weight = game.discriminator.layers[1].weight
    for _ in range(20):
        with torch.no_grad():
            weight += 0.05 * torch.randn_like(weight)
        game.advance(0)
    found = game.spectrum.normalised(game.discriminator)["layers.1.weight"]
    assert torch.linalg.matrix_norm(found, ord=2).item() == pytest.approx(1, abs=0.05)


def test_a_spectral_discriminator_is_not_steep() -> None:
    game, plain = points(normalise="spectral"), points()
    for one in (game, plain):
        with torch.no_grad():
            for parameter in one.discriminator.parameters():
                parameter *= 3
        one.advance(0)
    slopes = []
    for one in (game, plain):
        samples = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
        (slope,) = torch.autograd.grad(one.verdict([samples], {}, chance(50))[0].sum(), samples)
        slopes.append(slope.norm(dim=1).max().item())
    assert slopes[0] <= 1.01 < slopes[1]
    assert dict(game.named_parameters()).keys() == dict(plain.named_parameters()).keys()


def test_a_weight_that_begins_at_zero_gets_a_direction() -> None:
    game = R3GAN(8, 1, latent=4, widths=[6, 6], normalise="spectral")
    game.prepare()
    batch = {"image": pictures()}
    game.discriminator_loss(batch, chance(6)).total.backward()
    gradients = {name: value.grad for name, value in game.discriminator.named_parameters()}
    assert all(value is not None and value.isfinite().all() and value.any() for value in gradients.values())


# --- gradient normalisation

def test_logits_are_divided_by_their_gradients() -> None:
    game, samples = points(normalise="gradient"), torch.randn(5, 2)

    def single(point: Tensor) -> Tensor:
        return game.discriminator(point[None])[0, 0]

    slopes = torch.func.vmap(torch.func.grad(single))(samples)
    logits = game.discriminator(samples)[:, 0]
    found = game.verdict([samples, 2 * samples], {}, chance(5))[0]
    assert torch.allclose(found[:5], logits / (slopes.norm(dim=1) + logits.abs()), atol=1e-5)
    samples.requires_grad_()
    (steepness,) = torch.autograd.grad(game.verdict([samples], {}, chance(5))[0].sum(), samples)
    assert found.abs().max() < 1 and steepness.norm(dim=1).max() <= 1
    found.sum().backward()
    assert game.discriminator.layers[0].weight.grad.abs().sum() > 0
    with torch.no_grad():
        assert not game.verdict([samples], {}, chance(5))[0].requires_grad


# --- augmentation

@pytest.mark.parametrize("more", [{}, {"scale": 0.2, "turn": 3.0, "flip": True}], ids=str)
def test_augmentation_lies_between_samples_and_the_discriminator(more: dict[str, Any]) -> None:
    game, images = painter(augment=1.0, augment_over=0, colour=1.0, **more), pictures()
    seen = augment(images, chance(6), 1.0, shift=0.125, cut=0.5, colour=1.0, **more)
    assert torch.equal(game.verdict([images], {}, chance(6))[0], direct(game, seen))
    given = game.prior(4, chance(4))
    assert torch.equal(game.sample(given)["image"], painter().sample(given)["image"])


def test_a_schedule_raises_p() -> None:
    scheduled, constant = Augmentation(0.4, 1000), Augmentation(1.0, None)
    found = []
    for examples in (0, 500, 1000, 10**6):
        scheduled.advance(examples)
        constant.advance(examples)
        found.append(scheduled.p)
        assert constant.p == 1
    assert found == pytest.approx([0.0, 0.2, 0.4, 0.4])


def test_adaptive_augmentation_takes_500_000_examples_from_0_to_1() -> None:
    adaptive, examples = Augmentation("adaptive", None), 0
    for sign, steps, expected in ((1.0, 1000, 0.128), (0.7, 1000, 0.256), (0.5, 1500, 0.064), (0.0, 1000, 0.0)):
        for _ in range(steps):
            adaptive.observe(sign)
            examples += 64
            adaptive.advance(examples)
        assert adaptive.p == pytest.approx(expected, abs=1e-3)
    for _ in range(30):
        adaptive.observe(1.0)
        examples += 50_000
        adaptive.advance(examples)
    assert adaptive.p == 1


def test_penalties_hear_the_gap_of_logits() -> None:
    game = painter(correct=100, penalties={"r1": 2.0}, loss="non-saturating")
    score = game.discriminator_loss({"image": pictures()}, chance(6))
    fake = game.generator(chance(6).normal(4))
    gap = (direct(game, pictures()) - direct(game, fake)).abs().mean().item()
    assert score.seen["gap"].item() == pytest.approx(gap, rel=1e-4) and score.seen["strictness"] == 1
    for count in range(400):
        game.observe({"gap": 9.0, "real": 9.0, "fake": 0.0})
        game.advance(count)
    assert game.strictness.factor > 10
    assert game.penalties == {"r1": pytest.approx(2.0 * game.strictness.factor, rel=1e-3)}


def test_adaptive_augmentation_hears_the_sign_of_real_logits() -> None:
    game = painter(augment="adaptive", augment_over=100, loss="non-saturating")
    batch = {"image": pictures()}
    score = game.discriminator_loss(batch, chance(6))
    sign = direct(game, pictures()).sign().mean().item()
    assert score.seen["sign"].item() == pytest.approx(sign) and score.seen["augment"] == 0
    for loss, boundary in (("least-squares", 0.5), ("relativistic", None), ("wasserstein", None)):
        other = painter(augment="adaptive", loss=loss)
        fake = other.generator(chance(6).normal(4))
        ahead = direct(other, pictures()) - (direct(other, fake) if boundary is None else boundary)
        found = other.discriminator_loss({"image": pictures()}, chance(6)).seen["sign"].item()
        assert found == pytest.approx(ahead.sign().mean().item())
    for count in range(8):
        for _ in range(4):
            game.observe({"sign": 1.0})
        game.advance(10 * count)
    assert game.augmentation.p == pytest.approx(0.7)
    other = painter(augment="adaptive", augment_over=100, loss="non-saturating")
    other.load_state_dict(game.state_dict())
    for one in (game, other):
        one.advance(80)
    assert other.augmentation.p == game.augmentation.p == pytest.approx(0.8)


# --- packs

def test_rows_are_packed_and_unpacked() -> None:
    images = pictures(6, 3)
    packs = packed(images, 3)
    assert packs.shape == (2, 9, 8, 8)
    assert torch.equal(packs[1, 3:6], images[4])
    assert torch.equal(unpacked(packs, 3), images)


def test_packs_are_judged_as_one() -> None:
    game, real = points(pack=3, penalties={"r1": 1.0}), torch.randn(6, 2)
    score = game.discriminator_loss({"points": real}, chance(6))
    packs = real.view(2, 6).clone().requires_grad_()
    fake = game.generator(chance(6).normal(3)).view(2, 6)
    logits = game.discriminator(packs)[:, 0]
    expected = F.softplus(-logits).mean() + F.softplus(game.discriminator(fake)).mean()
    assert torch.allclose(score.terms["adversarial"], expected)
    (slope,) = torch.autograd.grad(logits.sum(), packs)
    assert torch.allclose(score.terms["r1"], slope.square().sum(1).mean() / 2)
    moved = game.generator_loss({"points": real}, chance(6)).terms["adversarial"]
    assert torch.allclose(moved, F.softplus(-game.discriminator(fake)).mean())


def test_each_sample_of_a_pack_is_augmented_by_itself() -> None:
    game = painter(pack=2, augment=1.0, augment_over=0)
    packs = packed(pictures(1).expand(8, -1, -1, -1), 2)
    rng = chance(8).every(2)
    seen = unpacked(game._augmented(packs, copy.copy(rng)), 2)
    assert len(torch.unique(seen.flatten(1), dim=0)) == 8
    assert torch.equal(game.verdict([packs], {}, rng)[0], direct(game, packed(seen, 2)))


@pytest.mark.parametrize("game", [
    GAN(resolution=8, channels=3, latent=4, widths=[8], pack=2), DCGAN(8, 3, latent=4, width=4, pack=2),
    DCGAN(8, 3, latent=4, width=4, form="tensorflow", pack=2), R3GAN(8, 3, latent=4, widths=[4, 4], pack=2),
    StyleGAN(8, 3, latent=4, widths=[4, 4], pack=2), Progressive(8, 3, 96, latent=4, widths=[4, 4], pack=2),
], ids=["gan", "dcgan", "dcgan-28", "r3gan", "stylegan", "progressive"])  # fmt: skip
def test_games_of_pictures_can_pack(game: Duel) -> None:
    game.prepare()
    game.advance(96)
    penalties = {"consistency": 1.0, "wgan-gp": 1.0, "r1-finite": 1.0}
    game.penalties = penalties
    score = game.discriminator_loss({"image": pictures(6, 3)}, chance(6))
    assert score.terms.keys() == {"adversarial", *penalties} and score.total.isfinite()
    for turn in game.turns():
        assert turn.loss({"image": pictures(6, 3)}, chance(6)).total.isfinite()


# --- consistency

def test_consistency_is_the_squared_change_under_shifts() -> None:
    game = painter(penalties={"consistency": 10.0, "consistency-fake": 5.0})
    found = game.discriminator_loss({"image": pictures()}, chance(6)).terms
    rng = chance(6)
    fake = game.generator(rng.normal(4))
    for name, weight, images in (("consistency", 10.0, pictures()), ("consistency-fake", 5.0, fake)):
        shifted = augment(images, rng, 1.0, shift=0.125, cut=0, colour=0)
        change = direct(game, shifted) - direct(game, images)
        assert found[name].item() == pytest.approx(weight * change.square().mean().item(), rel=1e-4) and found[name] > 0


# --- finite differences

def test_finite_differences_are_as_exact_in_bf16() -> None:
    torch.manual_seed(0)
    game = StyleGAN(16, 3, latent=4, widths=[16, 16, 16], penalties={"r1": 2.0, "r1-finite": 2.0})
    game.prepare()
    batch = {"image": torch.rand(64, 3, 16, 16) * 2 - 1}
    full = game.discriminator_loss(batch, chance(64)).terms
    with torch.autocast("cpu", torch.bfloat16):
        rounded = [game.discriminator_loss(batch, Chance(seed, range(64))).terms["r1-finite"] for seed in range(3, 9)]
        rounded[0].backward()
    assert rounded[0].item() == pytest.approx(full["r1-finite"].item(), rel=1e-3)
    assert torch.stack(rounded).mean().item() == pytest.approx(full["r1"].item(), rel=0.15)
    assert all(value.grad is not None and value.grad.any() for value in game.discriminator.blocks.parameters())


# --- what cannot work

@pytest.mark.parametrize(("game", "told"), [
    (GAN(dimensions=2, augment="adaptive"), "points cannot be altered"),
    (GAN(dimensions=2, penalties={"consistency": 1.0}), "points cannot be altered"),
    (R3GAN(8, 1, classes=3, pack=2), "a pack would hold several classes"),
    (DCGAN(16, 1, normalise="gradient"), "take normalise spectral"),
    (StyleGAN(8, 1, normalise="gradient"), "take normalise spectral"),
    (Progressive(8, 1, 96, normalise="gradient"), "take normalise spectral"),
    (DCGAN(16, 1, penalties={"r1": 1.0, "wgan-gp": 10.0}), "take r1 in place of wgan-gp, or game.form plain"),
    (DCGAN(16, 1, penalties={"dragan": 10.0}), "take r1 in place of dragan, or game.form plain"),
    (StyleGAN(8, 1, classes=3, pack=2), "a pack would hold several classes"),
    (GAN(dimensions=2, warmup=8), "aims at nothing but to look real"),
])  # fmt: skip
def test_what_cannot_work_is_told_before_training(game: Duel, told: str) -> None:
    with pytest.raises(UserError, match=told):
        game.prepare()


def test_patches_have_no_gradient_of_their_own() -> None:
    game, batch = Pix2Pix(1, 1, [2, 3], 1, normalise="gradient"), {"source": pictures(), "target": pictures()}
    with pytest.raises(UserError, match="a discriminator of patches"):
        game.discriminator_loss(batch, chance(6))


def test_over_the_warmup_the_generator_is_alone() -> None:
    game, batch = Pix2Pix(1, 1, [2, 3], 1, warmup=32), {"source": pictures(), "target": pictures()}
    game.prepare()
    for examples, players in ((0, ["generator"]), (31, ["generator"]), (32, ["discriminator", "generator"])):
        game.advance(examples)
        assert [turn.player for turn in game.turns()] == players
    (turn,) = Pix2Pix(1, 1, [2, 3], 1, warmup=32).turns()
    assert list(turn.loss(batch, chance(6)).terms) == ["pixels"]


def test_a_game_without_a_discriminator_for_packs_says_so() -> None:
    class Single(GAN):
        packs = False

    with pytest.raises(UserError, match="Single has no discriminator for packs"):
        Single(dimensions=2, pack=2).prepare()


@pytest.mark.parametrize(("options", "told"), [
    ({"pack": 0}, "pack 0 should be"), ({"augment": 2.0}, "a probability"), ({"normalise": "grad"}, "'gradient'"),
])  # fmt: skip
def test_wrong_values_are_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        GAN(dimensions=2, **options)


# --- R1 and R2 without a double backward

@pytest.mark.parametrize("options", [
    {}, {"augment": 0.8, "augment_over": 0, "correct": None}, {"augment": 0.8, "augment_over": 0, "pack": 2},
    {"loss": "relativistic-average", "penalties": {"r2": 0}}, {"loss": "hinge", "penalties": {"r1": 0}},
    {"classes": 3, "augment": 0.3, "augment_over": 0},
    {"augment": 0.8, "augment_over": 0, "scale": 0.2, "turn": 3.0, "flip": True},
], ids=str)  # fmt: skip
def test_penalties_at_once_are_those_of_a_double_backward(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    game = painter(**{"gamma": 2.0, **options})
    game.advance(0)
    game.generator.requires_grad_(False)
    batch = {"image": pictures(), "class": torch.tensor([0, 1, 2, 0, 1, 2])}
    weights = list(game.discriminator.parameters())
    assert game._linear_between_kinks()
    ours = game.discriminator_loss(batch, chance(6))
    gradients = torch.autograd.grad(ours.total, weights)
    monkeypatch.setattr(R3GAN, "piecewise", False)
    plain = game.discriminator_loss(batch, chance(6))
    assert ours.terms.keys() == plain.terms.keys()
    assert ours.seen.keys() == plain.seen.keys()
    for name, value in {**plain.terms, **plain.seen}.items():
        assert torch.allclose({**ours.terms, **ours.seen}[name], value, rtol=1e-5), name
    for ours_, theirs in zip(gradients, torch.autograd.grad(plain.total, weights), strict=True):
        assert torch.allclose(ours_, theirs, rtol=1e-4, atol=1e-5 * theirs.abs().max().item())


def test_what_is_derived_from_a_piecewise_game_is_not_taken_for_one() -> None:
    class Derived(R3GAN):
        pass

    class Twisted(type(painter().discriminator)):  # type: ignore[misc]
        pass

    torch.manual_seed(0)
    assert not Derived(8, 1, latent=4, widths=[6, 6])._linear_between_kinks()
    game = painter(gamma=1.0)
    assert game._linear_between_kinks()
    game.discriminator.__class__ = Twisted
    assert not game._linear_between_kinks()
    assert not painter(gamma=1.0, penalties={"wgan-gp": 1.0})._linear_between_kinks()
    assert not painter(gamma=1.0, normalise="spectral")._linear_between_kinks()
    assert not painter()._linear_between_kinks()
