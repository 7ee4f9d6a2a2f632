"""Fidelity against closed forms and torchmetrics, and texture on sets whose order is known."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.metrics import features
from belamy.metrics.fidelity import luma, patch_swd, perceptual, psnr, psnr_y, ssim


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def smooth(*shape: int, seed: int = 0) -> Tensor:
    """Noise of several scales, so that blur and sharpness can be told."""
    count, channels, height, width = shape
    layers = [images(count, channels, side, side, seed=seed + side) for side in (4, 8, 16, 32)]
    return sum((F.interpolate(layer, (height, width), mode="bicubic") for layer in layers), torch.zeros(shape)) / 4


def test_psnr_is_the_closed_form() -> None:
    target = images(3, 2, 8, 8) / 2
    found = psnr(target + torch.tensor([0.0, 0.1, 0.5]).view(3, 1, 1, 1), target)
    assert found.tolist() == pytest.approx([100, 20 * math.log10(2 / 0.1), 20 * math.log10(2 / 0.5)], abs=1e-4)


def test_psnr_and_ssim_are_those_of_torchmetrics() -> None:
    twin = pytest.importorskip("torchmetrics.functional.image")
    x = images(3, 3, 32, 24)
    y = 0.8 * x + 0.2 * images(3, 3, 32, 24, seed=1)
    each = {"data_range": 2.0, "reduction": "none"}
    assert torch.allclose(psnr(x, y), twin.peak_signal_noise_ratio(x, y, dim=(1, 2, 3), **each), atol=1e-4)
    _, whole = twin.structural_similarity_index_measure(x + 1, y + 1, **each, return_full_image=True)
    assert torch.allclose(ssim(x, y), whole[:, :, 5:-5, 5:-5].mean((1, 2, 3)), atol=1e-5)  # it mirrors, we crop


def test_a_mask_says_where_psnr_looks() -> None:
    output, target = images(2, 3, 8, 8), images(2, 3, 8, 8, seed=1)
    mask = torch.zeros(2, 1, 8, 8)
    mask[0, :, 2:5, 1:7] = 1
    found = psnr(output, target, mask)
    assert found[0] == psnr(output[:1, :, 2:5, 1:7], target[:1, :, 2:5, 1:7]) and found[1] == 100


def test_luma_is_that_of_broadcasting() -> None:
    colours = torch.tensor([[1.0, 1, 1], [-1, -1, -1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    assert luma(colours[:, :, None, None]).flatten().tolist() == pytest.approx([235, 16, 81.481, 144.553, 40.966])
    assert torch.allclose(luma(torch.tensor([-1.0, 0, 1]).view(3, 1, 1, 1)).flatten(), torch.tensor([0, 127.5, 255]))
    clear = torch.cat([images(1, 3, 4, 4), -torch.ones(1, 1, 4, 4)], 1)
    assert torch.allclose(luma(clear), torch.full((1, 1, 4, 4), 235.0))
    with pytest.raises(ValueError, match="5 channels"):
        luma(images(1, 5, 4, 4))


def test_psnr_y_leaves_out_the_border() -> None:
    target = images(2, 3, 12, 12)
    output = target.clone()
    output[:, :, :2] = 0
    output[:, :, :, -2:] = 0
    assert psnr_y(output, target, 2).tolist() == [100, 100] and psnr_y(output, target, 1).max() < 40
    grey = torch.zeros(1, 1, 8, 8)
    assert psnr_y(grey + 2 / 255, grey, 0).item() == pytest.approx(20 * math.log10(255), abs=1e-3)
    with pytest.raises(ValueError, match="leaves nothing"):
        psnr_y(output, target, 6)


def test_ssim_of_one_small_window_is_its_definition() -> None:
    x, y = images(1, 1, 7, 8), images(1, 1, 7, 8, seed=1)
    window = torch.exp(-(torch.arange(7) - 3.0).square() / 4.5)
    window = window[:, None] * window / window.sum() ** 2
    expected = []
    for left in (0, 1):
        a, b = x[0, 0, :, left : left + 7] + 1, y[0, 0, :, left : left + 7] + 1
        ma, mb = (window * a).sum(), (window * b).sum()
        va, vb = (window * (a - ma).square()).sum(), (window * (b - mb).square()).sum()
        vab = (window * (a - ma) * (b - mb)).sum()
        c1, c2 = 0.02**2, 0.06**2
        expected.append((2 * ma * mb + c1) * (2 * vab + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    assert ssim(x, y).item() == pytest.approx(float(sum(expected)) / 2, abs=1e-5)
    assert ssim(x, x).item() == pytest.approx(1)


def test_perceptual_distance_grows_with_what_is_seen() -> None:
    network = features.load()
    target = smooth(2, 3, 32, 32)
    faint, strong = (target + share * images(2, 3, 32, 32, seed=5) for share in (0.1, 0.4))
    with torch.no_grad():
        same, near, far = (perceptual(network, x, target) for x in (target, faint, strong))
        assert torch.equal(perceptual(network, target, faint), near)
    assert same.abs().max() == 0 and (near > 0.01).all() and (far > 1.5 * near).all() and (far < 20).all()


def test_perceptual_distance_is_a_loss() -> None:
    network = features.load()
    target = smooth(1, 3, 24, 24)
    output = torch.zeros(1, 3, 24, 24, requires_grad=True)
    before = perceptual(network, output, target)
    slope, again = (torch.autograd.grad(perceptual(network, output, target).sum(), output)[0] for _ in range(2))
    assert torch.equal(slope, again) and slope.abs().sum() > 0
    after = perceptual(network, output - 0.01 * slope / slope.square().mean().sqrt(), target)
    assert after.item() < before.item()
    assert not any(block._forward_hooks for block in network.function.modules())  # type: ignore[attr-defined]


def test_perceptual_distance_of_grey_and_of_transparent_pictures() -> None:
    network = features.load()
    grey = images(2, 1, 16, 16)
    opaque = torch.cat([grey.expand(-1, 3, -1, -1), torch.ones(2, 1, 16, 16)], 1)
    expected = perceptual(network, grey.expand(-1, 3, -1, -1), -grey.expand(-1, 3, -1, -1))
    assert torch.allclose(perceptual(network, grey, -grey), expected, atol=1e-4)
    hidden = torch.cat([images(2, 3, 16, 16, seed=3), -torch.ones(2, 1, 16, 16)], 1)
    assert torch.allclose(perceptual(network, hidden, opaque), perceptual(network, torch.ones(2, 1, 16, 16), grey))
    with pytest.raises(ValueError, match="5 channels"):
        perceptual(network, images(1, 5, 8, 8), images(1, 5, 8, 8))
    with pytest.raises(ValueError, match="efficientnet"):
        perceptual(features.load("pixels"), grey, grey)


def test_swd_of_a_set_and_itself_in_any_order_is_nothing() -> None:
    pictures = smooth(12, 3, 40, 33)
    assert patch_swd(pictures, pictures) == 0
    assert patch_swd(pictures[torch.randperm(12)], list(pictures)) == pytest.approx(0, abs=1e-4)


def test_swd_grows_with_blur_and_with_noise() -> None:
    reference, others = smooth(24, 3, 48, 48), smooth(24, 3, 48, 48, seed=100)
    blurred = [others, F.avg_pool2d(others, 3, 1, 1), F.avg_pool2d(others, 7, 1, 3)]
    noisy = [others + share * images(24, 3, 48, 48, seed=7) for share in (0.0, 0.2, 0.6)]
    for worse in (blurred, noisy):
        first, second, third = (patch_swd(pictures, reference) for pictures in worse)
        assert 0 < 2 * first < second and 1.5 * second < third


def test_swd_knows_its_seed_and_not_the_number_or_size_of_pictures() -> None:
    reference, others = smooth(30, 1, 32, 32), smooth(20, 1, 32, 32, seed=50) / 2
    found = patch_swd(others, reference)
    assert patch_swd(others, reference) == found != patch_swd(others, reference, 1)
    assert patch_swd(others, reference, 1) == pytest.approx(found, rel=0.15)
    assert patch_swd(others, reference[:20]) == pytest.approx(found, rel=0.15)
    mixed = [*reference[:10], *(picture[:, :20, 2:] for picture in reference[10:])]
    assert patch_swd(mixed, mixed[::-1]) == pytest.approx(0, abs=1e-3)
    assert patch_swd(list(others), mixed) > 100


def test_swd_of_what_has_no_patches_is_refused() -> None:
    for pictures in (images(3, 1, 6, 9), images(0, 1, 16, 16)):
        with pytest.raises(ValueError, match="7 pixels"):
            patch_swd(pictures, images(3, 1, 16, 16))
    assert patch_swd(images(3, 1, 7, 7), images(3, 1, 8, 8)) > 0
