"""Pixels to first-spike codes and back."""

import torch
from torch import Tensor

from .config import SILENT
from .network import Coding

__all__ = ["encode", "decode"]


def encode(values: Tensor, coding: Coding) -> Tensor:
    """The first slot whose threshold each value reaches.

    Slot t is reached at ``2^(-t / tau)``, or half a slot below it where the coding rounds to the nearest
    (CAT, Lew et al., DAC 2022).

    Parameters
    ----------
    values : Tensor, float, (images, channels, height, width)
        Pixels or activations, between 0 and 1.
    coding : Coding

    Returns
    -------
    Tensor, uint8, as ``values``
        Slots, or ``SILENT`` below the threshold of the last slot.

    Raises
    ------
    ValueError
        If a value is not between 0 and 1.
    """
    low, high = values.aminmax()
    if not (low >= 0 and high <= 1):
        raise ValueError(f"values to encode lie between 0 and 1, found {low.item():g} to {high.item():g}")
    slots = torch.arange(coding.window - 1, -1, -1, dtype=torch.float64)
    thresholds = 2 ** (-(slots + 0.5 * coding.nearest) / coding.tau)
    reached = torch.searchsorted(thresholds.to(values.dtype), values.detach(), right=True)
    return torch.where(reached == 0, SILENT, coding.window - reached).to(torch.uint8)


def decode(codes: Tensor, coding: Coding) -> Tensor:
    """The value each spike stands for, ``2^(-t / tau)``, and 0 for silence.

    Parameters
    ----------
    codes : Tensor, uint8
    coding : Coding

    Returns
    -------
    Tensor, float32, as ``codes``
    """
    worth = 2 ** (-torch.arange(SILENT + 1, dtype=torch.float64) / coding.tau)
    worth[SILENT] = 0
    return worth.float()[codes.long()]
