"""Convolutions of 3 x 3 in a quarter of the multiplications: Winograd's F(4 x 4, 3 x 3) (Lavin and Gray, CVPR 2016).

Outputs in tiles of 4 x 4, each from 6 x 6 inputs. Transformed inputs times transformed kernels are one matrix product
for each of the 36 places of a tile; transformed back, they are the outputs. For training in float32 alone.
"""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["TILE", "WinogradConvolution"]

TILE = 4
# From inputs, from kernels, and to outputs, along one axis; the places are 0, 1, -1, 2, -2 and infinity.
INPUT = ((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0), (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0),
         (0, 4, 0, -5, 0, 1))
KERNEL = ((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6), (1 / 24, 1 / 12, 1 / 6),
          (1 / 24, -1 / 12, 1 / 6), (0, 0, 1))
OUTPUT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
PLACES = len(INPUT)

# Tiles that are transformed at a time: what becomes of them stays in the cache.
BLOCK = 128


class WinogradConvolution(torch.autograd.Function):
    """A convolution of 3 x 3 with a stride of 1 and a padding of 1, fastest with channels last."""

    @staticmethod
    def forward(ctx, values: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(values, weight)
        return _convolved(values.permute(0, 2, 3, 1), weight).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor]:
        values, weight = ctx.saved_tensors
        values, gradient = values.permute(0, 2, 3, 1), gradient.permute(0, 2, 3, 1).contiguous()
        of_values = None
        if ctx.needs_input_grad[0]:
            of_values = _convolved(gradient, weight.flip(2, 3).transpose(0, 1)).permute(0, 3, 1, 2)
        of_kernel = weight.new_zeros(PLACES ** 2, weight.shape[1], weight.shape[0])
        for one, other in zip(_blocks(values), _blocks(gradient)):
            of_kernel.baddbmm_(_compiled(_spread)(one).transpose(1, 2), _compiled(_spread_outputs)(other))
        matrix = weight.new_tensor(KERNEL)
        return of_values, torch.einsum("pi,qj,pqco->ocij", matrix, matrix, of_kernel.unflatten(0, (PLACES, PLACES)))


@cache
def _compiled(function):
    return torch.compile(function, dynamic=False)


def _convolved(values: Tensor, weight: Tensor) -> Tensor:
    """Of (images, height, width, channels)."""
    matrix = weight.new_tensor(KERNEL)
    kernel = torch.einsum("pi,qj,ocij->pqco", matrix, matrix, weight).flatten(0, 1).contiguous()
    outputs = values.new_empty(*values.shape[:3], len(weight))
    for block, of_block in zip(_blocks(values), _blocks(outputs)):
        of_block.copy_(_compiled(_gathered)(torch.bmm(_compiled(_spread)(block), kernel), *block.shape[:3]))
    return outputs


def _blocks(maps: Tensor) -> tuple[Tensor, ...]:
    """``maps``, a few images at a time."""
    down, right = _tiles(*maps.shape[1:3])
    return maps.split(max(BLOCK // (down * right), 1))


def _tiles(height: int, width: int) -> tuple[int, int]:
    return -(-height // TILE), -(-width // TILE)


def _mixed(matrix: tuple[tuple[float, ...], ...], parts: tuple[Tensor, ...]) -> Tensor:
    """The product of ``matrix`` with ``parts``, term by term: (rows, ...)."""
    return torch.stack([sum(part if factor == 1 else factor * part for factor, part in zip(row, parts) if factor)
                        for row in matrix])


def _spread(values: Tensor) -> Tensor:
    """Transformed inputs: (36, tiles, channels)."""
    down, right = _tiles(*values.shape[1:3])
    padded = functional.pad(values, (0, 0, 1, right * TILE + 1 - values.shape[2],
                                     1, down * TILE + 1 - values.shape[1]))
    columns = _mixed(INPUT, [padded[:, :, first:first + TILE * right - 3:TILE] for first in range(PLACES)])
    both = _mixed(INPUT, [columns[:, :, first:first + TILE * down - 3:TILE] for first in range(PLACES)])
    return both.flatten(2, 4).flatten(0, 1)


def _gathered(products: Tensor, images: int, height: int, width: int) -> Tensor:
    """Outputs of (36, tiles, channels), transformed back: (images, height, width, channels)."""
    down, right = _tiles(height, width)
    places = products.view(PLACES, PLACES, images, down, right, -1)
    both = _mixed(OUTPUT, _mixed(OUTPUT, places.unbind(1)).unbind(1))
    # From (row, column, images, down, right, channels).
    return both.permute(2, 3, 0, 4, 1, 5).reshape(images, down * TILE, right * TILE, -1)[:, :height, :width]


def _spread_outputs(gradient: Tensor) -> Tensor:
    """The transpose of :func:`_gathered`."""
    down, right = _tiles(*gradient.shape[1:3])
    padded = functional.pad(gradient, (0, 0, 0, right * TILE - gradient.shape[2], 0, down * TILE - gradient.shape[1]))
    tiles = padded.unflatten(2, (right, TILE)).unflatten(1, (down, TILE))
    matrix = tuple(zip(*OUTPUT))
    both = _mixed(matrix, _mixed(matrix, tiles.unbind(4)).unbind(3))
    return both.flatten(2, 4).flatten(0, 1)
