"""A pool of pictures that generators made before (Shrivastava et al., 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from belamy.chance import Chance
from belamy.ops.processes import gathered, processes


class Pool(nn.Module):
    """Keeps ``size`` pictures; half of those that are put in come back at once, half are exchanged for older ones.

    It is that of the global batch, whichever processes hold its rows.
    """

    kept: Tensor
    count: Tensor

    def __init__(self, size: int, shape: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("kept", torch.zeros(size, *shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, pictures: Tensor, rng: Chance) -> Tensor:
        """Pictures [B, ...] for those [B, ...] that are put in."""
        size = len(self.kept)
        if size == 0:
            return pictures
        whole, places, chances = (gathered(each) for each in (pictures, rng.integers(size), rng.uniform()))
        found = whole.clone()
        for row in range(len(whole)):
            number = int(self.count)
            if number < size:
                self.kept[number] = whole[row]
                self.count += 1
            elif chances[row] < 0.5:
                place = int(places[row])
                found[row] = self.kept[place]
                self.kept[place] = whole[row]
        return found.chunk(processes())[dist.get_rank()] if processes() > 1 else found
