"""What the machine is, and what it does well."""

from __future__ import annotations

import ctypes
import math
import platform
import resource
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import torch

from belamy.errors import UserError
from belamy.version import __version__


def choose_device(name: str = "auto") -> torch.device:
    """The device called ``name``: "auto", "cpu", "cuda", "cuda:1", "mps". Raises UserError where there is none."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind = name.partition(":")[0]
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if kind not in there:
        raise UserError(f"there is no device {name!r}: choose auto, cpu, cuda or mps")
    if not there[kind]:
        raise UserError(f"this machine has no {kind} that torch can use: --device cpu works everywhere")
    return torch.device(name)


def fast_bf16(device: torch.device) -> bool:
    """Whether bf16 is faster than float32 there: with AMX on a CPU, on Ampere or later on CUDA.

    A CPU that has AVX512-BF16 alone is timed: EPYC's are twice as fast with it, a Xeon's took twice as long.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and (
        torch.cpu._is_amx_tile_supported() or (torch.cpu._is_avx512_bf16_supported() and _quicker_in_bf16())
    )


@cache
def _quicker_in_bf16() -> bool:
    """Whether the fastest of five convolutions on this CPU is; they take turns with float32, and 50 ms in all."""
    cpu, fastest = torch.device("cpu"), {torch.float32: math.inf, torch.bfloat16: math.inf}
    plays = {dtype: _convolution(cpu, dtype, batch=8, channels=64, size=16) for dtype in fastest}
    for _, (dtype, play) in product(range(5), plays.items()):
        began = time.perf_counter()
        play()
        fastest[dtype] = min(fastest[dtype], time.perf_counter() - began)
    return fastest[torch.bfloat16] < fastest[torch.float32]


def choose_precision(name: str, device: torch.device) -> str:
    """ "fp32" or "bf16": what is asked for, or for "auto" the faster of what ``device`` has."""
    if name == "auto":
        return "bf16" if fast_bf16(device) else "fp32"
    return name


def keep_memory() -> None:
    """Has glibc keep what one step frees for the next: to ask the system for it anew took a fifth of a step's time."""
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        trim_threshold, mmap_threshold = -1, -3
        allocator = ctypes.CDLL(None)
        allocator.mallopt(mmap_threshold, 32 << 20)
        allocator.mallopt(trim_threshold, 2**31 - 1)


def memory_mb(device: torch.device) -> int:
    """The most memory that this process has used so far, in MB: the card's on CUDA, the process's elsewhere."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) // 2**20
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most // (2**20 if sys.platform == "darwin" else 2**10)


def machine(device: torch.device, precision: str) -> dict[str, Any]:
    """Plain JSON for logs and reports."""
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "cpu": _cpu_name(), "threads": torch.get_num_threads(), "device": card or device.type,
        "precision": precision, "torch": torch.__version__, "belamy": __version__,
    }  # fmt: skip


def convolution_rate(device: torch.device, dtype: torch.dtype, seconds: float = 1.0) -> float:
    """TFLOP/s of a 3x3 convolution of 128 channels at 32x32, channels last."""
    batch, channels, size = 32, 128, 32
    play = _convolution(device, dtype, batch, channels, size)

    def played(times: int) -> int:
        for _ in range(times):
            play()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return times

    played(3)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        count += played(4)
    return count * 2 * batch * (channels * 3 * size) ** 2 / (time.perf_counter() - began) / 1e12


def _convolution(
    device: torch.device, dtype: torch.dtype, batch: int, channels: int, size: int
) -> Callable[[], torch.Tensor]:
    """A 3x3 convolution to play, channels last."""
    made = torch.Generator(device).manual_seed(0)

    def noise(*shape: int) -> torch.Tensor:
        drawn = torch.randn(shape, generator=made, device=device, dtype=dtype)
        return drawn.to(memory_format=torch.channels_last)

    maps, weight = noise(batch, channels, size, size), noise(channels, channels, 3, 3)
    return partial(torch.conv2d, maps, weight, padding=1)


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
