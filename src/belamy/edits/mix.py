"""Sheets of pictures that show what styles do: one picture's coarse layers with another's fine ones, and truncation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from belamy.errors import UserError
from belamy.model import Model
from belamy.pictures import Pixels

AMOUNTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Truncations of a sweep: from the typical to all the variety."""


def mix(
    model: Model, rows: int = 6, columns: int = 6, *, coarse: int | None = None, seed: int = 0,
    classes: str | int | None = None, truncation: float | None = None, attributes: Sequence[str] | None = None,
) -> Pixels:
    """A sheet uint8 [(rows + 1) * (columns + 1), H, W, C] in reading order, with ``columns + 1`` in a row.

    Above and at the left stand the sources, in the corner nothing. Each other picture has the first ``coarse`` layers
    of the source at its left (half of them, unless told), and the finer ones of the source above it
    (Karras et al., 2019). Raises UserError where the game has no styles.
    """  # fmt: skip
    given = model.given(rows + columns, seed, classes, truncation, attributes=attributes)
    if "styles" not in given:
        raise UserError(f"{type(model.game).__name__} has no styles to mix: train the recipe stylegan for them")
    layers = given["styles"].shape[1]
    coarse = layers // 2 if coarse is None else coarse
    left = torch.arange(rows).repeat_interleave(columns)
    above = rows + torch.arange(columns).repeat(rows)
    mixed = {key: value[left.to(value.device)] for key, value in given.items()}
    mixed["styles"] = torch.cat([mixed["styles"][:, :coarse], given["styles"][above, coarse:]], 1)
    sources, inner = (model.codec.decode(model.make(each)["image"]) for each in (given, mixed))
    inner = inner.reshape(rows, columns, *inner.shape[1:])
    top = np.concatenate([np.full_like(sources[:1], 255), sources[rows:]])
    body = np.concatenate([sources[:rows, None], inner], 1)
    return np.concatenate([top, body.reshape(-1, *top.shape[1:])])


def sweep(
    model: Model, n: int = 8, amounts: Sequence[float] = AMOUNTS, *, seed: int = 0, classes: str | int | None = None,
    attributes: Sequence[str] | None = None,
) -> Pixels:
    """The samples 0 to ``n - 1``, each at all ``amounts`` of truncation: uint8 [n * len(amounts), H, W, C].

    Raises UserError where the game has no truncation.
    """  # fmt: skip
    each = (model.given(n, seed, classes, amount, attributes=attributes) for amount in amounts)
    found = [model.codec.decode(model.make(given)[model.codec.key]) for given in each]
    return np.stack(found, 1).reshape(-1, *found[0].shape[1:])
