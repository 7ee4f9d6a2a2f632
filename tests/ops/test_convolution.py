"""Convolutions against torch's own, to the second derivative."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.ops import products
from belamy.ops.convolution import Conv2d, ConvTranspose2d, conv2d, conv_transpose2d, input_gradients_only

FORMS: list[tuple[int, int, int, dict[str, int]]] = [
    # height, channels in, channels out, options with the kernel
    (5, 2, 3, {"kernel": 3, "padding": 1}),
    (6, 2, 2, {"kernel": 4, "stride": 2, "padding": 1}),
    (7, 2, 4, {"kernel": 3, "stride": 2, "padding": 1, "groups": 2}),
    (6, 4, 4, {"kernel": 3, "stride": 2, "padding": 0, "groups": 4}),
    (4, 3, 1, {"kernel": 1}),
    (8, 1, 2, {"kernel": 3, "stride": 3, "padding": 1}),
]


def made(form: tuple[int, int, int, dict[str, int]], transposed: bool) -> tuple[Any, Any, list[Tensor], dict[str, int]]:
    height, inside, outside, options = form
    options = dict(options)
    kernel, groups = options.pop("kernel"), options.get("groups", 1)
    generator = torch.Generator().manual_seed(1)
    shape = (inside, outside // groups) if transposed else (outside, inside // groups)
    tensors = [
        torch.randn(size, dtype=torch.float64, generator=generator, requires_grad=True)
        for size in ((2, inside, height, height), (*shape, kernel, kernel), (outside,))
    ]
    pair = (conv_transpose2d, F.conv_transpose2d) if transposed else (conv2d, F.conv2d)
    return *pair, tensors, options


@pytest.mark.parametrize("by", ["kernels", "products"])
@pytest.mark.parametrize("transposed", [False, True], ids=["plain", "transposed"])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_values_and_two_derivatives_are_torchs(
    form: Any, transposed: bool, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "pay", lambda *given: by == "products")
    ours, theirs, tensors, options = made(form, transposed)

    def numbers(convolve: Any) -> list[Tensor]:
        result = convolve(*tensors, **options)
        first = torch.autograd.grad(result.square().sum(), tensors, create_graph=True)
        penalty = sum(((slope**2).sum() for slope in first), result.sum() * 0)
        return [result, *first, *torch.autograd.grad(penalty, tensors)]

    for own, plain in zip(numbers(ours), numbers(theirs), strict=True):
        assert own.shape == plain.shape and torch.allclose(own, plain, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("transposed", [False, True], ids=["plain", "transposed"])
@pytest.mark.parametrize("form", [FORMS[1], FORMS[2], FORMS[5]], ids=str)
def test_derivatives_are_those_of_finite_differences(form: Any, transposed: bool) -> None:
    ours, _, tensors, options = made(form, transposed)
    assert torch.autograd.gradcheck(lambda *given: ours(*given, **options), tensors, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda *given: ours(*given, **options), tensors, fast_mode=True)


def test_without_a_bias_or_a_need_for_gradients() -> None:
    maps, weight = torch.randn(2, 3, 5, 5), torch.randn(4, 3, 3, 3, requires_grad=True)
    result = conv2d(maps, weight, padding=1)
    assert torch.allclose(result, F.conv2d(maps, weight, padding=1), atol=1e-5)
    result.sum().backward()
    assert maps.grad is None and weight.grad is not None
    assert not conv2d(maps, weight.detach()).requires_grad


def test_input_gradients_only_leaves_out_the_weights_once() -> None:
    maps = torch.randn(2, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(4, dtype=torch.float64, requires_grad=True)

    def squared(convolve: Any) -> Tensor:
        return convolve(convolve(maps, weight, bias).square(), weight.flip(0).transpose(0, 1)).square()

    with input_gradients_only():
        (slope,) = torch.autograd.grad(squared(conv2d).sum(), maps, create_graph=True)
        skipped = torch.autograd.grad(conv2d(maps, weight, bias).sum(), [weight, bias], allow_unused=True)
    assert skipped == (None, None)
    (plain,) = torch.autograd.grad(squared(F.conv2d).sum(), maps, create_graph=True)
    assert torch.allclose(slope, plain)
    # The penalty still reaches the weights: its own backward pass is an ordinary one.
    ours = torch.autograd.grad(slope.square().sum(), [weight, bias])
    theirs = torch.autograd.grad(plain.square().sum(), [weight, bias])
    assert all(torch.allclose(own, other) for own, other in zip(ours, theirs, strict=True))


def test_input_gradients_only_ends_with_an_error_too() -> None:
    with pytest.raises(KeyError), input_gradients_only(), input_gradients_only():
        raise KeyError
    weight = torch.randn(1, 1, 1, 1, requires_grad=True)
    assert torch.autograd.grad(conv2d(torch.ones(1, 1, 2, 2), weight).sum(), weight)[0].item() == 4


def test_autocast_computes_in_bf16_and_leaves_gradients_in_float32() -> None:
    maps = torch.randn(2, 8, 6, 6, requires_grad=True)
    weight = torch.randn(8, 8, 3, 3, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        result = conv2d(maps, weight, padding=1)
    assert result.dtype == torch.bfloat16
    assert torch.allclose(result.float(), F.conv2d(maps, weight, padding=1), rtol=0.02, atol=0.3)
    slopes = torch.autograd.grad(result.float().sum(), [maps, weight])
    assert [slope.dtype for slope in slopes] == [torch.float32] * 2


def test_results_are_laid_out_for_speed() -> None:
    maps = torch.randn(2, 1, 6, 6).to(memory_format=torch.channels_last)
    for result in (conv2d(maps, torch.randn(4, 1, 1, 1)), conv2d(torch.randn(2, 4, 6, 6), torch.randn(1, 4, 3, 3))):
        assert result.is_contiguous(memory_format=torch.channels_last)


def test_products_pay_on_small_maps_of_many_channels_in_bf16_alone() -> None:
    deep, shallow = (torch.empty(8, channels, 4, 4, dtype=torch.bfloat16) for channels in (256, 16))
    assert products.pay(deep, 16, 16)
    assert not any(products.pay(*given) for given in ((deep, 64, 16), (shallow, 16, 16), (deep.float(), 16, 16)))


def test_layers_are_torchs_whether_products_pay_or_not() -> None:
    torch.manual_seed(0)
    for ours, theirs, side in ((Conv2d, torch.nn.Conv2d, 8), (ConvTranspose2d, torch.nn.ConvTranspose2d, 4)):
        mine, other = ours(256, 256, 4, 2, 1), theirs(256, 256, 4, 2, 1)
        other.load_state_dict(mine.state_dict())
        maps = torch.randn(2, 256, side, side)
        ends = []
        for layer in (mine, other):
            with torch.autocast("cpu", torch.bfloat16):
                found = layer(maps)
            (found.float().square().sum() / 2).backward()
            ends.append([found.float(), layer.weight.grad, layer.bias.grad])
        for own, plain in zip(*ends, strict=True):
            assert (own - plain).norm() < 0.02 * plain.norm()
