"""What is said of pictures, wherever it stands: in metadata.jsonl, in text files beside them, or in COCO's lists."""

from __future__ import annotations

import json
import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from belamy.errors import UserError

COLUMNS = ("text", "caption", "captions", "texts", "prompt")
"""What a column of captions may be called, the likeliest first."""
BESIDE = ("text", "texts", "text_c10", "captions")
"""Folders of text files that belong to pictures in a folder "images" (CUB's layout)."""

Told = dict[str, tuple[str, ...]]


def tells(name: str) -> bool:
    """Whether a file by its ``name`` may hold captions."""
    base = posixpath.basename(name).lower()
    return base.endswith(".txt") or bool(re.fullmatch(r"captions_.*\.json", base))


def tellings(
    pictures: Sequence[str], lists: Mapping[str, Mapping[str, Any]], files: Mapping[str, Callable[[], bytes]]
) -> Told:
    """The captions of each picture that has any.

    ``lists`` are rows of metadata.jsonl by picture; ``files`` those that may hold captions. What a row says goes before
    what stands in files. Raises UserError for what is not text.
    """
    found = _coco(pictures, files)
    for picture in pictures:
        for place in _places(picture):
            if place in files:
                lines = _decoded(place, files[place]()).splitlines()
                found[picture] = tuple(line.strip() for line in lines if line.strip())
                break
    for picture, row in lists.items():
        column = next((name for name in COLUMNS if row.get(name) is not None), None)
        if column is not None:
            found[picture] = texts(row[column], f"{column} of {picture}")
    return {picture: said for picture, said in found.items() if said}


def texts(value: Any, what: str) -> tuple[str, ...]:
    """One caption or several, without empty ones. Raises UserError for anything else."""
    several = [value] if isinstance(value, str) else value
    if not isinstance(several, list | tuple) or not all(isinstance(text, str) for text in several):
        raise UserError(f"the {what} is {str(value)[:60]!r}; write a caption or a list of captions")
    return tuple(text.strip() for text in several if text.strip())


def _places(picture: str) -> list[str]:
    """Where a text file may stand that is about a picture."""
    stem = posixpath.splitext(picture)[0]
    parts = stem.split("/")
    if "images" not in parts[:-1]:
        return [f"{stem}.txt"]
    depth = parts.index("images")
    return [f"{stem}.txt", *("/".join([*parts[:depth], name, *parts[depth + 1 :]]) + ".txt" for name in BESIDE)]


def _decoded(name: str, text: bytes) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{name} is not UTF-8 text: save it as that") from None


def _coco(pictures: Sequence[str], files: Mapping[str, Callable[[], bytes]]) -> Told:
    """Captions of COCO's ``captions_*.json``, whose pictures are known by the last part of their names."""
    said: defaultdict[str, list[str]] = defaultdict(list)
    for name in files:
        if name.lower().endswith(".json"):
            try:
                content = json.loads(_decoded(name, files[name]()))
                called = {image["id"]: str(image["file_name"]) for image in content["images"]}
                for one in content["annotations"]:
                    said[posixpath.basename(called[one["image_id"]])] += texts(one["caption"], f"caption in {name}")
            except (ValueError, KeyError, TypeError) as error:
                why = f"{type(error).__name__}: {error}"
                raise UserError(f"{name} is not a list of captions as COCO's ({why})") from None
    bases = {picture: posixpath.basename(picture) for picture in pictures}
    return {picture: tuple(said[base]) for picture, base in bases.items() if base in said}
