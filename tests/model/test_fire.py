import pytest
import torch

from model.config import GRAINS, SILENT, Numerics
from model.fire import charge_up, fire, spike_time, take_off
from model.network import Coding, Reset
from tests import scalar

DEFAULT = Numerics()
GAINS = range(-64, 64)
CODINGS = [Coding(window=window, tau=tau, nearest=nearest)
           for window in (1, 5, 31) for tau in GRAINS for nearest in (False, True)]


def names(coding):
    return f"W{coding.window}-tau{coding.tau}{'-nearest' if coding.nearest else ''}"


def codes_of(potentials, gains, coding, numerics=DEFAULT):
    """Spike codes of many neurons, as a list."""
    return spike_time(torch.tensor(potentials, dtype=torch.int32), torch.tensor(gains, dtype=torch.int32),
                      coding, numerics).tolist()


def thresholds(gain, coding, numerics):
    """For each slot the smallest integer potential that has reached its threshold, where a potential can."""
    for slot in range(coding.window):
        low, high = 0, numerics.potential_max
        if not scalar.reached(high, gain + slot * coding.grain, coding, numerics.fraction_width):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            if scalar.reached(middle, gain + slot * coding.grain, coding, numerics.fraction_width):
                high = middle
            else:
                low = middle
        yield slot, high


@pytest.mark.parametrize("coding", CODINGS, ids=names)
@pytest.mark.parametrize("numerics", [Numerics(), Numerics(fraction_width=6, accumulator_width=16),
                                      Numerics(fraction_width=9), Numerics(fraction_width=14)], ids=str)
def test_fires_at_the_threshold_and_not_one_below_at_every_gain(coding, numerics):
    potentials, gains, slots = [], [], []
    for gain in GAINS:
        for slot, threshold in thresholds(gain, coding, numerics):
            potentials += [threshold, threshold - 1]
            gains += [gain] * 2
            slots.append(slot)
    codes = codes_of(potentials, gains, coding, numerics)
    for slot, at, below in zip(slots, codes[0::2], codes[1::2], strict=True):
        assert at <= slot < below
    expected = [scalar.spike_time(potential, gain, coding, numerics.fraction_width)
                for potential, gain in zip(potentials, gains)]
    assert codes == expected
    assert len(slots) > 90 * coding.window ** 0.9
    # Octave by octave, a potential of one has reached the last slots of a wide window before they begin.
    assert {*range(min(coding.window, 22)), SILENT} <= set(codes)


def test_the_thresholds_are_the_rounded_mantissas_times_half_a_slot():
    # T[f] = round(2^12 * 2^(-f/4) * r), and one less does not fire.
    for tau, nearest, expected in ((4, False, (4096, 3444, 2896, 2435)), (1, False, (4096, 3444, 2896, 2435)),
                                   (4, True, (3756, 3158, 2656, 2233)), (2, True, (3444, 2896, 2435, 2048)),
                                   (1, True, (2896, 2435, 2048, 1722))):
        coding = Coding(window=1, tau=tau, nearest=nearest)
        assert codes_of(expected, range(4), coding) == [0] * 4
        assert codes_of([threshold - 1 for threshold in expected], range(4), coding) == [SILENT] * 4


def test_half_a_slot_lowers_the_default_formats_thresholds_by_one_rounding():
    # Elsewhere an odd mantissa of tau = 1 differs in its last bit: the octave below is not rounded again.
    checks = 0
    for coding in CODINGS:
        half_slot = 1 / (2 * coding.tau) if coding.nearest else 0
        for level in range(-64, 63 + 30 * 4 + 1):
            threshold = round(2 ** (12 - level % 4 / 4 - half_slot))
            octave = level // 4
            lowest = -(-threshold >> octave) if octave >= 0 else threshold << -octave
            assert scalar.reached(lowest, level, coding, 12)
            assert not scalar.reached(lowest - 1, level, coding, 12)
            checks += 1
    assert checks == len(CODINGS) * 248


@pytest.mark.parametrize("coding", CODINGS, ids=names)
def test_fires_as_the_sweep_over_the_slots_does(coding):
    generator = torch.Generator().manual_seed(1)
    # Potentials of every size, of both signs.
    width = torch.randint(24, (4000,), generator=generator)
    potentials = (torch.rand(4000, generator=generator) * 2 ** width).int()
    potentials[::4] *= -1
    gains = torch.randint(GAINS[0], GAINS[-1] + 1, (4000,), dtype=torch.int32, generator=generator)
    codes = spike_time(potentials, gains, coding, Numerics()).tolist()
    assert codes == [scalar.spike_time(*neuron, coding, 12) for neuron in zip(potentials.tolist(), gains.tolist())]
    assert 500 < codes.count(SILENT) < 3900


@pytest.mark.parametrize("coding", CODINGS, ids=names)
def test_zero_and_negative_potentials_never_fire(coding):
    numerics = Numerics()
    for potential in (0, -1, -2, -2435, -4096, numerics.potential_min):
        assert codes_of([potential] * len(GAINS), GAINS, coding) == [SILENT] * len(GAINS)


@pytest.mark.parametrize("window", range(1, 32))
def test_the_window_ends_after_its_last_slot(window):
    for tau in GRAINS:
        # The gain that puts the last slot's threshold at one.
        gain = -(window - 1) * 4 // tau
        assert codes_of([4096, 4095], [gain] * 2, Coding(window=window, tau=tau)) == [window - 1, SILENT]


def test_code_30_is_the_last_spike_and_31_is_silence():
    coding = Coding(window=31, tau=4)
    # 2^12 * 2^(-30/4) is 22.6 and one slot later 19.03.
    assert codes_of([23, 22, 20, 19], [0] * 4, coding) == [30, SILENT, SILENT, SILENT]


def test_a_potential_far_above_the_threshold_fires_at_once():
    assert codes_of([Numerics().potential_max] * 64, range(64), Coding(window=31)) == [0] * 64


@pytest.mark.parametrize("shift", range(8))
def test_the_leak_floors_negative_potentials_too(shift):
    states = [*range(-300, 301), -(1 << 23), (1 << 23) - 1]
    zeros = torch.zeros(len(states), dtype=torch.int32)
    left = charge_up(torch.tensor(states, dtype=torch.int32), zeros, zeros, shift).tolist()
    assert left == [scalar.leak(state, shift) for state in states]


def test_minus_one_leaks_away_and_plus_one_stays():
    states = torch.tensor([-3, -1, 1, 3], dtype=torch.int32)
    zeros = torch.zeros_like(states)
    assert charge_up(states, zeros, zeros, 1).tolist() == [-1, 0, 1, 2]
    assert charge_up(states, zeros, zeros, 7).tolist() == [-2, 0, 1, 3]
    assert charge_up(states, zeros, zeros, 0).tolist() == [-3, -1, 1, 3]


def test_only_what_was_kept_leaks():
    state, charge, bias = (torch.tensor([value], dtype=torch.int32) for value in (100, 1000, 10_000))
    assert charge_up(state, charge, bias, 1).tolist() == [50 + 1000 + 10_000]


@pytest.mark.parametrize("reset, kept", [(Reset.NONE, 5000), (Reset.ZERO, 0), (Reset.SUBTRACT, 5000 - 3444)])
def test_a_spike_resets_and_silence_does_not(reset, kept):
    coding = Coding(window=4)
    potential = torch.tensor([5000, 5000, -7, 0], dtype=torch.int32)
    codes = torch.tensor([0, SILENT, SILENT, SILENT], dtype=torch.uint8)
    gain = torch.ones(4, dtype=torch.int32)
    assert take_off(potential, codes, gain, coding, reset, Numerics()).tolist() == [kept, 5000, -7, 0]


@pytest.mark.parametrize("tau", GRAINS)
def test_subtraction_takes_off_the_spikes_value_at_every_gain_and_slot(tau):
    coding = Coding(window=31, tau=tau)
    gain, code = torch.cartesian_prod(torch.arange(-64, 64, dtype=torch.int32), torch.arange(31, dtype=torch.int32)).T
    kept = take_off(torch.zeros_like(gain), code.byte(), gain, coding, Reset.SUBTRACT, Numerics())
    assert kept.tolist() == [-scalar.magnitude(level, 12) for level in (gain + code * 4 // tau).tolist()]


def test_rounding_to_the_nearest_may_take_off_more_than_there_is():
    potential = torch.tensor([[[2896]]], dtype=torch.int32)
    zero = torch.zeros(1, 1, dtype=torch.int32)
    code, before, after = fire(torch.zeros_like(potential), potential, zero, zero, leak_shift=0, reset=Reset.SUBTRACT,
                               coding=Coding(tau=1, nearest=True), numerics=Numerics())
    assert (int(code), int(before), int(after)) == (0, 2896, 2896 - 4096)


def test_fires_in_the_order_leak_bias_charge_spike_reset():
    state, charge, bias = 1001, 600, -7
    potential = 1001 - 250 - 7 + 600
    code, before, after = fire(*(torch.tensor([[[value]]], dtype=torch.int32) for value in (state, charge)),
                               torch.tensor([[bias]], dtype=torch.int32), torch.tensor([[2]], dtype=torch.int32),
                               leak_shift=2, reset=Reset.SUBTRACT, coding=Coding(window=8), numerics=Numerics())
    slot = scalar.spike_time(potential, 2, Coding(window=8), 12)
    assert slot == 5
    assert (int(code), int(before), int(after)) == (slot, potential, potential - scalar.magnitude(2 + slot, 12))
