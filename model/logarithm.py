"""What a logarithmic code is worth. Twin of :mod:`rtl.logarithm`.

The unit of every logarithm is a quarter octave: code l stands for 2^(-l/4).
"""

import torch
from torch import Tensor

from .config import NO_SYNAPSE, SIGN_BIT, Numerics
from .tables import mantissas

__all__ = ["magnitude", "synapse", "leading_one"]


def magnitude(level: Tensor, numerics: Numerics) -> Tensor:
    """2^(-level / 4) with ``fraction_width`` bits of fraction, truncated.

    Parameters
    ----------
    level : Tensor, int32, any shape
        Quarter octaves; negative is larger than one.

    Returns
    -------
    Tensor, int32, shape of ``level``
    """
    mantissa = torch.tensor(mantissas(numerics.fraction_width), dtype=torch.int32)[(level & 3).long()]
    octave = level >> 2
    return torch.where(octave >= 0, mantissa >> octave.clamp(0, 31), mantissa << (-octave).clamp(0, 16))


def synapse(weight: Tensor, level: Tensor | int, weight_grain: int, numerics: Numerics) -> Tensor:
    """What a spike at ``level`` adds through a synapse.

    The magnitude is truncated before the sign is applied, so a sum does not depend on its order.

    Parameters
    ----------
    weight : Tensor, uint8
        Weight codes.
    level : Tensor or int
        Quarter octaves of the spike: slot times grain. Broadcasts against ``weight``.
    weight_grain : int
        Quarter octaves per step of the weight exponent.

    Returns
    -------
    Tensor, int32
    """
    exponent = weight.int() & NO_SYNAPSE
    size = magnitude(exponent * weight_grain + level, numerics)
    size = torch.where(exponent == NO_SYNAPSE, 0, size)
    return torch.where(weight >= SIGN_BIT, -size, size)


def leading_one(value: Tensor) -> Tensor:
    """Position of the most significant one of positive ``value`` below 2^53; -1 for zero."""
    return torch.frexp(value.double()).exponent - 1
