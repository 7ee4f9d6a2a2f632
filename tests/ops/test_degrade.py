"""Degradations: Pillow's own shrinking, wear by the row's chance alone, and another set's distribution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from belamy.chance import Chance
from belamy.ops import degrade
from belamy.ops.degrade import Filter, enlarge, match_histograms, second_order, shrink


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def smooth(count: int, channels: int, side: int) -> Tensor:
    return F.interpolate(images(count, channels, 6, 6), (side, side), mode="bicubic").clamp(-1, 1)


@pytest.mark.parametrize("how", ["bicubic", "lanczos"])
@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3, 4, 5])
def test_sizes_change_as_in_pillow(channels: int, factor: int, how: Filter) -> None:
    given = np.random.default_rng(channels).integers(0, 256, (36, 60, channels), dtype=np.uint8)
    given[:18] = np.where(given[:18] < 128, 0, 255)  # so that all passes overshoot
    tensor = torch.from_numpy(given).permute(2, 0, 1)[None] / 127.5 - 1

    def pillow(width: int, height: int) -> np.ndarray:
        method = Image.Resampling[how.upper()]
        planes = [Image.fromarray(given[:, :, c]).resize((width, height), method) for c in range(channels)]
        return np.stack([np.array(plane) for plane in planes]).astype(int)

    for change, size in ((shrink, (60 // factor, 36 // factor)), (enlarge, (60 * factor, 36 * factor))):
        found = (change(tensor, factor, how)[0] + 1) * 127.5
        assert torch.allclose(found, found.round(), atol=1e-4)
        difference = np.abs(found.round().int().numpy() - pillow(*size))
        assert difference.max() <= 1 and (difference > 0).mean() < 0.02


@pytest.mark.parametrize("change", [shrink, enlarge, lambda x, factor: second_order(x, factor, Chance(0, [0]))])
def test_other_sizes_and_factors_are_refused(change: Callable[[Tensor, int], Tensor]) -> None:
    with pytest.raises(ValueError, match="2, 3 or 4"):
        change(images(1, 1, 20, 20), 5)
    if change is not enlarge:
        with pytest.raises(ValueError, match="crop to 18x21"):
            change(images(1, 1, 20, 22), 3)


@pytest.mark.parametrize("channels", [1, 3, 4, 5])
@pytest.mark.parametrize(("height", "width", "factor"), [(16, 16, 4), (48, 36, 2), (33, 66, 3)])
def test_wear_keeps_range_and_gives_the_size(channels: int, height: int, width: int, factor: int) -> None:
    found = second_order(images(6, channels, height, width), factor, Chance(0, range(6)))
    assert found.shape == (6, channels, height // factor, width // factor) and found.dtype == torch.float32
    levels = (found + 1) * 127.5
    assert torch.allclose(levels, levels.round(), atol=1e-4) and levels.min() >= 0 and levels.max() <= 255


def test_a_row_wears_by_its_own_chance() -> None:
    given = smooth(12, 3, 32)
    together = second_order(given, 2, Chance(0, range(12)))
    assert torch.equal(together, second_order(given, 2, Chance(0, range(12))))
    for rows in ([5], [11, 2]):
        assert torch.equal(second_order(given[rows], 2, Chance(0, rows)), together[rows])
    same = second_order(given[:1].expand(12, -1, -1, -1), 2, Chance(0, range(12)))
    assert len({picture.numpy().tobytes() for picture in same}) == 12


def test_worn_pictures_are_worse_than_small_ones_and_still_alike() -> None:
    given = smooth(40, 3, 64)
    worn, small = second_order(given, 4, Chance(0, range(40))), shrink(given, 4)
    errors = (worn - small).square().mean((1, 2, 3)).sqrt()
    assert errors.min() > 0.02 and errors.max() < 0.6 and errors.std() > 0.02
    pairs = torch.stack([worn.flatten(1), small.flatten(1)], 1)
    assert torch.stack([torch.corrcoef(pair)[0, 1] for pair in pairs]).median() > 0.8
    assert (worn.mean((1, 2, 3)) - small.mean((1, 2, 3))).abs().median() < 0.03


def test_kernels_blur_or_ring_as_often_as_promised() -> None:
    kernels = degrade._kernels(Chance(0, range(3000)), 3.0)
    assert torch.allclose(kernels.sum((1, 2)), torch.ones(3000), atol=1e-5)
    assert torch.allclose(kernels, kernels.flip(1, 2), atol=1e-6)
    widths = (kernels[:, 10] != 0).sum(1)
    assert kernels.shape == (3000, 21, 21) and set(range(7, 22, 2)) == set(widths[widths >= 7].tolist())
    ringing = (kernels < 0).flatten(1).any(1).float().mean()
    assert 0.07 < ringing < 0.13
    turned = (kernels - kernels.transpose(1, 2)).abs().amax((1, 2)) > 1e-4 * kernels.amax((1, 2))
    assert 0.2 < turned.float().mean() < 0.31


def test_a_sinc_keeps_what_is_slow_and_takes_what_is_fast() -> None:
    kernels = degrade._sincs(Chance(0, range(200)), torch.full((200,), 10))
    responses = torch.fft.fft2(kernels, s=(64, 64)).abs()
    line = responses[:, :33, 0].mean(0)  # over cut-offs from pi/5 to pi
    assert (line[:4] - 1).abs().max() < 0.1 and line[-1] < 0.2
    assert abs(line[20].item() - 0.46) < 0.1  # the share of cut-offs beyond 20/32 of pi


def test_photons_are_poisson() -> None:
    poisson = pytest.importorskip("scipy.stats").poisson
    normal = images(4000) * 3
    for mean in (0.0, 1.0, 7.0, 100.0, 255.0):
        found = degrade._photons(torch.full((4000,), mean), normal)
        assert np.array_equal(found.numpy(), poisson.ppf(torch.special.ndtr(normal.double()).numpy(), mean))


@pytest.mark.parametrize("poisson", [False, True])
@pytest.mark.parametrize("grey", [False, True])
def test_noise_has_its_strength_and_colour(poisson: bool, grey: bool) -> None:
    flat, normal = torch.full((3, 60, 60), 1 / 255), torch.randn(3 * 60 * 60)
    noise = degrade._noisy(flat, normal, torch.tensor(2.0), poisson, grey) - flat
    expected = 2 * (128**0.5 if poisson else 1) / 127.5
    assert abs(noise.std() / expected - 1) < 0.05 and abs(noise.mean()) < 0.05 * expected
    assert torch.allclose(noise[0], noise[1], atol=1e-6) == grey


def test_matched_pictures_have_the_distribution_of_the_reference() -> None:
    given, reference = images(2, 3, 16, 16), images(1, 3, 16, 16, seed=1) ** 3
    found = match_histograms(given, reference)
    for picture in found:
        assert torch.allclose(picture.flatten(1).sort(1).values, reference[0].flatten(1).sort(1).values, atol=1e-4)
    assert torch.equal(found.flatten(2).argsort(2), given.flatten(2).argsort(2))
    assert torch.allclose(match_histograms(given[:1], given[:1]), given[:1], atol=1e-5)


def test_equal_levels_stay_equal_and_sets_may_be_of_any_sizes() -> None:
    given = images(3, 2, 12, 10).sign()
    reference = [images(2, 9, 9), images(2, 30, 4, seed=2) / 2 + 0.5]
    found = match_histograms(given, reference)
    assert all(channel.unique().numel() == 2 for picture in found for channel in picture)
    pooled = torch.cat([picture.flatten(1) for picture in reference], 1)
    below = (given[0, 0] < 0).float().mean()
    middle = torch.stack([pooled[0].quantile(below / 2), pooled[0].quantile((1 + below) / 2)])
    assert torch.allclose(found[0, 0].unique(), middle, atol=0.02)
