"""Frames to films and films to films, written as the frames come: a long film needs no more memory than a short one."""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import GifImagePlugin, Image

from belamy.errors import UserError
from belamy.pictures import Pixels, grid
from belamy.storage import whole_file

RATE = 25
"""Frames a second."""

VISIBLE = 256
"""Pixels along the longer side, at least: players do not enlarge, so small frames are, by a whole factor."""

SUFFIXES = (".mp4", ".mkv", ".mov")
"""Endings of the films that ``transform`` writes."""

Progress = Callable[[int, int], None]
"""Is told the frames done, and those expected: 0 where the file does not say."""

_READ = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg"  # and no lists that name other files
_SLACK = 1.0  # seconds that a whole film may lack of what its header says
_RGB, _UNSPECIFIED, _BT709, _SMPTE170M = 0, 2, 1, 6  # FFmpeg's numbers of colour matrices
_LIMITED = 1  # FFmpeg's number of the range 16..235


def write_film(frames: Iterable[Pixels], out: Path) -> None:
    """Frames uint8 [H, W, C] into a ``.mp4``, or into a ``.gif`` that plays for ever.

    Raises UserError for another ending, and where mp4 lacks its extra; then no frame is asked for.
    """
    if out.suffix not in (".gif", ".mp4"):
        raise UserError(f"a film goes into a .mp4 or a .gif, not into {out}: --out {out.with_suffix('.gif')}")
    video = _video("; --out x.gif does not") if out.suffix == ".mp4" else None
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(out) as temporary:
        pictures = map(_enlarged, frames)
        if video is None:
            _gif(pictures, temporary)
        else:
            _mp4(video, pictures, temporary)


def _video(instead: str = "") -> Any:
    try:
        import av
    except ImportError:
        raise UserError(f"mp4 needs the extra video: pip install 'belamy[video]'{instead}") from None
    return av


def _enlarged(frame: Pixels) -> Image.Image:
    """RGB with even sides, which mp4 wants."""
    picture = np.asarray(grid(frame[None], scale=math.ceil(VISIBLE / max(frame.shape[:2]))))
    height, width = picture.shape[:2]
    return Image.fromarray(np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge"))


def _gif(pictures: Iterator[Image.Image], out: Path) -> None:
    """With colours of its own for each frame. Pillow's ``save`` would hold all frames until the last."""
    with out.open("wb") as file:
        for number, picture in enumerate(pictures):
            frame = picture.quantize(256)
            if number == 0:
                file.writelines(GifImagePlugin.getheader(frame, info={"loop": 0, "optimize": False})[0])
            file.writelines(GifImagePlugin.getdata(frame, duration=1000 // RATE, include_color_table=True))
        file.write(b";")


def _mp4(av: Any, pictures: Iterator[Image.Image], out: Path) -> None:
    """H.264 in the colours that every player knows."""
    with av.open(str(out), "w", format="mp4") as film:
        stream = film.add_stream("libx264", rate=RATE, options={"crf": "18"})
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.width, stream.height = picture.size
            film.mux(stream.encode(av.VideoFrame.from_image(picture)))
        film.mux(stream.encode())


def transform(
    source: Path, target: Path, function: Callable[[Pixels], Pixels], progress: Progress | None = None
) -> int:
    """The video ``source`` with every frame put through ``function``, as H.264 in ``target``; the number of frames.

    ``function`` maps an upright RGB frame uint8 [H, W, 3] to one of any size that is the same for all frames. Times
    and durations stay (.mkv rounds them to milliseconds), and sound is copied as it is where FFmpeg knows its codec;
    subtitles and chapters are left out. Raises UserError for what is not a whole video, or where ``target`` cannot
    hold its sound. After any error ``target`` is as it was.
    """
    av = _video()
    if target.suffix.lower() not in SUFFIXES:
        raise UserError(f"a video goes into a {', '.join(SUFFIXES)}, not into {target}: {target.with_suffix('.mp4')}")
    with _opened(av, source) as film:
        target.parent.mkdir(parents=True, exist_ok=True)
        # not in whole_file, which would report what the function raises as an error of the disk
        with tempfile.TemporaryDirectory(prefix=".", dir=target.parent) as folder:
            made = Path(folder) / target.name
            # the option keeps .mkv from moving all times where the sound begins before 0, as AAC does
            with av.open(str(made), "w", container_options={"avoid_negative_ts": "disabled"}) as out:
                count = _transformed(av, film, out, function, progress or (lambda done, expected: None))
            with whole_file(target) as temporary:
                made.replace(temporary)
    return count


def _opened(av: Any, source: Path) -> Any:
    try:
        return av.open(str(source), options={"format_whitelist": _READ})
    except OSError as error:
        raise UserError(f"{source} cannot be read: {error.strerror}") from None
    except av.FFmpegError:
        raise UserError(f"{source} is not a video, or lacks its end; give a whole .mp4, .mkv or .mov") from None


def _transformed(av: Any, film: Any, out: Any, function: Callable[[Pixels], Pixels], progress: Progress) -> int:
    cover = av.stream.Disposition.attached_pic
    video = next((stream for stream in film.streams.video if not stream.disposition & cover), None)
    if video is None:
        raise UserError(f"{film.name} has no pictures in it; give a video")
    expected = video.frames or round((film.duration or 0) / 1e6 * (video.average_rate or 0))
    encoder = _encoder(av, out, video)
    copies = {sound.index: _copy(av, out, sound) for sound in film.streams.audio if sound.codec_context}
    out.metadata.update(film.metadata)
    count, waiting = 0, list[Any]()
    for piece in _pieces(av, film, video):
        if isinstance(piece, av.VideoFrame):
            picture = function(_upright(piece))
            out.mux(encoder.encode(_encodable(av, piece, picture, encoder)))
            count += 1
            progress(count, expected)
        elif piece.stream_index in copies:
            piece.stream = copies[piece.stream_index]
            waiting.append(piece)
        if count:  # sound waits for the first frame, whose size is in the head of the file
            out.mux(waiting)
            waiting.clear()
    if not count:
        raise UserError(f"{film.name} has no frames in it; give another video")
    out.mux(encoder.encode())
    return count


def _encoder(av: Any, out: Any, video: Any) -> Any:
    """A stream of H.264 in the units of time of ``video``, nearly without loss."""
    # bf: with frames that refer to later ones, mp4 knows the last duration only where all are equal
    encoder = out.add_stream("libx264", rate=video.average_rate, options={"crf": "17", "bf": "0"})
    encoder.codec_context.time_base = video.time_base
    encoder.codec_context.flags |= av.codec.context.Flags.frame_duration
    encoder.codec_context.sample_aspect_ratio = video.sample_aspect_ratio or 1
    return encoder


def _copy(av: Any, out: Any, sound: Any) -> Any:
    """A stream for the packets of ``sound``. What ``out`` cannot hold may only show when a file's head is written."""
    try:
        with av.open(io.BytesIO(), "w", format=out.format.name) as trial:
            trial.add_stream_from_template(sound)
            trial.start_encoding()
        copy = out.add_stream_from_template(sound)
    except (ValueError, av.FFmpegError):
        suffix, codec = Path(out.name).suffix, sound.codec_context.name
        others = " or ".join(other for other in SUFFIXES if other != suffix)
        raise UserError(f"{suffix} cannot hold sound as {codec}; write a {others}, or make it aac first") from None
    copy.metadata.update(sound.metadata)
    return copy


def _pieces(av: Any, film: Any, video: Any) -> Iterator[Any]:
    """The frames of ``video``, and the packets of other streams between them; UserError where something is missing."""
    end, last = 0.0, -math.inf
    broken = UserError(f"{film.name} is broken in the middle; give a whole video")
    try:
        for packet in film.demux():
            if packet.is_corrupt:
                raise broken
            if packet.pts is not None:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream_index == video.index:
                for frame in packet.decode():
                    if frame.is_corrupt or frame.pts is None or frame.pts <= last:
                        raise broken
                    last = frame.pts
                    yield frame
            elif packet.dts is not None:  # else it only marks the end
                yield packet
    except av.FFmpegError:
        raise broken from None
    if end < ((film.start_time or 0) + (film.duration or 0)) / 1e6 - _SLACK:
        raise broken


def _upright(frame: Any) -> Pixels:
    """RGB [H, W, 3] as a player shows it: turned and mirrored as the file asks."""
    if frame.colorspace in (_RGB, _UNSPECIFIED):
        frame.colorspace = _BT709 if frame.height > 576 else _SMPTE170M  # what players take it for
    picture = frame.to_ndarray(format="rgb24")
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is not None:
        (across, down), (across_of_y, down_of_y) = np.frombuffer(matrix, np.int32).reshape(3, 3)[:2, :2].astype(int)
        if abs(down) > abs(across):
            picture, across, down_of_y = picture.swapaxes(0, 1), across_of_y, down
        picture = picture[:: -1 if down_of_y < 0 else 1, :: -1 if across < 0 else 1]
    return np.ascontiguousarray(picture)


def _encodable(av: Any, frame: Any, picture: Pixels, encoder: Any) -> Any:
    """``picture`` in the colours and at the time of ``frame``; the first one settles what the stream is like."""
    height, width = picture.shape[:2]
    context = encoder.codec_context
    if not context.is_open:
        context.width, context.height = width, height
        # whose colours need even sides: a line more would spoil sizes that are a whole factor of the source's
        context.pix_fmt = "yuv420p" if height % 2 == width % 2 == 0 else "yuv444p"
        context.colorspace, context.color_range = frame.colorspace, _LIMITED
        context.color_primaries, context.color_trc = frame.color_primaries, frame.color_trc
    elif (context.width, context.height) != (width, height):
        raise UserError(f"frames change from {context.width}x{context.height} to {width}x{height}; cut the video there")
    made = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture))
    made.colorspace = frame.colorspace
    made = made.reformat(format=context.pix_fmt, dst_color_range=_LIMITED)
    made.pts, made.time_base, made.duration = frame.pts, frame.time_base, frame.duration
    return made
