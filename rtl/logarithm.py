"""What a logarithmic code is worth. Twin of :mod:`model.logarithm`."""

from amaranth import *
from amaranth.utils import ceil_log2

from model.config import Numerics
from model.tables import mantissas

__all__ = ["pick_mantissa", "synapse_magnitude", "leading_one"]


def pick_mantissa(m, level, numerics: Numerics) -> Signal:
    """2^(-f/4) for the quarter octaves ``level`` has above its last octave."""
    table = mantissas(numerics.fraction_width)
    mantissa = Signal(range(table[0] + 1))
    with m.Switch(level[:2]):
        for fraction, value in enumerate(table):
            with m.Case(fraction):
                m.d.comb += mantissa.eq(value)
    return mantissa


def synapse_magnitude(m, level, numerics: Numerics) -> Signal:
    """2^(-level / 4) of an unsigned level, truncated."""
    mantissa = pick_mantissa(m, level, numerics)
    octave = level[2:]
    magnitude = Signal.like(mantissa)
    # Octaves beyond the mantissa's width shift everything out; a narrow shifter and a mask say the same.
    shift_width = len(mantissa).bit_length()
    m.d.comb += magnitude.eq(Mux(octave[shift_width:].any(), 0, mantissa >> octave[:shift_width]))
    return magnitude


def leading_one(m, value) -> Signal:
    """Position of the most significant one of ``value``; 0 where there is none.

    Halves what is left, bit by bit of the position: does its upper half hold a one?
    """
    bits = []
    for level in reversed(range(ceil_log2(len(value)))):
        upper = value[1 << level:]
        found = Signal(name=f"found_{level}")
        rest = Signal(1 << level, name=f"rest_{level}")
        m.d.comb += [found.eq(upper.any()), rest.eq(Mux(found, upper, value[:1 << level]))]
        bits.insert(0, found)
        value = rest
    return Cat(bits)
