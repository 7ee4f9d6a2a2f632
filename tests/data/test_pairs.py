"""Pictures of two kinds: found in every form that people keep them in, cut at the same place, and refused in words."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from belamy.data.gallery import gallery, recoloured, to_tensor
from belamy.data.pairs import Pairs, Unpaired
from belamy.data.photos import Degraded, Holed, Styled
from belamy.errors import UserError
from belamy.ops.degrade import shrink
from tiny import draw_pictures


def noise(seed: int, height: int = 24, width: int = 20, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.squeeze()).save(path)


def pair(root: Path, name: str, seed: int) -> None:
    """Of A, B shows the negative."""
    save(root / "A" / name, noise(seed))
    save(root / "B" / name, 255 - noise(seed))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed in range(12):
        pair(tmp_path / "pairs", f"{seed}.png", seed)
    return tmp_path / "pairs"


def negative(source: Pairs) -> None:
    batch = source.draw(0, 8)
    assert batch["source"].shape == batch["target"].shape == (8, 3, 16, 16)
    assert torch.allclose(batch["source"], -batch["target"], atol=1e-6)


def test_both_pictures_of_a_pair_are_cut_at_the_same_place(folder: Path) -> None:
    source = Pairs(str(folder), flip=True)
    assert source.facts["resolution"] == 16 and len(source) + source.facts["heldout"] == 12
    negative(source)
    halves = [source.draw(0, 5), source.draw(5, 3)]
    assert torch.equal(torch.cat([half["source"] for half in halves]), source.draw(0, 8)["source"])


def test_the_other_direction(folder: Path) -> None:
    there, back = Pairs(str(folder)).draw(0, 4), Pairs(str(folder), direction="BtoA").draw(0, 4)
    assert torch.equal(there["source"], back["target"]) and torch.equal(there["target"], back["source"])


def test_forms_of_keeping_pairs(tmp_path: Path, folder: Path) -> None:
    for seed in range(4):
        save(tmp_path / "beside" / f"{seed}.png", np.concatenate([noise(seed), 255 - noise(seed)], axis=1))
        pair(tmp_path / "parts" / "train", f"{seed}.png", seed)
        pair(tmp_path / "parts" / "val", f"{seed}.png", seed + 4)
        for kind, pixels in (("A", noise(seed)), ("B", 255 - noise(seed))):
            save(tmp_path / "cycle" / f"train{kind}" / f"{seed}.png", pixels)
            save(tmp_path / "cycle" / f"test{kind}" / f"{seed}.png", pixels)
    for name in ("beside", "parts", "cycle"):
        negative(Pairs(str(tmp_path / name)))
    with pytest.raises(UserError, match=r"beside has no folders A and B"):
        Unpaired(str(tmp_path / "beside"))
    parts = Pairs(str(tmp_path / "parts"))
    assert parts.has_parts and (len(parts), parts.facts["heldout"]) == (4, 4)
    assert not Pairs(str(folder)).has_parts
    cycle = Pairs(str(tmp_path / "cycle"))
    assert (len(cycle), cycle.facts["heldout"]) == (4, 4)


def test_two_columns_of_a_parquet(tmp_path: Path) -> None:
    def coded(pixels: np.ndarray) -> bytes:
        held = io.BytesIO()
        Image.fromarray(pixels).save(held, "PNG")
        return held.getvalue()

    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    pictures = [noise(seed) for seed in range(6)]
    columns = {"source": [coded(one) for one in pictures], "target": [coded(255 - one) for one in pictures]}
    pyarrow.parquet.write_table(arrow.table(columns), tmp_path / "pairs.parquet")
    negative(Pairs(str(tmp_path / "pairs.parquet")))


@pytest.mark.parametrize("remove", ["A/3.png", "B/3.png"])
def test_a_picture_without_a_partner_is_named(folder: Path, remove: str) -> None:
    (folder / remove).unlink()
    with pytest.raises(UserError, match=r"1 pictures .* without a partner: 3$"):
        Pairs(str(folder))


def test_half_a_pair_that_cannot_be_read_is_told(folder: Path) -> None:
    (folder / "B" / "3.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"without a partner: 3; B/3\.png cannot be read: "):
        Pairs(str(folder), bad_limit=0.5)


def test_partners_of_other_sizes_are_named(folder: Path) -> None:
    save(folder / "B" / "5.png", noise(5, 24, 22))
    with pytest.raises(UserError, match=r"A/5.png is 20x24, its partner 22x24"):
        Pairs(str(folder))


def test_too_small_for_the_squares(folder: Path) -> None:
    with pytest.raises(UserError, match=r"12 of 12 pictures are smaller than the squares of 32 .* data.resolution=16"):
        Pairs(str(folder), resolution=32)


def test_neither_two_folders_nor_two_in_one(folder: Path) -> None:
    for number in range(3):
        save(folder.parent / "plain" / f"{number}.png", noise(number, 20, 20))
    with pytest.raises(UserError, match=r"has no folders A and B .* not wide enough to be two side by side"):
        Pairs(str(folder.parent / "plain"))


def test_one_kind_alone(tmp_path: Path) -> None:
    save(tmp_path / "A" / "0.png", noise(0))
    with pytest.raises(UserError, match=r"pictures in A but none in B"):
        Unpaired(str(tmp_path))


def test_unpaired_rows_have_nothing_to_do_with_each_other(tmp_path: Path) -> None:
    for seed in range(9):
        save(tmp_path / "A" / f"{seed}.png", np.full((16, 16, 3), 10 + seed, np.uint8))
        save(tmp_path / "B" / f"x{seed}.png", np.full((16, 16, 3), 200 + seed, np.uint8))
    source = Unpaired(str(tmp_path))
    batch = source.draw(0, 32)
    assert batch["source"].max() < -0.8 and batch["target"].min() > 0.5
    levels = [batch[name][:, 0, 0, 0].mul(127.5).round().tolist() for name in ("source", "target")]
    assert len(set(zip(*levels, strict=True))) > 12
    assert "paired" not in next(source.wholes())


def test_namesakes_are_true_pairs(folder: Path) -> None:
    for number in range(12):
        pair(folder.parent / "both" / "train", f"{number}.png", number)
        pair(folder.parent / "both" / "val", f"{number}.png", number + 50)
    heldout = Unpaired(str(folder.parent / "both")).heldout()
    assert heldout is not None and len(heldout) == 12
    for batch in heldout.wholes():
        assert "paired" in batch and torch.allclose(batch["source"], -batch["target"], atol=1e-6)
    save(folder.parent / "both" / "val" / "B" / "3.png", noise(3, 30, 30))
    heldout = Unpaired(str(folder.parent / "both")).heldout()
    assert heldout is not None and not any("paired" in batch for batch in heldout.wholes())


def test_depths_channels_and_sizes(tmp_path: Path) -> None:
    deep = (np.arange(24 * 20, dtype=np.uint16) * 136).reshape(24, 20)
    save(tmp_path / "a.png", deep)
    save(tmp_path / "b.png", noise(1))
    found = gallery(str(tmp_path))
    assert found.depths.tolist() == [16, 8] and found.shapes.tolist() == [[24, 20, 1], [24, 20, 3]]
    assert np.array_equal(found.pixels(0)[..., 0], deep)
    assert torch.equal(found.cut(0, 1, 2, 3, 4, 5), to_tensor(deep[2:6, 3:8, None]))
    with pytest.raises(UserError, match=r"1 and 3 channels: choose with --set data.channels=3"):
        Holed(str(tmp_path))
    assert Holed(str(tmp_path), channels=3).draw(0, 2)["target"].shape == (2, 3, 16, 16)
    scaled = gallery(str(tmp_path), size=10)
    assert scaled.shapes.tolist() == [[12, 10, 1], [12, 10, 3]]


def test_colours_become_others() -> None:
    clear = torch.cat([torch.zeros(3, 2, 2), -torch.ones(1, 2, 2)])
    assert torch.equal(recoloured(clear, 3), torch.ones(3, 2, 2))
    assert torch.equal(recoloured(clear, 1), torch.ones(1, 2, 2))
    assert recoloured(torch.zeros(1, 2, 2), 4)[3].eq(1).all()
    red = torch.tensor([1.0, -1, -1])[:, None, None]
    assert recoloured(red, 1).item() == pytest.approx(2 * 0.299 - 1)


def test_enlarging_begins_with_what_was_shrunk(folder: Path) -> None:
    source = Degraded(str(folder / "A"), scale=2, resolution=16)
    batch = source.draw(0, 6)
    assert torch.equal(batch["source"], shrink(batch["target"], 2))
    real = Degraded(str(folder / "A"), scale=2, resolution=16, degradation="real").draw(0, 6)
    assert real["source"].shape == batch["source"].shape
    assert not torch.equal(real["source"], shrink(real["target"], 2))
    with pytest.raises(UserError, match=r"scale 5 should be 2, 3 or 4"):
        Degraded(str(folder / "A"), scale=5)
    with pytest.raises(UserError, match=r"resolution 15 should be a multiple of 2; try 14"):
        Degraded(str(folder / "A"), scale=2, resolution=15)


def test_holes_are_filled_smoothly_and_nothing_else_is_touched(folder: Path) -> None:
    batch = Holed(str(folder / "A"), resolution=16).draw(0, 8)
    known = batch["mask"].expand_as(batch["target"]) == 0
    assert torch.equal(batch["source"][known], batch["target"][known])
    assert (batch["source"] != batch["target"])[~known].any()


def test_a_style_is_a_picture_or_a_folder(folder: Path) -> None:
    for style in (folder / "B", folder / "B" / "0.png"):
        source = Styled(str(folder / "A"), style=str(style), resolution=16)
        batch = source.draw(0, 8)
        assert batch["source"].shape == batch["style"].shape == (8, 3, 16, 16)
    assert len({row.sum().item() for row in batch["style"]}) > 1


def test_wholes_are_of_every_size(folder: Path) -> None:
    save(folder / "A" / "big.png", noise(50, 31, 40))
    source = Degraded(str(folder / "A"), scale=2, resolution=16)
    shapes = {tuple(batch["target"].shape[-2:]) for batch in source.everything().wholes()}
    assert shapes == {(24, 20), (30, 40)}


def test_one_picture_is_there_to_be_learnt_from(tmp_path: Path) -> None:
    save(tmp_path / "only.png", noise(0))
    source = Degraded(str(tmp_path / "only.png"), scale=2, resolution=16)
    assert len(source) == 1 and source.heldout() is None
    assert source.draw(0, 3)["target"].shape == (3, 3, 16, 16)


def test_two_files_of_one_name_are_told(folder: Path) -> None:
    save(folder / "A" / "3.jpg", noise(3))
    with pytest.raises(UserError, match=r"A/3.png has the name of A/3.jpg"):
        Pairs(str(folder))


def test_too_small_for_a_network(tmp_path: Path) -> None:
    small, large = (draw_pictures(tmp_path / str(side), {"cat": 12}, side) for side in (6, 16))
    for made in (lambda: Degraded(str(small), 2), lambda: Holed(str(small)), lambda: Styled(str(small), str(large))):
        with pytest.raises(UserError, match=r"squares of 8 pixels .* 6x6: --set data.size=8 enlarges them"):
            made()
    assert Degraded(str(small), 2, size=8).facts["resolution"] == 8
    with pytest.raises(UserError, match=r"data\.resolution 4 should be 8 or more"):
        Degraded(str(large), 2, resolution=4)
    with pytest.raises(UserError, match=r"pictures of 6 pixels, smaller .* --set data.style_size=16 enlarges"):
        Styled(str(large), str(small))
