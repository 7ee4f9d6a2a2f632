"""What the metrics see of a crowd of pictures, gathered in one pass that keeps only a few of them in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from belamy.errors import UserError
from belamy.metrics.classifier import Classifier
from belamy.metrics.features import Features, extract, pixels, without_alpha
from belamy.ops.processes import dealt

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

    def look(start: int, count: int) -> dict[str, Tensor]:
        batch = rows(start, min(count, n - start))
        images = batch["image"].float().cpu()
        if len(images) < min(count, n - start):
            raise UserError(f"{n} pictures were promised, but there are {start + len(images)}")
        flawed = (~images.isfinite().flatten(1).all(1)).sum()
        images = images.nan_to_num(0, 1, -1).clamp(-1, 1)
        seen = {"total": images.double().sum(0), "squares": images.double().square().sum(0), "flawed": flawed}
        if "features" in needs:
            seen["features"] = extract(images, features)
        if "pixels" in needs:
            seen["pixels"] = pixels(without_alpha(images)).half()
        if "right" in needs and classifier is not None:
            if "class" not in batch:
                raise UserError("the data has classes but these samples have none: generate must return 'class'")
            seen["right"] = classifier.predict(images).argmax(1) == batch["class"].cpu()
        return seen

    few = min(n, 16)
    parts = [look(0, few)]
    sums = {name: parts[0].pop(name) for name in ("total", "squares", "flawed")}
    count = max(1, min(256, VALUES_AT_ONCE // sums["total"].numel()))
    for part in dealt(lambda start: look(start, count), range(few, n, count)):
        sums = {name: value + part.pop(name) for name, value in sums.items()}
        parts.append(part)
    mean = sums["total"] / n
    std = (sums["squares"] / n - mean.square()).clamp(min=0).sqrt()
    found = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return {**found, "mean": mean.float(), "std": std.float(), "flawed": sums["flawed"]}


def first(crowd: View, n: int) -> View:
    """The same view of its first ``n`` rows; ``mean`` and ``std`` stay those of all."""
    return {name: rows[:n] if name in ("features", "pixels", "right") else rows for name, rows in crowd.items()}
