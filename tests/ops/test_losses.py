"""The relativistic loss, the gradient penalty and the schedule, against their formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from belamy.ops.adversarial import relativistic
from belamy.ops.convolution import conv2d
from belamy.ops.penalties import squared_gradients
from belamy.ops.schedule import cosine


def test_relativistic_is_the_mean_of_its_formula() -> None:
    real, fake = [2.0, -1.0, 0.5], [1.0, 3.0, 0.5]
    expected = sum(math.log(1 + math.exp(-(r - f))) for r, f in zip(real, fake, strict=True)) / 3
    assert relativistic(torch.tensor(real), torch.tensor(fake)).item() == pytest.approx(expected)
    assert relativistic(torch.zeros(4), torch.zeros(4)).item() == pytest.approx(math.log(2))
    assert relativistic(torch.tensor([1e4]), torch.tensor([-1e4])).item() == 0
    assert relativistic(torch.tensor([-1e4]), torch.tensor([1e4])).item() == pytest.approx(2e4)


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
