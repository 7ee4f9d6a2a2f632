"""Places of the normal distribution, by the form that exports use."""

from __future__ import annotations

import torch

from belamy.ops.normal import quantile, rational_quantile


def test_the_rational_form_is_the_quantile() -> None:
    places = torch.linspace(1e-9, 1 - 1e-9, 10_001, dtype=torch.float64)
    assert torch.allclose(rational_quantile(places), torch.special.ndtri(places), rtol=2e-7, atol=2e-7)
    assert torch.equal(quantile(places), torch.special.ndtri(places))
