"""What is over the global batch, whichever processes hold its rows."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_reduce


def processes() -> int:
    """How many processes share the batch."""
    return dist.get_world_size() if dist.is_initialized() else 1


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of what each process has as ``value``, of any shape, differentiable."""
    mean: Tensor = all_reduce(value) / processes() if processes() > 1 else value
    return mean


def gathered(rows: Tensor) -> Tensor:
    """The rows [B, ...] of the global batch, in its order, for those [B / processes, ...] held here; no gradients."""
    if processes() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(processes())]
    dist.all_gather(parts, rows.contiguous())
    return torch.cat(parts)
