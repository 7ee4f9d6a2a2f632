"""The game of series: it begins as a Gaussian copula, also of what is known, keeps that, and gets better."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from belamy.chance import Chance
from belamy.data.series import Series as Source
from belamy.games.series import Series
from belamy.metrics.series import discriminative
from belamy.networks.series import Copula
from belamy.planning import compose, plan
from belamy.recipe import bind
from belamy.series.decoding import decoded
from swings import swings, visits
from tiny import roughened


def made(source: Source, **more: Any) -> Series:
    torch.manual_seed(0)
    facts = {**source.facts, "classes": len(source.facts["classes"] or [])}
    spec = bind({"use": "belamy.games.series:Series", "width": 16, "blocks": 1, **more}, facts)
    return Series(**{name: value for name, value in spec.items() if name != "use"})


def test_the_copula_has_its_moments() -> None:
    torch.manual_seed(0)
    means, factors, own = torch.randn(2, 5), torch.randn(2, 5, 3), torch.rand(2, 5)
    copula = Copula(means, factors, own, 0)
    n = 40_000
    drawn = copula(torch.randn(n, 8), torch.zeros(n, 5), torch.zeros(n, 5), torch.ones(n, dtype=torch.int64))
    expected = factors[1] @ factors[1].T + own[1].square().diag()
    assert (drawn.mean(0) - means[1]).abs().max() < 0.05
    assert (drawn.T.cov() - expected).abs().max() < 0.15


def test_what_is_known_conditions_as_it_does_normals() -> None:
    torch.manual_seed(1)
    means, factors, own = torch.randn(1, 4), torch.randn(1, 4, 2), 0.3 + torch.rand(1, 4)
    n, known = 40_000, torch.tensor([1.0, 1.0, 0.0, 0.0])
    given = torch.tensor([0.7, -0.4, 0.0, 0.0]).expand(n, 4)
    kinds = torch.zeros(n, dtype=torch.int64)
    drawn = Copula(means, factors, own, 0)(torch.randn(n, 6), given, known.expand(n, 4), kinds)
    whole = factors[0] @ factors[0].T + own[0].square().diag()
    gain = whole[2:, :2] @ torch.linalg.inv(whole[:2, :2])
    expected = means[0, 2:] + gain @ (given[0, :2] - means[0, :2])
    assert (drawn.mean(0)[2:] - expected).abs().max() < 0.05
    assert (drawn[:, 2:].T.cov() - (whole[2:, 2:] - gain @ whole[:2, 2:])).abs().max() < 0.1


def test_what_is_known_is_kept_and_the_rest_is_made() -> None:
    source = Source.of(visits())
    game, batch = roughened(made(source), 0.1), source.draw(0, 40)
    game.requires_grad_(False)
    found = game.imagine(batch, Chance(1, range(40)))
    known = batch["known"] > 0
    assert torch.equal(found[known], batch["series"][known])
    other = game.imagine(batch, Chance(2, range(40)))
    assert not torch.equal(found[~known], other[~known])
    alive = found[:, 3]
    assert set(alive.unique().tolist()) <= {0, 1} and (alive.diff(dim=1) <= 0).all()
    options = found[:, -sum(source.layout.attributes[1]) :].sum(1)
    torch.testing.assert_close(options, torch.full_like(options, len(source.layout.attributes[1])))


def test_rows_are_made_alone() -> None:
    source = Source.of(visits())
    game, batch = roughened(made(source), 0.1), source.draw(0, 10)
    whole = game.imagine(batch, Chance(1, range(10)))
    part = game.imagine({name: value[:4] for name, value in batch.items()}, Chance(1, range(4)))
    torch.testing.assert_close(whole[:4], part, rtol=1e-3, atol=1e-3)


def test_series_without_classes_have_none() -> None:
    source = Source.of(swings()[0])
    assert source.facts["classes"] is None and "class" not in source.draw(0, 4)
    game = made(source)
    assert game.sample(game.prior(3, Chance(0, range(3))))["series"].shape == (3, 1, 12)


def test_classes_and_priors() -> None:
    game = made(Source.of(*swings()))
    prior = game.prior(6, Chance(0, range(6)))
    kinds = torch.arange(6) % 2
    one = game.sample({**prior, "class": kinds})["series"]
    assert one.shape == (6, 1, 12)
    assert torch.equal(one, game.sample({**prior, "class": kinds})["series"])
    assert not torch.allclose(one, game.sample({**prior, "class": 1 - kinds})["series"])


@pytest.mark.parametrize("kind", ["waves", "visits"])
def test_every_parameter_learns(kind: str) -> None:
    source = Source.of(*swings()) if kind == "waves" else Source.of(visits())
    game, batch = roughened(made(source), 0.05), source.draw(0, 32)
    for turn in game.turns():
        game.zero_grad()
        turn.loss(dict(batch), Chance(1, range(32))).total.backward()
        mine = [value.grad for name, value in game.named_parameters() if name.startswith(turn.player)]
        assert all(grad is not None and grad.isfinite().all() and grad.abs().max() > 0 for grad in mine)


def test_a_short_training_is_told_apart_less() -> None:
    chance = np.random.default_rng(0)
    ways = chance.choice([-1, 1], (400, 1))  # up or down, which no Gaussian is
    x = ways * np.arange(1, 7) + 0.3 * chance.standard_normal((400, 6))
    source = Source.of(x[:250])
    settings = {"data.path": "x", "game.width": 32, "average.halflife": 1000}
    engine = plan(compose("series", None, settings), "cpu", source).engine()

    def apart() -> float:
        game = engine.averages.game
        with torch.inference_mode():
            scores = game.sample(game.prior(400, Chance(5, range(400))))["series"]
        return discriminative(x[:250], x[250:], decoded(scores, source.facts).values, 0)

    start = apart()
    for _ in range(150):
        engine.step()
    end = apart()
    engine.close()
    assert end < start - 0.05
