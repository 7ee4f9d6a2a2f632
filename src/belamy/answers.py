"""A model that answers pictures, judged on held-out ones beside what can be had without learning."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
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
PICTURES = 200
NEIGHBOURS = 2000
"""Training pictures among which the nearest is looked for."""
SIDE = 32
LOOKED_AT = 64
"""Held-out pictures that alarms go by."""
INVERTED, IDLE = -0.3, 0.05
"""The mean correlation of brightness below which, and the share of change below which, there is an alarm."""
TELEA = 256**2
"""Pixels of pictures that Telea's fill, which is written for reading, is tried on."""


def evaluate(
    model: Model, heldout: Translating, train: Translating | None, *, n: int | None = None,
    metrics: Sequence[str] | None = None, features: str = DEFAULT, trivial: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Judges answers to ``n`` held-out pictures, or to all there are up to 200, each as a whole.

    ``psnr``, in dB, ``ssim`` and ``perceptual`` compare with the true answer, pixel for pixel; ``patch_swd`` compares
    all answers with all true ones, patch by patch. Holes are judged by what is under the mask; super-resolution also by
    ``psnr_y``, that of the luma, without as many pixels at the border as it enlarges; a style by the structure that is
    kept of the source (``ssim``), and by its patches. Pictures without true answers have ``patch_swd`` alone.

    Returns JSON as ``belamy.evaluation.evaluate`` does; ``floor`` is what the true answers have, and ``trivial`` holds
    the baselines of the task.
    """
    began, task = time.perf_counter(), str(heldout.facts["task"])
    wanted, notes = _checked(metrics, task), list[str]()
    batches = list(heldout.wholes(n or PICTURES))
    if task == "unpaired" and "paired" not in batches[0]:
        wanted = [metric for metric in wanted if metric == "patch_swd"]
        notes.append("held-out pictures have no namesakes on the other side: nothing is compared pixel by pixel")
    if task == "style":
        assert train is not None
    eye = load(features, model.device) if "perceptual" in wanted else None
    answers: dict[str, Answer] = {"value": lambda batch: answered(model, batch)}
    if trivial:
        answers |= BASELINES[task](heldout, train)
    found = {name: _measured(answer, batches, wanted, task, eye, heldout) for name, answer in answers.items()}
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
        "n": len(batches), "heldout": len(heldout), "features": features,
        "seconds": round(time.perf_counter() - began, 2), "notes": notes,
    }  # fmt: skip


def _checked(metrics: Sequence[str] | None, task: str) -> list[str]:
    known = METRICS[task]
    for metric in metrics or ():
        if metric not in known:
            hint = nearest(metric, known)
            raise UserError(f"metric {metric!r} is not one of {task}{hint}; there are: {', '.join(known)}")
    return list(dict.fromkeys(metrics or known))


@torch.inference_mode()
def answered(model: Model, batch: Batch) -> Tensor:
    """The model's answer [B, C, H, W] to rows as sources give them, whose sides may be any."""
    stride = model.game.stride
    given = {name: value.to(model.device) for name, value in batch.items() if name in ("source", "mask")}
    height, width = given["source"].shape[-2:]
    more = (0, -width % stride, 0, -height % stride)
    if any(more):
        given = {name: F.pad(value, more, mode="replicate") for name, value in given.items()}
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
    sums: dict[str, list[Tensor]] = {metric: [] for metric in wanted}
    ours, theirs = list[Tensor](), list[Tensor]()
    for batch in batches:
        output = answer(batch).clamp(-1, 1)
        target, mask = batch.get("target", batch["source"]), batch.get("mask")
        ours.append(output[0])
        theirs.append(batch["style"][0] if task == "style" else target[0])
        for metric in sums:
            if metric == "psnr":
                sums[metric].append(fidelity.psnr(output, target, mask))
            elif metric == "psnr_y":
                sums[metric].append(fidelity.psnr_y(output, target, int(heldout.facts["scale"])))
            elif metric == "ssim":
                sums[metric].append(fidelity.ssim(_grey(output, task), _grey(target, task)))
            elif metric == "perceptual":
                sums[metric].append(fidelity.perceptual(eye, output, target))
    found = {metric: torch.cat(values).mean().item() if values else None for metric, values in sums.items()}
    if "patch_swd" in found:
        found["patch_swd"] = fidelity.patch_swd(ours, theirs)
    return found


def _grey(images: Tensor, task: str) -> Tensor:
    """A style may change colours, so its structure is looked for in grey."""
    return images.mean(1, keepdim=True) if task == "style" else images


def _paired(heldout: Translating, train: Translating | None) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    if heldout.facts["channels"] == heldout.facts["target_channels"]:
        found["identity"] = lambda batch: batch["source"]
    if train is not None:
        rows = list(islice(train.wholes(NEIGHBOURS), NEIGHBOURS))
        keys = torch.cat([_small(batch["source"]) for batch in rows])
        targets = [batch["target"] for batch in rows]

        def like(batch: Batch, target: Tensor) -> Tensor:
            size = batch["source"].shape[-2:]
            return target if target.shape[-2:] == size else F.interpolate(target, size, mode="bilinear")

        def neighbour(batch: Batch) -> Tensor:
            nearest_row = torch.cdist(_small(batch["source"]), keys).argmin()
            return like(batch, targets[int(nearest_row)])

        centre = torch.stack([F.interpolate(target, (64, 64), mode="area")[0] for target in targets]).mean(0)[None]
        same = len({target.shape for target in targets}) == 1
        mean = torch.cat(targets).mean(0, keepdim=True) if same else centre
        found |= {"nearest_neighbour": neighbour, "mean": lambda batch: like(batch, mean)}
    return found


def _small(images: Tensor) -> Tensor:
    return F.interpolate(images, (SIDE, SIDE), mode="area").flatten(1)


def _unpaired(heldout: Translating, train: Translating | None) -> dict[str, Answer]:
    """As for pairs, but the nearest is looked for among training pictures of B; and colours matched to those of B."""
    same = heldout.facts["channels"] == heldout.facts["target_channels"]
    found: dict[str, Answer] = {"identity": lambda batch: batch["source"]} if same else {}
    if train is not None and same:
        targets = [batch["target"] for batch in train.wholes(NEIGHBOURS)]
        keys = torch.cat([_small(target) for target in targets])

        def neighbour(batch: Batch) -> Tensor:
            target = targets[int(torch.cdist(_small(batch["source"]), keys).argmin())]
            return F.interpolate(target, batch["source"].shape[-2:], mode="bilinear")

        few = [target[0] for target in targets[:200]]
        found |= {
            "nearest_neighbour": neighbour,
            "colour_transfer": lambda batch: match_histograms(batch["source"], few),
        }
    return found


def _superres(heldout: Translating, train: Translating | None) -> dict[str, Answer]:
    scale = int(heldout.facts["scale"])
    return {
        "bicubic": lambda batch: enlarge(batch["source"], scale, "bicubic"),
        "lanczos": lambda batch: enlarge(batch["source"], scale, "lanczos"),
    }


def _inpaint(heldout: Translating, train: Translating | None) -> dict[str, Answer]:
    found: dict[str, Answer] = {"harmonic": lambda batch: batch["source"]}
    if heldout.facts["resolution"] ** 2 <= TELEA:
        found["telea"] = lambda batch: telea(batch["source"][0], batch["mask"][0])[None]
    return found


def _style(heldout: Translating, train: Translating | None) -> dict[str, Answer]:
    return {"identity": lambda batch: batch["source"]}


BASELINES: dict[str, Callable[[Translating, Translating | None], dict[str, Answer]]] = {
    "paired": _paired, "unpaired": _unpaired, "superres": _superres, "inpaint": _inpaint, "style": _style,
}  # fmt: skip
