"""Handwritten digits (Alpaydin and Kaynak, 1998): the 1,797 pictures of 8x8 pixels that ship in scikit-learn."""

from __future__ import annotations

import hashlib

import numpy as np

from belamy.data.pictures import Pictures
from belamy.errors import UserError


class Digits(Pictures):
    """Grey pictures [1, 8, 8] in the classes "0" to "9"; every fifth of each class is held out."""

    def __init__(self, seed: int = 0) -> None:
        try:
            from sklearn.datasets import load_digits  # type: ignore[import-untyped]
        except ImportError:
            raise UserError("the digits come with scikit-learn: pip install 'belamy[metrics]'") from None
        values, labels = load_digits(return_X_y=True)
        pixels = (values.reshape(-1, 1, 8, 8) * (255 / 16)).round().astype(np.uint8)
        labels = labels.astype(np.int64)
        heldout = np.zeros(len(labels), np.bool_)
        for label in range(10):
            heldout[np.flatnonzero(labels == label)[4::5]] = True
        fingerprint = hashlib.blake2b(pixels.tobytes(), digest_size=16).hexdigest()
        super().__init__(pixels, heldout, labels, [str(label) for label in range(10)], fingerprint, seed=seed)
