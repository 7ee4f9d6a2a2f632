"""The copula that rows begin as: options come as often as they should, rare ones too, and with what they go with."""

from __future__ import annotations

import torch

from belamy.data.factors import factors, levels


def rows(n: int = 20_000) -> torch.Tensor:
    """A number, and a choice of three options: the last has a share of 1 %, and comes with high numbers alone."""
    torch.manual_seed(0)
    number = torch.randn(n)
    option = torch.where(number > 2.326, 2, (torch.rand(n) < 0.3).long())
    return torch.cat([number[:, None], torch.nn.functional.one_hot(option, 3).float()], 1)


def test_options_are_as_frequent_as_they_were_and_go_with_what_they_went_with() -> None:
    real = rows()
    weights = factors(real, 1)
    shares = real[:, 1:].mean(0)
    biases = levels(weights[1:], shares, [3])
    latents = torch.randn(50_000, weights.shape[1])
    score, logits = latents @ weights[0], latents @ weights[1:].T + biases
    taken = logits.softmax(1)
    torch.testing.assert_close(taken.mean(0), shares, rtol=0.1, atol=2e-3)
    with_rare = (score * taken[:, 2]).sum() / taken[:, 2].sum()
    assert with_rare > 0.3 and (score * taken[:, 0]).sum() / taken[:, 0].sum() < 0.1


def test_covariances_are_those_of_the_rows() -> None:
    torch.manual_seed(0)
    real = torch.randn(20_000, 3) @ torch.tensor([[1.0, 0.8, 0.0], [0.0, 0.6, 0.0], [0.0, 0.0, 1.0]])
    weights = factors(real, 3)
    torch.testing.assert_close(weights @ weights.T, torch.cov(real.T), rtol=0.02, atol=0.02)
