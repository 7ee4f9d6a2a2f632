"""Films: every frame is there, in the right colours, and they are asked for one at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from belamy.errors import UserError
from belamy.films import write_film
from belamy.pictures import Pixels

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (250, 250, 10), (0, 0, 0)]


def frames(channels: int = 3, side: int = 9) -> Iterator[Pixels]:
    for colour in COLOURS:
        picture = np.zeros((side, side, 3), np.uint8) + np.array(colour, np.uint8)
        picture[: side // 2] = 255 - picture[: side // 2]
        yield picture[..., :channels]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_gif_holds_every_frame(channels: int, tmp_path: Path) -> None:
    write_film(frames(channels), tmp_path / "deeper" / "x.gif")
    with Image.open(tmp_path / "deeper" / "x.gif") as film:
        assert film.info["loop"] == 0 and film.info["duration"] == 40 and film.n_frames == len(COLOURS)
        found = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
    assert found[0].shape == (262, 262, 3)  # 29 times 9, and one for an even side
    for frame, picture in zip(found, frames(channels), strict=True):
        assert np.array_equal(frame[14:261:29, 14:261:29], np.broadcast_to(picture, (9, 9, 3)))


def test_an_mp4_holds_every_frame(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    write_film(frames(), tmp_path / "x.mp4")
    with av.open(str(tmp_path / "x.mp4")) as film:
        stream = film.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.average_rate == 25
        found = [frame.to_ndarray(format="rgb24") for frame in film.decode(stream)]
    assert len(found) == len(COLOURS)
    for frame, picture in zip(found, frames(), strict=True):
        apart = np.abs(frame[14:261:29, 14:261:29].astype(int) - picture)
        assert apart.mean() < 12  # lossy, and its colours are of other primaries


def test_frames_are_written_as_they_come(tmp_path: Path) -> None:
    sizes = []

    def watched() -> Iterator[Pixels]:
        for number in range(30):
            yield np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)
            sizes.append(sum(path.stat().st_size for path in tmp_path.iterdir()))

    write_film(watched(), tmp_path / "x.gif")
    assert sizes[5] > 0 and sizes[-1] > 4 * sizes[5]
    assert [path.name for path in tmp_path.iterdir()] == ["x.gif"]


def test_what_cannot_be_written_is_told_before_a_frame_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> Iterator[Pixels]:
        raise AssertionError
        yield

    with pytest.raises(UserError, match=r"into a .mp4 or a .gif, not into .*samples.png: --out .*samples.gif"):
        write_film(never(), tmp_path / "samples.png")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"mp4 needs the extra video: pip install 'belamy\[video\]'"):
        write_film(never(), tmp_path / "x.mp4")
    assert list(tmp_path.iterdir()) == []
