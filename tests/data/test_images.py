"""Images as a source: its split, its classes, its order, its cache, and what it says of bad choices."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from made_pictures import Folder, everything, noise
from PIL import Image

from belamy.chance import Chance
from belamy.data import files, pack
from belamy.data.images import Images, check, describe
from belamy.errors import UserError
from belamy.planning import compose, plan
from tiny import draw_pictures


def test_rows_are_the_pixels_and_classes_of_the_files(folder: Folder) -> None:
    root = folder({"9": 6, "10": 6, "2": 8})
    source = Images(str(root))
    assert source.facts["classes"] == ["2", "9", "10"]
    assert (source.facts["resolution"], source.facts["channels"]) == (8, 1)
    batch = source.plain(np.arange(len(source)))
    assert batch["image"].dtype == torch.float32 and batch["class"].dtype == torch.int64
    known = {np.asarray(Image.open(file)).tobytes(): file.parent.name for file in root.rglob("*.png")}
    for image, number in zip(batch["image"], batch["class"], strict=True):
        pixels = ((image + 1) * 127.5).round().to(torch.uint8).numpy().tobytes()
        assert known[pixels] == source.facts["classes"][number]
    assert sum(source.facts["class_counts"]) == source.facts["count"] == len(source)
    assert source.facts["class_counts"] == torch.bincount(batch["class"], minlength=3).tolist()


def test_a_tenth_is_held_out_and_never_trained_on(folder: Folder) -> None:
    source = Images(str(folder({"": 300})))
    other = source.heldout()
    assert other is not None and isinstance(other, Images) and other.heldout() is None
    assert 15 <= len(other) <= 50 and len(source) + len(other) == 300
    assert not set(everything(source)) & set(everything(other))
    drawn = {row.numpy().tobytes() for row in source.draw(0, 3 * len(source))["image"]}
    assert drawn == set(everything(source))


def test_copies_fall_on_one_side_and_names_do_not_matter(folder: Folder, tmp_path: Path) -> None:
    root = folder({"": 60})
    before = Images(str(root))
    for number, file in enumerate(sorted(root.glob("*.png"))):
        (tmp_path / "other").mkdir(exist_ok=True)
        Image.open(file).save(tmp_path / "other" / f"{(number * 37) % 60:03}.bmp")
        shutil.copy(file, tmp_path / "other" / f"copy{number}.png")
    after = Images(str(tmp_path / "other"), resolution=16)
    assert after.facts["fingerprint"] != before.facts["fingerprint"]  # there are copies now
    again = Images(str(tmp_path / "other"))
    assert set(everything(again)) == set(everything(before))
    assert len(again) == len(after) == 2 * len(before)
    assert again.summary["duplicates"] == 60 and again.summary["in_both_parts"] == 0


@pytest.mark.parametrize("count", [2, 3])
def test_no_side_is_empty(tmp_path: Path, count: int) -> None:
    for start in range(12):
        root = tmp_path / str(start)
        root.mkdir()
        for number in range(count):
            Image.fromarray(noise(start * 10 + number)).save(root / f"{number}.png")
        source = Images(str(root))
        assert source.facts["count"] >= 1 and source.facts["heldout"] >= 1


def test_train_and_val_folders_are_the_split(folder: Folder) -> None:
    root = folder({"train/a": 5, "train/b": 4, "val/a": 2, "val/b": 1, "test/a": 7})
    source = Images(str(root))
    assert source.facts["classes"] == ["a", "b"] and source.facts["class_counts"] == [5, 4]
    assert len(source) == 9 and source.facts["heldout"] == 3


def test_draw_is_a_function_of_position_with_flips(folder: Folder) -> None:
    source = Images(str(folder({"a": 20, "b": 20})), flip=True, seed=3)
    whole, first, second = source.draw(5, 90), source.draw(5, 40), source.draw(45, 50)
    for name in whole:
        assert torch.equal(whole[name], torch.cat([first[name], second[name]]))


def test_flips_mirror_half_of_training_and_nothing_else(folder: Folder) -> None:
    root = str(folder({"": 80}))
    flipped, straight = Images(root, flip=True), Images(root)
    indices = np.arange(len(straight))
    rows = flipped.rows(indices, Chance(1, indices.tolist()))["image"]
    plain = straight.rows(indices, Chance(1, indices.tolist()))["image"]
    mirrored = (rows == plain.flip(-1)).flatten(1).all(1)
    assert (mirrored | (rows == plain).flatten(1).all(1)).all()
    assert 0.3 < mirrored.float().mean() < 0.7
    assert torch.equal(flipped.plain(indices)["image"], plain)
    other, same = flipped.heldout(), straight.heldout()
    assert other is not None and same is not None
    assert torch.equal(other.draw(0, 30)["image"], same.draw(0, 30)["image"])


def test_classes_can_be_left_out_and_one_folder_is_no_class(folder: Folder) -> None:
    source = Images(str(folder({"a": 5, "b": 5})), classes=False)
    assert source.facts["classes"] is None and source.facts["class_counts"] is None
    assert "class" not in source.draw(0, 2)
    assert Images(str(folder({"only": 9}, name="one"))).facts["classes"] is None


def test_pictures_outside_the_class_folders_are_named(folder: Folder) -> None:
    root = folder({"": 1, "a": 5, "b": 5})
    with pytest.raises(UserError, match=r"1 of 11 .*000\.png.*data\.classes=false"):
        Images(str(root))
    assert len(Images(str(root), classes=False)) < 11


@pytest.mark.parametrize(
    ("shape", "resolution"),
    [((28, 28), 28), ((8, 8), 8), ((30, 30), 16), ((6, 6), 8), ((100, 70), 64), ((128, 128), 128), ((300, 300), 64)],
)
def test_default_resolution(folder: Folder, shape: tuple[int, int], resolution: int) -> None:
    assert Images(str(folder({"": 4}, shape))).facts["resolution"] == resolution


def test_a_wrong_resolution_names_the_nearest(folder: Folder) -> None:
    for wrong, near in ((30, 32), (29, 28), (4, 8), (2000, 1024)):
        with pytest.raises(UserError, match=f"try {near}$"):
            Images("nowhere", resolution=wrong)


def test_mixed_channels_need_a_choice(folder: Folder, tmp_path: Path) -> None:
    root = folder({"": 6})
    for number in range(3):
        Image.fromarray(noise(100 + number, 8, 8, 3)).save(root / f"colour{number}.png")
    with pytest.raises(UserError, match=r"6 grey.*3 colour.*--set data\.channels=3"):
        Images(str(root))
    assert Images(str(root), channels=3).draw(0, 2)["image"].shape == (2, 3, 8, 8)
    assert Images(str(root), channels=1).draw(0, 2)["image"].shape == (2, 1, 8, 8)


def test_alpha_counts_only_where_it_is_used(folder: Folder) -> None:
    opaque = folder({"": 4}, (8, 8, 4), name="opaque")
    for file in opaque.glob("*.png"):
        image = Image.open(file)
        image.putalpha(255)
        image.save(file)
    assert Images(str(opaque)).facts["channels"] == 3
    assert Images(str(folder({"": 4}, (8, 8, 4), name="clear"))).facts["channels"] == 4


def test_bad_pictures_are_skipped_counted_and_named(folder: Folder) -> None:
    root = folder({"": 40}, (32, 32, 3))
    whole = (root / "000.png").read_bytes()
    (root / "half.png").write_bytes(whole[: len(whole) // 2])
    (root / "notes.txt").write_text("not counted")
    source = Images(str(root))
    assert source.facts["count"] + source.facts["heldout"] == 40
    assert [one["name"] for one in source.summary["unreadable"]] == ["half.png"]
    (root / "empty.jpg").touch()
    (root / "text.jpg").write_text("no picture")
    with pytest.raises(UserError, match=r"3 of 43 .*empty\.jpg: empty.*belamy data check"):
        Images(str(root))
    with pytest.raises(UserError, match="3 of 43"):
        Images(str(root), resolution=32, channels=3)
    assert len(Images(str(root), bad_limit=0.1)) == len(source)


def test_check_decodes_everything_and_finds_copies(folder: Folder) -> None:
    root = folder({"a": 3, "b": 3}, (32, 32, 3))
    Image.open(root / "a/000.png").save(root / "b/same.bmp")
    (root / "a/bad.png").write_bytes((root / "a/001.png").read_bytes()[:200])
    found = check(str(root))
    assert found["pictures"] == 8 and found["duplicates"] == [["a/000.png", "b/same.bmp"]]
    assert [one["name"] for one in found["bad"]] == ["a/bad.png"] and "truncated" in found["bad"][0]["why"]


def test_summary(folder: Folder) -> None:
    root = folder({"a": 10, "b": 5}, (12, 20))
    Image.fromarray(noise(1000, 9, 9)).save(root / "a" / "small.png")
    found = describe(str(root), resize="pad")
    assert found["count"] == 16 == found["training"] + found["heldout"]
    assert found["sizes"] == {
        "common": [["20x12", 15], ["9x9", 1]],
        "different": 2,
        "smallest": "9x9",
        "largest": "20x12",
    }
    assert found["classes"] == {"a": 11, "b": 5} and found["kinds"] == {"grey": 16}
    assert (found["resolution"], found["channels"], found["duplicates"], found["unreadable"]) == (8, 1, 0, [])


def test_the_second_open_decodes_nothing(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    root = str(folder({"a": 6, "b": 6}))
    first = Images(root)

    def never(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(pack, "read", never)
    monkeypatch.setattr(files, "_tree", never)
    second = Images(root)
    assert second.facts == first.facts and everything(second) == everything(first)
    assert second.summary == first.summary
    assert everything(Images(root, resolution=8, channels=1)) == everything(first)  # a choice spelt out is the same


def test_a_changed_picture_is_read_again(folder: Folder) -> None:
    root = folder({"": 6})
    before = Images(str(root)).facts["fingerprint"]
    Image.fromarray(noise(77)).save(root / "000.png")
    assert Images(str(root)).facts["fingerprint"] != before


def test_the_cache_lies_beside_the_data_or_at_home(folder: Folder, belamy_home: Path) -> None:
    root = folder({"": 4})
    Images(str(root))
    assert (root / ".belamy").is_dir() and not list(belamy_home.iterdir())
    blocked = folder({"": 4}, name="blocked")
    (blocked / ".belamy").touch()  # even root cannot make a folder of it
    first = Images(str(blocked))
    assert list((belamy_home / "data").glob("*/8x1-crop/pixels.npy"))
    assert Images(str(blocked)).facts == first.facts


def test_no_half_written_cache_is_left_or_used(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder({"": 6})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pack, "_bind", full)
        with pytest.raises(UserError, match="No space left"):
            Images(str(root))
    assert not list(root.rglob("pixels.npy"))
    assert len(Images(str(root))) > 0


def test_what_a_killed_process_left_is_cleared_and_damage_is_told(folder: Folder) -> None:
    root = folder({"": 6})
    Images(str(root))
    (pixels,) = root.rglob("pixels.npy")
    for name, age in (("old", 1e5), ("young", 0)):
        left = pixels.parent.parent / f".{name}"
        left.mkdir()
        (left / "pixels.npy").touch()
        for path in (left / "pixels.npy", left):
            os.utime(path, (time.time() - age,) * 2)
    Images(str(root), resolution=16)
    assert [path.name for path in pixels.parent.parent.glob(".*")] == [".young"]
    pixels.write_bytes(pixels.read_bytes()[:-9])
    with pytest.raises(UserError, match="damaged; delete that folder"):
        Images(str(root))


def test_two_openings_at_once_agree(folder: Folder) -> None:
    root = str(folder({"": 30}))
    found: list[Images] = []
    threads = [threading.Thread(target=lambda: found.append(Images(root))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len({str(one.facts) for one in found}) == 1
    assert not [path for path in Path(root, ".belamy").rglob("*") if path.name.startswith(".")]


def test_hidden_files_and_links_in_a_loop_are_passed_over(folder: Folder) -> None:
    root = folder({"a": 3, "b": 3, ".hidden": 5})
    (root / "a" / "loop").symlink_to(root)
    (root / "a" / "dead.png").symlink_to(root / "gone.png")
    assert [one["name"] for one in check(str(root))["bad"]] == ["a/dead.png"]
    assert Images(str(root), bad_limit=0.2).summary["count"] == 6


def test_hopeless_paths_are_refused_in_one_line(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.tar").touch()
    (tmp_path / "bad.zip").write_text("x")
    one = folder({"": 1}, name="one")
    same = folder({"": 1}, name="same")
    shutil.copy(same / "000.png", same / "copy.png")
    said = {
        "empty": "holds no pictures",
        "a.tar": "none of these",
        "bad.zip": "not a readable zip",
        "one": "only one readable picture",
        "same": "2 pictures that are all the same",
        "one/000.png": "give its folder",
        "pictuers/": "there is no",
        "on": "did you mean 'one'",
    }
    for path, words in said.items():
        with pytest.raises(UserError, match=words) as raised:
            Images(str(tmp_path / path))
        assert "\n" not in str(raised.value), one


def test_dcgan_brings_pictures_of_any_size_to_that_of_the_tutorial(tmp_path: Path) -> None:
    folder = draw_pictures(tmp_path / "data", {"": 12}, side=48)
    for settings, side in (({}, 64), ({"game.resolution": 32}, 32)):
        settled = plan(compose("dcgan", str(folder), settings), "cpu")
        assert settled.source.facts["resolution"] == settled.spec["resolution"] == side
        assert settled.recipe.batch == 128 and settled.recipe.examples == 5 * 202_599
