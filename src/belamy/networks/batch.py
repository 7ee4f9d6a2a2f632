"""Layers that look across the rows of a batch: of the global one, whichever processes hold its rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from belamy.ops.processes import mean_over_processes, processes


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation by the statistics of the global batch, whichever processes hold its rows."""

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(channels, eps, momentum)
        self.register_buffer("num_batches_tracked", None)  # counts for a mean over all batches, which this is not

    def forward(self, maps: Tensor) -> Tensor:
        ranks = processes()
        if not self.training or ranks == 1:
            return super().forward(maps)
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        wide = maps.float()
        mean = mean_over_processes(wide.mean((0, 2, 3)))
        centred = wide - mean[:, None, None]
        variance = mean_over_processes(centred.square().mean((0, 2, 3)))
        count = ranks * maps[:, 0].numel()
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        normal: Tensor = (centred * scale[:, None, None] + self.bias[:, None, None]).to(maps.dtype)
        return normal


class Deviation(nn.Module):
    """``with_deviation`` as a layer, [B, C, H, W] to [B, C + 1, H, W], by which a network shows that it mixes rows."""

    def forward(self, maps: Tensor) -> Tensor:
        return with_deviation(maps)


def with_deviation(maps: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, C + 1, H, W]: beside the maps, everywhere one number that tells how varied the batch is.

    The standard deviation over the batch of each feature at each place, averaged over all (Karras et al., 2018).
    """
    wide = maps.float()
    centred = wide - mean_over_processes(wide.mean(0))
    deviation = (mean_over_processes(centred.square().mean(0)) + 1e-8).sqrt().mean().to(maps.dtype)
    return torch.cat([maps, deviation.expand_as(maps[:, :1])], dim=1)
