"""Places of the normal distribution."""

from __future__ import annotations

import torch
from torch import Tensor


def quantile(places: Tensor) -> Tensor:
    """The scores that lie above the share ``places`` of a normal distribution; in 1e-11 to 1 - 1e-7 for exports."""
    scores: Tensor = rational_quantile(places) if torch.compiler.is_exporting() else torch.special.ndtri(places)
    return scores


def rational_quantile(places: Tensor) -> Tensor:
    """The same by what every runtime has: the shorter approximation of Wichura (1988, AS 241), to 7 digits."""
    off = places - 0.5
    near = 0.180625 - off.square()
    inner = off * _ratio(
        near, (59.10937472, 159.2911320, 50.434271938, 3.3871327179), (67.18756360, 78.757757664, 17.895169469, 1.0)
    )
    far = (-torch.minimum(places, 1 - places).log()).sqrt() - 1.6
    outer = _ratio(far, (0.17023821103, 1.3067284816, 2.7568153900, 1.4234372777), (0.12021132975, 0.73700164250, 1.0))
    return torch.where(off.abs() <= 0.425, inner, off.sign() * outer)


def _ratio(values: Tensor, above: tuple[float, ...], below: tuple[float, ...]) -> Tensor:
    """Of two polynomials, whose highest powers come first."""
    top, bottom = (torch.full_like(values, one[0]) for one in (above, below))
    for factor in above[1:]:
        top = top * values + factor
    for factor in below[1:]:
        bottom = bottom * values + factor
    return top / bottom
