"""Points of one's own, of any number of dimensions."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from belamy.archives import archive
from belamy.chance import Chance
from belamy.data.parts import chosen
from belamy.errors import UserError
from belamy.game import Batch
from belamy.source import Source

WHOLE = ("x", "points", "x_train")
UNSEEN = ("x_test", "x_val")
FEWEST = 16
"""Points that are left to learn from, at least."""
LARGEST = 1e30
"""Of what is learnt: squares of larger numbers are beyond single precision."""

Values = NDArray[np.float64]


def holds_points(path: str) -> bool:
    """Whether ``path`` is an archive of points rather than of pictures, by the shape of its first array."""
    if not path.lower().endswith(".npz") or not Path(path).is_file():
        return False
    with archive(path) as opened:
        name = next((name for name in WHOLE if name in opened.files), None)
        return name is not None and opened[name].ndim < 3


class Points(Source):
    """Rows ``{"points": float32 [B, D]}`` of the ``.npz`` at ``path``: numbers ``x`` [N, D], and ``x_test`` or not.

    They are less their ``mean`` and over their ``scale``, each [D], which are those of the part that is trained on
    unless told. Without ``x_test`` a share ``heldout`` of the points is held out by their content.
    """

    def __init__(
        self, path: str, heldout: float = 0.1, mean: Sequence[float] | None = None,
        scale: Sequence[float] | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        self.seed = seed
        values, unseen = _read(path)
        self.has_parts = unseen is not None
        digests = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in values]
        hashes = np.frombuffer(b"".join(digests), "<u8")
        out = chosen(hashes, 0.0 if self.has_parts else heldout)
        train, unseen = values[~out], values[out] if unseen is None else unseen
        if len(train) < FEWEST:
            raise UserError(f"{len(train)} points of {path} are left to learn from; give {FEWEST} at least")
        spread = train.std(0)
        self.mean = train.mean(0) if mean is None else np.asarray(mean, np.float64)
        self.scale = np.where(spread > 0, spread, 1.0) if scale is None else np.asarray(scale, np.float64)
        if not len(self.mean) == len(self.scale) == values.shape[1]:
            raise UserError(f"{path} has points of {values.shape[1]} dimensions, not of {len(self.mean)}")
        self._points, self._others = train, unseen
        self.facts = {
            "kind": "points", "dimensions": values.shape[1], "mean": self.mean.tolist(), "scale": self.scale.tolist(),
            "count": len(train), "heldout": len(unseen),
            "fingerprint": hashlib.sha256(np.sort(hashes).tobytes()).hexdigest()[:16],
        }  # fmt: skip

    def __len__(self) -> int:
        return len(self._points)

    def rows(self, indices: NDArray[np.int64], rng: Chance) -> Batch:
        return {"points": torch.from_numpy(((self._points[indices] - self.mean) / self.scale).astype(np.float32))}

    def heldout(self) -> Points | None:
        """Those that training does not see, less the mean of those that it does."""
        return self._of(self._others) if len(self._others) else None

    def everything(self) -> Points:
        """All points, on whichever side."""
        return self._of(np.concatenate([self._points, self._others]))

    def _of(self, points: Values) -> Points:
        other = copy.copy(self)
        other._points, other._others = points, points[:0]
        return other


def _read(path: str) -> tuple[Values, Values | None]:
    """The points of an archive, and those of its test part where it has one. Raises UserError."""
    if not Path(path).is_file():
        raise UserError(f"there is no {path}: give an .npz of points x [N, D]")
    with archive(path) as opened:
        name = next((name for name in WHOLE if name in opened.files), None)
        if name is None:
            raise UserError(f"{path} holds {', '.join(opened.files) or 'nothing'}; name the points x, [N, D]")
        test = next((name for name in UNSEEN if name in opened.files), None)
        values = _checked(opened[name], f"{name} of {path}")
        unseen = None if test is None else _checked(opened[test], f"{test} of {path}")
    if unseen is not None and unseen.shape[1] != values.shape[1]:
        raise UserError(f"{path} has points of {values.shape[1]} and of {unseen.shape[1]} dimensions: make them alike")
    return values, unseen


def _checked(values: NDArray[Any], what: str) -> Values:
    if values.ndim != 2 or not values.size or values.dtype.kind not in "fiu":
        raise UserError(f"{what} is {values.dtype} {list(values.shape)}; points are numbers [N, D]")
    values = values.astype(np.float64)
    if bad := int((~(abs(values) < LARGEST).all(1)).sum()):
        raise UserError(f"{bad} of {len(values)} rows of {what} are not finite, or beyond 1e30: leave them out")
    return values
