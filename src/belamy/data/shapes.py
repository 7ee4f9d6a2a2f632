"""Captioned shapes: pictures drawn from scenes that English describes, so that pixels say what was understood."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from belamy.chance import Chance, key
from belamy.data.captions import Captioned, numbered
from belamy.errors import UserError
from belamy.scenes.drawing import CHANCES, draw
from belamy.scenes.grammar import OPTIONAL, Scene, caption, related_scenes, single_scenes
from belamy.text.embedded import Texts, shared_home
from belamy.text.encoders import DEFAULT

UNSEEN = 0.15
"""The share of scenes, by their hash, that training never shows."""
HELDOUT = 1000


class Shapes(Captioned):
    """Shapes of a colour and a size at a place, on a ground of another colour; or two ``objects`` and how they stand.

    There are ``count`` captioned scenes to train on; where exactly things stand, and of what shade they are, is drawn
    anew each time. ``encoder`` reads the captions, of which so many ``words`` are told one by one. Held-out rows show
    scenes that training never does. The other arguments are those of Captioned.
    """

    def __init__(
        self, resolution: int = 32, objects: int = 1, count: int = 8000, encoder: str = DEFAULT, words: int = 20,
        untold: float = 0.1, wrongs: int = 3, seed: int = 0,
    ) -> None:  # fmt: skip
        if resolution % 4 or not 32 <= resolution <= 128:
            raise UserError(f"resolution {resolution} should be a multiple of 4 from 32 to 128, to tell shapes apart")
        if objects not in (1, 2):
            raise UserError(f"objects {objects} should be 1, or 2 with a relation")
        self.seed, self.untold, self.wrongs, self._side = seed, untold, wrongs, resolution
        scenes = single_scenes() if objects == 1 else related_scenes()
        unseen = np.array([unseen_scene(scene) for scene in scenes])
        self._scenes = [
            *_drawn([scenes[row] for row in np.flatnonzero(~unseen)], count, "seen"),
            *_drawn([scenes[row] for row in np.flatnonzero(unseen)], HELDOUT, "unseen"),
        ]
        said = [caption(scene, partial(_choose, iter(_numbers("said", row)))) for row, scene in enumerate(self._scenes)]
        texts, self._told = numbered([text for text, _ in said])
        self._spoken = texts
        # To know of which other scenes a caption would be true as well.
        self._says = {int(number): _claims(self._scenes[row], said[row][1]) for row, number in enumerate(self._told)}
        self._truth = [_claims(scene) for scene in self._scenes]
        self._read_by = encoder, words
        self.texts = Texts(texts, encoder, words, shared_home())
        self._rows = np.arange(count)
        self._alike: dict[frozenset[Any], list[int]] = {}
        for row in range(count):
            for claims in (self._truth[row], *(self._truth[row] - {claim} for claim in self._truth[row])):
                self._alike.setdefault(claims, []).append(row)
        self.facts = {
            "kind": "captions", "resolution": resolution, "channels": 3, "classes": None, "text": self.texts.facts,
            "text_width": self.texts.facts["width"], "words": words, "scenes": objects, "count": count,
            "heldout": HELDOUT, "fingerprint": f"{key('shapes', resolution, objects, count) % 2**64:016x}",
        }  # fmt: skip

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def numbers(self) -> NDArray[np.int64]:
        return self._told[self._rows]

    def pictures(self, indices: NDArray[np.int64], rng: Chance) -> Tensor:
        chance = rng.uniform(CHANCES).numpy()
        drawn = [
            draw(self._scenes[row], self._side, own) for row, own in zip(self._rows[indices], chance, strict=True)
        ]
        return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)

    def told(self, indices: NDArray[np.int64], rng: Chance) -> NDArray[np.int64]:
        return self._told[self._rows[indices]]

    def strangers(self, indices: NDArray[np.int64], drawn: NDArray[np.int64]) -> NDArray[np.bool_]:
        """What is said must not be true of the scene, in whatever words."""
        truths = [self._truth[row] for row in self._rows[indices].tolist()]
        pairs = zip(truths, drawn.tolist(), strict=True)
        return np.array([[not self._says[number] <= truth for number in own] for truth, own in pairs])

    def nearly(self, indices: NDArray[np.int64], rng: Chance) -> NDArray[np.int64]:
        """Captions of scenes that differ in one thing at most, or have two things exchanged.

        About half of them are true all the same.
        """
        drawn = rng.uniform(4, 2).numpy()
        return np.array([
            [self._neighbour(row, *pair) for pair in pairs]
            for row, pairs in zip(self._rows[indices].tolist(), drawn.tolist(), strict=True)
        ])  # fmt: skip

    def _neighbour(self, row: int, which: float, place: float) -> int:
        """The caption of a trained scene that has all claims of this one but one, which chance names.

        Or all, with two exchanged: a bag of words would not tell. Two things change places more often than else, since
        who stands where is learnt last.
        """
        scene = self._scenes[row]
        changes = [*sorted(self._truth[row], key=repr), *_against_ground(scene), *3 * _exchanged(scene)]
        change = changes[int(which * len(changes))]
        kept = _claims(change) if isinstance(change, Scene) else self._truth[row] - {change}
        others = self._alike.get(kept, [row])
        return int(self._told[others[int(place * len(others))]])

    def spoken(self, number: int) -> str:
        return self._spoken[number]

    def described(
        self, n: int, unheard: bool = False, tell: Collection[str] = OPTIONAL
    ) -> tuple[Tensor, list[Scene], list[frozenset[str]]]:
        """``n`` scenes told whole, in an order fixed for all seeds: encoded texts, scenes, and what is told of them.

        ``unheard``: in ways that training never uses. ``tell``: as in ``caption``.
        """
        scenes = [self._scenes[row] for row in self._rows[self.order(n)]]
        said = [
            caption(scene, partial(_choose, iter(_numbers("asked", row, unheard))), unheard, tell)
            for row, scene in enumerate(scenes)
        ]
        texts, numbers = numbered([text for text, _ in said])
        encoded = Texts(texts, *self._read_by, shared_home())
        encoded.facts = self.texts.facts
        return encoded.rows(numbers), scenes, [says for _, says in said]

    def heldout(self) -> Shapes | None:
        """Rows of scenes that training never shows."""
        if len(self._rows) == len(self._scenes) - HELDOUT:
            other = copy.copy(self)
            other._rows = np.arange(len(self._rows), len(self._scenes))
            return other
        return None


def unseen_scene(scene: Scene) -> bool:
    """Whether training never shows this scene."""
    return key("unseen", scene) % 10_000 < 10_000 * UNSEEN


def _against_ground(scene: Scene) -> list[Scene]:
    """The scenes in which a thing and the ground have each other's colours."""
    found = []
    for number, thing in enumerate(scene.things):
        things = (*scene.things[:number], replace(thing, colour=scene.ground), *scene.things[number + 1 :])
        found.append(replace(scene, things=things, ground=thing.colour))
    return found


def _exchanged(scene: Scene) -> list[Scene]:
    """The scenes in which two things have each other's colours, shapes, or both."""
    if len(scene.things) < 2:
        return []
    first, second = scene.things
    found = []
    for names in (("colour",), ("shape",), ("colour", "shape")):
        ours, theirs = ({name: getattr(thing, name) for name in names} for thing in (first, second))
        found.append(replace(scene, things=(replace(first, **theirs), replace(second, **ours))))
    return found


def _drawn(scenes: Sequence[Scene], count: int, what: str) -> list[Scene]:
    """So many of ``scenes``, each as often as the others, or nearly."""
    order = np.random.default_rng(abs(key("shapes", what)))
    rounds = [order.permutation(len(scenes)) for _ in range(-(-count // len(scenes)))]
    return [scenes[row] for row in np.concatenate(rounds)[:count]]


def _numbers(*what: object) -> list[int]:
    generator = np.random.default_rng(abs(key("shapes", *what)))
    drawn: list[int] = generator.integers(0, 2**31, 16).tolist()
    return drawn


def _choose(numbers: Any, among: Sequence[Any]) -> Any:
    return among[next(numbers) % len(among)]


def _claims(scene: Scene, says: Any = ("shape", "colour", "size", "place", "ground", "relation")) -> frozenset[Any]:
    """What a caption that ``says`` so much claims of a scene; a part of what another scene claims where it is true."""
    claims: set[Any] = set()
    for number, thing in enumerate(scene.things):
        claims |= {(number, name, getattr(thing, name)) for name in ("shape", "colour", "size") if name in says}
    claims |= {(name, getattr(scene, name)) for name in ("place", "ground", "relation") if name in says}
    return frozenset(claims)
