"""The crossbar: events to charges. Twin of :mod:`rtl.tile`."""

import torch
from torch import Tensor

from .config import SILENT, Numerics
from .logarithm import synapse

__all__ = ["integrate", "charge_bound"]


def integrate(synapses: Tensor, weight: Tensor, *, weight_grain: int, input_grain: int, numerics: Numerics) -> Tensor:
    """What the spikes of each output pixel add to each of its neurons.

    All synapses that spike in one slot share a level, so the crossbar is one matrix product per slot.
    The compiler's overflow proof keeps every partial sum below 2^24, where float32 is exact.

    Parameters
    ----------
    synapses : Tensor, float32, (images, rows, pixels)
        Spike codes from :func:`model.walker.synapses`.
    weight : Tensor, uint8, (out, rows)
        Weight codes.
    weight_grain, input_grain : int
        Quarter octaves per step of the weight exponent, and per slot.

    Returns
    -------
    Tensor, int32, (images, out, pixels)
    """
    charge = torch.zeros(synapses.shape[0], weight.shape[0], synapses.shape[2])
    for slot in synapses.unique().tolist():
        if slot != SILENT:
            worth = synapse(weight, int(slot) * input_grain, weight_grain, numerics)
            charge += worth.float() @ (synapses == slot).float()
    return charge.int()


def charge_bound(weight: Tensor, *, weight_grain: int, numerics: Numerics) -> Tensor:
    """The largest absolute charge any spikes could bring to each column, partial sums included.

    Parameters
    ----------
    weight : Tensor, uint8, (out, rows)

    Returns
    -------
    Tensor, int64, (out,)
    """
    return synapse(weight, 0, weight_grain, numerics).abs().long().sum(1)
