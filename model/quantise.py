"""Logarithmic weight codes: the one rounding that training and conversion share."""

import math

import numpy as np
import torch
from torch import Tensor

from .config import CODE_WIDTH, NO_SYNAPSE, SIGN_BIT, Numerics

__all__ = ["largest_magnitude", "weight_codes", "weight_values", "rounded", "bias_codes", "pack", "unpack"]


def largest_magnitude(weight: Tensor, per_channel: bool = True) -> Tensor:
    """Of the weights of each output channel, or of all of them: as ``weight``, (out,)."""
    largest = weight.detach().abs().flatten(1).amax(1)
    return largest if per_channel else largest.amax().expand_as(largest)


def weight_codes(weight: Tensor, grain: int, largest: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Round weights to codes under a scale of whole quarter octaves.

    A scale is ``s = 2^(gain / 4)``, the quarter octave nearest to the largest magnitude. A code of exponent m
    stands for ``s * 2^(-m * grain / 4)``; exponents are rounded in the log domain. What lies below half of the
    smallest magnitude is no synapse, and a channel without any weight has gain 0.

    Parameters
    ----------
    weight : Tensor, float, (out, ...)
        Weights with the batch norm folded in.
    grain : int
        Quarter octaves per step of the exponent.
    largest : Tensor, float, (out,), optional
        Magnitude that the scale of each output channel goes by; that of its own weights where it is not given.

    Returns
    -------
    codes : Tensor, uint8, as ``weight``
    gain : Tensor, int32, (out,)
    """
    exponent, gain = _exponents(weight.detach(), grain, largest)
    codes = exponent + SIGN_BIT * ((weight < 0) & (exponent < NO_SYNAPSE))
    return codes.to(torch.uint8), gain.int()


def weight_values(codes: Tensor, gain: Tensor, grain: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """The weights that ``codes`` stand for.

    Parameters
    ----------
    codes : Tensor, uint8, (out, ...)
    gain : Tensor, int32, (out,)
    grain : int
    dtype : torch.dtype

    Returns
    -------
    Tensor, ``dtype``, as ``codes``
    """
    exponent = (codes % SIGN_BIT).to(dtype)
    magnitude = 2 ** ((_column(gain, exponent) - grain * exponent) / 4)
    sign = 1.0 - 2.0 * (codes >= SIGN_BIT)
    return torch.where(exponent == NO_SYNAPSE, 0.0, sign * magnitude)


def rounded(weight: Tensor, grain: int, largest: Tensor | None = None) -> Tensor:
    """``weight_values`` of ``weight_codes`` in one pass, in the type of ``weight``."""
    exponent, gain = _exponents(weight.detach(), grain, largest)
    magnitude = ((_column(gain, weight) - grain * exponent) / 4).exp2()
    return torch.where(exponent < NO_SYNAPSE, magnitude.copysign(weight.detach()), 0)


def pack(codes: Tensor) -> Tensor:
    """Weight codes without the bits that are not used: eight codes in five bytes, the last byte filled up with zeros.

    Parameters
    ----------
    codes : Tensor, uint8

    Returns
    -------
    Tensor, uint8, (bytes,)
    """
    bits = np.unpackbits(codes.flatten().numpy()[:, None], axis=1)[:, -CODE_WIDTH:]
    return torch.from_numpy(np.packbits(bits))


def unpack(packed: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Weight codes of this shape from :func:`pack`."""
    bits = np.unpackbits(packed.numpy(), count=math.prod(shape) * CODE_WIDTH).reshape(-1, CODE_WIDTH)
    return torch.from_numpy(np.packbits(bits, axis=1)[:, 0] >> 8 - CODE_WIDTH).reshape(shape)


def _exponents(weight: Tensor, grain: int, largest: Tensor | None) -> tuple[Tensor, Tensor]:
    """Exponent of every weight, ``NO_SYNAPSE`` where it vanishes, and gain of every channel; whole numbers in the type
    of ``weight``."""
    magnitude = weight.abs()
    if largest is None:
        largest = largest_magnitude(weight)
    gain = torch.where(largest > 0, (4 * largest.log2()).round(), 0)
    steps = (_column(gain, weight) - 4 * magnitude.log2()) / grain
    vanishes = steps > NO_SYNAPSE - 1 + 4 / grain
    return torch.where(vanishes, NO_SYNAPSE, steps.round().clamp(0, NO_SYNAPSE - 1)), gain


def bias_codes(bias: Tensor, gain: Tensor, numerics: Numerics) -> Tensor:
    """Biases in units of 2^-fraction_width of their column's scale.

    Parameters
    ----------
    bias : Tensor, float, (out,)
    gain : Tensor, int32, (out,)
    numerics : Numerics

    Returns
    -------
    Tensor, int64, (out,)
        Not limited to the accumulator's width.
    """
    return (bias.double() * 2 ** (numerics.fraction_width - gain.double() / 4)).round().long()


def _column(gain: Tensor, weight: Tensor) -> Tensor:
    """``gain`` shaped to go with the first axis of ``weight``, and of its type."""
    return gain.to(weight.dtype).reshape(-1, *[1] * (weight.ndim - 1))
