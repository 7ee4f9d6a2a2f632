"""The Inception network that FID is defined by (Szegedy et al., 2016; Heusel et al., 2017), with its own weights.

TensorFlow's network of December 2015 differs from later ones: its average pools leave the border out, and its last
block pools by the maximum. The weights are those that pytorch-fid publishes, under their names.
"""

from __future__ import annotations

import os
import urllib.request
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from belamy.errors import UserError
from belamy.metrics.features import DEFAULT, check_sha256, published, three_channels

FILE = "pt_inception-2015-12-05-6726825d.pth"
URL = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{FILE}"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"

STEM = "1a_3x3 32 3x3/2, 2a_3x3 32 3x3, 2b_3x3 64 3x3 same, max, 3b_1x1 80 1x1, 4a_3x3 192 3x3, max"

_A = (
    "branch1x1 64 1x1; branch5x5_1 48 1x1, branch5x5_2 64 5x5;"
    "branch3x3dbl_1 64 1x1, branch3x3dbl_2 96 3x3, branch3x3dbl_3 96 3x3; average, branch_pool {} 1x1"
)
_B = "branch3x3 384 3x3/2; branch3x3dbl_1 64 1x1, branch3x3dbl_2 96 3x3, branch3x3dbl_3 96 3x3/2; max/2"
_C = (
    "branch1x1 192 1x1; branch7x7_1 {0} 1x1, branch7x7_2 {0} 1x7, branch7x7_3 192 7x1; branch7x7dbl_1 {0} 1x1,"
    "branch7x7dbl_2 {0} 7x1, branch7x7dbl_3 {0} 1x7, branch7x7dbl_4 {0} 7x1, branch7x7dbl_5 192 1x7;"
    "average, branch_pool 192 1x1"
)
_D = (
    "branch3x3_1 192 1x1, branch3x3_2 320 3x3/2; branch7x7x3_1 192 1x1, branch7x7x3_2 192 1x7,"
    "branch7x7x3_3 192 7x1, branch7x7x3_4 192 3x3/2; max/2"
)
_E = (
    "branch1x1 320 1x1; branch3x3_1 384 1x1, branch3x3_2a 384 1x3 | branch3x3_2b 384 3x1; branch3x3dbl_1 448 1x1,"
    "branch3x3dbl_2 384 3x3, branch3x3dbl_3a 384 1x3 | branch3x3dbl_3b 384 3x1; {}, branch_pool 192 1x1"
)
MIXED = {
    **{"5b": _A.format(32), "5c": _A.format(64), "5d": _A.format(64), "6a": _B},
    **{"6b": _C.format(128), "6c": _C.format(160), "6d": _C.format(160), "6e": _C.format(192)},
    **{"7a": _D, "7b": _E.format("average"), "7c": _E.format("max")},
}
"""Each block's branches, between semicolons: a chain of convolutions, ``name outputs heightxwidth[/stride]``, and
pools; two after a bar both see what came before."""


class Inception(nn.Module):
    """Images [B, 3, H, W] in [-1, 1], resized to 299 by 299 as pytorch-fid does, to features [B, 2048]."""

    def __init__(self) -> None:
        super().__init__()
        channels, self.stem = 3, []
        for step in STEM.split(", "):
            if step == "max":
                self.stem.append("max")
                continue
            name, outputs, shape, *same = step.split()
            self.stem.append(f"Conv2d_{name}")
            self.add_module(f"Conv2d_{name}", _Unit(channels, int(outputs), shape, padded=bool(same)))
            channels = int(outputs)
        for name, plan in MIXED.items():
            block = _Mixed(channels, plan)
            self.add_module(f"Mixed_{name}", block)
            channels = block.outputs

    def forward(self, images: Tensor) -> Tensor:
        maps = F.interpolate(three_channels(images), (299, 299), mode="bilinear", align_corners=False)
        for step in self.stem:
            maps = F.max_pool2d(maps, 3, 2) if step == "max" else self.get_submodule(step)(maps)
        for name in MIXED:
            maps = self.get_submodule(f"Mixed_{name}")(maps)
        return maps.mean((2, 3))


class _Unit(nn.Module):
    """A convolution of ``shape`` ``heightxwidth[/stride]``, a norm and a ReLU; padded to keep the size, or not."""

    def __init__(self, inputs: int, outputs: int, shape: str, padded: bool) -> None:
        super().__init__()
        kernel, _, stride = shape.partition("/")
        height, width = (int(side) for side in kernel.split("x"))
        padding = (height // 2, width // 2) if padded else 0
        self.conv = nn.Conv2d(inputs, outputs, (height, width), int(stride or 1), padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu_(self.bn(self.conv(maps)))


class _Mixed(nn.Module):
    """Branches side by side, their outputs joined, after a ``plan`` of ``MIXED``."""

    def __init__(self, inputs: int, plan: str) -> None:
        super().__init__()
        self.outputs, self.branches = 0, []
        for branch in plan.split(";"):
            channels, steps = inputs, []
            for step in branch.split(","):
                fork = []
                for words in (unit.split() for unit in step.split("|")):
                    fork.append(words[0])
                    if len(words) == 3:
                        self.add_module(words[0], _Unit(channels, int(words[1]), words[2], "/" not in words[2]))
                channels = int(words[1]) * len(fork) if len(words) == 3 else channels
                steps.append(fork)
            self.branches.append(steps)
            self.outputs += channels

    def forward(self, maps: Tensor) -> Tensor:
        joined = []
        for steps in self.branches:
            branch = maps
            for fork in steps:
                branch = torch.cat([self._step(name, branch) for name in fork], 1)
            joined.append(branch)
        return torch.cat(joined, 1)

    def _step(self, name: str, maps: Tensor) -> Tensor:
        if name == "average":
            return F.avg_pool2d(maps, 3, 1, padding=1, count_include_pad=False)
        if name.startswith("max"):
            return F.max_pool2d(maps, 3, 2) if name == "max/2" else F.max_pool2d(maps, 3, 1, padding=1)
        found: Tensor = self.get_submodule(name)(maps)
        return found


def load_inception() -> Inception:
    """The network with its weights, of a file under BELAMY_HOME, HF_HOME or torch's, else downloaded to the first.

    Raises:
        UserError: no file and no download, or a file that is not the published one.
    """
    path = _found() or _downloaded()
    network = Inception()
    missing, unexpected = network.load_state_dict(published(path, SHA256), strict=False)
    if any("num_batches" not in name for name in missing) or any(not name.startswith("fc.") for name in unexpected):
        raise UserError(f"{path} holds other layers than FID's Inception: delete it, try again")
    return network.eval().requires_grad_(False)


def _home() -> Path:
    return Path(os.environ.get("BELAMY_HOME") or "~/.cache/belamy").expanduser()


def _found() -> Path | None:
    huggingface = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    folders = (_home(), huggingface, Path(torch.hub.get_dir()) / "checkpoints")
    return next((folder / FILE for folder in folders if (folder / FILE).exists()), None)


def _downloaded() -> Path:
    path = _home() / FILE
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(URL, timeout=20) as answer, part.open("wb") as file:
            while block := answer.read(1 << 20):
                file.write(block)
        check_sha256(part, SHA256)
        part.replace(path)
    except OSError as error:
        raise UserError(
            f"FID's Inception weights can't be downloaded ({error}): put {FILE} from {URL} into {_home()},"
            f" or measure on the offline features {DEFAULT!r} with the metrics kid and fd"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return path
