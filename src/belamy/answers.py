"""A model that answers pictures, judged on held-out ones beside what can be had without learning."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.data.cuts import Cuts
from belamy.data.pairs import Unpaired
from belamy.errors import UserError, nearest
from belamy.game import Batch
from belamy.metrics import fidelity
from belamy.metrics.features import DEFAULT, load
from belamy.model import Model
from belamy.ops.degrade import enlarge, match_histograms
from belamy.ops.fill import telea

Translating = Cuts | Unpaired
Answer = Callable[[Batch], Tensor]

PAIRED = ("psnr", "ssim", "perceptual", "patch_swd")
METRICS = {
    "paired": PAIRED,
    "unpaired": PAIRED,
    "superres": ("psnr", "psnr_y", "ssim", "perceptual", "patch_swd"),
    "inpaint": PAIRED,
    "style": ("ssim", "patch_swd"),
}
TRUTH = {"ssim": 1.0, "perceptual": 0.0, "patch_swd": 0.0}
"""What the true answers themselves have."""
PICTURES, PIXELS = 200, 64_000_000
"""Held-out pictures that are judged, and their pixels, at most: all answers are in memory together."""
NEIGHBOURS = 2000
"""Training pictures among which the nearest is looked for."""
SIDE, MEAN = 32, 64
"""Pixels along a side of what neighbours are looked for by, and of the mean."""
FEW = 64
"""Pictures whose colours are transferred."""
LOOKED_AT = 64
"""Held-out pictures that alarms go by."""
INVERTED, IDLE = -0.3, 0.05
"""The mean correlation of brightness below which, and the share of change below which, there is an alarm."""
TELEA = 256**2
"""Pixels of pictures that Telea's fill, which is written for reading, is tried on."""


def evaluate(
    model: Model, heldout: Translating, train: Translating | None, *, n: int | None = None,
    metrics: Sequence[str] | None = None, features: str = DEFAULT, trivial: bool = True,
    backwards: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Judges answers to ``n`` held-out pictures, or to all there are up to 200, each as a whole.

    ``backwards`` judges the way from B to A of a game that goes both ways.

    ``psnr``, in dB, ``ssim`` and ``perceptual`` compare with the true answer, pixel for pixel; ``patch_swd`` compares
    all answers with all true ones, patch by patch. Holes are judged by what is under the mask; super-resolution also by
    ``psnr_y``, that of the luma, without as many pixels at the border as it enlarges; a style by the structure that is
    kept of the source (``ssim``), and by its patches. Pictures without true answers have ``patch_swd`` alone.

    Returns JSON as ``belamy.evaluation.evaluate`` does; ``floor`` is what the true answers have, and ``trivial`` holds
    the baselines of the task.
    """
    if backwards:
        heldout, train = _turned(model, heldout), train and _turned(model, train)
    began, task = time.perf_counter(), str(heldout.facts["task"])
    wanted, notes = _known(_checked(metrics, task), heldout, features)
    largest = max(height * width for height, width in map(heldout.extent, range(len(heldout))))
    count = max(1, min(n or PICTURES, len(heldout), PIXELS // largest))
    eye = load(features, model.device) if "perceptual" in wanted else None
    answers: dict[str, Answer] = {"value": lambda batch: answered(model, batch, backwards)}
    if trivial:
        answers |= BASELINES[task](heldout, train)
    found = {
        name: _measured(answer, heldout.wholes(count), wanted, task, eye, heldout) for name, answer in answers.items()
    }
    return {
        "metrics": {
            metric: {
                "value": found["value"][metric], "floor": TRUTH.get(metric),
                "trivial": {name: found[name][metric] for name in found if name != "value"} or None,
                **({} if metric in TRUTH else {"reason": "the true answer itself has no noise at all"}),
                **({"features": features} if metric == "perceptual" else {}),
            }
            for metric in wanted
        },
        "n": count, "heldout": len(heldout), "features": features,
        "seconds": round(time.perf_counter() - began, 2), "notes": notes,
    }  # fmt: skip


def _turned(model: Model, data: Translating) -> Unpaired:
    if not (model.game.reversible and isinstance(data, Unpaired)):
        raise UserError(f"{type(model.game).__name__} goes one way only: leave --backwards out")
    return data.turned()


def _checked(metrics: Sequence[str] | None, task: str) -> list[str]:
    known = METRICS[task]
    for metric in metrics or ():
        if metric not in known:
            hint = nearest(metric, known)
            raise UserError(f"metric {metric!r} is not one of {task}{hint}; there are: {', '.join(known)}")
    return list(dict.fromkeys(metrics or known))


def _known(wanted: list[str], heldout: Translating, features: str) -> tuple[list[str], list[str]]:
    """What can be measured of these pictures, and why the rest cannot."""
    without: dict[str, tuple[str, ...]] = {}
    if heldout.facts["task"] == "unpaired" and "paired" not in next(heldout.wholes(1)):
        without["held-out pictures have no namesakes of their size on the other side"] = PAIRED[:3]
    if heldout.facts["target_channels"] > 4:
        without[f"pictures have {heldout.facts['target_channels']} channels"] = ("perceptual", "psnr_y")
    if features != DEFAULT:
        without[f"deep distances are those of {DEFAULT}, not of {features}"] = ("perceptual",)
    notes = [
        f"no {', '.join(gone)}: {why}"
        for why, names in without.items() if (gone := [name for name in wanted if name in names])
    ]  # fmt: skip
    lost = {name for names in without.values() for name in names}
    return [name for name in wanted if name not in lost], notes


@torch.inference_mode()
def answered(model: Model, batch: Batch, backwards: bool = False) -> Tensor:
    """The model's answer [B, C, H, W] to rows as sources give them, whose sides may be any."""
    stride = model.game.stride
    given = {name: value.to(model.device) for name, value in batch.items() if name in ("source", "mask")}
    height, width = given["source"].shape[-2:]
    more = (0, -width % stride, 0, -height % stride)
    if any(more):
        given = {name: F.pad(value, more, mode="replicate") for name, value in given.items()}
    if backwards:
        given["backwards"] = given["source"].new_ones(1)
    scale = model.game.scale or 1
    return model.game.sample(given)["image"][..., : height * scale, : width * scale].clamp(-1, 1).cpu()


def alarms(model: Model, heldout: Translating) -> list[str]:
    """What generators that learn without pairs are known to do instead, in words; nothing where this one does not."""
    if heldout.facts["task"] != "unpaired":
        return []
    batch = heldout.take(LOOKED_AT)
    answer, source, target = (
        images.mean(1).flatten(1) for images in (answered(model, batch), batch["source"], batch["target"])
    )
    ours, theirs = (each - each.mean(1, keepdim=True) for each in (answer, source))
    alike = F.cosine_similarity(ours, theirs).mean().item()
    changed = ((answer - source).abs().mean() / (target - source).abs().mean().clamp(min=1e-6)).item()
    found = []
    if alike < INVERTED:
        found.append(f"answers are negatives: their brightness goes against the source's ({alike:.2f})")
    if changed < IDLE:
        found.append(f"the generator does next to nothing: it changes {changed:.1%} of what the kinds differ by")
    return found


def _measured(
    answer: Answer, batches: Iterable[Batch], wanted: Sequence[str], task: str, eye: Any, heldout: Translating
) -> dict[str, float | None]:
    """Each metric's mean over all pictures; None where no baseline answers."""
    scale = int(heldout.facts.get("scale", 1))
    compare: dict[str, Callable[[Tensor, Tensor, Tensor | None], Tensor]] = {
        "psnr": fidelity.psnr,
        "psnr_y": lambda output, target, mask: fidelity.psnr_y(output, target, scale),
        "ssim": lambda output, target, mask: fidelity.ssim(_grey(output, task), _grey(target, task)),
        "perceptual": lambda output, target, mask: fidelity.perceptual(eye, output, target),
    }
    each: dict[str, list[Tensor]] = {metric: [] for metric in wanted if metric in compare}
    ours, theirs = list[Tensor](), list[Tensor]()
    for batch in batches:
        output, target = answer(batch).clamp(-1, 1), batch.get("target", batch["source"])
        for metric, values in each.items():
            values.append(compare[metric](output, target, batch.get("mask")))
        ours.append(output[0])
        theirs.append(batch.get("style", target)[0])
    found: dict[str, float | None] = {metric: torch.cat(values).mean().item() for metric, values in each.items()}
    return found | ({"patch_swd": fidelity.patch_swd(ours, theirs)} if "patch_swd" in wanted else {})


def _grey(images: Tensor, task: str) -> Tensor:
    """A style may change colours, so its structure is looked for in grey."""
    return images.mean(1, keepdim=True) if task == "style" else images


def _paired(heldout: Translating, train: Translating | None) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    if heldout.facts["channels"] == heldout.facts["target_channels"]:
        found["identity"] = lambda batch: batch["source"]
    if train is None:
        return found
    targets = [F.interpolate(batch["target"], (MEAN, MEAN), mode="area") for batch in train.wholes(NEIGHBOURS)]
    mean = torch.cat(targets).mean(0, keepdim=True)
    return found | {"nearest_neighbour": _nearest(train, "source"), "mean": lambda batch: _as_large(mean, batch)}


def _nearest(train: Translating, by: str) -> Answer:
    """The target of the training row whose picture ``by`` that name is nearest to the source."""
    known = torch.cat([_small(batch[by]) for batch in train.wholes(NEIGHBOURS)])

    def answer(batch: Batch) -> Tensor:
        row = int(torch.cdist(_small(batch["source"]), known).argmin())
        return _as_large(train.whole(row)["target"], batch)

    return answer


def _as_large(images: Tensor, batch: Batch) -> Tensor:
    size = batch["source"].shape[-2:]
    return images if images.shape[-2:] == size else F.interpolate(images, size, mode="bilinear")


def _small(images: Tensor) -> Tensor:
    return F.interpolate(images, (SIDE, SIDE), mode="area").flatten(1)


def _unpaired(heldout: Translating, train: Translating | None) -> dict[str, Answer]:
    """The source itself, the nearest training picture of B, and the source in the colours of B."""
    if heldout.facts["channels"] != heldout.facts["target_channels"]:
        return {}
    found: dict[str, Answer] = {"identity": lambda batch: batch["source"]}
    if train is None:
        return found
    few = train.take(FEW)["target"]
    return found | {
        "nearest_neighbour": _nearest(train, "target"),
        "colour_transfer": lambda batch: match_histograms(batch["source"], few),
    }


def _superres(heldout: Translating, train: Translating | None) -> dict[str, Answer]:
    scale = int(heldout.facts["scale"])
    return {
        "bicubic": lambda batch: enlarge(batch["source"], scale, "bicubic"),
        "lanczos": lambda batch: enlarge(batch["source"], scale, "lanczos"),
    }


def _inpaint(heldout: Translating, train: Translating | None) -> dict[str, Answer]:
    found: dict[str, Answer] = {"harmonic": lambda batch: batch["source"]}
    if max(height * width for height, width in map(heldout.extent, range(len(heldout)))) <= TELEA:
        found["telea"] = lambda batch: telea(batch["source"][0], batch["mask"][0])[None]
    return found


def _style(heldout: Translating, train: Translating | None) -> dict[str, Answer]:
    return {"identity": lambda batch: batch["source"]}


BASELINES: dict[str, Callable[[Translating, Translating | None], dict[str, Answer]]] = {
    "paired": _paired, "unpaired": _unpaired, "superres": _superres, "inpaint": _inpaint, "style": _style,
}  # fmt: skip
