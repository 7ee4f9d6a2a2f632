"""The vocabulary: a game has players, and turns in which one of them moves to lower its score."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from belamy.chance import Chance
from belamy.errors import UserError

Batch = dict[str, Tensor]
"""Named tensors, each ``[B, ...]``: images ``[B, C, H, W]`` float32 in [-1, 1], classes int64 ``[B]``.

Attributes are float32 ``[B, A]``, 1 or 0.
"""


@dataclass(frozen=True)
class Score:
    """What a player is judged by: the sum of the scalar ``terms`` is minimised, ``seen`` is only watched."""

    terms: dict[str, Tensor]
    seen: dict[str, Tensor] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        return torch.stack(list(self.terms.values())).sum()


@dataclass(frozen=True)
class Turn:
    """One optimizer step of one player on ``loss(batch, rng)``.

    ``every``: lazy regularisation (Karras et al., 2020): played at every n-th step, its loss times n.
    ``repeats``: played so many times in a row on fresh data (n_critic).
    """

    player: str
    loss: Callable[[Batch, Chance], Score]
    every: int = 1
    repeats: int = 1


class Game(nn.Module):
    """Networks, and the losses they play for.

    Players are the child modules that turns name. All that must survive a restart is a parameter or a buffer.
    """

    shipped: tuple[str, ...] = ("generator",)
    """The players that sampling needs: averaged over training, and saved in the model."""

    rowwise: bool = True
    """Whether a loss is a mean over rows that know nothing of each other, so that micro-batches add up to a batch."""

    fewest: int = 1
    """How many rows, or packs, a batch has at least: where networks see how rows differ, one alone says nothing."""

    sample_key: str = "image"
    """What batches call a sample."""

    scale: int | None = None
    """Of a game that answers pictures with pictures: how many pixels to a side become of one. None: it needs none.

    Its ``sample`` takes them as "source" [B, C, H, W], whose sides divide by ``stride``. No pixel of the answer sees
    further than ``radius`` pixels of the source, or else all of it, where that is None: so large ones go in tiles.
    """

    stride: int = 1
    radius: int | None = None
    reversible: bool = False
    """Whether it goes the other way, too, where ``sample`` is given "backwards"."""

    pack: int = 1
    """How many rows in a row a loss looks at together: each process, and each micro-batch, plays whole packs."""

    @property
    def answers(self) -> bool:
        """Whether it answers pictures with pictures."""
        return self.scale is not None

    def prepare(self) -> None:
        """Called once before training, with the whole game built. Raises UserError for what cannot work."""

    def turns(self) -> list[Turn]:
        """The turns of one step, in the order they are played."""
        raise TypeError(f"{type(self).__name__} must say its turns(): a list of Turn")

    def advance(self, examples: int) -> None:
        """Called before each step with the number of examples seen: for schedules and growth."""

    def observe(self, seen: Mapping[str, float]) -> None:
        """Called after each turn with what it saw, averaged over the global batch: for adaptive rules."""

    def realness(self, batch: Batch, rng: Chance) -> Tensor | None:
        """Logits [B], or one for each pack, of how real the samples of a batch look to the discriminator as it stands.

        None where the game has none that judges samples one by one.
        """
        return None

    def settle(self) -> None:
        """Called once before an export: what networks read from buffers to choose their way is fixed from here on."""

    def heed(self, remedy: str) -> str | None:
        """Does what the watchdog asks for, "augmentation" or "penalties", for good; says in words what that was.

        None where there is nothing to raise.
        """
        return None

    def prior(self, n: int, rng: Chance) -> Batch:
        """All the chance that sampling needs, for ``n`` samples; ``len(rng) == n``."""
        raise TypeError(f"{type(self).__name__} must say its prior(n, rng): the chance that sampling needs")

    def moments(self) -> dict[str, int]:
        """From how many examples on pictures of which size, such as "64x64", are played, by a game that grows."""
        return {}

    @property
    def steady(self) -> bool:
        """Whether samples and gradients can be held against earlier ones: not while a game grows."""
        return True

    def as_played(self, batch: Batch) -> Batch:
        """Real samples as like generated ones as they can be at this moment: of the size that a game has grown to."""
        return batch

    def truncate(self, given: Batch, amount: float) -> Batch:
        """``given`` with its styles drawn towards the typical: less variety for an ``amount`` below 1.

        Raises UserError for any but 1 where the game has no space of styles with a typical one.
        """
        if amount != 1:
            raise UserError(f"{type(self).__name__} has no styles to truncate: train the recipe stylegan for them")
        return given

    def styles(self, given: Batch) -> Tensor | None:
        """``given`` as styles W+ [B, layers, D], which blend and mix, and which ``sample`` takes in place of latents.

        None where the game has no such space.
        """
        return None

    def as_normal(self, latents: Tensor) -> Tensor:
        """Latents [B, D] as standard normal numbers, between which ways lead; here they are that already."""
        return latents

    def from_normal(self, numbers: Tensor) -> Tensor:
        """The latents that ``as_normal`` made such numbers of."""
        return numbers

    def sample(self, given: Batch) -> Batch:
        """Samples, as a pure function of ``prior``'s latents and of conditions."""
        raise TypeError(f"{type(self).__name__} must say how to sample(given)")
