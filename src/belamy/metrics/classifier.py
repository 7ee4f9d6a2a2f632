"""A classifier of one's own data: it judges whether samples show the class they were asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from belamy.errors import UserError

LARGEST = 32  # pixels: larger pictures are averaged down, for classes are plain to see at that size
ROWS = 20_000


class Rows(Protocol):
    """What a Source gives: ``take(size, start)``, a batch of ``image`` [B, C, H, W] and ``class`` [B]."""

    def __len__(self) -> int: ...

    def take(self, size: int, start: int = 0) -> Mapping[str, Tensor]: ...


class Classifier(nn.Module):
    """Convolutions, each pooled, until 4 pixels are left, and one more: images [B, C, H, W] to logits [B, classes]."""

    def __init__(self, channels: int, classes: int, resolution: int) -> None:
        super().__init__()
        self.shape = {"channels": channels, "classes": classes, "resolution": resolution}
        pools = max(1, round(math.log2(resolution / 4)))
        first = 64 if resolution <= 16 else 32  # the first map costs most
        widths = [channels, *(min(first << stage, 128) for stage in range(pools + 1))]
        layers: list[nn.Module] = []
        for stage in range(pools + 1):
            layers += [nn.Conv2d(widths[stage], widths[stage + 1], 3, padding=1, bias=False)]
            layers += [nn.MaxPool2d(2)] if stage < pools else []
            layers += [nn.BatchNorm2d(widths[stage + 1]), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], classes)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        images = _small(images).contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=_native_bf16(images.device)):
            logits: Tensor = self.head(self.layers(images).mean((2, 3)))
        return logits.float()

    @torch.inference_mode()
    def predict(self, images: Tensor, batch: int = 256) -> Tensor:
        """Logits float32 [N, classes] of images [N, C, H, W] in [-1, 1]."""
        return torch.cat([self(part) for part in torch.split(images, batch)])

    def save(self, path: Path) -> None:
        state = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(state, path, metadata={name: str(value) for name, value in self.shape.items()})

    @classmethod
    def load(cls, path: Path) -> Classifier:
        with safe_open(path, framework="pt") as file:
            classifier = cls(**{name: int(value) for name, value in file.metadata().items()})
            classifier.load_state_dict({name: file.get_tensor(name) for name in classifier.state_dict()})
        return classifier.eval()


def fit_classifier(source: Rows, seed: int = 0, examples: int = 50_000, batch: int = 128) -> Classifier:
    """Trains on up to 20,000 rows of ``source``, each shifted at random by up to a sixteenth of its size.

    ``examples`` are seen in all, at least 4 times each row; Adam with one cycle of its rate (Smith and Topin, 2018).
    The same seed gives the same classifier on the same machine; the global generator is left as it was.

    Raises:
        UserError: data without classes.
    """
    images, classes = _load(source)
    steps = max(examples, 4 * len(images)) // batch
    order = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = Classifier(images.shape[1], int(classes.max()) + 1, min(images.shape[-2:]))
    optimizer = torch.optim.Adam(classifier.parameters(), betas=(0.9, 0.99))
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)
    for _ in range(steps):
        rows = torch.randint(len(images), (batch,), generator=order)
        logits = classifier(_shifted(images[rows], order))
        loss = F.cross_entropy(logits, classes[rows], label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        cycle.step()
    return classifier.eval()


def _load(source: Rows) -> tuple[Tensor, Tensor]:
    """Images [N, C, h, w], made small, and classes int64 [N]."""
    images, classes = [], []
    for start in range(0, min(len(source), ROWS), 256):
        batch = source.take(256, start)
        if "class" not in batch:
            raise UserError("a classifier needs data with classes; this has none")
        images.append(_small(batch["image"]))
        classes.append(batch["class"])
    return torch.cat(images), torch.cat(classes)


def _small(images: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    if max(height, width) <= LARGEST:
        return images
    return F.adaptive_avg_pool2d(images, (min(height, LARGEST), min(width, LARGEST)))


def _shifted(images: Tensor, order: torch.Generator) -> Tensor:
    """Each of images [B, C, H, W] moved by its own draw, the border repeated."""
    size, (height, width) = len(images), images.shape[-2:]
    reach = max(1, max(height, width) // 16)
    padded = F.pad(images, (reach,) * 4, mode="replicate").permute(0, 2, 3, 1)
    down, right = torch.randint(2 * reach + 1, (2, size, 1), generator=order)
    rows = (down + torch.arange(height))[:, :, None]
    columns = (right + torch.arange(width))[:, None, :]
    return padded[torch.arange(size)[:, None, None], rows, columns].permute(0, 3, 1, 2)


def _native_bf16(device: torch.device) -> bool:
    """Whether this is a CPU with bf16 arithmetic, where it is faster; elsewhere it would be emulated."""
    supported = (getattr(torch.cpu, f"_is_{kind}_supported", bool) for kind in ("amx_tile", "avx512_bf16"))
    return device.type == "cpu" and any(check() for check in supported)
