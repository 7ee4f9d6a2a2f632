"""Films: every frame is there, at its time and in the right colours, and they are asked for one at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from belamy.errors import UserError
from belamy.films import transform, write_film
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


CLOCK = Fraction(1, 90)
TIMES = [0, 1, 2, 5, 6, 11, 12, 30, 31, 33, 40]
"""In units of the clock: the frames of a film of variable rate, and its end."""


def shot(
    path: Path, times: list[int] = TIMES, side: tuple[int, int] = (48, 64), sound: str = "aac", **look: Any
) -> Path:
    """A film of grey frames, each lighter than the one before, white at the top left; ``look``: of its display."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=30, options={"crf": "1", "bf": "0"})
        stream.height, stream.width = side
        stream.codec_context.time_base = CLOCK
        stream.codec_context.flags |= av.codec.context.Flags.frame_duration
        if look:
            stream.set_display_rotation(**look)
        voices = [film.add_stream(sound, rate=44100) for _ in range(2 if sound else 0)]
        for number, (start, end) in enumerate(pairwise(times)):
            picture = np.full((*side, 3), 20 * (number % 12), np.uint8)
            picture[: side[0] // 2, : side[1] // 2] = 255
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts, frame.duration, frame.time_base = start, end - start, CLOCK
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
        for seed, voice in enumerate(voices):
            noise = np.random.default_rng(seed).integers(-9000, 9000, (1, 2 * 19 * 1024), dtype=np.int16)
            frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 44100, 0
            film.mux([*voice.encode(frame), *voice.encode()])
    return path


def seen(path: Path) -> list[tuple[float, float, Pixels]]:
    """Time and duration in seconds, and pixels, of every frame."""
    av = pytest.importorskip("av")
    with av.open(str(path)) as film:
        return [
            (frame.time, float(frame.duration * frame.time_base), frame.to_ndarray(format="rgb24"))
            for frame in film.decode(video=0)
        ]


def heard(path: Path) -> list[tuple[int, float, bytes]]:
    """Stream, time in seconds and bytes of every packet of sound."""
    av = pytest.importorskip("av")
    with av.open(str(path)) as film:
        packets = [packet for packet in film.demux(audio=(0, 1)) if packet.dts is not None]
        return sorted((packet.stream_index, float(packet.pts * packet.time_base), bytes(packet)) for packet in packets)


def seconds(path: Path) -> float:
    av = pytest.importorskip("av")
    with av.open(str(path)) as film:
        return float(film.duration / 1e6)


@pytest.mark.parametrize(("suffix", "sound"), [(".mp4", "aac"), (".mkv", "aac"), (".mov", "pcm_s16le")])
def test_a_transformed_film_keeps_its_times_and_its_sound(suffix: str, sound: str, tmp_path: Path) -> None:
    source, target = shot(tmp_path / f"a{suffix}", sound=sound), tmp_path / "deeper" / f"b{suffix}"
    told: list[tuple[int, int]] = []
    assert transform(source, target, lambda frame: 255 - frame, lambda *done: told.append(done)) == len(TIMES) - 1
    assert [done for done, _ in told] == list(range(1, len(TIMES))) and told[0][1] in (10, 14)  # .mkv only knows a rate
    before, after = seen(source), seen(target)
    assert [start for start, _, _ in after] == pytest.approx([start for start, _, _ in before], abs=1e-9)
    assert [length for _, length, _ in after] == pytest.approx([length for _, length, _ in before], abs=0.0015)
    assert all(
        np.abs(255 - old.astype(int) - new).mean() < 3 for (_, _, old), (_, _, new) in zip(before, after, strict=True)
    )
    assert heard(target) == heard(source) and len(heard(source)) > 30
    assert seconds(target) == pytest.approx(seconds(source), abs=1e-6)
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_other_containers_keep_times_to_a_millisecond(tmp_path: Path) -> None:
    source = shot(tmp_path / "a.mp4")
    transform(source, tmp_path / "b.mkv", lambda frame: frame)
    transform(tmp_path / "b.mkv", tmp_path / "c.mov", lambda frame: frame)
    for target in tmp_path / "b.mkv", tmp_path / "c.mov":
        assert [row[0] for row in seen(target)] == pytest.approx([row[0] for row in seen(source)], abs=0.001)
        assert [row[1] for row in heard(target)] == pytest.approx([row[1] for row in heard(source)], abs=0.001)
        assert [row[2] for row in heard(target)] == [row[2] for row in heard(source)]
        assert seconds(target) == pytest.approx(seconds(source), abs=0.001)


def test_the_last_duration_is_kept_without_sound(tmp_path: Path) -> None:
    source = shot(tmp_path / "a.mp4", sound="")
    transform(source, tmp_path / "b.mp4", lambda frame: frame)
    assert seconds(tmp_path / "b.mp4") == pytest.approx(40 / 90, abs=1e-5)


@pytest.mark.parametrize(
    ("scale", "side", "form"), [(2, (48, 64), "yuv420p"), (1, (48, 64), "yuv420p"), (3, (5, 7), "")]
)
def test_sizes_grow_by_a_whole_factor_even_where_they_are_odd(
    scale: int, side: tuple[int, int], form: str, tmp_path: Path
) -> None:
    av = pytest.importorskip("av")
    height, width = side
    source = shot(tmp_path / "a.mp4", side=(48, 64))
    transform(source, tmp_path / "b.mp4", lambda frame: frame[:height, :width].repeat(scale, 0).repeat(scale, 1))
    with av.open(str(tmp_path / "b.mp4")) as film:
        frame = next(film.decode(video=0))
        assert (frame.height, frame.width) == (height * scale, width * scale)
        assert frame.format.name == (form or "yuv444p")


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_frames_are_turned_as_the_file_asks(degrees: int, mirrored: bool, tmp_path: Path) -> None:
    source, found = shot(tmp_path / "a.mp4", degrees=degrees, hflip=mirrored), []

    def watched(frame: Pixels) -> Pixels:
        found.append(frame)
        return frame

    transform(source, tmp_path / "b.mp4", watched)
    upright = np.rot90(seen(source)[3][2], degrees // 90)
    expected = np.fliplr(upright) if mirrored else upright
    assert np.array_equal(found[3], expected) and found[3].flags.c_contiguous
    after = seen(tmp_path / "b.mp4")[3][2]  # needs no turning any more
    assert after.shape == expected.shape and np.abs(after.astype(int) - expected).mean() < 3


@pytest.mark.parametrize(("matrix", "limits"), [(1, 1), (1, 2), (6, 1), (6, 2), (2, 0)])
def test_colours_pass_whatever_their_matrix_and_range(matrix: int, limits: int, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    colours = np.repeat(np.repeat(np.array(COLOURS, np.uint8)[None], 32, 0), 16, 1)
    with av.open(str(tmp_path / "a.mp4"), "w") as film:
        stream = film.add_stream("libx264", rate=30, options={"crf": "1"})
        stream.height, stream.width = colours.shape[:2]
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, limits
        frame = av.VideoFrame.from_ndarray(colours)
        frame.colorspace = 6 if matrix == 2 else matrix
        film.mux([*stream.encode(frame.reformat(format="yuv420p", dst_color_range=limits or 1)), *stream.encode()])
    found: list[Pixels] = []
    transform(tmp_path / "a.mp4", tmp_path / "b.mp4", lambda frame: found.append(frame) or frame)  # type: ignore[func-returns-value]
    transform(tmp_path / "b.mp4", tmp_path / "c.mp4", lambda frame: found.append(frame) or frame)  # type: ignore[func-returns-value]
    for frame in found:
        assert np.abs(frame.astype(int) - colours)[:, 8::16].max() < 7


def test_frames_are_transformed_as_they_come(tmp_path: Path) -> None:
    """While the last frame is made, the first ones are on the disk already."""
    source, sizes = shot(tmp_path / "a.mp4", times=list(range(100)), sound=""), []

    def noisy(frame: Pixels) -> Pixels:
        (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
        sizes.append(sum(path.stat().st_size for path in folder.iterdir()))
        return np.random.default_rng(len(sizes)).integers(0, 256, (192, 256, 3), dtype=np.uint8)

    transform(source, tmp_path / "b.mp4", noisy)
    assert sizes[-1] > (tmp_path / "b.mp4").stat().st_size / 4


def test_what_is_no_whole_video_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    whole = shot(tmp_path / "a.mkv", times=list(range(0, 900, 9)), sound="").read_bytes()
    for name, content, message in (
        ("text", b"hello" * 99, "is not a video, or lacks its end"),
        ("list", b"ffconcat version 1.0\nfile a.mkv\n", "is not a video"),
        ("empty", b"", "is not a video"),
        ("half", whole[: len(whole) // 2], "is broken in the middle"),
        ("hole", whole[: len(whole) // 2] + bytes(999) + whole[len(whole) // 2 + 999 :], "is broken in the middle"),
        ("missing", None, "cannot be read: No such file"),
    ):
        source = tmp_path / name
        if content is not None:
            source.write_bytes(content)
        with pytest.raises(UserError, match=message) as caught:
            transform(source, tmp_path / "out" / "b.mp4", lambda frame: frame)
        assert str(source) in str(caught.value) and "\n" not in str(caught.value)
        assert not list((tmp_path / "out").glob("*"))


def test_sound_without_pictures_is_no_video(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mkv"), "w") as film:
        voice = film.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4000), np.int16), format="s16", layout="stereo")
        frame.sample_rate = 44100
        film.mux([*voice.encode(frame), *voice.encode()])
    with pytest.raises(UserError, match="has no pictures in it"):
        transform(tmp_path / "a.mkv", tmp_path / "b.mp4", lambda frame: frame)


def test_what_the_function_raises_passes_and_the_old_film_stays(tmp_path: Path) -> None:
    source = shot(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_bytes(b"old")

    def failing(frame: Pixels) -> Pixels:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match=r"^out of memory$"):
        transform(source, tmp_path / "b.mp4", failing)
    assert (tmp_path / "b.mp4").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]
    sides = iter(range(10, 99, 2))
    with pytest.raises(UserError, match="frames change from 10x48 to 12x48"):
        transform(source, tmp_path / "b.mp4", lambda frame: frame[:, : next(sides)])


def test_what_a_container_cannot_hold_is_told(tmp_path: Path) -> None:
    for start, sound, end in (".mov", "pcm_mulaw", ".mp4"), (".mkv", "flac", ".mov"):
        source = shot(tmp_path / f"a{start}", sound=sound)
        with pytest.raises(UserError, match=rf"^{end} cannot hold sound as {sound}; write a .* or .*, or make it aac"):
            transform(source, tmp_path / f"b{end}", lambda frame: frame)
    with pytest.raises(UserError, match=r"a video goes into a .mp4, .mkv, .mov, not into .*b.gif: .*b.mp4"):
        transform(source, tmp_path / "b.gif", lambda frame: frame)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mkv", "a.mov"]


def test_a_film_may_take_its_own_place(tmp_path: Path) -> None:
    source = shot(tmp_path / "a.mp4")
    before = seen(source)
    assert transform(source, source, lambda frame: 255 - frame) == len(before)
    assert np.abs(255 - before[5][2].astype(int) - seen(source)[5][2]).mean() < 3
