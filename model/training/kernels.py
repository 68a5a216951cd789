"""Operations of a training step whose compiled code is fast in both directions."""

from functools import reduce
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from ..network import Coding

__all__ = ["SURROGATE_SLOPE", "Clip", "Staircase", "Threshold", "MaxPool", "SmallConvolution"]

# Of the surrogate gradient of a threshold.
SURROGATE_SLOPE = 2.0


class Clip(torch.autograd.Function):
    """Values between 0 and ``top``, with a slope of 1 there."""

    @staticmethod
    def forward(ctx, potential: Tensor, top: float) -> Tensor:
        ctx.save_for_backward(potential)
        ctx.top = top
        return potential.clamp(0, top)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        potential, = ctx.saved_tensors
        return gradient * _inside(potential, ctx.top), None


class Staircase(torch.autograd.Function):
    """``decode(encode(potential))`` of :mod:`model.encode` in a few passes, as good as float32 allows; its gradient
    goes straight through."""

    @staticmethod
    def forward(ctx, potential: Tensor, coding: Coding) -> Tensor:
        ctx.save_for_backward(potential)
        # What is silent lies slots behind the window.
        octaves = potential.clamp(2 ** (-coding.window / coding.tau - 1), 1).log2()
        slot = (-coding.tau * octaves - 0.5 * coding.nearest).ceil().clamp(min=0)
        return torch.where(slot < coding.window, (slot / -coding.tau).exp2(), 0)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        potential, = ctx.saved_tensors
        return gradient * _inside(potential, 1), None


class Threshold(torch.autograd.Function):
    """A spike of a window of one slot; its slope is that of an arc tangent (Fang et al., ICCV 2021)."""

    @staticmethod
    def forward(ctx, potential: Tensor) -> Tensor:
        ctx.save_for_backward(potential)
        return (potential >= 1).to(potential.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        potential, = ctx.saved_tensors
        return gradient * SURROGATE_SLOPE / 2 / (1 + (torch.pi / 2 * SURROGATE_SLOPE * (potential - 1)).square())


class MaxPool(torch.autograd.Function):
    """Max pooling of (images, height, width, channels); equal values of a window all get the gradient."""

    @staticmethod
    def forward(ctx, values: Tensor, size: int) -> Tensor:
        height, width = (side // size * size for side in values.shape[1:3])
        ctx.rest = values.shape[1] - height, values.shape[2] - width
        windows = values[:, :height, :width].unflatten(2, (-1, size)).unflatten(1, (-1, size))
        # One comparison after the other: they vectorise over the channels, a reduction does not.
        places = product(range(size), repeat=2)
        largest = reduce(torch.maximum, [windows[:, :, row, :, column] for row, column in places])
        ctx.save_for_backward(windows, largest)
        return largest

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        windows, largest = ctx.saved_tensors
        spread = gradient[:, :, None, :, None] * (1 - (largest[:, :, None, :, None] - windows).sign())
        spread = spread.flatten(3, 4).flatten(1, 2)
        return functional.pad(spread, (0, 0, 0, ctx.rest[1], 0, ctx.rest[0])) if any(ctx.rest) else spread, None


class SmallConvolution(torch.autograd.Function):
    """A convolution with a stride of 1 whose kernel outnumbers the pixels of the batch.

    As matrix products, so that no time goes into reordering weights, which is most of what a convolution takes here.
    """

    @staticmethod
    def forward(ctx, values: Tensor, weight: Tensor, padding: int) -> Tensor:
        ctx.save_for_backward(values, weight)
        ctx.padding = padding
        return _product(values, weight, (padding, padding))

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        values, weight = ctx.saved_tensors
        kernel, padding = weight.shape[2:], (ctx.padding, ctx.padding)
        taps = _taps(values, kernel, padding).flatten(0, 2)
        of_weight = gradient.permute(0, 2, 3, 1).flatten(0, 2).T @ taps
        of_values = _product(gradient, weight.flip(2, 3).transpose(0, 1),
                             tuple(side - 1 - ctx.padding for side in kernel))
        return of_values, of_weight.unflatten(1, (*kernel, -1)).permute(0, 3, 1, 2), None


def _inside(values: Tensor, top: float) -> Tensor:
    """1 from 0 to ``top``, and 0 elsewhere; as a number, since truth values do not vectorise."""
    return 1 - (values - values.clamp(0, top)).abs().sign()


def _product(values: Tensor, weight: Tensor, padding: tuple[int, int]) -> Tensor:
    taps = _taps(values, weight.shape[2:], padding)
    return (taps @ weight.permute(0, 2, 3, 1).flatten(1).T).permute(0, 3, 1, 2)


def _taps(values: Tensor, kernel: tuple[int, int], padding: tuple[int, int]) -> Tensor:
    """The inputs of each output pixel, (images, height, width, kernel_height * kernel_width * channels)."""
    padded = functional.pad(values.permute(0, 2, 3, 1), (0, 0, padding[1], padding[1], padding[0], padding[0]))
    height, width = (side - taps + 1 for side, taps in zip(padded.shape[1:3], kernel))
    return torch.cat([padded[:, row:row + height, column:column + width]
                      for row in range(kernel[0]) for column in range(kernel[1])], 3)
