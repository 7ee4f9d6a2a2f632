"""Progressive growing: its timetable, its loss, and that it grows in one run which can be stopped anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from belamy.chance import Chance
from belamy.errors import UserError
from belamy.games.progressive import Progressive
from belamy.model import Model
from belamy.planning import compose, plan
from belamy.recipe import bind, build
from belamy.watchdog import Watchdog
from tiny import engine, same, state, steps, tiny


def made(**more: object) -> Progressive:
    torch.manual_seed(0)
    return Progressive(16, 1, 1000, latent=4, widths=[6, 6, 6], fade=100, stay=200, **more)  # type: ignore[arg-type]


def test_the_timetable() -> None:
    game, levels = made(), []
    for examples in (0, 199, 200, 225, 300, 499, 500, 590, 600, 10**6):
        game.advance(examples)
        levels.append(game.generator.level.item())
    assert levels == [0, 0, 0, 0.25, 1, 1, 1, pytest.approx(1.9), 2, 2]


@pytest.mark.parametrize("examples", [0, 250, 1000])
def test_the_loss_is_the_papers(examples: int) -> None:
    game = made()
    game.advance(examples)
    images = torch.rand(5, 1, 16, 16) * 2 - 1
    score = game.discriminator_loss({"image": images}, Chance(1, range(5)))
    rng, level = Chance(1, range(5)), game.generator.level.item()
    fake = game.generator(rng.normal(4)).detach()
    real = game._shown({"image": images})["image"]
    assert real.shape == fake.shape
    real_logits, fake_logits = game.discriminator(real, level), game.discriminator(fake, level)
    share = rng.uniform(1)[:, :, None, None]
    between = (share * real + (1 - share) * fake).requires_grad_()
    (slopes,) = torch.autograd.grad(game.discriminator(between, level).sum(), between)
    expected = {
        "adversarial": fake_logits.mean() - real_logits.mean(),
        "wgan-gp": 10 * (slopes.flatten(1).norm(dim=1) - 1).square().mean(),
        "drift": 0.001 * real_logits.square().mean(),
    }
    assert {name: term.item() for name, term in score.terms.items()} == pytest.approx(
        {name: term.item() for name, term in expected.items()}, rel=1e-4
    )
    score = game.generator_loss({"image": images}, Chance(1, range(5)))
    assert score.terms["adversarial"].item() == pytest.approx(-fake_logits.mean().item(), rel=1e-4)


def test_another_loss_has_other_penalties() -> None:
    assert made(loss="hinge").penalties == {}
    score = made(loss="relativistic", penalties={"r1": 1.0}).generator_loss(
        {"image": torch.randn(5, 1, 16, 16)}, Chance(0, range(5))
    )
    assert score.total.isfinite()


def test_samples_are_of_the_full_size_at_any_time() -> None:
    game = made()
    for level, side in ((0, 4), (0.5, 8), (1, 8), (1.5, 16), (2, 16)):
        game.generator.level.fill_(level)
        picture = game.sample(game.prior(3, Chance(0, range(3))))["image"]
        assert picture.shape == (3, 1, 16, 16)
        small = picture[:, :, :: 16 // side, :: 16 // side]
        assert torch.equal(picture, small.repeat_interleave(16 // side, 2).repeat_interleave(16 // side, 3))


def test_what_is_closed_keeps_still_and_a_resume_across_growth_is_exact(pictures: Path, tmp_path: Path) -> None:
    recipe = tiny("progressive", pictures, **{"batch": {0: 8, 24: 4}})
    whole, other = engine(recipe), engine(recipe)
    start = state(whole)
    steps(whole, 3)  # the next one is the first with the floor of 16x16, and with a batch of 4
    tensors, clock = {name: value.clone() for name, value in whole.state()[0].items()}, whole.state()[1]
    assert whole.game.generator.level == whole.averages.game.generator.level == 1
    closed = [name for name in start if any(part in name for part in ("floors.1", "paints.2", "reads.2"))]
    assert len(closed) > 10 and all(torch.equal(tensors[name], start[name]) for name in closed)
    held = {id(value) for optimizer in whole.optimizers.values() for value in optimizer.state}
    idle = {name for name, value in whole.game.named_parameters() if id(value) not in held}
    assert idle == {name.removeprefix("game.") for name in closed if name.startswith("game.")}

    settled = plan(recipe, "cpu")
    model = Model(whole.averages.game, settled.spec, settled.source.facts)
    model.save_pretrained(tmp_path)
    shipped = Model.from_pretrained(tmp_path)
    assert shipped.game.generator.level == 1
    ours, theirs = (one.sample(4, seed=1, output_type="pt").values for one in (model, shipped))
    assert torch.equal(ours, theirs)

    steps(whole, 3)
    other.restore(tensors, clock)
    steps(other, 3)
    assert whole.game.generator.level == 2 and whole.clock == other.clock
    assert same(state(whole), state(other))


@pytest.mark.parametrize(("examples", "length"), [(300_000, 20_000), (900, 100), (8, 0)])
def test_a_short_run_grows_in_the_time_it_has(examples: int, length: int) -> None:
    game = Progressive(64, 1, examples, latent=4, widths=[6] * 5)
    assert (game.fade, game.stay) == (length, length)
    game.advance(examples)
    assert game.generator.level == 4


@pytest.mark.parametrize(("resolution", "more", "told"), [
    (28, {}, r"it makes pictures of 8, 16, 32, \.\.\. pixels, not 28: --set game.resolution=32$"),
    (4, {}, "not 4: --set game.resolution=8$"),
    (64, {"examples": 100_000, "game.fade": 20_000, "game.stay": 20_000},
     "growing to 64x64 takes 180,000 examples, the run has 100,000: --examples 180000, or "
     "--set game.fade=11111 --set game.stay=11111$"),
    (64, {"game.widths": [8, 8]}, "widths has 2 entries; 64x64 wants 5$"),
    (64, {"game.fade": -1}, "fade -1 and stay 20000 are numbers of examples, 0 or more$"),
])  # fmt: skip
def test_what_cannot_work_is_told_before_training(resolution: int, more: dict[str, object], told: str) -> None:
    recipe = compose("progressive", settings=more)
    facts = {"resolution": resolution, "channels": 1, "examples": recipe.examples}
    with pytest.raises(UserError, match=told) as raised:
        build(bind(recipe.game, facts), Progressive)
    assert "\n" not in str(raised.value)


def test_schedules_may_go_by_sizes(pictures: Path) -> None:
    rate = "optimizers.generator.rate"
    settings = {"game.fade": 100, "game.stay": 200, "examples": 900, rate: {"4x4": 1e-3, "8x8": 2e-3, "64x64": 9e-3}}
    settled = plan(tiny("progressive", pictures, batch={"4x4": 8, "16x16": 4}, **settings), "cpu").recipe
    assert settled.batch == {0: 8, 500: 4} and settled.optimizers["generator"].rate == {0: 1e-3, 200: 2e-3}


@pytest.mark.parametrize(
    ("name", "batch", "words"),
    [
        ("progressive", {"16x16": 8}, "batch should say what holds from 4x4 on"),
        ("progressive", {"4x4": 8, "12x12": 4}, "no pictures of 12x12; it goes through 4x4, 8x8, 16x16"),
        ("r3gan", {"4x4": 8}, "the game does not grow: say numbers of examples"),
    ],
)
def test_sizes_that_are_never_played_are_named(name: str, batch: dict[str, int], words: str, pictures: Path) -> None:
    with pytest.raises(UserError, match=words):
        plan(tiny(name, pictures, batch=batch), "cpu")


def test_the_watchdog_compares_nothing_while_it_grows(pictures: Path) -> None:
    player = engine(tiny("progressive", pictures))
    real = player.source.take(4)
    small = player.game.as_played(real)["image"]
    assert torch.equal(small, small[:, :, ::4, ::4].repeat_interleave(4, 2).repeat_interleave(4, 3))
    assert torch.allclose(small[:, :, ::4, ::4], torch.nn.functional.avg_pool2d(real["image"], 4))
    assert not player.game.steady
    player.game.advance(10**6)
    assert player.game.steady and torch.equal(player.game.as_played(real)["image"], real["image"])
    dog = Watchdog(covered=0.8, calm=0.1, lost=1, steep=1, returns=2)
    dog.forget()
    assert dog == Watchdog(returns=2)
