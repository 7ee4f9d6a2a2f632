"""Which rows are held out where the data does not say: by their content, so that equal ones are all on one side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from belamy.chance import key
from belamy.errors import UserError


def chosen(hashes: NDArray[np.uint64], share: float) -> NDArray[np.bool_]:
    """The rows [N] of these even hashes that are held out. Raises UserError for what is no share."""
    if not 0 <= share < 1:
        raise UserError(f"data.heldout {share} should be a share from 0 to less than 1")
    mixed = hashes ^ np.uint64(abs(key("heldout")))
    return np.asarray(mixed < np.uint64(int(share * (2**64 - 1)))) if share else np.zeros(len(hashes), dtype=bool)
