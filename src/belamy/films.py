"""Frames to films, mp4 and gif, written as the frames come: a long film needs no more memory than a short one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
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


def write_film(frames: Iterable[Pixels], out: Path) -> None:
    """Frames uint8 [H, W, C] into a ``.mp4``, or into a ``.gif`` that plays for ever.

    Raises UserError for another ending, and where mp4 lacks its extra; then no frame is asked for.
    """
    if out.suffix not in (".gif", ".mp4"):
        raise UserError(f"a film goes into a .mp4 or a .gif, not into {out}: --out {out.with_suffix('.gif')}")
    video = _video() if out.suffix == ".mp4" else None
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(out) as temporary:
        pictures = map(_enlarged, frames)
        if video is None:
            _gif(pictures, temporary)
        else:
            _mp4(video, pictures, temporary)


def _video() -> Any:
    try:
        import av
    except ImportError:
        raise UserError("mp4 needs the extra video: pip install 'belamy[video]'; --out x.gif does not") from None
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
