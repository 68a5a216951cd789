"""The constants in the gateware's look-up tables. Imports neither torch nor Amaranth."""

from math import log2

from .config import Rule

__all__ = ["mantissas", "thresholds", "octave_shift", "SCALE_WIDTH", "SHIFT_MAX", "EXP_WIDTH", "EXP_INDEX_WIDTH",
           "EXP_TABLE", "EXP_GUARD_WIDTH", "WEIGHT_FRACTION_WIDTH", "DISTANCE_MAX", "LOG_WIDTH", "LOG_INDEX_WIDTH",
           "LOG_TABLE", "threshold_code", "CRC_WIDTH", "CRC_POLYNOMIAL", "CRC_INITIAL", "crc_step"]


def mantissas(fraction_width: int) -> tuple[int, ...]:
    """2^(-f/4) for f = 0..3, with ``fraction_width`` bits of fraction."""
    return tuple(round(2 ** (fraction_width - f / 4)) for f in range(4))


def octave_shift(grain: int, nearest: bool) -> tuple[bool, int]:
    """Half a slot, as (half a quarter octave, whole quarter octaves).

    Rounding to the nearest spike time lowers every threshold by half a slot, 2^(-1/(2 tau)). For a
    grain of 2 or 4 quarter octaves that is 1 or 2 steps of the same table; for a grain of 1 it falls
    between the steps.
    """
    return (nearest and grain == 1), (grain // 2 if nearest else 0)


def thresholds(fraction_width: int, half: bool) -> tuple[int, ...]:
    """2^(-f/4) for f = 0..3, or half a quarter octave below each."""
    return tuple(round(2 ** (fraction_width - (2 * f + half) / 8)) for f in range(4))


# The exit unit multiplies logits by 16-bit scales and shifts the products right.
SCALE_WIDTH = 16
SHIFT_MAX = 31

# The exit unit measures logits in octaves of their softmax, with EXP_INDEX_WIDTH bits of fraction.
EXP_INDEX_WIDTH = 6
EXP_WIDTH = 16
# 2^(-i/64); one is 1 << 15.
EXP_TABLE = tuple(round(2 ** (EXP_WIDTH - 1 - i / 64)) for i in range(1 << EXP_INDEX_WIDTH))
# Shifted right, an entry keeps guard bits, or a thousand weak classes would vanish together: with none, the
# normalised entropy of 1000 classes was off by up to 0.047, with these by less than 0.002.
EXP_GUARD_WIDTH = 6
WEIGHT_FRACTION_WIDTH = EXP_WIDTH - 1 + EXP_GUARD_WIDTH
# From here on 2^(-d) is zero.
DISTANCE_MAX = (WEIGHT_FRACTION_WIDTH + 1 << EXP_INDEX_WIDTH) - 1

LOG_INDEX_WIDTH = 8
# Fraction bits of a logarithm.
LOG_WIDTH = 10
# log2(1 + i/256) in the middle of each step.
LOG_TABLE = tuple(round(log2(1 + (i + 0.5) / 256) * (1 << LOG_WIDTH)) for i in range(1 << LOG_INDEX_WIDTH))


def threshold_code(rule: Rule, threshold: float) -> int:
    """A threshold in the units the exit unit compares in.

    ENTROPY: bits, 10 fraction bits. PROBABILITY: 1 / probability, 21 fraction bits. MARGIN: bits, 6 fraction bits.

    Raises
    ------
    ValueError
        If the rule has no such threshold.
    """
    low, high = {Rule.BUDGET: (0, 0), Rule.ENTROPY: (0, 16), Rule.PROBABILITY: (1 / 1024, 1),
                 Rule.MARGIN: (0, 1 << 20)}[rule]
    if not low <= threshold <= high:
        raise ValueError(f"the threshold of {rule.name.lower()} must be between {low} and {high}, not {threshold}")
    if rule == Rule.ENTROPY:
        return round(threshold * (1 << LOG_WIDTH))
    if rule == Rule.PROBABILITY:
        return round((1 << WEIGHT_FRACTION_WIDTH) / threshold)
    return round(threshold * (1 << EXP_INDEX_WIDTH))


# CRC-32/MPEG-2: not reflected, no final inversion.
CRC_WIDTH = 32
CRC_POLYNOMIAL = 0x04C11DB7
CRC_INITIAL = 0xFFFFFFFF


def crc_step(crc: int, word: int, width: int) -> int:
    """The CRC after ``width`` bits of ``word``, most significant bit first."""
    for bit in reversed(range(width)):
        feedback = (crc >> (CRC_WIDTH - 1) ^ word >> bit) & 1
        crc = crc << 1 & (1 << CRC_WIDTH) - 1
        if feedback:
            crc ^= CRC_POLYNOMIAL
    return crc
