"""What a scene of shapes is, and the ways in which English says so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

PALETTE = {
    "red": (215, 40, 40), "orange": (245, 145, 35), "yellow": (250, 220, 60), "green": (45, 160, 70),
    "blue": (45, 85, 215), "purple": (135, 50, 160), "black": (20, 20, 20), "white": (245, 245, 245),
}  # fmt: skip
SHAPES = ("circle", "square", "triangle", "diamond", "cross")
SIZES = ("small", "large")
PLACES = (
    "top left", "top", "top right", "left", "centre", "right", "bottom left", "bottom", "bottom right",
)  # fmt: skip
RELATIONS = ("left of", "above")


@dataclass(frozen=True)
class Thing:
    """A shape of a colour; ``size`` is None where two things share a scene, and both are of middle size."""

    shape: str
    colour: str
    size: str | None = None


@dataclass(frozen=True)
class Scene:
    """One thing at a ``place``, or two, of which the first is ``relation`` the second; on one colour, ``ground``."""

    things: tuple[Thing, ...]
    ground: str
    place: str | None = None
    relation: str | None = None


def single_scenes() -> list[Scene]:
    """Every scene of one thing, which is not of the colour of its ground."""
    kinds = product(SHAPES, PALETTE, SIZES, PLACES, PALETTE)
    return [
        Scene((Thing(shape, colour, size),), ground, place)
        for shape, colour, size, place, ground in kinds if colour != ground
    ]  # fmt: skip


def related_scenes() -> list[Scene]:
    """Every scene of two things of different colours."""
    things = [Thing(shape, colour) for shape, colour in product(SHAPES, PALETTE)]
    return [
        Scene((first, second), ground, relation=relation)
        for first, second, relation, ground in product(things, things, RELATIONS, PALETTE)
        if len({first.colour, second.colour, ground}) == 3
    ]


Choose = Callable[[Sequence[Any]], Any]
"""Takes one of several, by chance."""

ALIKE: dict[str, tuple[str, ...]] = {
    "large": ("large", "big", "giant", "enormous"), "small": ("small", "little", "mini", "miniature"),
    "left of": ("to the left of", "left of", "on the left of", "at the left of"), "above": ("above", "over"),
    "right of": ("to the right of", "right of", "on the right of", "at the right of"), "below": ("below", "under"),
}  # fmt: skip
ELSEWISE: dict[str, tuple[str, ...]] = {
    "large": ("large", "huge"), "small": ("small", "tiny"),
    "left of": ("on the left side of", "to the left of"), "right of": ("on the right side of", "to the right of"),
    "above": ("above", "higher than"), "below": ("below", "beneath"),
}  # fmt: skip
OPPOSITE = {"left of": "right of", "above": "below"}
OPTIONAL = ("size", "place", "ground")
SAID = (OPTIONAL,) * 7 + tuple(combinations(OPTIONAL, 2)) + tuple(combinations(OPTIONAL, 1)) + ((),) * 2
"""What captions say of it: mostly all, and often enough nothing, that a prompt of few words is painted as one thing."""


def caption(
    scene: Scene, choose: Choose, unheard: bool = False, tell: Collection[str] | None = None
) -> tuple[str, frozenset[str]]:
    """What one may say of a scene, and which of its attributes that tells.

    ``unheard``: in one of the ways that training never uses. ``tell`` what of OPTIONAL; by default chance decides.
    """
    told = set(choose(SAID) if tell is None else tell)
    words = ELSEWISE if unheard else ALIKE
    if scene.relation is not None:
        return _relation(scene, choose, words, unheard, told & {"ground"})
    (thing,) = scene.things
    size = choose(words[str(thing.size)]) if "size" in told else ""
    text = choose(UNHEARD if unheard else FORMS)(
        _words("a", size, thing.colour, thing.shape),
        _place(str(scene.place), choose, unheard) if "place" in told else "",
        scene.ground if "ground" in told else "",
    )
    return _tidy(text), frozenset({"shape", "colour"} | told)


def _words(*words: str) -> str:
    article, *others = (word for word in words if word)
    return " ".join(["an" if article == "a" and others[0][0] in "aeiou" else article, *others])


def _place(place: str, choose: Choose, unheard: bool) -> str:
    if place == "centre":
        heard = ("in the middle", "in the centre", "at the centre")
        return str(choose(("in the very centre", "in the middle") if unheard else heard))
    if " " in place:
        above, side = place.split()
        other = {"top": "upper", "bottom": "lower"}[above]
        corner = (f"at the {place}", f"in the {place} corner", f"in the {other} {side}", f"in the {other} {side} part")
        return str(choose((f"near the {place} corner", f"in the {other} {side} corner") if unheard else corner))
    if unheard:
        return str(choose((f"near the {place} edge", f"at the {place}")))
    edge = (f"at the {place}", f"by the {place} edge", f"at the {place} side")
    return str(choose((*edge, f"on the {place}") if place in ("left", "right") else edge))


def _on(ground: str, form: str) -> str:
    return form.format(ground).replace(" a o", " an o").removeprefix(" ") if ground else ""


FORMS: tuple[Callable[[str, str, str], str], ...] = (
    lambda thing, place, ground: f"{thing} {place} {_on(ground, 'on a {} background')}",
    lambda thing, place, ground: f"{thing} {place} {_on(ground, 'on a {} background')}",
    lambda thing, place, ground: f"a picture of {thing} {place} {_on(ground, 'against a {} background')}",
    lambda thing, place, ground: f"there is {thing} {place} {_on(ground, 'and the background is {}')}",
    lambda thing, place, ground: f"{_on(ground, ' a {} background with')} {thing} {place}",
    lambda thing, place, ground: f"{_on(ground, 'on {},')} {thing} {place}",
    lambda thing, place, ground: f"draw {thing} {place} {_on(ground, 'with a {} background')}",
    lambda thing, place, ground: f"an image of {thing} {place} {_on(ground, ', the background {}')}",
    lambda thing, place, ground: f"{thing} is shown {place} {_on(ground, 'over a {} background')}",
    lambda thing, place, ground: f"{place} there is {thing} {_on(ground, 'on a {} background')}",
    lambda thing, place, ground: f"show {thing} {place} {_on(ground, ', the rest is {}')}",
    lambda thing, place, ground: f"paint {thing} {place} {_on(ground, 'on {}')}",
    lambda thing, place, ground: f"the picture shows {thing} {place} {_on(ground, 'before a {} background')}",
    lambda thing, place, ground: f"{_on(ground, ' a {} background,')} {thing} {place}",
    lambda thing, place, ground: f"{thing} {place} {_on(ground, 'with {} behind it')}",
    lambda thing, place, ground: f"{_on(ground, 'on a {} ground there is')} {thing} {place}",
    lambda thing, place, ground: f"we have {thing} {place} {_on(ground, ', all around it is {}')}",
    lambda thing, place, ground: f"a drawing of {thing}, {place} {_on(ground, ', {} background')}",
    lambda thing, place, ground: f"{_on(ground, 'make the background {} and put')} {thing} {place}",
)
UNHEARD: tuple[Callable[[str, str, str], str], ...] = (
    lambda thing, place, ground: f"please draw {thing} {place} {_on(ground, 'in front of a {} background')}",
    lambda thing, place, ground: f"I can see {thing}, {place} {_on(ground, ', and everything behind it is {}')}",
    lambda thing, place, ground: f"{_on(ground, 'the background is {}, and')} {place} you find {thing}",
)


def _relation(
    scene: Scene, choose: Choose, words: dict[str, tuple[str, ...]], unheard: bool, told: set[str]
) -> tuple[str, frozenset[str]]:
    first, second = (_words("a", thing.colour, thing.shape) for thing in scene.things)
    relation = str(scene.relation)
    if choose((False, True)):
        first, second, relation = second, first, OPPOSITE[relation]
    pair = f"{first} {choose(words[relation])} {second}"
    ground = scene.ground if told else ""
    text = choose(UNHEARD)(pair, "", ground) if unheard else _pair(pair, ground, choose)
    return _tidy(text), frozenset({"shape", "colour", "relation"} | told)


LEADS = (
    "", "", "", "a picture of", "there is", "draw", "an image of", "show", "paint", "the picture shows", "we have",
    "a drawing of", "this is", "here is", "imagine", "a painting of", "give me", "make", "it shows", "a scene with",
    "an illustration of", "let there be", "in this picture there is", "somebody has drawn", "what we have here is",
    "on the page there is", "the artist painted us",
)  # fmt: skip
BEFORE = (
    " a {} background with", "on {},", "on a {} ground there is", "make the background {} and put", " a {} background,",
    "with a {} background,", "against {} there is", "on a {} backdrop,", " a {} picture with", "all is {} but for",
    "fill it with {} and add", "the ground is {} and on it is", "the whole picture is {}, and there is",
)  # fmt: skip
AFTER = (
    "on a {} background", "on a {} background", "against a {} background", "and the background is {}",
    "with a {} background", ", the background {}", "over a {} background", ", the rest is {}", "on {}",
    "before a {} background", "with {} behind it", ", all around it is {}", ", {} background", "on a {} ground",
    "surrounded by {}", ", the backdrop is {}", "and the rest is {}", "with {} all around", "upon plain {}",
    ", all of it on {}", ", and the whole rest of it is {}", ", and all that is around them is {}",
)  # fmt: skip


def _pair(pair: str, ground: str, choose: Choose) -> str:
    """Two things, told in one of hundreds of ways: of few, networks learn by heart where each thing stands in them."""
    if ground and choose((True, False, False, False)):
        return f"{_on(ground, choose(BEFORE))} {pair}"
    return f"{choose(LEADS)} {pair} {_on(ground, choose(AFTER))}"


def _tidy(text: str) -> str:
    return " ".join(text.split()).replace(" ,", ",")
