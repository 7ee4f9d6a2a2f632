"""Each metric by its name: from views of samples, held-out and training data to numbers that JSON can hold."""

from __future__ import annotations

from typing import Any

from belamy.errors import UserError
from belamy.metrics import prdc
from belamy.metrics.fid import frechet_distance
from belamy.metrics.kid import kid
from belamy.metrics.memorisation import memorisation
from belamy.metrics.views import View

NEEDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("kid", "fd", "fid", "prdc"), ("features",)),
    "class_accuracy": ("right",),
    "spread": (),
    "memorisation": ("features", "pixels"),
}
"""What a view must hold for a metric."""

NAMES = {"prdc": prdc.NAMES, "memorisation": ("memorisation", "memorisation_pixels")}
"""What a metric's entries are called, where there are several."""

NO_TRAIN = "the training data was not given"


def measure(metric: str, crowd: View | None, held: View, trained: View | None) -> dict[str, dict[str, Any]]:
    """The entries of a metric for a crowd of pictures; values are None, with a reason, where they can't be known."""
    try:
        if crowd is None or (trained is None and metric in ("class_accuracy", "memorisation")):
            raise UserError(NO_TRAIN)
        if metric == "kid":
            value, error = kid(crowd["features"], held["features"])
            return {"kid": {"value": value, "stderr": error}}
        if metric == "prdc":
            shares = prdc.prdc(held["features"], crowd["features"])
            return {name: {"value": value} for name, value in shares.items()}
        if metric == "class_accuracy":
            return {metric: {"value": float(crowd["right"].double().mean())}}
        if metric == "spread":
            return {metric: {"value": float(crowd["std"].mean() / held["std"].mean().clamp(min=1e-6))}}
        if metric == "memorisation" and trained is not None:
            return _memorised(crowd, held, trained)
        return {metric: {"value": frechet_distance(crowd["features"], held["features"])}}
    except UserError as error:
        return {name: {"value": None, "reason": str(error)} for name in NAMES.get(metric, (metric,))}


def _memorised(crowd: View, held: View, trained: View) -> dict[str, dict[str, Any]]:
    """Memorisation in features and in pixels: noise hides a copy from the first, a small shift from the second.

    ``neighbours`` are the nearest training pictures of the first 64 samples, as rows in ``train.take``'s order;
    ``most_alike`` the 16 pairs of a sample and its neighbour that lie nearest.
    """
    entries = {}
    for name, kind in zip(NAMES["memorisation"], ("features", "pixels"), strict=True):
        found = memorisation(crowd[kind].float(), held[kind].float(), trained[kind].float())
        nearest = found.distances.argsort()[:16].tolist()
        entries[name] = {
            "value": found.value,
            "share_of_copies": found.share_of_copies,
            "neighbours": found.neighbours[:64].tolist(),
            "most_alike": [[sample, int(found.neighbours[sample])] for sample in nearest],
        }
    return entries
