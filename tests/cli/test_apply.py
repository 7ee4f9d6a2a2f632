"""`belamy apply`: files, folders, patterns, streams and films, with all that is around the pixels."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from typer.testing import CliRunner

from belamy.cli.main import app
from belamy.errors import UserError
from belamy.model import Model
from belamy.planning import plan
from tiny import roughened, tiny


def kept(name: str, pictures: Path, folder: Path) -> Path:
    """A model of few weights, untrained but not idle."""
    settled = plan(tiny(name, pictures), "cpu")
    player = settled.engine()
    roughened(player.game, 0.1)
    player.averages.update(0.0)
    Model(player.averages.game, settled.spec, settled.source.facts).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def models(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for name in ("superres", "inpaint", "style", "pix2pix"):
        kept(name, pictures, root / name)
    return root


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(1).integers(0, 256, (18, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    return tmp_path / "in.png"


def apply(*words: object) -> str:
    result = CliRunner().invoke(app, ["apply", *map(str, words)])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def refused(*words: object) -> str:
    result = CliRunner().invoke(app, ["apply", *map(str, words)])
    assert isinstance(result.exception, UserError)
    return str(result.exception)


def test_a_file(models: Path, picture: Path, tmp_path: Path) -> None:
    assert "1 answer in" in apply(models / "superres", picture, "--out", tmp_path / "out.png")
    assert Image.open(tmp_path / "out.png").size == (48, 36)
    apply(models / "superres", picture, "--out", tmp_path / "tiled.png", "--tile", 8)
    ours, theirs = (np.asarray(Image.open(tmp_path / f"{name}.png")).astype(int) for name in ("out", "tiled"))
    assert np.abs(ours - theirs).max() <= 1


def test_a_folder_keeps_its_names(models: Path, picture: Path, tmp_path: Path) -> None:
    (tmp_path / "many" / "deep").mkdir(parents=True)
    for name in ("a.png", "b.jpg", "deep/a.png"):
        Image.open(picture).save(tmp_path / "many" / name)
    assert "3 answers in" in apply(models / "pix2pix", tmp_path / "many", "--out", tmp_path / "made")
    found = {str(path.relative_to(tmp_path / "made")) for path in (tmp_path / "made").rglob("*") if path.is_file()}
    assert found == {"a.png", "b.jpg", "deep/a.png"}


def test_a_pattern(models: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.open(picture).save(tmp_path / "in2.png")
    monkeypatch.chdir(tmp_path)
    assert "2 answers in" in apply(models / "pix2pix", "in*.png", "--out", "made")
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["in.png", "in2.png"]


def test_streams(models: Path, picture: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "belamy.cli.main", "apply", str(models / "pix2pix"), "-", "--out", "-"]
    done = subprocess.run(command, input=picture.read_bytes(), capture_output=True, check=True)
    apply(models / "pix2pix", picture, "--out", tmp_path / "out.png")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(done.stdout))), np.asarray(Image.open(tmp_path / "out.png")))


def test_orientation_and_profile_are_kept(models: Path, picture: Path, tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[274] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.open(picture).save(tmp_path / "turned.jpg", exif=tags, icc_profile=profile, quality=95)
    apply(models / "superres", tmp_path / "turned.jpg", "--out", tmp_path / "out.jpg")
    found = Image.open(tmp_path / "out.jpg")
    assert found.size == (48, 36) and found.getexif()[274] == 6 and found.info["icc_profile"] == profile


def test_masks(models: Path, picture: Path, tmp_path: Path) -> None:
    pixels = np.asarray(Image.open(picture))
    hole = np.zeros((18, 24), bool)
    hole[4:12, 6:20] = True
    Image.fromarray(hole).save(tmp_path / "hole.png")
    Image.fromarray(hole).save(tmp_path / "in_mask.png")
    keyed = pixels.copy()
    keyed[hole] = (255, 0, 255)
    Image.fromarray(keyed).save(tmp_path / "keyed.png")
    ways = {"given": [picture, "--mask", tmp_path / "hole.png"], "beside": [picture],
            "key": [tmp_path / "keyed.png", "--key", "#ff00ff"]}  # fmt: skip
    answers = []
    for name, words in ways.items():
        apply(models / "inpaint", *words, "--out", tmp_path / f"{name}.out.png")
        answers.append(np.asarray(Image.open(tmp_path / f"{name}.out.png")))
        assert np.array_equal(answers[-1][~hole], pixels[~hole])
    assert np.array_equal(answers[0], answers[1]) and np.array_equal(answers[0], answers[2])
    assert "1 answer in" in apply(models / "inpaint", picture.parent / "in*.png", "--out", tmp_path / "made")


def test_no_strength(models: Path, picture: Path, tmp_path: Path) -> None:
    apply(models / "style", picture, "--strength", 0, "--out", tmp_path / "out.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), np.asarray(Image.open(picture)))


def test_a_film(models: Path, picture: Path, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    frames = [Image.open(picture)] * 5
    with av.open(tmp_path / "in.mp4", "w") as film:
        stream = film.add_stream("libx264", rate=10)
        stream.width, stream.height = frames[0].size
        for frame in frames:
            film.mux(stream.encode(av.VideoFrame.from_image(frame)))
        film.mux(stream.encode())
    apply(models / "superres", tmp_path / "in.mp4", "--out", tmp_path / "out.mp4")
    with av.open(tmp_path / "out.mp4") as film:
        found = list(film.decode(video=0))
    assert len(found) == 5 and (found[0].width, found[0].height) == (48, 36)


def test_mistakes(models: Path, picture: Path, tmp_path: Path) -> None:
    model = models / "pix2pix"
    assert "there is no nothing.png" in refused(model, "nothing.png", "--out", tmp_path / "out.png")
    assert "--tile half" in refused(model, picture, "--out", tmp_path / "out.png", "--tile", "half")
    assert "--key 'nocolour'" in refused(models / "inpaint", picture, "--key", "nocolour", "--out", tmp_path / "o.png")
    assert "do not go into one file" in refused(model, picture, picture, "--out", tmp_path / "out.png")
    assert "should be a folder, or end in one of" in refused(model, picture, "--out", tmp_path / "out.xyz")
    assert "overwritten" in refused(model, picture, "--out", tmp_path)
    assert "overwritten" in refused(model, picture, "--out", picture)
    (tmp_path / "bad.png").write_bytes(picture.read_bytes()[:100])
    assert "bad.png" in refused(model, tmp_path / "bad.png", "--out", tmp_path / "made.png")
    assert not (tmp_path / "made.png").exists()
    (tmp_path / "empty").mkdir()
    assert "holds no pictures" in refused(model, tmp_path / "empty", "--out", tmp_path / "made")
