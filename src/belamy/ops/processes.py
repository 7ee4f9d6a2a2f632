"""What is over the global batch, whichever processes hold its rows."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_reduce


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of what each process has as ``value``, of any shape, differentiable."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return value
    mean: Tensor = all_reduce(value) / dist.get_world_size()
    return mean
