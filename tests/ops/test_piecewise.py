"""Gradients of penalties without a double backward, beside torch's own double backward."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from belamy.ops.convolution import conv2d, pointwise
from belamy.ops.piecewise import SLOPE, Steep, kinked, known, slopes_along, weighed


class Net(nn.Module):
    """Two convolutions around a residual one, and an answer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = (nn.Parameter(torch.randn(4, count, 3, 3)) for count in (2, 4))
        self.mixing = nn.Parameter(torch.randn(4, 4))
        self.biases = nn.Parameter(torch.randn(3, 4))
        self.answer = nn.Parameter(torch.randn(4))
        self.unused = nn.Parameter(torch.randn(2))
        self.double()

    def forward(self, maps: Tensor) -> Tensor:
        maps = kinked(weighed(conv2d, maps, self.first, bias=self.biases[0], padding=1))
        inner = kinked(weighed(conv2d, maps, self.second, bias=self.biases[1], padding=1, stride=1))
        maps = maps + weighed(pointwise, inner, self.mixing, bias=self.biases[2])
        return weighed(lambda maps, answer: maps.mean((2, 3)) @ answer, maps, self.answer)


def test_gradients_equal_those_of_a_double_backward() -> None:
    net, samples = Net(), torch.randn(5, 2, 6, 6, dtype=torch.float64)
    share, penalty = torch.randn(2, 5, dtype=torch.float64)
    weights = list(net.parameters())

    exact = samples.clone().requires_grad_()
    logits = net(exact)
    (slopes,) = torch.autograd.grad(logits.sum(), exact, create_graph=True)
    loss = (share * logits).sum() + (penalty * slopes.square().flatten(1).sum(1) / 2).sum()
    plain = torch.autograd.grad(loss, weights, materialize_grads=True)

    steep = Steep(net, samples)
    along = steep.slopes * penalty.view(-1, 1, 1, 1)
    assert torch.equal(steep.logits, logits)
    torch.testing.assert_close(steep.slopes, slopes, rtol=1e-12, atol=0)
    for found, expected in zip(steep.gradients(share, along, weights), plain, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


def test_outside_of_a_pass_nothing_but_the_operations_themselves() -> None:
    maps, weight = torch.randn(2, 3, 4, 4), torch.randn(5, 3)
    assert torch.equal(weighed(pointwise, maps, weight), pointwise(maps, weight))
    assert torch.equal(kinked(maps), F.leaky_relu(maps, SLOPE))


def test_a_pass_that_fails_leaves_no_trace() -> None:
    def broken(maps: Tensor) -> Tensor:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        Steep(broken, torch.zeros(1, 1, 2, 2))
    test_outside_of_a_pass_nothing_but_the_operations_themselves()


def test_slopes_pass_through_what_alters_samples() -> None:
    matrix, samples = torch.randn(6, 6), torch.randn(3, 6, requires_grad=True)
    slopes = torch.randn(3, 6)
    found, along = slopes_along(samples @ matrix + 1, samples, slopes)
    assert torch.allclose(found, slopes @ matrix.t(), atol=1e-5)
    assert torch.allclose(along, slopes @ matrix.t() @ matrix, atol=1e-4)


def test_known_gradients_are_scaled_as_the_loss_is() -> None:
    weight = torch.zeros(2, requires_grad=True)
    (3 * known(torch.tensor(5.0), [weight], [torch.tensor([1.0, 2.0])])).backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [3.0, 6.0]
