"""The same pictures in every storage that Images reads."""

from __future__ import annotations

import importlib
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_pictures import Folder, everything, noise
from PIL import Image

from belamy.data import files
from belamy.data.files import find
from belamy.data.images import Images, check
from belamy.data.shelf import Shelf
from belamy.errors import UserError

COUNT = 24


def png(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(noise(seed)).save(file, "png")
    return file.getvalue()


@pytest.fixture
def expected(tmp_path: Path) -> Images:
    """Class folders "0", "1", "2" of the pictures 0, 1, ..., by their number modulo 3."""
    for seed in range(COUNT):
        (tmp_path / "expected" / str(seed % 3)).mkdir(parents=True, exist_ok=True)
        (tmp_path / "expected" / str(seed % 3) / f"{seed}.png").write_bytes(png(seed))
    return Images(str(tmp_path / "expected"))


def same(source: Images, expected: Images, classes: list[str] | None = None) -> None:
    """The same pictures in the same classes, whatever the order of the files; ``classes`` are other names for them."""
    assert source.facts == expected.facts | {"classes": classes or expected.facts["classes"]}
    assert labelled(source) == labelled(expected)


def labelled(source: Images) -> list[tuple[bytes, int]]:
    batch = source.plain(np.arange(len(source)))
    return sorted((image.numpy().tobytes(), int(number)) for image, number in zip(*batch.values(), strict=True))


def archive(path: Path, members: dict[str, bytes | str]) -> str:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return str(path)


@pytest.mark.parametrize("around", ["", "pictures/"])
def test_zip_of_class_folders(tmp_path: Path, expected: Images, around: str) -> None:
    members: dict[str, bytes | str] = {f"{around}{seed % 3}/{seed}.png": png(seed) for seed in range(COUNT)}
    same(Images(archive(tmp_path / "a.zip", members | {"__MACOSX/._0.png": b"?", "read.me": ""})), expected)


def test_stylegan_zip_and_folder(tmp_path: Path, expected: Images) -> None:
    members: dict[str, bytes | str] = {f"{seed // 10:05}/img{seed}.png": png(seed) for seed in range(COUNT)}
    labels = [[name, seed % 3] for seed, name in enumerate(members)]
    source = Images(archive(tmp_path / "a.zip", members | {"dataset.json": json.dumps({"labels": labels})}))
    same(source, expected)
    with zipfile.ZipFile(tmp_path / "a.zip") as file:
        file.extractall(tmp_path / "unpacked")
    same(Images(str(tmp_path / "unpacked")), expected)
    plain = Images(archive(tmp_path / "b.zip", members | {"dataset.json": '{"labels": null}'}))
    assert plain.facts["classes"] is None and everything(plain) == everything(expected)


@pytest.mark.parametrize("column", ["label", "class"])
def test_metadata(tmp_path: Path, expected: Images, column: str) -> None:
    (tmp_path / "m" / "images").mkdir(parents=True)
    lines = []
    for seed in range(COUNT):
        (tmp_path / "m" / "images" / f"{seed}.png").write_bytes(png(seed))
        lines.append(json.dumps({"file_name": f"images/{seed}.png", column: seed % 3, "text": "noise"}))
    (tmp_path / "m" / "metadata.jsonl").write_text("\n".join(lines))
    same(Images(str(tmp_path / "m")), expected)
    lines.append(json.dumps({"file_name": "../../etc/gone.png", column: 1}))
    (tmp_path / "m" / "metadata.jsonl").write_text("\n".join(lines))
    assert check(str(tmp_path / "m"))["bad"][0]["why"] == "listed, but not there"
    (tmp_path / "m" / "metadata.jsonl").write_text("{'file_name': 1}")
    with pytest.raises(UserError, match=r"metadata\.jsonl is not understood"):
        Images(str(tmp_path / "m"))


def test_npz(tmp_path: Path, expected: Images) -> None:
    x = np.stack([noise(seed) for seed in range(COUNT)])
    y = np.arange(COUNT) % 3
    for names in (("x", "y"), ("images", "labels"), ("x_train", "y_train")):
        np.savez(tmp_path / "a.npz", **dict(zip(names, (x, y), strict=True)))
        same(Images(str(tmp_path / "a.npz")), expected)
    np.savez(tmp_path / "b.npz", x=(x / 255).astype(np.float32)[..., None], y=y.astype(np.float64))
    same(Images(str(tmp_path / "b.npz")), expected)
    np.savez(tmp_path / "c.npz", x=x.astype(np.float64) / 127.5 - 1, y=y.astype(str))
    same(Images(str(tmp_path / "c.npz")), expected)
    np.savez(tmp_path / "d.npz", x_train=x[:20], y_train=y[:20], x_test=x[20:], y_test=y[20:])
    parts = Images(str(tmp_path / "d.npz"))
    assert (len(parts), parts.facts["heldout"]) == (20, 4)
    np.savez(tmp_path / "e.npz", x=x // 16 + (x > 250))
    counts = Images(str(tmp_path / "e.npz"))
    assert counts.facts["classes"] is None and counts.draw(0, len(counts))["image"].max() == 1
    np.savez(tmp_path / "f.npz", images=np.stack([noise(seed, 16, 16, 4) for seed in range(9)]))
    assert Images(str(tmp_path / "f.npz")).facts["channels"] == 4


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"z": np.zeros(3)}, "name the pictures x"),
        ({"x": np.zeros((4, 3, 8, 8))}, r"\[4, 3, 8, 8\].*\[N, H, W, C\]"),
        ({"x": np.full((4, 8, 8), np.nan)}, "not finite"),
        ({"x": np.zeros((4, 8, 8)), "y": np.zeros(3, int)}, "4 pictures need 4"),
        ({"x": np.array([{}], dtype=object)}, "holds Python objects, which cannot be read safely: save numbers$"),
    ],
)
def test_npz_that_is_no_pictures(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=words):
        Images(str(tmp_path / "a.npz"))


def test_what_is_no_archive_of_arrays(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.random.default_rng(0).integers(0, 255, (9, 8, 8), dtype=np.uint8))
    whole = (tmp_path / "a.npz").read_bytes()
    with (tmp_path / "b.npz").open("wb") as file:
        np.save(file, np.zeros((4, 8, 8)))
    damaged = whole[:100] + bytes(50) + whole[150:]
    for content in (b"", b"PK\3\4 half", whole[: len(whole) // 2], damaged, (tmp_path / "b.npz").read_bytes()):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(UserError, match=r"cannot be read.*; write it with numpy\.savez\(path, x=\.\.\.\)$"):
            Images(str(tmp_path / "a.npz"))


def table(path: Path, seeds: range, label: str, structs: bool, names: list[str] | None = None) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    data = [{"bytes": png(seed), "path": f"{seed}.png"} if structs else png(seed) for seed in seeds]
    made = arrow.table({"caption": ["x"] * len(data), "image": data, label: [seed % 3 for seed in seeds]})
    if names:
        features = {"image": {"_type": "Image"}, label: {"names": names, "_type": "ClassLabel"}}
        made = made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(exist_ok=True)
    parquet.write_table(made, path)


@pytest.mark.parametrize("structs", [True, False])
def test_parquet(tmp_path: Path, expected: Images, structs: bool) -> None:
    table(tmp_path / "a.parquet", range(COUNT), "label", structs)
    same(Images(str(tmp_path / "a.parquet")), expected)


def test_parquet_folder_with_class_names_and_splits(tmp_path: Path, expected: Images) -> None:
    names = ["zebra", "ant", "10"]
    for start in (0, 12):
        table(tmp_path / "all" / f"{start}.parquet", range(start, start + 12), "fine", True, names)
    same(Images(str(tmp_path / "all")), expected, names)
    table(tmp_path / "split" / "train-00000-of-00001.parquet", range(20), "fine", True, names)
    table(tmp_path / "split" / "test-00000-of-00001.parquet", range(20, 24), "fine", True, names)
    parts = Images(str(tmp_path / "split"))
    assert (len(parts), parts.facts["heldout"]) == (20, 4)


def test_parquet_without_pictures(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"age": [1, 2], "image": [b"", None]}), tmp_path / "b.parquet")
    with pytest.raises(UserError, match="2 of 2"):
        Images(str(tmp_path / "b.parquet"))
    parquet.write_table(arrow.table({"age": [1, 2]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"no column of picture bytes, only age"):
        Images(str(tmp_path / "a.parquet"))
    (tmp_path / "a.parquet").write_text("x")
    with pytest.raises(UserError, match="cannot be read"):
        Images(str(tmp_path / "a.parquet"))


@pytest.mark.parametrize("around", ["", "pictures/"])
def test_folder_of_zips(tmp_path: Path, expected: Images, around: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "OPEN", 1)
    (tmp_path / "shards").mkdir()
    for shard in range(3):  # each holds one class alone, and its folder must still say which
        members: dict[str, bytes | str] = {f"{around}{shard}/{seed}.png": png(seed) for seed in range(shard, COUNT, 3)}
        archive(tmp_path / "shards" / f"{shard:03d}.zip", members)
    same(Images(str(tmp_path / "shards")), expected)


def test_folder_of_zips_with_lists_of_their_own_and_sides(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    for shard, name in enumerate(("train-0", "train-1", "val-0", "extra")):
        lines = [json.dumps({"file_name": f"{seed}.png", "label": f"kind {seed % 2}"}) for seed in range(6)]
        members: dict[str, bytes | str] = {f"{seed}.png": png(10 * shard + seed) for seed in range(6)}
        archive(tmp_path / "shards" / f"{name}.zip", members | {"metadata.jsonl": "\n".join(lines)})
    source = Images(str(tmp_path / "shards"))
    assert source.facts["count"] == 12 and source.facts["heldout"] == 6
    assert source.facts["classes"] == ["kind 0", "kind 1"]
    assert source._pack.names[0] == "train-0.zip/0.png"


def test_parts_of_a_parquet_are_read_without_the_rest(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"image": [png(seed) for seed in range(10)], "label": list(range(10))})
    importlib.import_module("pyarrow.parquet").write_table(table, tmp_path / "a.parquet", row_group_size=3)
    shelf = find(str(tmp_path / "a.parquet")).shelf
    assert [count for count, _ in shelf.runs] == [3, 3, 3, 1]
    opened: list[int] = []
    counted = Shelf(shelf.items, [
        (count, lambda run=run, place=place: (opened.append(place), run())[1])  # type: ignore[misc]
        for place, (count, run) in enumerate(shelf.runs)
    ])  # fmt: skip
    for rows in (range(0), range(2, 4), range(4, 10), range(9, 10), range(10)):
        opened.clear()
        read = [opener().read() for opener in counted.openers(rows)]  # type: ignore[union-attr]
        assert read == [png(seed) for seed in rows]
        assert opened == sorted({row // 3 for row in rows})


def test_hostile_zips(tmp_path: Path) -> None:
    good: dict[str, bytes | str] = {f"{seed}.png": png(seed) for seed in range(5)}
    path = archive(tmp_path / "a.zip", good | {"../up.png": png(7), "/root.png": png(8), "a\\..\\b.png": png(9)})
    assert [one["name"] for one in check(path)["bad"]] == ["../up.png", "/root.png", "a\\..\\b.png"]
    assert Images(path, bad_limit=0.5).summary["count"] == 5
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in good.items():
            file.writestr(name, data)
        file.writestr("bomb.bmp", bytes(30_000_000))
    assert "would unpack to 30,000,000 bytes" in check(str(tmp_path / "b.zip"))["bad"][0]["why"]
    assert sorted(file.name for file in tmp_path.iterdir()) == [".belamy", "a.zip", "b.zip"]


def test_hugging_face_datasets(tmp_path: Path, expected: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    names = ["zebra", "ant", "10"]
    features = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=names)})

    def made(seeds: range) -> Any:
        pictures = [{"bytes": png(seed), "path": None} for seed in seeds]
        return datasets.Dataset.from_dict({"img": pictures, "label": [seed % 3 for seed in seeds]}, features=features)

    made(range(COUNT)).save_to_disk(tmp_path / "one")
    same(Images(str(tmp_path / "one")), expected, names)
    parts = datasets.DatasetDict({"train": made(range(20)), "test": made(range(20, 24))})
    parts.save_to_disk(tmp_path / "two")
    monkeypatch.setattr(datasets, "load_dataset", lambda name: parts if name == "me/noise" else 1 / 0)
    for path in (str(tmp_path / "two"), "hf:me/noise", "me/noise"):
        source = Images(path)
        assert (len(source), source.facts["heldout"], source.facts["classes"]) == (20, 4, names)
    with pytest.raises(UserError, match="Hugging Face cannot load it: division"):
        Images("me/other")


def test_without_the_datasets_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match=r"pip install 'belamy\[datasets\]'"):
        Images("hf:me/noise")
    with pytest.raises(UserError, match=r"no folder or file me/noise.*pip install 'belamy\[datasets\]'"):
        Images("me/noise")


def test_flat_pictures_of_one_kind_in_many_depths(folder: Folder) -> None:
    source = Images(str(folder({"x/a/deep": 4, "x/a": 3, "x/b": 4})))
    assert source.facts["classes"] == ["a", "b"] and source.summary["classes"] == {"a": 7, "b": 4}
