"""Noise that belongs to places."""

import numpy as np
import torch

from belamy.ops.grain import grain, placed


def test_grain_belongs_to_places_and_is_uniform() -> None:
    large = grain(130, 90)
    assert large.shape == (130, 90, 1) and large.dtype == np.uint8
    assert np.array_equal(grain(70, 40), large[:70, :40])
    assert abs(large.mean() - 127.5) < 3 and abs(large.std() - 73.9) < 2
    assert abs(np.corrcoef(large[:-1].ravel(), large[1:].ravel())[0, 1]) < 0.05
    pictures = placed(torch.zeros(2, 3, 8, 6))
    assert pictures.shape == (2, 1, 8, 6) and torch.equal(pictures[0], pictures[1])
    assert torch.allclose((pictures[0, 0] + 1) * 127.5, torch.from_numpy(large[:8, :6, 0]).float(), atol=1e-4)
