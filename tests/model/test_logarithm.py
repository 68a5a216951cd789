import pytest
import torch

from model.config import GRAINS, NO_SYNAPSE, SIGN_BIT, Numerics
from model.logarithm import leading_one, magnitude, synapse
from tests import scalar

CODES = torch.arange(2 * SIGN_BIT, dtype=torch.uint8)
# A weight of exponent 14 and grain 4, fed by a spike in slot 30 at grain 4, is the smallest synapse.
LEVELS = range(14 * 4 + 30 * 4 + 1)


def test_the_mantissas_are_those_of_a_quarter_octave():
    assert magnitude(torch.arange(4), Numerics()).tolist() == [4096, 3444, 2896, 2435]


def test_an_octave_is_a_shift_and_what_falls_out_is_truncated():
    assert magnitude(torch.tensor([-64, -8, -4, 4, 5, 48, 49, 52, 1000]), Numerics()).tolist() == [
        4096 << 16, 4096 << 2, 4096 << 1, 2048, 1722, 1, 0, 0, 0]


@pytest.mark.parametrize("fraction_width", range(6, 15))
def test_magnitude_is_the_scalar_one_at_every_level(fraction_width):
    # From the largest gain to the smallest with the last slot of the widest window added.
    levels = torch.arange(-64, 63 + 30 * 4 + 1, dtype=torch.int32)
    expected = [scalar.magnitude(level, fraction_width) for level in levels.tolist()]
    assert magnitude(levels, Numerics(fraction_width=fraction_width)).tolist() == expected


@pytest.mark.parametrize("grain", GRAINS)
@pytest.mark.parametrize("fraction_width", [6, 12, 14])
def test_synapse_is_the_scalar_one_for_every_code_and_level(fraction_width, grain):
    levels = torch.tensor(LEVELS, dtype=torch.int32)[:, None]
    got = synapse(CODES, levels, grain, Numerics(fraction_width=fraction_width))
    assert got.tolist() == [[scalar.synapse(code, level, grain, fraction_width) for code in CODES.tolist()]
                            for level in LEVELS]


@pytest.mark.parametrize("grain", GRAINS)
def test_no_synapse_adds_nothing_whatever_its_sign(grain):
    for code in (NO_SYNAPSE, NO_SYNAPSE + SIGN_BIT):
        charges = [int(synapse(torch.tensor(code, dtype=torch.uint8), level, grain, Numerics())) for level in LEVELS]
        assert charges == [0] * len(LEVELS)


@pytest.mark.parametrize("grain", GRAINS)
def test_a_negative_weight_takes_off_exactly_what_a_positive_one_adds(grain):
    truncated = 0
    for level in LEVELS:
        added, taken = synapse(CODES, level, grain, Numerics()).view(2, SIGN_BIT).tolist()
        assert taken == [-charge for charge in added]
        # Truncated after the sign, these would be one more than what they add.
        truncated += sum(charge != 4096 * 2 ** (-(exponent * grain + level) / 4)
                         for exponent, charge in enumerate(added))
    assert truncated > 1000


def test_leading_one_is_exact_on_both_sides_of_every_power_of_two():
    values = [2 ** bit + offset for bit in range(1, 53) for offset in (-1, 0, 1)]
    got = leading_one(torch.tensor(values))
    assert got.tolist() == [value.bit_length() - 1 for value in values]
    assert int(leading_one(torch.tensor(0))) == -1
