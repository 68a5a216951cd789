"""Charges to spike times. Twin of :mod:`rtl.fire`."""

import torch
from torch import Tensor

from .config import SILENT, Numerics
from .logarithm import leading_one, magnitude
from .network import Coding, Reset
from .tables import octave_shift, thresholds

__all__ = ["charge_up", "spike_time", "take_off", "fire"]


def charge_up(state: Tensor, charge: Tensor, bias: Tensor, leak_shift: int) -> Tensor:
    """The potential a neuron fires from: what is left of its state, its bias and its charge."""
    leaked = state - (state >> leak_shift) if leak_shift else state
    return leaked + bias + charge


def spike_time(potential: Tensor, gain: Tensor, coding: Coding, numerics: Numerics) -> Tensor:
    """The first slot whose threshold the potential reaches, without a sweep over the slots.

    The leading one and four comparisons give the smallest level whose threshold the potential
    reaches; the slot is the first one at or after that level.

    Returns
    -------
    Tensor, uint8, shape of ``potential``
        Spike codes.
    """
    half, whole = octave_shift(coding.grain, coding.nearest)
    amount = potential.clamp(min=1).long()
    position = leading_one(amount)
    normal = ((amount << numerics.fraction_width - 1) >> position).int()
    missed = sum((normal < threshold).int() for threshold in thresholds(numerics.fraction_width, half))
    level = 4 * (numerics.fraction_width - 1 - position) - whole - gain
    # The first slot at or after the level: a division by the grain that rounds up.
    slot = (level + missed + coding.grain - 1 >> coding.grain.bit_length() - 1).clamp(min=0)
    return torch.where((potential > 0) & (slot < coding.window), slot, SILENT).to(torch.uint8)


def take_off(potential: Tensor, code: Tensor, gain: Tensor, coding: Coding, reset: Reset, numerics: Numerics) -> Tensor:
    """The potential a neuron keeps after it has fired, or not."""
    if reset == Reset.ZERO:
        rest = torch.zeros_like(potential)
    elif reset == Reset.SUBTRACT:
        rest = potential - magnitude(gain + code.int() * coding.grain, numerics)
    else:
        rest = potential
    return torch.where(code == SILENT, potential, rest)


def fire(state: Tensor, charge: Tensor, bias: Tensor, gain: Tensor, *, leak_shift: int, reset: Reset, coding: Coding,
         numerics: Numerics) -> tuple[Tensor, Tensor, Tensor]:
    """Advance neurons by one timestep.

    Parameters
    ----------
    state : Tensor, int32, (images, out, pixels)
        Potentials kept from the timestep before; zero in the first one.
    charge : Tensor, int32, (images, out, pixels)
    bias, gain : Tensor, int32, (out, 1)
        Gain in quarter octaves.

    Returns
    -------
    code : Tensor, uint8, (images, out, pixels)
    potential : Tensor, int32, (images, out, pixels)
        Before the reset.
    state : Tensor, int32, (images, out, pixels)
        After the reset.
    """
    potential = charge_up(state, charge, bias, leak_shift)
    code = spike_time(potential, gain, coding, numerics)
    return code, potential, take_off(potential, code, gain, coding, reset, numerics)
