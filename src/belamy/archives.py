"""Archives of numpy's: arrays by name, of numbers and texts, never of objects, whose reading would run code."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from belamy.errors import UserError

WRITE = "write it with numpy.savez(path, x=...)"


@contextmanager
def archive(path: str | Path) -> Iterator[NpzFile]:
    """The ``.npz`` at ``path``, whose arrays are read when they are asked for. Raises UserError for what is none."""
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} cannot be read: it is not an archive of arrays; {WRITE}")
    try:
        with np.load(path, allow_pickle=False) as found:
            yield found
    except (OSError, ValueError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        if "pickle" in str(error):  # numpy would have them loaded all the same
            raise UserError(f"{path} holds Python objects, which cannot be read safely: save numbers") from None
        raise UserError(f"{path} cannot be read ({' '.join(str(error).split())}); {WRITE}") from None
