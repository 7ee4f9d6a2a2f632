"""Where half the digits are not enough."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor


def in_full(like: Tensor) -> contextlib.AbstractContextManager[object]:
    """Inside, autocast on the device of ``like`` is off. What is exported is in full precision anyway."""
    if torch.compiler.is_exporting():
        return contextlib.nullcontext()
    return torch.autocast(like.device.type, enabled=False)
