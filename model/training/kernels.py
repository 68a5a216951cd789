"""Operations of a training step whose compiled code is fast in both directions."""

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from ..network import Coding

__all__ = ["SURROGATE_SLOPE", "Clip", "Staircase", "Threshold", "MaxPool", "SmallConvolution", "WinogradConvolution"]

# Of the surrogate gradient of a threshold.
SURROGATE_SLOPE = 2.0

# Winograd's F(4x4, 3x3), Lavin and Gray, CVPR 2016: of inputs (B^T), of weights (G) and of outputs (A^T).
TILE = 4
INPUTS = ((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0),
          (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1))
WEIGHTS = ((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6),
           (1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0, 0, 1))
OUTPUTS = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
# Multiplied at a time: what they become has to stay in the cache, and the matrices large enough to be worth a call.
BLOCK_TILES = 256


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


class WinogradConvolution(torch.autograd.Function):
    """A 3x3 convolution with a stride and a padding of 1, with a quarter of the multiplications.

    Values are (images, channels, height, width), with the channels last in memory. In float32, it is off by 1e-5 of the
    largest value. The pixels are cut into tiles of 4x4; each transformed tile has 6x6 places, whose channels are
    multiplied by a matrix of their own: Y = A^T [(G g G^T) * (B^T d B)] A (Lavin and Gray, CVPR 2016, equation 12).
    """

    @staticmethod
    def pays(values: Tensor, weight: Tensor) -> bool:
        """Whether it is faster than torch: measured on Zen 3, in training, with one thread."""
        height, width = values.shape[2:]
        return (min(weight.shape[:2]) >= 32 and min(height, width) >= TILE
                and len(values) * _tile_count(height) * _tile_count(width) >= BLOCK_TILES)

    @staticmethod
    def forward(ctx, values: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(values, weight)
        values, places = _dense(values), _of_weight(weight).transpose(1, 2)
        charge = values.new_empty(*values.shape[:3], len(weight))
        for block, charged in zip(_blocks(values), _blocks(charge)):
            _outputs(_inputs(block) @ places, charged)
        return charge.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor]:
        values, weight = ctx.saved_tensors
        values, gradient = _dense(values), _dense(gradient)
        places = of_values = None
        if ctx.needs_input_grad[0]:
            places, of_values = _of_weight(weight), torch.empty_like(values)
        of_places = values.new_zeros(len(INPUTS) ** 2, *weight.shape[:2])
        for index, (block, slope) in enumerate(zip(_blocks(values), _blocks(gradient))):
            slope = _of_outputs(slope)
            of_places.baddbmm_(slope.transpose(1, 2), _inputs(block))
            if places is not None:
                _of_inputs(slope @ places, _blocks(of_values)[index])
        of_weight = _square(WEIGHTS, weight).T @ of_places.flatten(1)
        of_weight = of_weight.view(*weight.shape[2:], *weight.shape[:2]).permute(2, 3, 0, 1)
        return (of_values if of_values is None else of_values.permute(0, 3, 1, 2),
                of_weight.contiguous(memory_format=torch.channels_last))


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


def _tile_count(side: int) -> int:
    return -(-side // TILE)


def _blocks(values: Tensor) -> tuple[Tensor, ...]:
    """A few images at a time of (images, height, width, channels)."""
    return values.split(max(1, BLOCK_TILES // (_tile_count(values.shape[1]) * _tile_count(values.shape[2]))))


def _dense(values: Tensor) -> Tensor:
    """Channels last, (images, height, width, channels)."""
    return values.permute(0, 2, 3, 1).contiguous()


def _square(matrix: tuple, like: Tensor) -> Tensor:
    """``matrix`` on the rows and on the columns of a square, as one matrix on what is in it."""
    matrix = like.new_tensor(matrix)
    return torch.kron(matrix, matrix)


def _of_weight(weight: Tensor) -> Tensor:
    """A matrix for each place of a transformed tile, (36, out, in)."""
    taps = weight.permute(2, 3, 0, 1).flatten(2).flatten(0, 1)
    return (_square(WEIGHTS, weight) @ taps).unflatten(1, weight.shape[:2])


def _mixed(matrix: tuple, parts: Sequence[Tensor]) -> list[Tensor]:
    """The product of ``matrix`` and ``parts``; most of its entries are none."""
    return [sum(factor * part for factor, part in zip(row, parts) if factor) for row in matrix]


# The transforms have no slopes of their own. Their compiled code is several times faster, for one size of block.

@torch.compile(dynamic=False)
def _inputs(values: Tensor) -> Tensor:
    """B^T d B of each tile with the pixels around it, (36, tiles, channels)."""
    rows, columns = (TILE * _tile_count(side) for side in values.shape[1:3])
    values = functional.pad(values, (0, 0, 1, columns - values.shape[2] + 1, 1, rows - values.shape[1] + 1))
    values = torch.stack(_mixed(INPUTS, [values[:, row:row + rows - TILE + 1:TILE] for row in range(len(INPUTS))]))
    values = torch.stack(_mixed(INPUTS, [values[:, :, :, column:column + columns - TILE + 1:TILE]
                                         for column in range(len(INPUTS))]), 1)
    return values.flatten(0, 1).flatten(1, 3)


@torch.compile(dynamic=False)
def _outputs(places: Tensor, charge: Tensor) -> None:
    """Write A^T m A of each tile to ``charge``, (images, height, width, channels)."""
    _assemble(lambda parts, _: _mixed(OUTPUTS, parts), places, charge)


@torch.compile(dynamic=False)
def _of_outputs(gradient: Tensor) -> Tensor:
    """The transpose of :func:`_outputs`."""
    rows, columns = (TILE * _tile_count(side) for side in gradient.shape[1:3])
    gradient = functional.pad(gradient, (0, 0, 0, columns - gradient.shape[2], 0, rows - gradient.shape[1]))
    transposed = tuple(zip(*OUTPUTS))
    gradient = torch.stack(_mixed(transposed, [gradient[:, row::TILE] for row in range(TILE)]))
    gradient = torch.stack(_mixed(transposed, [gradient[:, :, :, column::TILE] for column in range(TILE)]), 1)
    return gradient.flatten(0, 1).flatten(1, 3)


@torch.compile(dynamic=False)
def _of_inputs(places: Tensor, gradient: Tensor) -> None:
    """Write the transpose of :func:`_inputs` to ``gradient``, (images, height, width, channels)."""
    _assemble(_overlapped, places, gradient)


def _assemble(transform: Callable[[Sequence[Tensor], int], list[Tensor]], places: Tensor, values: Tensor) -> None:
    """Write what ``transform`` makes of the rows and columns of ``places``, (36, tiles, channels), to ``values``."""
    images, height, width, channels = values.shape
    rows, columns = _tile_count(height), _tile_count(width)
    places = places.view(len(INPUTS), len(INPUTS), images, rows, columns, channels)
    places = torch.stack(transform(places.unbind(0), 2))
    places = torch.stack(transform(places.unbind(1), 3))
    pixels = places.permute(2, 3, 1, 4, 0, 5).reshape(images, TILE * rows, TILE * columns, channels)
    values.copy_(pixels[:, :height, :width])


def _overlapped(parts: Sequence[Tensor], axis: int) -> list[Tensor]:
    """The sum over the tiles along ``axis`` of what each adds to its own four pixels and to one on either side."""
    before, *own, behind = _mixed(tuple(zip(*INPUTS)), parts)
    none, others = torch.zeros_like(before.narrow(axis, 0, 1)), before.shape[axis] - 1
    own[0] = own[0] + torch.cat((none, behind.narrow(axis, 0, others)), axis)
    own[-1] = own[-1] + torch.cat((before.narrow(axis, 1, others), none), axis)
    return own
