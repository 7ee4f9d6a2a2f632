"""Pictures in folders and archives: what lies at a path, which pictures it holds, and what they are called."""

from __future__ import annotations

import json
import os
import posixpath
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from belamy.data import columns
from belamy.data.attributes import attributes
from belamy.data.decode import SUFFIXES
from belamy.data.shelf import Item, Opener, PictureError, Run, Shelf, halves, natural
from belamy.data.tellings import tellings, tells
from belamy.errors import UserError, nearest

KNOWN = (
    "a folder of pictures, or of .zip or .parquet files, a .zip, a .parquet, an .npz,"
    " or the name of a Hugging Face dataset"
)
LISTS = ("metadata.jsonl", "dataset.json")
OPEN = 64
"""Archives that are open at once; there may be more of them than a process may open files."""
BIGGEST = 500_000_000
"""Bytes that a member of an archive may have, unpacked."""


@dataclass
class Place:
    """Where pictures lie. ``stamp`` changes when they do; ``home`` is the folder beside them, where there is one."""

    path: str
    home: Path | None
    stamp: list[tuple[str, int, object]]
    load: Callable[[], Shelf]

    @cached_property
    def shelf(self) -> Shelf:
        """The pictures, listed on first use. Raises UserError where there are none."""
        shelf = self.load()
        if not shelf.items:
            raise UserError(f"{self.path} holds no pictures; give {KNOWN}")
        return shelf


def find(path: str) -> Place:
    """The place that ``path`` means, told by its looks; no picture is opened yet. Raises UserError."""
    here = Path(path).expanduser()
    if path.startswith("hf:") or (not here.exists() and _may_be_a_name(path)):
        return Place(path, None, *columns.hub(path.removeprefix("hf:"), certain=path.startswith("hf:")))
    if not here.exists():
        beside = [file.name for file in here.parent.iterdir()] if here.parent.is_dir() else []
        raise UserError(f"there is no {path}{nearest(here.name, beside)}; give {KNOWN}")
    if here.is_dir():
        return _folder(here)
    loaders = {".zip": _zip, ".npz": columns.npz, ".parquet": lambda file: columns.parquet([(file.name, file)])}
    load = loaders.get(here.suffix.lower())
    if load is None:
        hint = "is one picture: give its folder" if here.suffix.lower() in SUFFIXES else f"is none of these: {KNOWN}"
        raise UserError(f"{path} {hint}")
    status = here.stat()
    return Place(path, here.parent, [(here.name, status.st_size, status.st_mtime_ns)], partial(load, here))


def _may_be_a_name(path: str) -> bool:
    """Owner and name, where no folder has the owner's name: a mistyped path must not be asked of a hub."""
    return bool(re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", path)) and not Path(path).parent.exists()


def _folder(root: Path) -> Place:
    stamp = _walk(root)
    names = [name for name, _, _ in stamp]
    tree = [entry for entry in stamp if _matters(entry[0])]
    tables, archives = ([entry for entry in stamp if entry[0].lower().endswith(end)] for end in (".parquet", ".zip"))
    if "dataset_dict.json" in names or {"state.json", "dataset_info.json"} <= set(names):
        return Place(str(root), root, stamp, partial(columns.disk, root))
    if any(not tells(name) for name, _, _ in tree):
        return Place(str(root), root, tree, partial(_files, root, [name for name, _, _ in tree]))
    if tables:
        files = [(name, root / name) for name, _, _ in tables]
        return Place(str(root), root, tables, partial(columns.parquet, files))
    if archives:
        return Place(str(root), root, archives, partial(_zips, [(name, root / name) for name, _, _ in archives]))
    most = Counter(Path(name).suffix for name in names).most_common(1)
    found = f"only things like *{most[0][0] or Path(names[0]).name}" if most else "nothing"
    raise UserError(f"{root} holds no pictures ({found}): put {', '.join(sorted(SUFFIXES))} files there")


def _walk(root: Path) -> list[tuple[str, int, object]]:
    """Name relative to ``root``, bytes, and time of each file that is not hidden; links are followed, loops not."""
    found: list[tuple[str, int, object]] = []

    def visit(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> None:
        status = folder.stat()
        here = (status.st_dev, status.st_ino)
        if here in above:
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    visit(Path(entry.path), f"{prefix}{entry.name}/", above | {here})
                elif entry.is_file():
                    status = entry.stat()
                    found.append((prefix + entry.name, status.st_size, status.st_mtime_ns))
                elif entry.is_symlink():  # it leads nowhere: the picture is missing, and is counted so
                    found.append((prefix + entry.name, -1, 0))

    try:
        visit(root, "", frozenset())
    except OSError as error:
        raise UserError(f"cannot read the folder {error.filename}: {error.strerror}") from None
    return sorted(found, key=lambda entry: entry[0])


def _is_picture(name: str) -> bool:
    return posixpath.splitext(name)[1].lower() in SUFFIXES


def _matters(name: str) -> bool:
    return _is_picture(name) or posixpath.basename(name) in LISTS or tells(name)


def _files(root: Path, names: list[str]) -> Shelf:
    return _tree(names, lambda name: (root / name).open("rb"))


def _zip(path: Path) -> Shelf:
    """The pictures of an archive, read where they are: nothing is ever extracted."""
    names, unsafe, member = _opened(path, cache(zipfile.ZipFile))
    return _with_refused(_tree(names, member), unsafe)


def _zips(files: list[tuple[str, Path]]) -> Shelf:
    """The pictures of archives that are parts of one whole, each named by its archive's name and its own.

    Where archives are called train and val, or the like, these are the two sides.
    """
    archive = lru_cache(OPEN)(zipfile.ZipFile)
    archives = {name: _opened(path, archive) for name, path in files}
    sides = halves(columns.part_of(name) for name in archives)
    pictures = [name for names, _, _ in archives.values() for name in names if _is_picture(name)]
    folder = posixpath.commonpath([posixpath.dirname(name) for name in pictures]) if pictures else ""
    items, runs, traits = list[Item](), list[Run](), set[str]()
    for name, (names, unsafe, member) in archives.items():
        if sides and columns.part_of(name) not in sides:
            continue
        shelf = _with_refused(_tree(names, member, folder), unsafe)
        side = sides.get(columns.part_of(name))
        items += [
            one._replace(name=f"{name}/{one.name}", heldout=one.heldout if side is None else side)
            for one in shelf.items
        ]
        runs += shelf.runs
        traits |= {*shelf.attributes}
    return Shelf(items, runs, attributes=sorted(traits, key=natural))


def _with_refused(shelf: Shelf, unsafe: list[str]) -> Shelf:
    refused = [Item(name, None, None) for name in unsafe]
    outside = [partial(_refuse, "its name leads out of the archive")] * len(refused)
    return replace(shelf, items=shelf.items + refused, runs=[*shelf.runs, (len(refused), lambda: outside)])


def _opened(
    path: Path, archive: Callable[[Path], zipfile.ZipFile]
) -> tuple[list[str], list[str], Callable[[str], BinaryIO]]:
    """What matters in an archive, names in it that are not safe, and what opens a member."""
    try:
        listed = archive(path).infolist()
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise UserError(f"{path} is not a readable zip ({error}); pack it again") from None
    infos = {info.filename: info for info in listed if not info.is_dir() and _matters(info.filename)}
    unsafe = [name for name in infos if re.match(r"[/\\]|[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name)]
    names = sorted(name for name in infos.keys() - set(unsafe) if not re.search(r"(^|/)\.", name))

    def member(name: str) -> BinaryIO:
        info = infos[name]
        if info.file_size > BIGGEST or info.file_size > max(20_000_000, 200 * info.compress_size):
            raise PictureError(f"would unpack to {info.file_size:,} bytes")
        return cast(BinaryIO, archive(path).open(info))

    return names, sorted(unsafe), member


def _refuse(why: str) -> Any:
    raise PictureError(why)


def _tree(names: list[str], member: Callable[[str], BinaryIO], folder: str | None = None) -> Shelf:
    """Pictures with the classes that lists beside them or their folders say, in ``train/`` and ``val/`` or not.

    ``folder`` is around all of them and says nothing; by default the deepest that is.
    """
    lists = {name: _read(name, member) for name in names if posixpath.basename(name) in LISTS}
    files = {name: partial(_read, name, member) for name in names if tells(name)}
    pictures = [name for name in names if name not in lists and name not in files]
    present = set(pictures)
    rows: dict[str, dict[str, Any]] = {}
    for name, text in lists.items():
        rows.update(_listed(name, text))
    labels = {name: row["label"] for name, row in rows.items()}
    had, said = attributes(rows), tellings(pictures, rows, files)
    if folder is None:
        folder = posixpath.commonpath([posixpath.dirname(name) for name in pictures]) if pictures else ""
    inner = [name[len(folder) :].lstrip("/") for name in pictures]
    sides = halves({name.split("/")[0] for name in inner if "/" in name})
    style = any(name.endswith("dataset.json") and b'"labels"' in text for name, text in lists.items())
    by_folder = not style and not any(labels.values())

    def item(name: str, place: str) -> Item | None:
        *folders, _ = place.split("/")
        side = sides.get(folders[0]) if folders else None
        if sides:
            if side is None:
                return None
            folders = folders[1:]
        label = next(iter(folders), None) if by_folder else labels.get(name)
        return Item(name, label, side, had.get(name), said.get(name, ()))

    items = [entry for entry in map(item, pictures, inner) if entry]
    items += [Item(name, label, None, had.get(name)) for name, label in labels.items() if name not in present]

    def openers() -> Iterable[Opener]:
        absent = partial(_refuse, "listed, but not there")
        return (partial(member, entry.name) if entry.name in present else absent for entry in items)

    traits = sorted({name for own in had.values() for name in own}, key=natural)
    return Shelf(items, [(len(items), openers)], attributes=traits)


def _read(name: str, member: Callable[[str], BinaryIO]) -> bytes:
    try:
        with member(name) as file:
            return file.read()
    except (PictureError, OSError, RuntimeError, zipfile.BadZipFile) as error:
        raise UserError(f"cannot read {name}: {error}") from None


def _listed(name: str, text: bytes) -> dict[str, dict[str, Any]]:
    """Picture names, each with its "label", from StyleGAN's ``dataset.json``; with all its row, from metadata.jsonl."""
    folder = posixpath.dirname(name)
    try:
        if name.endswith(".jsonl"):
            rows = [json.loads(line) for line in text.decode().splitlines() if line.strip()]
            pairs = [(row["file_name"], {**row, "label": row.get("label", row.get("class"))}) for row in rows]
        else:
            content = json.loads(text)
            labels = (content.get("labels") if isinstance(content, dict) else None) or []
            pairs = [(file, {"label": label}) for file, label in labels]
        return {
            posixpath.normpath(posixpath.join(folder, file)): {**row, "label": _text(row["label"])}
            for file, row in pairs
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        form = '{"file_name": "a.png", "label": "cat"} a line' if name.endswith("l") else '{"labels": [["a.png", 3]]}'
        raise UserError(f"{name} is not understood ({type(error).__name__}: {error}); it should read {form}") from None


def _text(label: Any) -> str | None:
    if label is None or isinstance(label, (str, int)):
        return None if label is None else str(label)
    raise TypeError(f"the label {label!r} is neither a name nor an integer")
