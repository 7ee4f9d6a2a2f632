"""Folders of derived files: beside the data where that can be written, else under BELAMY_HOME; whole, or not there."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from belamy.chance import key
from belamy.data.files import Place
from belamy.errors import UserError
from belamy.storage import flush

FORMAT = 4
"""Counts up when the files of the cache, or the pixels in them, change their meaning."""
ABANDONED = 3600
"""Seconds without a write after which an unfinished folder belongs to nobody."""


def kept(place: Place, name: str) -> Path | None:
    """The folder ``name`` of what is known about ``place`` as it is now, if there is one."""
    folders = (folder / name for folder in _folders(place))
    return next((folder for folder in folders if os.access(folder / "index.json", os.R_OK)), None)


def room(place: Place, name: str, size: int) -> Path:
    """Where a folder ``name`` of ``size`` bytes can be made. Raises UserError where it cannot."""
    folders = _folders(place)
    for folder in folders:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > size:
                return folder / name
    tried = " or ".join(str(folder.parent) for folder in folders)
    raise UserError(f"{tried} cannot take {size / 1e6:,.0f} MB of decoded data; set BELAMY_HOME to what can")


def _folders(place: Place) -> list[Path]:
    shared = Path(os.environ.get("BELAMY_HOME") or "~/.cache/belamy").expanduser() / "data"
    if place.home is None:
        return [shared / _name(place.path, place.stamp)]
    return [place.home / ".belamy" / _name(place.stamp), shared / _name(str(place.home.resolve()), place.stamp)]


def _name(*parts: object) -> str:
    return f"{key(FORMAT, *parts) % 2**64:016x}"


@contextmanager
def committed(target: Path) -> Iterator[Path]:
    """A folder to fill, which becomes ``target`` as a whole when the block ends well, and else vanishes.

    Where another process was first, its folder stays. Raises UserError where writing fails.
    """
    _clear(target.parent)
    new = target.with_name(f".{uuid.uuid4().hex}")
    try:
        new.mkdir()
        yield new
        for path in [*new.iterdir(), new]:
            flush(path)
        try:
            new.rename(target)
        except OSError:
            if not target.exists():
                raise
        flush(target.parent)
    except OSError as error:
        raise UserError(f"cannot write decoded data to {target} ({error.strerror}); make room there") from None
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _clear(folder: Path) -> None:
    """Remove what a killed process left unfinished."""
    for old in folder.glob(".*"):
        with suppress(OSError):
            if all(time.time() - path.stat().st_mtime > ABANDONED for path in [old, *old.iterdir()]):
                shutil.rmtree(old)
