"""Scenes: English that says them, and pixels that are read without knowing how they were drawn."""

from __future__ import annotations

import random

import numpy as np
import pytest

from belamy.scenes.checking import agrees, look
from belamy.scenes.drawing import CHANCES, draw
from belamy.scenes.grammar import ALIKE, OPTIONAL, PALETTE, SIZES, Scene, Thing, caption, related_scenes, single_scenes


def canvas(side: int, ground: tuple[int, int, int]) -> np.ndarray:
    return np.tile(np.array(ground, np.uint8), (side, side, 1))


def test_a_square_drawn_by_hand() -> None:
    picture = canvas(40, (250, 250, 250))
    picture[4:12, 26:34] = (200, 30, 30)
    view = look(picture)
    assert view.ground == "white"
    (seen,) = view.spots
    assert (seen.shape, seen.colour) == ("square", "red")
    assert (seen.x, seen.y, seen.reach) == pytest.approx((0.75, 0.2, 0.1))
    scene = Scene((Thing("square", "red", "small"),), "white", "top right")
    assert agrees(scene, {"shape", "colour", "size", "place", "ground"}, picture)["all"]


@pytest.mark.parametrize(("name", "inside"), [
    ("circle", lambda x, y: x * x + y * y <= 100),
    ("diamond", lambda x, y: abs(x) + abs(y) <= 10),
    ("triangle", lambda x, y: abs(y) <= 10 and abs(x) <= (y + 10) / 2),
    ("cross", lambda x, y: (abs(x) <= 3 and abs(y) <= 10) or (abs(y) <= 3 and abs(x) <= 10)),
])  # fmt: skip
def test_shapes_drawn_pixel_by_pixel(name: str, inside) -> None:  # type: ignore[no-untyped-def]
    picture = canvas(64, PALETTE["blue"])
    for y in range(-12, 13):
        for x in range(-12, 13):
            if inside(x, y):
                picture[32 + y, 20 + x] = PALETTE["yellow"]
    (seen,) = look(picture).spots
    assert (seen.shape, seen.colour) == (name, "yellow")


def test_what_is_wrong_is_found() -> None:
    scene = Scene((Thing("circle", "green", "large"),), "black", "left")
    picture = draw(scene, 48, np.full(CHANCES, 0.5, np.float32))
    says = {"shape", "colour", "size", "place", "ground"}
    assert agrees(scene, says, picture)["all"]
    wrong = {
        "shape": Scene((Thing("square", "green", "large"),), "black", "left"),
        "colour": Scene((Thing("circle", "blue", "large"),), "black", "left"),
        "size": Scene((Thing("circle", "green", "small"),), "black", "left"),
        "place": Scene((Thing("circle", "green", "large"),), "black", "right"),
        "ground": Scene((Thing("circle", "green", "large"),), "white", "left"),
    }
    for name, other in wrong.items():
        found = agrees(other, says, picture)
        assert not found[name] and not found["all"]
        assert all(found[kept] for kept in says - {name})
    twice = picture.copy()
    twice[2:10, 36:44] = PALETTE["red"]
    assert not agrees(scene, says, twice)["all"]


def test_noise_and_a_bare_ground_show_nothing() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert look(noise).ground is None
    assert look(canvas(32, PALETTE["red"])).spots == ()


def test_a_relation_is_read_from_where_colours_stand() -> None:
    picture = canvas(48, PALETTE["white"])
    picture[18:30, 4:16] = PALETTE["red"]
    picture[18:30, 32:44] = PALETTE["blue"]
    pair = (Thing("square", "red"), Thing("square", "blue"))
    says = {"shape", "colour", "relation", "ground"}
    assert agrees(Scene(pair, "white", relation="left of"), says, picture)["all"]
    assert not agrees(Scene(pair[::-1], "white", relation="left of"), says, picture)["relation"]
    assert not agrees(Scene(pair, "white", relation="above"), says, picture)["relation"]


@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("scenes", [single_scenes(), related_scenes()], ids=["one", "two"])
def test_every_real_picture_is_read_right(side: int, scenes: list[Scene]) -> None:
    order, chance = random.Random(1), np.random.default_rng(1)
    for scene in order.sample(scenes, 150):
        picture = draw(scene, side, chance.random(CHANCES, dtype=np.float32))
        _, says = caption(scene, order.choice, tell=OPTIONAL)
        assert agrees(scene, says, picture)["all"], scene


def test_captions_say_what_they_claim() -> None:
    order = random.Random(2)
    for scene in order.sample(single_scenes(), 300):
        text, says = caption(scene, order.choice)
        (thing,) = scene.things
        assert thing.colour in text and thing.shape in text
        assert ("ground" in says) == (scene.ground in text)
        assert ("size" in says) == any(word in text.split() for size in SIZES for word in ALIKE[size])
        assert "  " not in text and " ," not in text and " a orange" not in f" {text}"


def test_a_relation_may_be_told_from_either_side() -> None:
    order = random.Random(3)
    scene = Scene((Thing("circle", "red"), Thing("square", "blue")), "white", relation="left of")
    told = {caption(scene, order.choice)[0] for _ in range(200)}
    assert any("red circle to the left of a blue square" in text for text in told)
    assert any("blue square to the right of a red circle" in text for text in told)
    assert not any("blue square to the left" in text for text in told)
    assert not any(" ," in text or "  " in text for text in told)


def test_unheard_captions_are_in_other_forms() -> None:
    order = random.Random(4)
    scenes = order.sample(single_scenes(), 200)
    heard = {caption(scene, order.choice, tell=OPTIONAL)[0] for scene in scenes}
    unheard = {caption(scene, order.choice, unheard=True, tell=OPTIONAL)[0] for scene in scenes}
    assert not heard & unheard
