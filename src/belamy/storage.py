"""Files that are whole or not there: what a run must not lose is written beside its place, flushed, and renamed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from belamy.errors import UserError


def flush(path: Path) -> None:
    """Waits until the file or folder has reached the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path whose file takes the place of ``path`` at the end, and is removed after a failure."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with _disk_full(path):
            yield temporary
            flush(temporary)
            temporary.replace(path)
            flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that becomes ``path``, which an older one leaves only when the new one is complete."""
    temporary, old = path.with_name(f".{path.name}.{os.getpid()}"), path.with_name(f".{path.name}.old")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        with _disk_full(path):
            yield temporary
            for file in temporary.iterdir():
                flush(file)
            flush(temporary)
            if path.exists():
                path.replace(old)
            temporary.replace(path)
            flush(path.parent)
    finally:
        mend(path.parent)


def mend(parent: Path) -> None:
    """Puts back, or removes, what a failure or a kill left of ``whole_folder`` in ``parent``; for one writer alone."""
    for left in parent.iterdir():
        named = re.fullmatch(r"\.(.+)\.(old|\d+)", left.name)
        if named and named[2] == "old" and not (parent / named[1]).exists():
            left.replace(parent / named[1])
        elif named:
            shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def _disk_full(path: Path) -> Iterator[None]:
    """Names the file and the cause; safetensors and torch report a full disk each in its own way."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        raise OSError(f"{path} could not be written ({error}); what was there before is kept") from error


def write_text(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Raises UserError where the file is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}") from None


def write_tensors(path: Path, tensors: dict[str, Tensor], about: dict[str, str] | None = None) -> None:
    """A safetensors file, complete or not at all."""
    with whole_file(path) as temporary:
        save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, temporary, about)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Raises UserError where the file is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged ({error}); restore it, or remove its folder") from None


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """Equal for equal names and bits."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(name.encode() + value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
