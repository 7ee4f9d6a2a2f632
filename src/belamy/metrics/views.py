"""What the metrics see of a crowd of pictures, gathered in one pass that keeps only a few of them in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from belamy.errors import UserError
from belamy.metrics.classifier import Classifier
from belamy.metrics.features import Features, extract, pixels, without_alpha

View = dict[str, Tensor]
"""``mean`` and ``std`` [C, H, W] of each pixel, the number of ``flawed`` pictures, with NaN or infinity in them, and
where asked for ``features`` [N, D], ``pixels`` [N, P] (float16, for they are kept on disk), and ``right`` bool [N],
whether the classifier finds the class that the picture came with."""

VALUES_AT_ONCE = 1 << 24


def view(
    rows: Callable[[int, int], Mapping[str, Tensor]],
    n: int,
    needs: Collection[str],
    features: Features,
    classifier: Classifier | None = None,
) -> View:
    """Looks at ``n`` rows; ``rows(start, count)`` gives ``image`` [count, C, H, W] in [-1, 1], and ``class`` [count].

    Raises:
        UserError: fewer rows than promised, or ``right`` needed of pictures without classes.
    """
    seen: dict[str, list[Tensor]] = {need: [] for need in needs}
    total, squares, flawed, count, start = torch.zeros(()), torch.zeros(()), 0, 16, 0
    while start < n:
        batch = rows(start, min(count, n - start))
        images = batch["image"].float().cpu()
        if not len(images):
            raise UserError(f"{n} pictures were promised, but there are {start}")
        flawed += int((~images.isfinite().flatten(1).all(1)).sum())
        images = images.nan_to_num(0, 1, -1).clamp(-1, 1)
        total = total + images.double().sum(0)
        squares = squares + images.double().square().sum(0)
        if "features" in seen:
            seen["features"].append(extract(images, features))
        if "pixels" in seen:
            seen["pixels"].append(pixels(without_alpha(images)).half())
        if "right" in seen and classifier is not None:
            if "class" not in batch:
                raise UserError("the data has classes but these samples have none: generate must return 'class'")
            seen["right"].append(classifier.predict(images).argmax(1) == batch["class"].cpu())
        start += len(images)
        count = max(1, min(256, VALUES_AT_ONCE // images[0].numel()))
    mean = total / n
    std = (squares / n - mean.square()).clamp(min=0).sqrt()
    found = {name: torch.cat(parts) for name, parts in seen.items() if parts}
    return {**found, "mean": mean.float(), "std": std.float(), "flawed": torch.tensor(flawed)}


def first(crowd: View, n: int) -> View:
    """The same view of its first ``n`` rows; ``mean`` and ``std`` stay those of all."""
    return {name: rows[:n] if name in ("features", "pixels", "right") else rows for name, rows in crowd.items()}
