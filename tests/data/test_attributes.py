"""Attributes in metadata.jsonl: every form of them, what is refused, and what reaches a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_pictures import noise
from PIL import Image

from belamy.data import pictures
from belamy.data.images import Images, describe
from belamy.errors import UserError

COUNT = 40
HATS = [seed % 2 == 0 for seed in range(COUNT)]
SMILES = [seed % 3 == 0 for seed in range(COUNT)]


def write(root: Path, rows: list[dict[str, Any]]) -> str:
    """So many pictures, with a row of metadata for each."""
    root.mkdir(exist_ok=True)
    for seed in range(len(rows)):
        Image.fromarray(noise(seed)).save(root / f"{seed}.png")
    lines = [json.dumps({"file_name": f"{seed}.png", **row}) for seed, row in enumerate(rows)]
    (root / "metadata.jsonl").write_text("\n".join(lines))
    return str(root)


def names(hat: bool, smiling: bool) -> list[str]:
    return ["smiling"] * smiling + ["hat"] * hat


FORMS = {
    "names": lambda hat, smiling: {"attributes": names(hat, smiling)},
    "mapping": lambda hat, smiling: {"attributes": {"hat": hat, "smiling": int(smiling)}},
    "columns": lambda hat, smiling: {"hat": int(hat), "smiling": smiling, "text": "a face", "age": 31, "version": 1},
    "celeba": lambda hat, smiling: {"hat": 2 * hat - 1, "smiling": 2 * smiling - 1},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(tmp_path: Path, form: str) -> None:
    source = Images(write(tmp_path / "a", [FORMS[form](*both) for both in zip(HATS, SMILES, strict=True)]))
    assert source.facts["attributes"] == ["hat", "smiling"] and source.facts["classes"] is None
    found = {}
    for part in (source, source.heldout()):
        assert part is not None
        rows = part.plain(np.arange(len(part)))
        assert rows["attributes"].dtype == torch.float32
        found |= {image.numpy().tobytes(): row.tolist() for image, row in zip(rows["image"], rows["attributes"],
                                                                              strict=True)}  # fmt: skip
    for seed, (hat, smiling) in enumerate(zip(HATS, SMILES, strict=True)):
        image = torch.from_numpy(noise(seed))[None].float().div_(127.5).sub_(1)
        assert found[image.numpy().tobytes()] == [hat, smiling]
    assert describe(str(tmp_path / "a"))["attributes"] == {"hat": sum(HATS), "smiling": sum(SMILES)}


def test_some_attributes_none_or_unknown_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "a", [FORMS["names"](*both) for both in zip(HATS, SMILES, strict=True)])
    assert Images(path, attributes=["smiling"]).facts["attributes"] == ["smiling"]
    some, other = (Images(path, attributes=wanted).draw(0, 9)["attributes"] for wanted in (
        ["smiling", "hat"], ["hat", "smiling"]))  # fmt: skip
    assert torch.equal(some, other.flip(1))
    nothing = Images(path, attributes=[])
    assert nothing.facts["attributes"] is None and set(nothing.draw(0, 2)) == {"image"}
    with pytest.raises(UserError, match=r"a has no attribute 'smilng' \(did you mean 'smiling'\?\)"):
        Images(path, attributes=["hat", "smilng"])
    with pytest.raises(UserError, match=r"a has no attribute 'zzz'; it has hat, smiling"):
        Images(path, attributes=["zzz"])
    plain = write(tmp_path / "plain", [{"text": "x"}] * 9)
    with pytest.raises(UserError, match=r"plain has no attribute 'hat', for its metadata tell none"):
        Images(plain, attributes=["hat"])


@pytest.mark.parametrize(("row", "words"), [
    ({"attributes": "hat"}, r"the attributes of 5\.png are 'hat'; write names or ones and zeros"),
    ({"attributes": ["hat", 3]}, r"the attributes of 5\.png are"),
    ({"attributes": {"hat": "yes"}}, r"the attributes of 5\.png are"),
    ({"attributes": {"hat": 2}}, r"the attributes of 5\.png are"),
    ({"attributes": 1}, r"the attributes of 5\.png are '1'"),
    ({}, r"metadata say nothing of the attributes of 1 of 40 pictures in .*a \(5\.png\).*data\.attributes=\[\]"),
    ({"attributes": None}, r"nothing of the attributes of 1 of 40"),
])  # fmt: skip
def test_rows_that_are_not_understood(tmp_path: Path, row: dict[str, Any], words: str) -> None:
    rows: list[dict[str, Any]] = [FORMS["names"](*both) for both in zip(HATS, SMILES, strict=True)]
    rows[5] = row
    with pytest.raises(UserError, match=words) as told:
        Images(write(tmp_path / "a", rows))
    assert "\n" not in str(told.value)


def test_columns_that_are_no_attributes_are_left_alone(tmp_path: Path) -> None:
    rows = [{"id": seed, "note": None, "tags": ["x"], "late": 1, "hat": seed % 2} for seed in range(20)]
    del rows[3]["late"]
    assert Images(write(tmp_path / "a", rows)).facts["attributes"] == ["hat"]
    rows[7]["hat"] = "yes"
    with pytest.raises(UserError, match=r"'hat' of 7\.png is 'yes', and 0 or 1 elsewhere: write 0 or 1"):
        Images(write(tmp_path / "b", rows))


def test_combinations_are_counted_with_their_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{**FORMS["names"](hat, smiling), "label": "ab"[seed % 2]} for seed, (hat, smiling) in enumerate(
        zip(HATS, SMILES, strict=True))]  # fmt: skip
    source = Images(write(tmp_path / "a", rows))
    table = source.facts["attribute_counts"]
    assert json.loads(json.dumps(table)) == table and sum(count for *_, count in table) == len(source)
    batch = source.plain(np.arange(len(source)))
    for kind, flags, count in table:
        same = (batch["class"] == kind) & (batch["attributes"] == torch.tensor([float(flag) for flag in flags])).all(1)
        assert same.sum() == count
    assert {(kind, flags[0]) for kind, flags, _ in table} == {(0, "1"), (1, "0")}  # every second one: "a", with a hat
    monkeypatch.setattr(pictures, "COMBINATIONS", 3)
    few = Images(str(tmp_path / "a")).facts["attribute_counts"]
    assert sum(count for *_, count in few) == 3


def test_train_and_val_share_their_attributes(tmp_path: Path) -> None:
    for part, count in (("train", 20), ("val", 6)):
        (tmp_path / "a" / part).mkdir(parents=True)
        write(tmp_path / "a" / part, [{"hat": int(part == "val" or seed % 2)} for seed in range(count)])
    source = Images(str(tmp_path / "a"))
    other = source.heldout()
    assert other is not None and other.plain(np.arange(len(other)))["attributes"].min() == 1
