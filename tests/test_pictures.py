"""Pictures: rounding, geometry to the pixel, transparency."""

import numpy as np
import pytest
import torch

from belamy.pictures import LONGEST, _wrapped, class_grid, grid, signed, to_pil, to_uint8


def level(value: float, dtype: torch.dtype = torch.float32) -> int:
    return int(to_uint8(torch.full((1, 1, 1, 1), value, dtype=dtype))[0, 0, 0, 0])


def flat(count: int, height: int, width: int, channels: int = 1) -> np.ndarray:
    """Picture k has the level k + 1 everywhere."""
    levels = np.arange(1, count + 1, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, channels)).copy()


def test_every_level_survives_the_way_there_and_back():
    levels = torch.arange(256).reshape(1, 1, 16, 16)
    assert (to_uint8(levels / 127.5 - 1).ravel() == np.arange(256)).all()


def test_halves_round_up_and_the_outside_is_clamped():
    assert level(0.0) == 128  # 127.5
    assert level(-1 + 0.5 / 127.5) == 1
    assert [level(x) for x in (-1.0, 1.0, -7.0, 7.0, -np.inf, np.inf)] == [0, 255, 0, 255, 0, 255]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_any_float_type_and_nan_is_grey(dtype):
    assert level(np.nan, dtype) == 128
    assert level(1.0, dtype) == 255


def test_channels_go_last():
    array = to_uint8(torch.zeros(2, 3, 4, 5, requires_grad=True))
    assert array.shape == (2, 4, 5, 3) and array.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_pillow_modes(channels, mode):
    image = to_pil(flat(1, 4, 5, channels)[0])
    assert (image.mode, image.size) == (mode, (5, 4))


def test_two_channels_are_refused():
    with pytest.raises(ValueError, match="1, 3 or 4"):
        to_pil(np.zeros((4, 4, 2), dtype=np.uint8))


def test_grid_is_exact_to_the_pixel():
    sheet = np.asarray(grid(flat(5, 4, 6), columns=3, scale=2, gap=3))
    assert sheet.shape == (2 * 8 + 3, 3 * 12 + 2 * 3, 3)
    for index in range(5):
        top, left = index // 3 * 11, index % 3 * 15
        assert (sheet[top : top + 8, left : left + 12] == index + 1).all()
    assert (sheet[8:11] == 255).all() and (sheet[:, 12:15] == 255).all()  # gaps
    assert (sheet[11:, 30:] == 255).all()  # the cell that nobody took


def test_tiny_pictures_are_enlarged_and_large_ones_are_not():
    assert grid(flat(1, 8, 8)).size == (48, 48)
    assert grid(flat(1, 28, 28)).size == (56, 56)
    assert grid(flat(4, 64, 64), gap=0).size == (128, 128)


def test_nothing_is_longer_than_the_limit():
    assert grid(flat(100, 16, 16), columns=100, gap=0).size == (3200, 32)  # by 2, for 3 would not fit
    wide = grid(np.zeros((20, 256, 256, 1), dtype=np.uint8), columns=20, gap=0)
    assert max(wide.size) == LONGEST


def test_transparency_shows_a_light_checker():
    clear, solid = np.zeros((1, 16, 16, 4), dtype=np.uint8), np.zeros((1, 16, 16, 4), dtype=np.uint8)
    solid[..., 3] = 255
    behind = np.asarray(grid(clear, scale=1))
    assert set(behind[..., 0].ravel()) == {238, 255}
    assert (np.asarray(grid(solid, scale=1)) == 0).all()


def test_captions_stand_below_their_pictures_and_change_none():
    plain = np.asarray(grid(flat(2, 16, 16, 3), columns=2, scale=4))
    captioned = np.asarray(grid(flat(2, 16, 16, 3), columns=2, scale=4, captions=["seven\n<b>", "ünï" * 50]))
    assert (captioned[:64] == plain).all() and len(captioned) > len(plain)
    assert (captioned[64:] < 128).any()


def test_long_names_take_three_lines_and_are_cut_there():
    assert _wrapped("a red fox", 200, 3) == "a red fox"
    lines = _wrapped("a red fox that is left of a blue hare " * 9, 200, 3).splitlines()
    assert len(lines) == 3 and lines[2].endswith("…") and not lines[0].endswith("…")
    assert _wrapped("x" * 900, 200, 3).endswith("x…") and _wrapped("", 200, 3) == ""


def test_class_grid_has_a_row_for_each_class():
    labels = np.array([1, 0, 1, 1, 2])
    sheet = np.asarray(class_grid(flat(5, 8, 8), labels, ["zero", "one", "a very long name " * 9], columns=2, scale=2))
    left = sheet.shape[1] - (2 * 16 + 2)
    assert sheet.shape[0] == 3 * 16 + 2 * 2
    assert (sheet[:16, left : left + 16] == 2).all() and (sheet[:16, left + 18 :] == 255).all()
    assert (sheet[18:34, left : left + 16] == 1).all() and (sheet[18:34, left + 18 :] == 3).all()
    assert (sheet[:16, :left] < 128).any()  # the name


def test_no_pictures_are_refused():
    with pytest.raises(ValueError, match="grid needs"):
        grid(np.zeros((0, 8, 8, 1), dtype=np.uint8))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_signature_is_written_in_the_corner_and_nowhere_else(channels):
    for level in (0, 255):
        pixels = np.full((2, 200, 400, channels), level, np.uint8)
        made = signed(pixels, "min max E[log D(x)]")
        changed = (made[..., 0] != pixels[..., 0])[0]
        rows, columns = np.nonzero(changed)
        assert made.shape == pixels.shape and changed.any()
        assert rows.min() > 180 and columns.min() > 200 and columns.max() < 395
    assert signed(np.zeros((1, 8, 8, channels), np.uint8), "x").shape == (1, 384, 384, channels)
