"""Pictures answered by games: of every depth and number of channels, in tiles or whole, the known part untouched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from belamy import translation
from belamy.data.gallery import to_tensor
from belamy.errors import UserError
from belamy.game import Batch, Game
from belamy.games.cyclegan import CycleGAN
from belamy.games.inpaint import Inpaint
from belamy.games.pix2pix import Pix2Pix
from belamy.games.style import Style
from belamy.games.superres import SuperRes
from belamy.model import Model
from belamy.ops.fill import harmonic
from belamy.translation import between, to_pixels
from tiny import roughened

WIDTHS = [2, 3, 4]


def model(game: Game, task: str, channels: int = 3, target: int = 3) -> Model:
    facts = {"kind": "translation", "task": task, "channels": channels, "target_channels": target}
    return Model(roughened(game, 0.1), {}, facts)


def noise(*shape: int, kind: Any = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(kind).max + 1, shape).astype(kind)


@pytest.fixture
def enlarger() -> Model:
    return model(SuperRes(3, scale=2, width=4, blocks=1), "superres")


GAMES = {
    "paired": lambda: model(Pix2Pix(3, 3, WIDTHS, 1), "paired"),
    "superres": lambda: model(SuperRes(3, scale=3, width=4, blocks=1), "superres"),
    "style": lambda: model(Style(3, WIDTHS, 1), "style"),
    "inpaint": lambda: model(Inpaint(3, WIDTHS, 1), "inpaint"),
}


@pytest.mark.parametrize("task", GAMES)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_tiles_give_what_the_whole_gives(task: str, kind: Any) -> None:
    made, picture = GAMES[task](), noise(75, 101, 3, kind=kind)
    mask = np.zeros((75, 101), bool)
    mask[20:50, 30:80] = True
    given = {"mask": mask} if task == "inpaint" else {}
    whole = made.apply(picture, tile=None, **given)
    assert whole.dtype == kind and whole.std() > 0
    for tile in (8, 33):
        apart = np.abs(whole.astype(int) - made.apply(picture, tile=tile, **given).astype(int))
        assert apart.max() <= (1 if kind == np.uint8 else 2)


@pytest.mark.parametrize("task", GAMES)
def test_half_the_digits_give_nearly_the_same(task: str) -> None:
    made, picture = GAMES[task](), noise(40, 48, 3)
    given = {"mask": np.eye(40, 48, dtype=bool)} if task == "inpaint" else {}
    whole, half = (made.apply(picture, precision=precision, **given).astype(int) for precision in ("fp32", "bf16"))
    assert 0 < np.abs(whole - half).max() < 20
    with pytest.raises(UserError, match="--precision half should be fp32 or bf16"):
        made.apply(picture, precision="half", **given)


@pytest.mark.parametrize(("channels", "near"), [(1, 4), (3, 8), (3, 64)])
def test_what_a_network_adds_nothing_to_is_filled_harmonically(
    channels: int, near: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = model(Inpaint(channels, WIDTHS, 1), "inpaint", channels, channels)
    picture, mask = noise(50, 61, channels), np.zeros((50, 61), bool)
    mask[5:12, 8:20] = mask[20:25, 30:] = mask[26:50, 10:29] = mask[0, 0] = True
    monkeypatch.setattr(translation, "NEAR", near)
    missing = torch.from_numpy(mask.astype(np.float32))[None, None]
    smooth = to_pixels(harmonic(to_tensor(picture)[None], missing)[0], np.uint8).astype(int)
    found.game.generator.head.length.data.zero_()
    found.game.generator.head.bias.data.zero_()
    assert np.abs(found.apply(picture, mask=mask).astype(int) - smooth).max() <= 2



def test_a_pillow_picture_is_answered_by_one(enlarger: Model) -> None:
    picture = Image.fromarray(noise(10, 14, 3))
    answer = enlarger.apply(picture)
    assert isinstance(answer, Image.Image) and answer.size == (28, 20) and answer.mode == "RGB"
    assert np.array_equal(np.asarray(answer), enlarger.apply(np.asarray(picture)))


@pytest.mark.parametrize("own", [1, 3, 4])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_enlarging_keeps_channels_and_alpha(own: int, channels: int) -> None:
    made = model(SuperRes(own, scale=2, width=4, blocks=1), "superres", own, own)
    picture = noise(12, 10, channels)
    answer = made.apply(picture)
    assert answer.shape == (24, 20, channels)
    if channels in (2, 4) and own < 4:
        assert np.array_equal(answer[..., -1:], made.apply(picture[..., -1:]))
    if own == 1 and channels == 3:
        assert np.array_equal(answer[..., :1], made.apply(picture[..., :1]))


@pytest.mark.parametrize("own", [1, 3, 4])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_holes_are_filled_in_every_number_of_channels(own: int, channels: int) -> None:
    made = model(Inpaint(own, WIDTHS, 1), "inpaint", own, own)
    picture, mask = noise(16, 12, channels), np.zeros((16, 12), bool)
    mask[3:9, 4:10] = True
    answer = made.apply(picture, mask=mask)
    assert np.array_equal(answer[~mask], picture[~mask]) and answer.shape == picture.shape
    assert channels in (1, 3) or (answer[..., -1][mask] == 255).all()


def test_pillow_pictures_of_every_mode(enlarger: Model) -> None:
    full = Image.fromarray(noise(10, 10, 3))
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK"):
        answer = enlarger.apply(full.convert(mode))
        assert answer.size == (20, 20) and answer.mode in ("L", "LA", "RGB", "RGBA")
    assert np.array_equal(enlarger.apply(full.convert("P")), enlarger.apply(full.convert("P").convert("RGB")))
    assert enlarger.apply(Image.fromarray(noise(10, 10, kind=np.uint16))).mode == "I;16"
    with pytest.raises(UserError, match=r"uint8 or uint16 \[H, W, C\], not float64"):
        enlarger.apply(np.zeros((4, 4, 3)))


def test_there_and_back() -> None:
    game = CycleGAN(3, 1, 16, WIDTHS, 1)
    made, picture = model(game, "unpaired", 3, 1), noise(20, 13, 3)
    there = made.apply(picture)
    assert there.shape == (20, 13, 1) and made.apply(there, backwards=True).shape == (20, 13, 3)
    assert np.abs(made.apply(picture, tile=8).astype(int) - there).max() <= 1
    with pytest.raises(UserError, match="Pix2Pix goes one way only"):
        GAMES["paired"]().apply(picture, backwards=True)


def test_other_tasks_keep_alpha_as_it_is() -> None:
    picture = noise(12, 12, 4)
    assert np.array_equal(GAMES["style"]().apply(picture)[..., 3], picture[..., 3])


def test_a_style_paints_what_is_flat() -> None:
    made, flat = GAMES["style"](), np.full((40, 40, 3), 99, np.uint8)
    first, again, larger = (made.apply(np.full((side, 40, 3), 99, np.uint8)) for side in (40, 40, 80))
    assert first[16:24, 16:24].astype(float).std() > 0.5 and np.array_equal(first, again)
    assert np.array_equal(made.apply(flat, strength=0.0), flat)
    assert np.array_equal(first[:8], larger[:8])  # grain belongs to places


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_no_strength_gives_the_picture_back(kind: Any) -> None:
    made, picture = GAMES["style"](), noise(21, 18, 3, kind=kind)
    assert np.array_equal(made.apply(picture, strength=0.0), picture)
    half, full = (made.apply(picture, strength=amount).astype(float) for amount in (0.5, 1.0))
    assert 0 < np.abs(half - picture).mean() < np.abs(full - picture).mean()


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_what_is_known_comes_back_bit_for_bit(kind: Any, channels: int) -> None:
    made, picture = GAMES["inpaint"](), noise(30, 26, channels, kind=kind)
    mask = np.zeros((30, 26), bool)
    mask[5:20, 8:21] = True
    answer = made.apply(picture, mask=mask)
    assert np.array_equal(answer[~mask], picture[~mask])
    assert not np.array_equal(answer[mask], picture[mask])
    assert channels == 3 or (answer[..., 3][mask] == np.iinfo(kind).max).all()


def test_what_is_transparent_is_a_hole() -> None:
    made, picture = GAMES["inpaint"](), noise(16, 16, 4)
    picture[..., 3] = 255
    picture[4:9, 4:9, 3] = 0
    answer = made.apply(picture)
    assert (answer[..., 3] == 255).all()
    assert np.array_equal(answer, made.apply(picture, mask=picture[..., 3] == 0))


def test_between_the_faithful_and_the_sharp_network(enlarger: Model) -> None:
    game, source = enlarger.game, torch.rand(1, 3, 8, 8)

    def answer(amount: float) -> torch.Tensor:
        return between(game, amount).sample({"source": source})["image"]

    assert torch.equal(answer(1.0), game.sample({"source": source})["image"])
    assert torch.equal(answer(0.0), game.get_submodule("faithful")(source))
    assert not torch.equal(answer(0.5), answer(1.0))
    with pytest.raises(UserError, match=r"from 0 .* to 1"):
        between(game, 1.5)


@pytest.mark.parametrize(("task", "given", "words"), [
    ("superres", {"mask": np.ones((8, 8), bool)}, "--mask is for inpaint"),
    ("paired", {"strength": 0.5}, "--strength is for style"),
    ("paired", {"denoise": 0.5}, "--denoise is for superres"),
    ("inpaint", {}, "nothing says what is missing"),
    ("inpaint", {"mask": np.ones((8, 9), bool)}, "the mask is 9x8, the picture 8x8"),
    ("inpaint", {"mask": np.ones((8, 8), bool)}, "all of the picture is missing"),
    ("paired", {"tile": 0}, "a tile has 1 pixel or more"),
])  # fmt: skip
def test_what_a_model_has_no_use_for(task: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        GAMES[task]().apply(noise(8, 8, 3), **given)


def test_channels_that_do_not_fit() -> None:
    with pytest.raises(UserError, match=r"takes pictures of 3 channels, and this one has 6"):
        GAMES["paired"]().apply(noise(8, 8, 6))
    many = model(Pix2Pix(6, 1, WIDTHS, 1), "paired", channels=6, target=1)
    assert many.apply(noise(8, 8, 6)).shape == (8, 8, 1)


def test_one_that_looks_at_all_at_once_takes_no_tiles() -> None:
    class Whole(Pix2Pix):
        def sample(self, given: Batch) -> Batch:
            return {"image": given["source"] - given["source"].mean()}

    made = model(Whole(3, 3, WIDTHS, 1), "paired")
    made.game.radius = None
    picture = noise(1100, 1000, 3)
    assert made.apply(picture).shape == picture.shape
    with pytest.raises(UserError, match=r"Whole looks at the whole picture at once: --tile none"):
        made.apply(picture, tile=64)


def test_a_model_that_answers_does_not_sample() -> None:
    with pytest.raises(UserError, match=r"belamy apply"):
        GAMES["paired"]().sample(4)


def test_levels_come_back() -> None:
    for kind in (np.uint8, np.uint16):
        levels = np.arange(np.iinfo(kind).max + 1).astype(kind).reshape(-1, 16, 1)
        assert np.array_equal(to_pixels(to_tensor(levels), kind), levels)
    assert to_pixels(torch.tensor([[[float("nan"), -9, 9]]]), np.uint8).ravel().tolist() == [128, 0, 255]
