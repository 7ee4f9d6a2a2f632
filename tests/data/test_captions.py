"""Captioned pictures: where captions stand, which are wrong ones, and what is left untold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from belamy.chance import Chance
from belamy.data.captioned import CaptionedImages
from belamy.data.shapes import Shapes, unseen_scene
from belamy.errors import UserError
from tiny import word_vectors

COLOURS = ("red", "green", "blue", "yellow")


@pytest.fixture
def words(tmp_path: Path) -> str:
    return str(word_vectors(tmp_path / "words.txt"))


def paint(folder: Path, names: list[str], side: int = 8) -> None:
    """Pictures of different noise."""
    random = np.random.default_rng(len(names))
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(folder / name)


def said(source: CaptionedImages) -> set[str]:
    """All captions that may be drawn, on both sides."""
    parts = [part for part in (source, source.heldout()) if part is not None]
    return {part.spoken(int(number)) for part in parts for number in part.numbers}


def test_metadata_text_files_and_lists_of_captions(tmp_path: Path, words: str) -> None:
    names = [f"{number}.png" for number in range(30)]
    paint(tmp_path / "a", names)
    rows = [{"file_name": name, "text": [f"a {COLOURS[n % 4]} cat", "a cat"]} for n, name in enumerate(names)]
    (tmp_path / "a" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert said(CaptionedImages(str(tmp_path / "a"), encoder=words)) == {f"a {c} cat" for c in COLOURS} | {"a cat"}
    paint(tmp_path / "b", names)
    for number, name in enumerate(names):
        (tmp_path / "b" / name).with_suffix(".txt").write_text(f"a {COLOURS[number % 4]} dog\n\n")
    assert said(CaptionedImages(str(tmp_path / "b"), encoder=words)) == {f"a {c} dog" for c in COLOURS}


def test_the_layouts_of_cub_and_coco(tmp_path: Path, words: str) -> None:
    paint(tmp_path / "cub" / "images", [f"{n % 2}.bird/{n}.png" for n in range(30)])
    for n in range(30):
        file = tmp_path / "cub" / "text" / f"{n % 2}.bird" / f"{n}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"a {COLOURS[n % 4]} cat\na cat")
    assert said(CaptionedImages(str(tmp_path / "cub"), encoder=words)) == {f"a {c} cat" for c in COLOURS} | {"a cat"}
    paint(tmp_path / "coco" / "train2017", [f"{n}.png" for n in range(30)])
    lists = {
        "images": [{"id": 100 + n, "file_name": f"{n}.png"} for n in range(30)],
        "annotations": [{"image_id": 100 + n, "caption": f"a {COLOURS[n % 4]} dog"} for n in range(30)],
    }
    (tmp_path / "coco" / "annotations").mkdir()
    (tmp_path / "coco" / "annotations" / "captions_train2017.json").write_text(json.dumps(lists))
    assert said(CaptionedImages(str(tmp_path / "coco"), encoder=words)) == {f"a {c} dog" for c in COLOURS}


def test_parquet_with_captions(tmp_path: Path, words: str) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    paint(tmp_path / "raw", [f"{n}.png" for n in range(30)])
    data = {
        "image": [(tmp_path / "raw" / f"{n}.png").read_bytes() for n in range(30)],
        "caption": [f"a {COLOURS[n % 4]} cat" for n in range(30)],
    }
    parquet.write_table(pyarrow.table(data), tmp_path / "pictures.parquet")
    assert said(CaptionedImages(str(tmp_path / "pictures.parquet"), encoder=words)) == {f"a {c} cat" for c in COLOURS}


def test_pictures_without_captions_are_named(tmp_path: Path, words: str) -> None:
    paint(tmp_path / "a", [f"{n}.png" for n in range(30)])
    for n in range(28):
        (tmp_path / "a" / f"{n}.txt").write_text("a cat")
    with pytest.raises(UserError, match=r"2 of 30 pictures have no caption \(28\.png, 29\.png\)"):
        CaptionedImages(str(tmp_path / "a"), encoder=words)
    (tmp_path / "a" / "metadata.jsonl").write_text('{"file_name": "0.png", "text": 5}')
    with pytest.raises(UserError, match=r"the text of 0\.png is '5'"):
        CaptionedImages(str(tmp_path / "a"), encoder=words)


def test_wrong_captions_say_something_else(tmp_path: Path, words: str) -> None:
    names = [f"{number}.png" for number in range(60)]
    paint(tmp_path / "a", names)
    for number, name in enumerate(names):
        (tmp_path / "a" / name).with_suffix(".txt").write_text(f"a {COLOURS[number % 4]} cat")
    source = CaptionedImages(str(tmp_path / "a"), encoder=words, words=0, untold=0.0)
    batch = source.draw(0, 64)
    assert batch["text"].shape == (64, 1, 12) and batch["wrong"].shape == (64, 3, 1, 12)
    assert not (batch["wrong"] == batch["text"][:, None]).all(-1).any()


def test_rows_are_the_same_in_whatever_pieces_they_are_drawn(words: str) -> None:
    source = Shapes(count=50, encoder=words, words=4)
    whole, parts = source.draw(3, 20), (source.draw(3, 7), source.draw(10, 13))
    assert all(torch.equal(whole[name], torch.cat([part[name] for part in parts])) for name in whole)


def test_a_share_of_captions_is_left_out(words: str) -> None:
    source = Shapes(count=200, encoder=words, words=0, untold=0.25)
    silent = (source.draw(0, 400)["text"].abs().sum((1, 2)) == 0).double().mean()
    assert 0.17 < silent < 0.33
    assert (source.take(200)["text"].abs().sum((1, 2)) > 0).all()


def test_wrong_captions_of_shapes_are_not_true_in_other_words(words: str) -> None:
    source = Shapes(count=300, encoder=words, words=0)
    indices = np.arange(200)
    scenes = [source._truth[row] for row in indices]
    chance = source.draw(0, 1)  # so that texts are there
    assert chance["wrong"].shape[1] == 3
    drawn = np.tile(source.numbers[:40], (200, 1))
    strange = source.strangers(indices, drawn)
    for row in (0, 50, 199):
        own = int(source.told(indices[row : row + 1], None)[0])  # type: ignore[arg-type]
        claims = [source._says[int(number)] <= scenes[row] for number in drawn[row]]
        assert list(strange[row]) == [not claim for claim in claims]
        assert source._says[own] <= scenes[row]


def test_held_out_scenes_are_never_trained_on(words: str) -> None:
    source = Shapes(count=500, encoder=words, words=0)
    unseen = source.heldout()
    assert unseen is not None and unseen.heldout() is None
    assert not any(unseen_scene(source._scenes[row]) for row in source._rows)
    assert all(unseen_scene(unseen._scenes[row]) for row in unseen._rows)
    text, scenes, says = unseen.described(20)
    assert text.shape == (20, 1, 12) and len(scenes) == len(says) == 20
    assert all(told == {"shape", "colour", "size", "place", "ground"} for told in says)
    _, again, brief = unseen.described(20, tell=())
    assert again == scenes and all(told == {"shape", "colour"} for told in brief)


@pytest.mark.parametrize(("options", "hint"), [({"resolution": 20}, "32 to 128"), ({"objects": 3}, "1, or 2")])
def test_shapes_that_cannot_be(options: dict[str, int], hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        Shapes(**options)  # type: ignore[arg-type]


def test_some_wrong_captions_are_all_but_true(words: str) -> None:
    source = Shapes(count=3000, encoder=words, words=0)
    indices = np.arange(200)
    near = source.nearly(indices, Chance(0, range(200)))
    strange = source.strangers(indices, near)
    assert 0.3 < strange.mean() < 0.8
    shared = [
        len(source._truth[row] & source._says[int(number)]) / len(source._says[int(number)])
        for row in indices for number in near[row][strange[row]]
    ]  # fmt: skip
    assert np.mean(shared) > 0.7  # of all that they say, one thing is wrong
    assert source.strangers(indices, source._wrong(indices, Chance(1, range(200))))[:, 0].all()


def test_some_wrong_captions_have_colours_exchanged(words: str) -> None:
    source = Shapes(count=6000, encoder=words, words=0)
    near = source.nearly(np.arange(200), Chance(0, range(200)))
    exchanged = 0
    for row in range(200):
        (thing,) = source._scenes[row].things
        wanted = {(0, "colour", source._scenes[row].ground), ("ground", thing.colour), (0, "shape", thing.shape)}
        exchanged += any(wanted <= source._says[int(number)] for number in near[row])
    assert exchanged > 20


def test_of_two_things_colours_and_shapes_are_exchanged(words: str) -> None:
    source = Shapes(objects=2, count=12_000, encoder=words, words=0)
    near, seen = source.nearly(np.arange(300), Chance(0, range(300))), np.zeros(5, int)
    for row in range(300):
        (one, two), ground = source._scenes[row].things, source._scenes[row].ground
        exchanged = [
            {(0, "colour", ground), ("ground", one.colour), (1, "colour", two.colour)},
            {(1, "colour", ground), ("ground", two.colour), (0, "colour", one.colour)},
            {(0, "colour", two.colour), (1, "colour", one.colour), ("ground", ground)},
            {(0, "shape", two.shape), (1, "shape", one.shape), (0, "colour", one.colour)},
            {(0, "shape", two.shape), (1, "shape", one.shape), (0, "colour", two.colour), (1, "colour", one.colour)},
        ]
        for said in (source._says[int(number)] for number in near[row]):
            seen += [wanted <= said for wanted in exchanged]
    assert (seen > 20).all()
