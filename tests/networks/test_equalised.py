"""Layers of equalised rates: their scale, their steps, and the norm of pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from belamy.networks.equalised import Equalised, pixel_norm


@pytest.mark.parametrize(("shape", "gain"), [((300, 64, 3, 3), math.sqrt(2)), ((400, 500), 1.0)])
def test_weights_are_drawn_from_the_unit_normal_and_used_at_hes_scale(shape: tuple[int, ...], gain: float) -> None:
    layer = Equalised(*shape, gain=gain)
    assert layer.weight.std().item() == pytest.approx(1, rel=0.01)
    assert layer.scaled.std().item() == pytest.approx(gain / math.sqrt(np.prod(shape[1:])), rel=0.01)


def test_pixel_norm() -> None:
    maps = torch.randn(2, 5, 3, 4)
    found = pixel_norm(maps)
    for row in range(2):
        for y in range(3):
            for x in range(4):
                pixel = maps[row, :, y, x].numpy()
                expected = pixel / np.sqrt(np.mean(pixel**2) + 1e-8)
                assert np.allclose(found[row, :, y, x].numpy(), expected, atol=1e-6)


def test_the_rate_scales_steps_and_not_values() -> None:
    torch.manual_seed(0)
    plain = Equalised(300, 400, gain=1.0, offset=1.0)
    torch.manual_seed(0)
    slow = Equalised(300, 400, gain=1.0, offset=1.0, rate=0.01)
    values = torch.randn(50, 400)
    torch.testing.assert_close(slow(values), plain(values), rtol=1e-4, atol=1e-4)
    assert plain(values).std().item() == pytest.approx(1, abs=0.05)
    outputs = []
    for layer in (plain, slow):
        before = layer(values)
        optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3)
        before.square().mean().backward()
        optimizer.step()
        outputs.append((layer(values) - before).abs().mean().item())
    assert outputs[1] / outputs[0] == pytest.approx(0.01, rel=0.02)
