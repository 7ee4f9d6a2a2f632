"""The relativistic loss, the gradient penalty and the schedule, against their formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from belamy.ops.adversarial import LOSSES, relativistic
from belamy.ops.convolution import conv2d
from belamy.ops.penalties import (
    dragan,
    finite_difference,
    gradient_penalty,
    lecam,
    squared_gradients,
)
from belamy.ops.schedule import cosine


def test_relativistic_is_the_mean_of_its_formula() -> None:
    real, fake = [2.0, -1.0, 0.5], [1.0, 3.0, 0.5]
    expected = sum(math.log(1 + math.exp(-(r - f))) for r, f in zip(real, fake, strict=True)) / 3
    assert relativistic(torch.tensor(real), torch.tensor(fake)).item() == pytest.approx(expected)
    assert relativistic(torch.zeros(4), torch.zeros(4)).item() == pytest.approx(math.log(2))
    assert relativistic(torch.tensor([1e4]), torch.tensor([-1e4])).item() == 0
    assert relativistic(torch.tensor([-1e4]), torch.tensor([1e4])).item() == pytest.approx(2e4)


def log_sigmoid(value: float) -> float:
    return -math.log(1 + math.exp(-value))


FORMULAS = {
    "minimax": (lambda r, f: -log_sigmoid(r) - log_sigmoid(-f), lambda r, f: log_sigmoid(-f)),
    "non-saturating": (lambda r, f: -log_sigmoid(r) - log_sigmoid(-f), lambda r, f: -log_sigmoid(f)),
    "least-squares": (lambda r, f: ((r - 1) ** 2 + f**2) / 2, lambda r, f: (f - 1) ** 2 / 2),
    "hinge": (lambda r, f: max(0, 1 - r) + max(0, 1 + f), lambda r, f: -f),
    "wasserstein": (lambda r, f: f - r, lambda r, f: -f),
    "relativistic": (lambda r, f: -log_sigmoid(r - f), lambda r, f: -log_sigmoid(f - r)),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_losses_are_the_means_of_their_formulas(name: str) -> None:
    real, fake = [2.0, -1.0, 0.5], [1.0, 3.0, -2.5]
    for ours, formula in zip(LOSSES[name][:2], FORMULAS[name], strict=True):
        expected = sum(formula(r, f) for r, f in zip(real, fake, strict=True)) / 3
        assert ours(torch.tensor(real), torch.tensor(fake)).item() == pytest.approx(expected)


def test_relativistic_average_compares_with_means() -> None:
    real, fake = [2.0, -1.0], [1.0, 4.0]
    expected = sum(-log_sigmoid(r - 2.5) for r in real) / 4 + sum(-log_sigmoid(0.5 - f) for f in fake) / 4
    loss = LOSSES["relativistic-average"]
    assert loss.discriminator(torch.tensor(real), torch.tensor(fake)).item() == pytest.approx(expected)
    expected = sum(-log_sigmoid(f - 0.5) for f in fake) / 4 + sum(-log_sigmoid(2.5 - r) for r in real) / 4
    assert loss.generator(torch.tensor(real), torch.tensor(fake)).item() == pytest.approx(expected)


def test_squared_gradients_are_those_of_each_row_alone() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.Tanh(), nn.Linear(16, 1)).double()
    real, fake = (torch.randn(3, 3, 4, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    found = squared_gradients(net(torch.cat([real, fake]))[:, 0], real, fake)
    for images, norms in zip((real, fake), found, strict=True):
        assert norms.shape == (3,)
        for row in range(3):
            one = images[row : row + 1].detach().requires_grad_()
            (slope,) = torch.autograd.grad(net(one).sum(), one)
            assert norms[row].item() == pytest.approx(slope.square().sum().item())


def test_the_penalty_teaches_the_weights() -> None:
    torch.manual_seed(0)
    weight = torch.randn(4, 2, 3, 3, requires_grad=True)
    last = torch.randn(4, requires_grad=True)
    images = torch.randn(3, 2, 5, 5, requires_grad=True)

    def penalty(convolve: object) -> torch.Tensor:
        logits = (torch.tanh(convolve(images, weight)).mean((2, 3)) * last).sum(1)  # type: ignore[operator]
        if convolve is conv2d:
            return squared_gradients(logits, images)[0].mean()
        (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        return slope.square().flatten(1).sum(1).mean()

    ours = torch.autograd.grad(penalty(conv2d), [weight, last])
    theirs = torch.autograd.grad(penalty(torch.nn.functional.conv2d), [weight, last])
    for own, plain in zip(ours, theirs, strict=True):
        assert torch.allclose(own, plain, rtol=1e-4, atol=1e-7) and plain.abs().max() > 0


def test_a_linear_score_has_the_norm_of_its_weights() -> None:
    weight = torch.randn(10)
    inputs = torch.randn(4, 10, requires_grad=True)
    (norms,) = squared_gradients(inputs @ weight, inputs)
    assert torch.allclose(norms, weight.square().sum().expand(4))


def test_the_cosine_begins_and_ends_where_it_is_told() -> None:
    assert cosine(5.0, 1.0, 0, 100) == 5 and cosine(5.0, 1.0, 50, 100) == pytest.approx(3)
    assert cosine(5.0, 1.0, 100, 100) == cosine(5.0, 1.0, 10**9, 100) == 1
    assert cosine(5.0, 1.0, 99, 100) == pytest.approx(1, abs=0.01)
    assert cosine(5.0, 1.0, 0, 0) == 1
    assert cosine(0.0, 0.3, 25, 100) == pytest.approx(0.3 * (1 - math.cos(math.pi / 4)) / 2)


def cubic(points: torch.Tensor) -> torch.Tensor:
    """Its gradient is 3 x^2 in each coordinate."""
    return (points**3).sum(1)


def test_gradient_penalty_looks_between_the_two_sides() -> None:
    real, fake = torch.tensor([[2.0, 0.0]], dtype=torch.float64), torch.tensor([[0.0, 0.0]], dtype=torch.float64)
    found = gradient_penalty(cubic, real, fake, torch.tensor([[0.5]], dtype=torch.float64))
    assert found.item() == pytest.approx((3 - 1) ** 2)


def test_dragan_looks_around_real_samples() -> None:
    real = torch.tensor([[1.0, 0.0], [3.0, 0.0]], dtype=torch.float64)
    noise, share = torch.zeros_like(real), torch.ones(2, 1, dtype=torch.float64)
    assert dragan(cubic, real, noise, share).item() == pytest.approx(((3 - 1) ** 2 + (27 - 1) ** 2) / 2)
    noise[0, 0] = 1.0
    moved = 1 + 0.5 * real.std(correction=0).item()
    expected = ((3 * moved**2 - 1) ** 2 + (27 - 1) ** 2) / 2
    assert dragan(cubic, real, noise, share).item() == pytest.approx(expected)


def test_finite_differences_agree_with_the_exact_penalty_on_average() -> None:
    torch.manual_seed(0)
    samples = torch.randn(1, 4, dtype=torch.float64).requires_grad_()
    (exact,) = squared_gradients(cubic(samples), samples)
    many = samples.detach().expand(200_000, 4)
    moved = many + 1e-3 * torch.randn(200_000, 4, dtype=torch.float64)
    found = finite_difference(cubic(many), cubic(moved), 1e-3)
    assert found.mean().item() == pytest.approx(exact.item(), rel=0.02)


def test_lecam_is_its_formula() -> None:
    real, fake = torch.tensor([2.0, 4.0]), torch.tensor([-1.0, 1.0])
    found = lecam(real, fake, torch.tensor(3.0), torch.tensor(-2.0))
    assert found.item() == pytest.approx((16 + 36) / 2 + (16 + 4) / 2)
