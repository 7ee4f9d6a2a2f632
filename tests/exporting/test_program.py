"""Exported models answer as PyTorch does, from any batch and seed, and without belamy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from belamy.chance import Chance
from belamy.errors import UserError
from belamy.exporting import standalone
from belamy.exporting.inputs import inputs
from belamy.exporting.program import TOLERANCE, export, onnx_session
from belamy.game import Batch
from belamy.model import Model
from belamy.planning import plan
from belamy.storage import read_json
from tiny import roughen, tiny

SHIPPED = (
    "r3gan", "dcgan", "gan", "cgan", "progressive", "stylegan", "fastgan", "text2image", "pix2pix", "cyclegan",
    "superres", "inpaint", "style", "table", "series", "ring8",
)  # fmt: skip
"""A recipe of every game; CUT's generator is that of CycleGAN."""


def trained(name: str, folder: Path, **settings: Any) -> Model:
    settled = plan(tiny(name, folder, **settings), "cpu")
    player = settled.engine()
    roughen(player)
    player.averages.update(0.0)
    return Model(player.averages.game, settled.spec, settled.source.facts)


def asked(path: Path, values: Batch) -> np.ndarray:
    return np.asarray(onnx_session(path).run(None, {name: value.numpy() for name, value in values.items()})[0])


@pytest.mark.parametrize("name", SHIPPED)
def test_every_game_exports(name: str, pictures: Path, tmp_path: Path) -> None:
    model, path = trained(name, pictures), tmp_path / "model.onnx"
    report = export(model, path)
    assert report == read_json(path.with_suffix(".json")) and report["difference"] <= TOLERANCE
    given = {key: one.example[:5] for key, one in inputs(model, 7, seed=3).items() if one.example.numel()}
    with torch.inference_mode():
        (wanted,) = model.game.sample(dict(inputs_of(model, given))).values()
    assert set(report["inputs"]) == set(given)
    for key, value in standalone.inputs(report, 5, seed=3).items():
        assert key == "text" or np.allclose(value, given[key].numpy(), atol=1e-6), key
    found = asked(path, given)
    assert found.shape == wanted.shape and np.abs(found - wanted.numpy()).max() <= TOLERANCE
    if model.game.answers:
        stride = model.game.stride
        larger = {
            key: torch.nn.functional.pad(value, (0, 3 * stride, 0, stride)) if value.ndim == 4 else value
            for key, value in given.items()
        }
        with torch.inference_mode():
            (wanted,) = model.game.sample(larger).values()
        assert report["sizes"] != "as trained" and np.abs(asked(path, larger) - wanted.numpy()).max() <= TOLERANCE


def inputs_of(model: Model, given: Batch) -> Batch:
    """With the empty ones, which an export makes by itself."""
    every = inputs(model, len(next(iter(given.values()))))
    return {name: given.get(name, one.example) for name, one in every.items()}


def test_the_script_beside_it_samples_as_belamy_does(pictures: Path, tmp_path: Path) -> None:
    model = trained("cgan", pictures)
    export(model, tmp_path / "model.onnx")
    alone = "import runpy, sys; sys.modules.update(belamy=None, torch=None); sys.argv[0] = 'model.py'; " \
        "runpy.run_path('model.py', run_name='__main__')"  # fmt: skip
    command = [sys.executable, "-c", alone, "-n", "40", "--seed", "7", "--out", "x.npz"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    found, ours = np.load(tmp_path / "x.npz"), model.sample(40, seed=7, output_type="np")
    assert np.array_equal(found["labels"], ours.labels)
    off = np.abs(found["images"].astype(int) - ours.images)
    assert off.max() <= 1 and (off > 0).mean() < 1e-2
    subprocess.run([*command, "--class", "dog"], cwd=tmp_path, check=True, capture_output=True)
    assert set(np.load(tmp_path / "x.npz")["labels"]) == {1}
    np.save(tmp_path / "short.npy", np.zeros((2, 3), np.float32))
    for words, said in (
        (["--class", "bird"], "there is no class bird: there are cat, dog"), (["--class", "2"], "there is no class 2"),
        (["--input", "source=x.npy"], "the model takes no source"), (["--input", "latent=none.npy"], "No such file"),
        (["--input", "latent=short.npy"], "Got invalid dimensions"),
    ):  # fmt: skip
        failed = subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert failed.returncode == 2 and said in failed.stderr and "Traceback" not in failed.stderr


def test_the_script_has_the_grain_that_belamy_has(pictures: Path, tmp_path: Path) -> None:
    model = trained("style", pictures)
    export(model, tmp_path / "model.onnx")
    source = Chance(0, range(2)).uniform(3, 16, 24) * 2 - 1
    np.save(tmp_path / "source.npy", source.numpy())
    command = [sys.executable, "model.py", "--input", "source=source.npy", "--out", "x.npz"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    with torch.inference_mode():
        wanted = standalone.pictures(model.game.sample({"source": source})["image"].numpy())
    assert np.abs(np.load(tmp_path / "x.npz")["images"].astype(int) - wanted).max() <= 1


def test_a_program_of_torch(pictures: Path, tmp_path: Path) -> None:
    model, path = trained("cgan", pictures), tmp_path / "model.pt2"
    report = export(model, path, "torch-export")
    assert report["difference"] == 0.0 and not path.with_suffix(".py").exists()
    values = [one.example for one in inputs(model, 9).values()]
    assert torch.export.load(path).module()(*values).shape[0] == 9


@pytest.mark.parametrize(("precision", "least"), [("fp16", 50.0), ("int8", 15.0)])
def test_fewer_bits_say_what_they_cost(precision: str, least: float, pictures: Path, tmp_path: Path) -> None:
    report = export(trained("dcgan", pictures), tmp_path / "less.onnx", precision=precision)
    assert report["precision"] == precision
    assert least < report["cost"]["psnr"] < 120 and 0 < report["cost"]["mean"] <= report["cost"]["greatest"]
    assert b"FLOAT16" in onnx_types(tmp_path / "less.onnx") or precision == "int8"


def onnx_types(path: Path) -> bytes:
    import onnx

    return " ".join(onnx.TensorProto.DataType.Name(one.data_type) for one in onnx.load(path).graph.initializer).encode()


def test_truncation_is_part_of_the_file(pictures: Path, tmp_path: Path) -> None:
    model = trained("stylegan", pictures)
    report = export(model, tmp_path / "model.onnx", truncation=0.5)
    assert report["output"]["truncation"] == 0.5
    given = {name: one.example for name, one in inputs(model, 4).items()}
    with torch.inference_mode():
        wanted = model.game.sample(model.game.truncate(given, 0.5))["image"]
    assert np.abs(asked(tmp_path / "model.onnx", given) - wanted.numpy()).max() <= TOLERANCE
    with pytest.raises(UserError, match="GAN has no styles to truncate"):
        export(trained("ring8", pictures), tmp_path / "points.onnx", truncation=0.5)


def test_backwards_makes_a_of_b(pictures: Path, tmp_path: Path) -> None:
    model = trained("cyclegan", pictures)
    export(model, tmp_path / "model.onnx", backwards=True)
    given = {name: one.example for name, one in inputs(model, 2).items()}
    with torch.inference_mode():
        wanted = model.game.sample({**given, "backwards": torch.ones(1)})["image"]
    assert np.abs(asked(tmp_path / "model.onnx", given) - wanted.numpy()).max() <= TOLERANCE


def test_what_differs_from_pytorch_is_not_left(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("belamy.exporting.program.TOLERANCE", -1.0)
    with pytest.raises(UserError, match="answers otherwise than PyTorch"):
        export(trained("dcgan", pictures), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_mistakes(pictures: Path, tmp_path: Path) -> None:
    model = trained("dcgan", pictures)
    for options, words in (
        ({"format": "onx"}, "did you mean 'onnx'"),
        ({"precision": "int4"}, "one of fp32, fp16, int8"),
        ({"format": "torch-export"}, "should end in .pt2"),
        ({"format": "torch-export", "precision": "fp16"}, "fp16 is for ONNX"),
        ({"backwards": True}, "goes one way only"),
    ):
        with pytest.raises(UserError, match=words):
            export(model, tmp_path / "model.onnx", **options)
    with pytest.raises(UserError, match="there is no folder"):
        export(model, tmp_path / "none" / "model.onnx")


def test_latents_that_no_recipe_tells_are_refused(pictures: Path) -> None:
    model = trained("dcgan", pictures)

    def prior(n: int, rng: Chance) -> Batch:
        return {"latent": rng.normal(8) ** 2}

    model.game.prior = prior  # type: ignore[method-assign]
    with pytest.raises(UserError, match="cannot be told"):
        inputs(model, 4)


def test_pictures_round_as_belamy_rounds() -> None:
    from belamy.pictures import to_uint8

    values = np.random.default_rng(0).uniform(-1.2, 1.2, (2, 3, 8, 8)).astype(np.float32)
    assert np.array_equal(standalone.pictures(values), to_uint8(torch.from_numpy(values)))


def test_json_of_a_table_tells_how_rows_are_read(pictures: Path, tmp_path: Path) -> None:
    model = trained("table", pictures)
    export(model, tmp_path / "model.onnx")
    told = json.loads((tmp_path / "model.json").read_text())
    assert told["output"]["name"] == "row" and told["output"]["table"] == model.facts["table"]
    assert told["inputs"]["barred"]["default"] == model.codec.conditions(Chance(0, [0]))["barred"][0].tolist()
