"""Pictures decoded once, into a file that is mapped to memory, beside what was learnt on the way."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from statistics import median_low
from tempfile import TemporaryDirectory
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from belamy.data.cache import committed, kept, room
from belamy.data.decode import KINDS, Resize, content, decoded, glance, shaped
from belamy.data.files import Place
from belamy.data.shelf import Item, Opener, PictureError, Shelf, natural
from belamy.errors import UserError
from belamy.ops.processes import dealing, exchanged, one_at_first, seat

PIXELS = "pixels.npy"
ROWS = ("labels", "attributes", "hashes", "heldout")
"""What is kept of each picture beside its pixels, each in a file that is mapped: processes share one copy."""
THREADS = min(8, os.cpu_count() or 1)
CHUNK = 8

Result = TypeVar("Result")
Bad = list[dict[str, str]]
"""Of each picture that cannot be read its ``name``, and ``why``."""


@dataclass(frozen=True)
class Pack:
    """The readable pictures of a place at one size: ``pixels`` [N, C, R, R], and what belongs to each.

    ``labels`` [N] are indices of ``index["classes"]``, or -1; ``attributes`` [N, A] are 1 where a picture has those
    of ``index["attributes"]``, 0 where not, and -1 where nothing is known; ``hashes`` [N, 16] are of the original
    pixels; ``heldout`` [N] is true where training must not look. It lies in ``folder``.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    attributes: NDArray[np.int8]
    hashes: NDArray[np.uint8]
    heldout: NDArray[np.bool_]
    index: dict[str, Any]
    folder: Path

    @cached_property
    def texts(self) -> list[list[str]]:
        """The captions of each picture."""
        found: list[list[str]] = json.loads((self.folder / "texts.json").read_text(encoding="utf-8"))
        return found

    @cached_property
    def names(self) -> list[str]:
        """What to call each picture."""
        found: list[str] = json.loads((self.folder / "names.json").read_text(encoding="utf-8"))
        return found


def fingerprint(hashes: NDArray[np.uint8]) -> str:
    """Equal for the same pictures, by their ``hashes`` [..., 16], in whatever order."""
    ordered = np.sort(np.ascontiguousarray(hashes).reshape(-1, 16).view("V16")[:, 0])
    return hashlib.blake2b(ordered.tobytes(), digest_size=16).hexdigest()


def read(function: Callable[[Opener], Result], openers: Iterable[Opener]) -> Iterator[Result | PictureError]:
    """``function`` of each picture, in order, by threads: Pillow releases the interpreter's lock."""

    def attempt(opener: Opener) -> Result | PictureError:
        try:
            return function(opener)
        except PictureError as error:
            return error
        except Exception as error:  # decoders raise all sorts of things at broken files, and none may end the run
            return PictureError((str(error).splitlines() or [""])[0] or type(error).__name__)

    remaining = iter(openers)
    waiting: deque[Future[list[Result | PictureError]]] = deque()
    with warnings.catch_warnings(), ThreadPoolExecutor(THREADS) as pool:
        warnings.simplefilter("ignore")  # what Pillow warns of is either harmless, or becomes PictureError
        while True:
            while len(waiting) < 2 * THREADS and (chunk := list(islice(remaining, CHUNK))):
                waiting.append(pool.submit(list, map(attempt, chunk)))
            if not waiting:
                return
            yield from waiting.popleft().result()


def tolerate(path: str, bad: Bad, count: int, limit: float) -> None:
    """Raise UserError where more than the share ``limit`` of ``count`` pictures cannot be read."""
    if len(bad) > limit * count:
        first = "; ".join(f"{one['name']}: {one['why']}" for one in bad[:3]) + ("; ..." if len(bad) > 3 else "")
        remedy = f"see them all with `belamy data check {path}`, and mend or remove them, or raise data.bad_limit"
        raise UserError(f"{len(bad)} of {count} pictures in {path} cannot be read ({first}): {remedy}")


def survey(place: Place) -> dict[str, Any]:
    """``count``, ``kinds``, the default ``resolution`` and the ``bad``, known from headers; kept for the next time."""
    with one_at_first():
        folder = kept(place, "survey")
        if folder is None:
            folder = room(place, "survey", 0)
            with committed(folder) as new:
                (new / "index.json").write_text(json.dumps(_surveyed(place)))
    found: dict[str, Any] = json.loads((folder / "index.json").read_text())
    return found


def _surveyed(place: Place) -> dict[str, Any]:
    bad: Bad = []
    sizes: list[tuple[int, int]] = []
    kinds: Counter[str] = Counter()
    shelf = place.shelf
    for item, seen in zip(shelf.items, read(glance, shelf.openers()), strict=True):
        if isinstance(seen, PictureError):
            bad.append({"name": item.name, "why": str(seen)})
        else:
            sizes.append(seen[:2])
            kinds[seen[2]] += 1
    resolution = _default_resolution(sizes) if sizes else None
    return {"count": len(shelf.items), "kinds": dict(kinds), "resolution": resolution, "bad": bad}


def _default_resolution(sizes: list[tuple[int, int]]) -> int:
    """The one square size of all, if it fits; else a power of two that the median picture needs not be enlarged to."""
    width, height = sizes[0]
    if len(set(sizes)) == 1 and width == height and width % 4 == 0 and 8 <= width <= 256:
        return width
    shorter = median_low(map(min, sizes))
    return max(8, min(64, 1 << (shorter.bit_length() - 1)))


def packed(place: Place, resolution: int, channels: int, resize: Resize) -> Pack:
    """The pictures at one size, decoded on first use. Raises UserError where none can be read, or for want of room."""
    name = f"{resolution}x{channels}-{resize}"
    folder = kept(place, name)
    if not all(exchanged(folder is not None)):
        folder = _made(place, name, resolution, channels, resize)
    assert folder is not None
    try:
        pixels, labels, attributes, hashes, heldout = (
            np.asarray(np.load(folder / f"{part}.npy", mmap_mode="r", allow_pickle=False)) for part in ("pixels", *ROWS)
        )
        index = json.loads((folder / "index.json").read_text())
        return Pack(pixels, labels, attributes, hashes, heldout, index, folder)
    except (OSError, ValueError, LookupError):
        raise UserError(
            f"what was decoded to {folder} is damaged; delete that folder, and it is made anew"
        ) from None


def _made(place: Place, name: str, resolution: int, channels: int, resize: Resize) -> Path:
    """A new folder of the pictures at one size: each process decodes a part of them, the first puts them together."""
    items, (number, count) = len(place.shelf.items), seat()
    folder = room(place, name, items * resolution**2 * channels)
    if count > 1 and not _seen_by_all(folder.parent):  # machines with disks of their own: each decodes all
        with dealing(None):
            return _made(place, name, resolution, channels, resize)
    with ExitStack() as stack:
        new = exchanged(folder if number else stack.enter_context(committed(folder)))[0]
        rows = range(number * items // count, (number + 1) * items // count)
        with (new / (f"{number}.part" if number else PIXELS)).open("wb") as file:
            if not number:
                _header(file, (items, channels, resolution, resolution))
            mine = _decode(place.shelf, rows, file, resolution, channels, resize)
        parts = exchanged(mine)
        if not number:
            _bind(place, new, parts, (channels, resolution, resolution))
    return exchanged(folder)[0]


def _header(file: IO[bytes], shape: tuple[int, ...]) -> None:
    # numpy pads the header so that the first axis can be changed in place
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _seen_by_all(folder: Path) -> bool:
    """Whether ``folder`` of the first process is the same for the others."""
    with TemporaryDirectory(prefix=".", dir=folder) as mark:
        found = all(exchanged(Path(exchanged(mark)[0]).is_dir()))
        exchanged(None)  # it stays until all have looked
    return found


@dataclass
class _Part:
    """What was decoded in a row: the numbers of the ``good``, the ``hashes`` of their pixels, and what was met."""

    good: list[int] = field(default_factory=list)
    hashes: bytearray = field(default_factory=bytearray)
    bad: Bad = field(default_factory=list)
    sizes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)


def _decode(shelf: Shelf, rows: range, file: IO[bytes], resolution: int, channels: int, resize: Resize) -> _Part:
    """Writes the pixels, uint8 [C, R, R] each, of those of the pictures ``rows`` that can be read."""

    def treated(opener: Opener) -> tuple[NDArray[np.uint8], bytes, str, str]:
        image = decoded(opener)
        size = f"{image.width}x{image.height}"
        return shaped(image, resolution, channels, resize), content(image), size, KINDS[image.mode]

    part = _Part()
    for row, result in zip(rows, read(treated, shelf.openers(rows)), strict=True):
        if isinstance(result, PictureError):
            part.bad.append({"name": shelf.items[row].name, "why": str(result)})
            continue
        pixels, digest, size, kind = result
        file.write(pixels.data)  # not a map: a full disk must be an error here, not a signal later
        part.good.append(row)
        part.hashes += digest
        part.sizes[size] += 1
        part.kinds[kind] += 1
    return part


def _bind(place: Place, folder: Path, parts: Sequence[_Part], shape: tuple[int, ...]) -> None:
    """Puts the pixels of the other parts after the first one's, and writes what is known of all pictures."""
    shelf, bad = place.shelf, [one for part in parts for one in part.bad]
    good = [shelf.items[row] for part in parts for row in part.good]
    if not good:
        tolerate(place.path, bad, len(bad), 0.0)
    with (folder / PIXELS).open("r+b") as file:
        _header(file, (len(good), *shape))
        file.seek(0, os.SEEK_END)
        for number in range(1, len(parts)):
            path = folder / f"{number}.part"
            with path.open("rb") as pixels:
                shutil.copyfileobj(pixels, file, 1 << 24)
            path.unlink()
    classes = shelf.classes or sorted({item.label for item in good if item.label is not None}, key=natural)
    numbers = {label: number for number, label in enumerate(classes)}
    digests = np.frombuffer(b"".join(part.hashes for part in parts), np.uint8).reshape(-1, 16)
    heldout = split(digests, [item.heldout for item in good])
    rows: dict[str, NDArray[Any]] = {
        "labels": np.array([numbers.get(item.label or "", -1) for item in good], np.int64),
        "attributes": np.array([_flags(item, shelf.attributes) for item in good], np.int8),
        "hashes": digests, "heldout": heldout,
    }  # fmt: skip
    for name in ROWS:
        np.save(folder / f"{name}.npy", rows[name])
    marks = digests.view("V16")[:, 0]
    index = {
        "count": len(shelf.items), "bad": bad, "classes": classes if len(classes) > 1 else None,
        "attributes": list(shelf.attributes),
        "unlabelled": [item.name for item in good if item.label is None][:3],
        "untold": [item.name for item in good if item.attributes is None][:3],
        "sizes": sum((part.sizes for part in parts), Counter()).most_common(),
        "kinds": dict(sum((part.kinds for part in parts), Counter())),
        "different": len(np.unique(marks)), "fingerprint": fingerprint(digests),
        "in_both_parts": int(np.isin(marks[~heldout], marks[heldout]).sum()),
        "parts": all(item.heldout is not None for item in good),
        "captioned": sum(bool(item.texts) for item in good),
    }  # fmt: skip
    (folder / "texts.json").write_text(json.dumps([item.texts for item in good]), encoding="utf-8")
    (folder / "names.json").write_text(json.dumps([item.name for item in good]), encoding="utf-8")
    (folder / "index.json").write_text(json.dumps(index))


def _flags(item: Item, names: Sequence[str]) -> list[int]:
    return [-1 if item.attributes is None else int(name in item.attributes) for name in names]


def split(hashes: NDArray[np.uint8], sides: Sequence[bool | None]) -> NDArray[np.bool_]:
    """What is held out: what the data says, or else a tenth by content, so that copies stay together."""
    if None not in sides:
        return np.array(sides, np.bool_)
    numbers = hashes[:, :8].copy().view(">u8")[:, 0].astype(np.uint64)
    heldout: NDArray[np.bool_] = numbers < np.uint64(2**64 // 10)
    if not heldout.any():
        heldout = numbers == numbers.min()
    elif heldout.all():
        heldout = numbers != numbers.max()
    return heldout
