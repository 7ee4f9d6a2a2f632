"""Gradients of R1 and R2 in one more forward pass, for networks that are linear between their kinks.

Of ``penalty / 2 * |dD/dx|^2`` the gradient by the weights is that of ``penalty * dD/dx . v``, where v is the slope
dD/dx held fast. Between kinks D is ``W_n S W_n-1 S ... W_1 x``, S being the slopes of the activations, so a layer's
share is the product of what comes down to it, the same for D and for D's slope along v, with what v becomes on its way
up to it. What the loss asks of the logits is such a product, too, with the maps themselves. So both are had at once
from a pass of ``share * x + penalty * v`` through the slopes that x has met: four passes (up, down, up, weights) in
place of the six of a double backward, and no graph of a graph.

A network takes part that calls ``weighed`` for each operation that has weights and ``kinked`` for each activation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from belamy.ops.convolution import input_gradients_only

SLOPE = 0.2  # of an activation below 0


class _Way:
    """How samples go through a network: as its operations say."""

    def weighed(self, operation: Callable[..., Tensor], maps: Tensor, *weights: Any, bias: Tensor | None,
                **options: Any) -> Tensor:  # fmt: skip
        return operation(maps, *weights, *([] if bias is None else [bias]), **options)

    def kinked(self, maps: Tensor) -> Tensor:
        return F.leaky_relu(maps, SLOPE)


class _Trace(_Way):
    """Keeps what each operation gave, and what each activation met."""

    def __init__(self) -> None:
        self.found: list[Tensor] = []
        self.met: list[Tensor] = []

    def weighed(self, operation: Callable[..., Tensor], maps: Tensor, *weights: Any, bias: Tensor | None,
                **options: Any) -> Tensor:  # fmt: skip
        self.found.append(super().weighed(operation, maps, *weights, bias=bias, **options))
        return self.found[-1]

    def kinked(self, maps: Tensor) -> Tensor:
        self.met.append(maps.detach())
        return super().kinked(maps)


class _Following(_Way):
    """The way of other samples through the slopes of a trace, each row's biases times its ``share`` [B].

    Nothing leads from one of ``found`` to another: their gradients end at the weights.
    """

    def __init__(self, trace: _Trace, share: Tensor) -> None:
        self.slopes = iter(trace.met)
        self.share = share
        self.found: list[Tensor] = []

    def weighed(self, operation: Callable[..., Tensor], maps: Tensor, *weights: Any, bias: Tensor | None,
                **options: Any) -> Tensor:  # fmt: skip
        found = operation(maps, *weights, **options)
        if bias is not None:
            after = [1] * (found.dim() - 2)
            found = found + (self.share.view(-1, 1, *after) * bias.view(1, -1, *after)).to(found.dtype)
        self.found.append(found)
        return found.detach()

    def kinked(self, maps: Tensor) -> Tensor:
        slopes = next(self.slopes)
        return torch.ops.aten.leaky_relu_backward(maps, slopes, SLOPE, False)  # type: ignore[no-any-return]


_now = _Way()


def weighed(operation: Callable[..., Tensor], maps: Tensor, *weights: Any, bias: Tensor | None = None,
            **options: Any) -> Tensor:  # fmt: skip
    """``operation(maps, *weights, bias)``: linear in ``maps`` [B, C, ...] but for the ``bias`` [C]."""
    return _now.weighed(operation, maps, *weights, bias=bias, **options)


def kinked(maps: Tensor) -> Tensor:
    """The activation, a leaky ReLU, of maps [B, ...]."""
    return _now.kinked(maps)


@contextmanager
def _going(way: _Way) -> Iterator[None]:
    global _now
    before, _now = _now, way
    try:
        yield
    finally:
        _now = before


class Steep:
    """Logits [N] of ``judge(samples)``, and their slopes by the samples [N, ...]; ``judge`` must draw no chance."""

    def __init__(self, judge: Callable[[Tensor], Tensor], samples: Tensor) -> None:
        self.judge, self.samples = judge, samples.detach().requires_grad_()
        self._trace = _Trace()
        with _going(self._trace):
            logits = judge(self.samples)
        with input_gradients_only():
            self.slopes, *self._below = torch.autograd.grad(logits.sum(), [self.samples, *self._trace.found])
        self.logits = logits.detach()

    def gradients(self, share: Tensor, along: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
        """By each of ``weights``: of the sum of ``share`` [N] times logits, and of slopes times ``along`` [N, ...]."""
        following = _Following(self._trace, share)
        with _going(following):
            self.judge(share.view(-1, *[1] * (along.dim() - 1)) * self.samples.detach() + along)
        return list(torch.autograd.grad(following.found, weights, self._below, materialize_grads=True))


def slopes_along(altered: Tensor, samples: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
    """Slopes by ``samples`` from those by ``altered`` ones, and how these move along the former.

    ``altered`` is affine in ``samples``, which require a gradient.
    """
    slopes = slopes.detach().requires_grad_()
    (found,) = torch.autograd.grad(altered, samples, slopes, create_graph=True)
    (along,) = torch.autograd.grad(found, slopes, found.detach())
    return found.detach(), along


class _Known(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: Sequence[Tensor], *weights: Tensor) -> Tensor:
        ctx.save_for_backward(*gradients)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *torch._foreach_mul(ctx.saved_tensors, slope)


def known(value: Tensor, weights: Sequence[Tensor], gradients: Sequence[Tensor]) -> Tensor:
    """``value`` (a scalar), whose gradients by the ``weights`` have been found already."""
    result: Tensor = _Known.apply(value, gradients, *weights)
    return result


def penalised(
    judge: Callable[[Tensor], Tensor], samples: Tensor, altered: Tensor, loss: Callable[[Tensor], Tensor],
    weights: Tensor, parameters: Sequence[Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """The ``loss`` of the logits [N] that ``judge`` gives ``altered`` samples, the squared slopes [N], and the logits.

    The gradients of the first, by the ``parameters`` of the judge, are those of the loss and of ``weights`` [N] / 2
    times the squared slopes by the ``samples``, of which what is ``altered`` is an affine function.
    """  # fmt: skip
    steep = Steep(judge, altered)
    slopes, along = slopes_along(altered, samples, steep.slopes)
    logits = steep.logits.requires_grad_()
    value = loss(logits)
    (share,) = torch.autograd.grad(value, logits)
    gradients = steep.gradients(share, along * weights.view(-1, *[1] * (along.dim() - 1)), parameters)
    squares = slopes.float().square().flatten(1).sum(1)
    return known(value.detach(), parameters, gradients), squares, logits.detach()
