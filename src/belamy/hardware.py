"""What the machine is, and what it does well."""

from __future__ import annotations

import ctypes
import platform
import resource
import sys
import time
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
    """Whether bf16 is faster than float32 there: AMX or AVX512-BF16 on a CPU, Ampere or later on CUDA."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and (
        torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    )


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
    maps = torch.randn(32, 128, 32, 32, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    weight = torch.randn(128, 128, 3, 3, device=device, dtype=dtype).to(memory_format=torch.channels_last)

    def play(times: int) -> None:
        for _ in range(times):
            torch.nn.functional.conv2d(maps, weight, padding=1)
        if device.type == "cuda":
            torch.cuda.synchronize()

    play(3)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        play(4)
        count += 4
    return count * 2 * 32 * 128 * 128 * 9 * 32 * 32 / (time.perf_counter() - began) / 1e12


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
