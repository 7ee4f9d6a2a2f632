"""The model that ships: sampling by seed, generator and class, and what it refuses."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import belamy
from belamy.codec import Codec
from belamy.errors import UserError
from belamy.games.cgan import CGAN
from belamy.games.r3gan import R3GAN
from belamy.model import Model
from belamy.storage import read_tensors, write_tensors
from tiny import contents

NAMES = ["ant", "bee", "7"]

CHUNK = Codec.chunk


def made(classes: list[str] | None = None, channels: int = 1) -> Model:
    torch.manual_seed(0)
    spec = {"use": "belamy.games.r3gan:R3GAN", "resolution": 8, "channels": channels, "latent": 4, "widths": [4, 4],
            "classes": len(classes or [])}  # fmt: skip
    game = R3GAN(**{name: value for name, value in spec.items() if name != "use"})  # type: ignore[arg-type]
    counts = [1, 3, 6] if classes else None
    return Model(game, spec, {"resolution": 8, "channels": channels, "classes": classes, "class_counts": counts})


def described(classes: list[str] | None = None) -> Model:
    """Two attributes, never both; with classes, the second class has neither."""
    torch.manual_seed(0)
    spec = {"use": "belamy.games.cgan:CGAN", "resolution": 8, "channels": 1, "latent": 4, "width": 4, "attributes": 2,
            "classes": len(classes or [])}  # fmt: skip
    game = CGAN(**{name: value for name, value in spec.items() if name != "use"})  # type: ignore[arg-type]
    counts: list[list[Any]] = [[0, "10", 60], [0, "01", 30], [int(bool(classes)), "00", 10]]
    return Model(game, spec, {"resolution": 8, "channels": 1, "classes": classes, "attributes": ["hat", "smiling"],
                              "class_counts": [90, 10] if classes else None, "attribute_counts": counts})  # fmt: skip


@pytest.fixture(scope="module")
def model() -> Model:
    return made(NAMES)


def test_forms_of_output(model: Model) -> None:
    pixels = model.sample(3, seed=1, output_type="np").images
    assert pixels.dtype == np.uint8 and pixels.shape == (3, 8, 8, 1)
    tensors = model.sample(3, seed=1, output_type="pt").images
    assert tensors.shape == (3, 1, 8, 8) and tensors.dtype == torch.float32
    pictures = model.sample(3, seed=1).images
    assert all(isinstance(one, Image.Image) and one.size == (8, 8) for one in pictures)
    assert np.array_equal(np.stack([np.asarray(one) for one in pictures]), pixels[..., 0])
    expected = ((tensors + 1) * 127.5 + 0.5).floor().clamp(0, 255).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(expected.astype(np.uint8), pixels)
    for kind in ("pil", "np", "pt"):
        assert model.sample(3, seed=1, output_type=kind).grid(3).size == model.sample(3, seed=1).grid(3).size
    assert model.sample(2, seed=1)._repr_png_().startswith(b"\x89PNG")
    assert np.asarray(made(channels=3).sample(2, seed=1).images[0]).shape == (8, 8, 3)


def test_the_bits_of_a_sample_depend_on_its_number_alone(model: Model) -> None:
    many = model.sample(2 * CHUNK + 3, seed=5, output_type="pt")
    for start, count in ((0, 1), (CHUNK - 1, 2), (2 * CHUNK, 3), (17, CHUNK)):
        some = model.sample(count, seed=5, start=start, output_type="pt")
        assert torch.equal(some.images, many.images[start : start + count])
        assert some.labels is not None and many.labels is not None
        assert np.array_equal(some.labels, many.labels[start : start + count])


def test_generators(model: Model) -> None:
    def seeded(*seeds: int) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    together = model.sample(3, generator=seeded(1, 2, 3), output_type="pt").images
    alone = [model.sample(1, generator=seeded(seed), output_type="pt").images[0] for seed in (1, 2, 3)]
    assert torch.equal(together, torch.stack(alone))
    one, again = (model.sample(4, generator=seeded(9)[0], output_type="pt").images for _ in range(2))
    assert torch.equal(one, again) and len(torch.unique(one.flatten(1), dim=0)) == 4
    generator = seeded(9)[0]
    assert not torch.equal(*(model.sample(2, generator=generator, output_type="pt").images for _ in range(2)))
    with pytest.raises(UserError, match="2 generators for 3 samples"):
        model.sample(3, generator=seeded(1, 2))


def test_without_a_seed_samples_differ_and_leave_with_torchs_seed(model: Model) -> None:
    first, second = (model.sample(2, output_type="pt").images for _ in range(2))
    assert not torch.equal(first, second)


def test_classes_by_name_number_and_one_for_each(model: Model) -> None:
    assert model.sample(3, seed=0, classes="bee").labels.tolist() == [1, 1, 1]  # type: ignore[union-attr]
    assert model.sample(2, seed=0, classes="7").labels.tolist() == [2, 2]  # type: ignore[union-attr]
    assert model.sample(2, seed=0, classes=0).labels.tolist() == [0, 0]  # type: ignore[union-attr]
    asked = model.sample(4, seed=0, classes=["7", "ant", 1, "bee"], output_type="pt")
    assert asked.labels is not None and asked.labels.tolist() == [2, 0, 1, 1]
    alone = model.sample(1, seed=0, start=2, classes=1, output_type="pt")
    assert torch.equal(alone.images[0], asked.images[2])
    long = model.sample(CHUNK + 9, seed=0, classes=["ant"] * CHUNK + ["7"] * 9)
    assert long.labels is not None and long.labels.tolist() == [0] * CHUNK + [2] * 9
    for wrong, told in (("be", "did you mean 'bee'"), (3, "no class 3; it has ant, bee, 7"), ("-1", "no class '-1'"),
                        ("²", "no class")):  # fmt: skip
        with pytest.raises(UserError, match=told):
            model.sample(1, classes=wrong)
    with pytest.raises(UserError, match="2 classes for 3 samples"):
        model.sample(3, classes=["ant", "bee"])
    with pytest.raises(UserError, match="knows no classes"):
        made().sample(1, classes="ant")
    assert made().sample(2, seed=0).labels is None


def test_attributes_come_in_the_datas_joint_proportions() -> None:
    drawn = described().sample(600, seed=0).attributes
    assert drawn is not None and drawn.dtype == np.uint8 and drawn.shape == (600, 2)
    kinds, counts = np.unique(drawn, axis=0, return_counts=True)
    assert kinds.tolist() == [[0, 0], [0, 1], [1, 0]] and np.allclose(counts / 600, [0.1, 0.3, 0.6], atol=0.06)
    both = described(["ant", "bee"])
    drawn = both.sample(200, seed=0)
    assert drawn.attributes is not None and drawn.labels is not None
    assert (drawn.attributes.sum(1) == 1 - drawn.labels).all() and 0 < drawn.labels.sum() < 60
    ants = both.sample(200, seed=0, classes="ant", output_type="pt")
    assert ants.attributes is not None and (ants.attributes.sum(1) == 1).all()
    row = int(np.argmax(drawn.labels == 0))
    assert torch.equal(ants.images[row], both.sample(200, seed=0, output_type="pt").images[row])


def test_attributes_by_name(tmp_path: Path) -> None:
    model = described()
    for asked, flags in ((["smiling", "hat"], [1, 1]), (["smiling"], [0, 1]), ("hat", [1, 0]), ([], [0, 0])):
        found = model.sample(3, seed=0, attributes=asked).attributes
        assert found is not None and found.tolist() == [flags] * 3
    each = model.sample(2, seed=0, attributes=[["hat"], []], output_type="pt")
    assert each.attributes is not None and each.attributes.tolist() == [[1, 0], [0, 0]]
    alone = model.sample(1, seed=0, start=1, attributes=[], output_type="pt")
    assert torch.equal(alone.images[0], each.images[1])
    model.save_pretrained(tmp_path)
    again = belamy.load(tmp_path).sample(20, seed=4, output_type="pt")
    assert torch.equal(again.images, model.sample(20, seed=4, output_type="pt").images)
    for wrong, told in ((["smile"], "no attribute 'smile' .did you mean 'smiling'"), (["x"], "it has hat, smiling"),
                        ([["hat"], []], "2 lists of attributes for 3 samples")):  # fmt: skip
        with pytest.raises(UserError, match=told):
            model.sample(3, attributes=wrong)
    with pytest.raises(UserError, match="this model knows no attributes"):
        made(NAMES).sample(1, attributes=["hat"])


def test_a_game_without_attributes_looks_past_those_of_its_data() -> None:
    one = made()
    model = Model(one.game, one.spec, {**one.facts, "attributes": ["hat"], "attribute_counts": [[0, "1", 9]]})
    assert model.sample(2, seed=0).attributes is None


def test_a_game_without_styles_is_not_truncated(model: Model) -> None:
    with pytest.raises(UserError, match="R3GAN has no styles to truncate: train the recipe stylegan"):
        model.sample(5, seed=0, truncation=0.5)
    assert torch.equal(model.sample(5, seed=0, truncation=1.0, output_type="pt").images,
                       model.sample(5, seed=0, output_type="pt").images)  # fmt: skip


def test_what_cannot_be_sampled_is_refused(model: Model) -> None:
    with pytest.raises(UserError, match="0 samples were asked for"):
        model.sample(0)
    with pytest.raises(UserError, match="output_type 'jpg' should be 'pil', 'np' or 'pt'"):
        model.sample(1, output_type="jpg")


def test_saving_and_loading_elsewhere(model: Model, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "a")
    assert sorted(contents(tmp_path / "a")) == ["config.json", "model.safetensors"]
    assert all(name.startswith("generator.") for name in read_tensors(tmp_path / "a" / "model.safetensors"))
    shutil.move(tmp_path / "a", tmp_path / "b")
    again = belamy.load(tmp_path / "b")
    assert np.array_equal(again.sample(4, seed=3, output_type="np").images,
                          model.sample(4, seed=3, output_type="np").images)  # fmt: skip
    again.save_pretrained(tmp_path / "c")
    assert contents(tmp_path / "c") == contents(tmp_path / "b")


def test_weights_of_another_network_are_refused(model: Model, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    place = tmp_path / "model.safetensors"
    tensors = read_tensors(place)
    for changed in ({**tensors, "generator.extra": torch.zeros(1)},
                    {name: value for name, value in tensors.items() if name != "generator.basis"},
                    {**tensors, "generator.basis": torch.zeros(1)}):  # fmt: skip
        write_tensors(place, changed)
        with pytest.raises(UserError, match="the weights are not those of the network"):
            Model.from_pretrained(tmp_path)


def test_a_config_can_call_nothing_but_a_game(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model.save_pretrained(tmp_path)
    place = tmp_path / "config.json"
    config = json.loads(place.read_text())
    monkeypatch.chdir(tmp_path)
    for use, told in (("subprocess:Popen", "is not a Game"), ("belamy.run:Run", "is not a Game"),
                      ("os:system", "no class"), ("./evil.py:Evil", "call from the folder")):  # fmt: skip
        place.write_text(json.dumps({**config, "game": {**config["game"], "use": use}}))
        with pytest.raises(UserError, match=told):
            Model.from_pretrained(tmp_path)
    assert "evil" not in sys.modules


def test_the_names_of_the_package() -> None:
    assert {"digits", "r3gan"} <= set(belamy.list_models())
    assert belamy.Model is Model and belamy.__version__
    for name in belamy.__all__:
        assert getattr(belamy, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = belamy.trian
