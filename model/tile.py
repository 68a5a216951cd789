"""The crossbar: events to charges. Twin of :mod:`rtl.tile`."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .config import CODE_WIDTH, SILENT, Numerics
from .logarithm import synapse

__all__ = ["integrate", "charge_bound", "both_ways"]


def integrate(synapses: Tensor, weight: Tensor, *, weight_grain: int, input_grain: int, numerics: Numerics) -> Tensor:
    """What the spikes of each output pixel add to each of its neurons.

    A spike opens the row of its synapse, as worth in its slot; a charge is the sum of all rows that are opened for
    its pixel. The compiler's overflow proof keeps every partial sum below 2^24, where float32 is exact.

    Parameters
    ----------
    synapses : Tensor, uint8, (images, rows, pixels)
        Spike codes from :func:`model.walker.synapses`.
    weight : Tensor, uint8, (out, rows)
        Weight codes.
    weight_grain, input_grain : int
        Quarter octaves per step of the weight exponent, and per slot.

    Returns
    -------
    Tensor, int32, (images, out, pixels)
    """
    # Silence comes before the first slot, then.
    slots = max(int(((synapses + 1) & SILENT).amax()), 1)
    levels = torch.arange(slots)[:, None] * input_grain
    worth = synapse(torch.arange(1 << CODE_WIDTH, dtype=torch.uint8), levels, weight_grain, numerics).float()
    crossbar = worth[:, weight.long()]                                  # (slots, out, rows)
    if slots == 1:
        return (crossbar[0] @ (synapses == 0).float()).int()
    return _gathered(synapses, crossbar)


def _gathered(synapses: Tensor, crossbar: Tensor) -> Tensor:
    """Charges spike by spike: most of a matrix product for each of several slots would be zeros.

    Parameters
    ----------
    crossbar : Tensor, float32, (slots, out, rows)
    """
    images, rows, pixels = synapses.shape
    read = synapses.transpose(1, 2).flatten()                           # the rows of each pixel side by side
    # Torch would take five times as long to find them.
    spikes = torch.from_numpy(np.flatnonzero(read.numpy() != SILENT))
    slots = read.index_select(0, spikes).long()
    first = torch.searchsorted(spikes, torch.arange(0, len(read), rows))
    opened = crossbar.transpose(1, 2).flatten(0, 1)                     # (slots * rows, out)
    charge = F.embedding_bag(slots * rows + spikes % rows, opened, first, mode="sum")
    return charge.int().unflatten(0, (images, pixels)).transpose(1, 2)


def charge_bound(weight: Tensor, *, weight_grain: int, numerics: Numerics) -> Tensor:
    """How far any spikes could bring each column below zero, and above, partial sums included.

    Parameters
    ----------
    weight : Tensor, uint8, (out, rows)

    Returns
    -------
    Tensor, int64, (2, out)
    """
    return both_ways(synapse(weight, 0, weight_grain, numerics).long()).sum(2)


def both_ways(values: Tensor) -> Tensor:
    """The magnitudes of those of ``values`` below zero, and of those above: (2, ...)."""
    return torch.stack((-values, values)).clamp(min=0)
