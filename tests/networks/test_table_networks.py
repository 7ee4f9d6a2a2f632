"""The networks of tables: options that are drawn, numbers within bounds, and a start at a Gaussian copula."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from belamy.data.factors import levels
from belamy.networks.table import Discriminator, Generator, drawn, within


def made(n: int = 4000, **asked: Tensor) -> tuple[Generator, Tensor]:
    """A generator of two numbers, one of which the first of two choices owns, and rows of it."""
    torch.manual_seed(0)
    factors = torch.randn(2 + 5, 3) * 0.3
    biases = levels(factors[2:], torch.tensor([0.7, 0.3, 0.6, 0.3, 0.1]), [2, 3])
    network = Generator([2, 3], 2, [-1, 0], factors.tolist(), biases.tolist(), 16, 1)
    given = {"barred": torch.zeros(n, 5), "lower": torch.zeros(n, 2), "upper": torch.ones(n, 2), **asked}
    return network, network(torch.randn(n, network.latent), torch.rand(n, 2), **given)


def test_options_are_taken_one_by_one_with_their_share() -> None:
    _, rows = made()
    for part, shares in ((rows[:, 2:4], [0.7, 0.3]), (rows[:, 4:], [0.6, 0.3, 0.1])):
        assert torch.allclose(part.sum(1), torch.ones(4000))
        assert set(part.detach().round(decimals=5).unique().tolist()) == {0, 1}
        assert torch.allclose(part.mean(0), torch.tensor(shares), atol=0.03)


def test_a_number_that_is_not_there_is_zero() -> None:
    _, rows = made()
    absent = rows[:, 3] > 0.5
    assert absent.any() and (rows[absent, 1].abs() < 1e-5).all() and (rows[~absent, 1] != 0).all()
    assert (rows[:, 0] != 0).all()


def test_what_is_barred_is_never_taken() -> None:
    barred = torch.tensor([[0.0, 1, 1, 1, 0]]).expand(4000, -1)
    _, rows = made(barred=barred)
    assert (rows[:, [2, 6]] > 0.99).all() and (rows[:, [3, 4, 5]].abs() < 1e-5).all()


@pytest.mark.parametrize(("low", "high"), [(0.2, 0.3), (0.0, 1e-6), (1 - 1e-6, 1.0), (0.5, 0.5), (0.0, 0.9)])
def test_numbers_lie_within_their_bounds(low: float, high: float) -> None:
    _, rows = made(lower=torch.full((4000, 2), low), upper=torch.full((4000, 2), high))
    places = torch.special.ndtr(rows[:, 0].double())
    assert (places >= low - 3e-5).all() and (places <= high + 3e-5).all() and rows.isfinite().all()


@pytest.mark.parametrize("options", [2, 5, 300])
@pytest.mark.parametrize("dice", [0.0, 1 - 2**-24])
def test_no_dice_lead_to_what_is_barred(options: int, dice: float) -> None:
    torch.manual_seed(0)
    logits = 3 * torch.randn(5000, options)
    barred = torch.rand(5000, options) < 0.6
    barred[:, [0, -1]] = True
    barred[:, options // 2] = False
    taken = drawn(logits.masked_fill(barred, -torch.inf), torch.full((5000,), dice))
    assert not barred.gather(1, taken.argmax(1, keepdim=True)).any()


def test_options_are_drawn_by_their_probability_with_its_gradient() -> None:
    logits = torch.tensor([[0.5, -1.0, 0.2]]).requires_grad_()
    dice = (torch.arange(10_000) + 0.5) / 10_000
    taken = drawn(logits.expand(10_000, -1), dice)
    assert torch.allclose(taken.mean(0), logits.softmax(1)[0], atol=1e-3)
    weights = torch.tensor([1.0, 2, 3])
    [ours] = torch.autograd.grad((taken * weights).sum(1).mean(), logits)
    [exact] = torch.autograd.grad((logits.softmax(1) * weights).sum(), logits)
    assert torch.allclose(ours, exact, atol=1e-6)


def test_within_leaves_alone_what_is_unbounded() -> None:
    scores = torch.tensor([[0.3, -9.0, 9.0]]).requires_grad_()
    found = within(scores, torch.zeros(1, 3), torch.ones(1, 3))
    assert found.tolist()[0] == pytest.approx([0.3, -4.1, 4.1])
    half = within(scores, torch.tensor([[0.5, 0.5, 0.5]]), torch.ones(1, 3))
    assert half[0, 0].item() == pytest.approx(torch.special.ndtri((1 + torch.special.ndtr(scores[0, 0])) / 2).item())
    half.sum().backward()
    assert scores.grad is not None and scores.grad.isfinite().all()


def test_the_copula_has_the_covariance_of_its_factors() -> None:
    torch.manual_seed(0)
    factors = torch.randn(3 + 4, 2) * 0.4
    linear = Generator([4], 3, [-1, -1, -1], factors.tolist(), [0.0] * 4, 8, 1).linear
    weight, bias = linear.weight.detach(), linear.bias.detach()
    scores = weight[:3] @ weight[:3].T
    assert torch.allclose(scores.diag(), torch.ones(3), atol=1e-6)
    expected = factors[:3] @ factors[:3].T
    assert torch.allclose(scores - scores.diag().diag(), expected - expected.diag().diag(), atol=1e-6)
    assert bias.shape == (7,) and (bias[:3] == 0).all()


def test_the_discriminator_hears_what_is_asked() -> None:
    torch.manual_seed(0)
    network = Discriminator([2, 3], 2, 8, 1)
    rows, barred, lower, upper = torch.randn(6, 7), torch.zeros(6, 5), torch.zeros(6, 2), torch.ones(6, 2)
    logits = network(rows, barred, lower, upper)
    assert logits.shape == (6,) and logits.dtype == torch.float32
    for other in ((barred + 1, lower, upper), (barred, lower + 0.2, upper), (barred, lower, upper - 0.2)):
        assert not torch.allclose(network(rows, *other), logits)
