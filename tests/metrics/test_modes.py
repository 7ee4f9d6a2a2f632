"""Modes, high quality and KL, against what the protocol's perfect sampler is known to score."""

from __future__ import annotations

import math

import pytest
import torch

from belamy.data.mixtures import Grid, Mixture, Ring
from belamy.metrics.classifier import Classifier
from belamy.metrics.modes import measure, stacked


@pytest.mark.parametrize(("kind", "modes", "kl"), [(Grid, 25, 0.0048), (Ring, 8, 0.0014)])
def test_a_perfect_sampler_scores_as_published(kind: type[Mixture], modes: int, kl: float) -> None:
    heldout = kind().heldout()
    assert heldout is not None
    facts = heldout.facts
    found = []
    for start in range(0, 20_000, 2_500):
        points = facts["scale"] * heldout.take(2_500, start)["points"]
        found.append(measure(points, torch.tensor(facts["centres"]), facts["deviation"]))
    assert {one["modes"] for one in found} == {modes}
    # Within three deviations in the plane: 1 - exp(-9/2).
    assert sum(one["high_quality"] for one in found) / 8 == pytest.approx(1 - math.exp(-4.5), abs=0.003)
    assert sum(one["kl"] for one in found) / 8 == pytest.approx(kl, rel=0.5)  # (modes - 1) / (2 * 2500)


def test_a_collapsed_sampler_is_found_out() -> None:
    centres = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])
    found = measure(torch.full((100, 2), 4.0), centres, 0.1)
    assert found == {"modes": 1, "high_quality": 1, "kl": pytest.approx(math.log(4))}


def test_a_mode_wants_a_sample_within_three_deviations() -> None:
    centres = torch.tensor([[0.0, 0.0], [4.0, 0.0]])
    points = torch.tensor([[0.29, 0.0], [4.31, 0.0]])
    assert measure(points, centres, 0.1) == {"modes": 1, "high_quality": 0.5, "kl": pytest.approx(0, abs=1e-9)}


class Reading(Classifier):
    """Reads a channel's class from its first pixel."""

    def predict(self, images: torch.Tensor, batch: int = 256) -> torch.Tensor:
        return torch.eye(10)[images[:, 0, 0, 0].add(1).mul(4.5).round().long()]


def test_a_perfect_sampler_of_stacked_digits_scores_as_published() -> None:
    def perfect(start: int, count: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(start)
        digits = torch.randint(10, (count, 3, 1, 1), generator=generator)
        return {"image": (digits / 4.5 - 1).expand(count, 3, 8, 8)}

    found = stacked(perfect, 26_000, Reading(1, 10, 8))
    assert found == {"modes": 1000, "kl": pytest.approx(0.0192, abs=0.002)}  # (1000 - 1) / (2 * 26000)
    one = stacked(lambda start, count: {"image": torch.ones(count, 3, 8, 8)}, 300, Reading(1, 10, 8))
    assert one == {"modes": 1, "kl": pytest.approx(math.log(1000))}
