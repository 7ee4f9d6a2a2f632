"""What lies outside the range is cut off, and finds back."""

import torch

from belamy.ops.shown import shown


def test_gradients_that_lead_further_outside_are_dropped() -> None:
    pictures = torch.tensor([-1.5, -1.5, -0.5, 0.5, 1.5, 1.5], requires_grad=True)
    found = shown(pictures)
    assert torch.equal(found, pictures.clamp(-1, 1)) and torch.equal(found, shown(pictures.detach()))
    found.backward(torch.tensor([1.0, -1, 1, -1, 1, -1]))  # pictures move against their gradients
    assert pictures.grad is not None and pictures.grad.tolist() == [0, -1, 1, -1, 1, 0]
