from itertools import product

import pytest
import torch

from model.config import GRAINS, SILENT, Numerics, ProcessorConfig
from model.fire import charge_up, fire
from model.network import Coding, Reset
from rtl.fire import Fire
from tests import scalar
from tests.streams import holds, put, simulate, take, through

CFG = ProcessorConfig(columns=16, encoders=4)
LOW, HIGH = CFG.numerics.potential_min, CFG.numerics.potential_max


def descriptor(coding, *, leak_shift=0, reset=Reset.NONE, readout=False):
    return {"stateful": 1, "leak_shift": leak_shift, "reset": reset, "readout": readout, "window": coding.window,
            "nearest": coding.nearest, "output_shift": GRAINS.index(coding.grain)}


def fired(state, charge, bias, gain, layer, *, cfg=CFG, **options):
    """Codes, potentials and states of neurons, a whole number of beats; each argument is a list."""
    lanes = cfg.encoders
    beats = []
    for first in range(0, len(state), lanes):
        part = slice(first, first + lanes)
        beats.append({"charges": charge[part], "states": state[part],
                      "parameters": [{"bias": b, "gain": g} for b, g in zip(bias[part], gain[part])],
                      "place": {"lanes": (1 << lanes) - 1, "state_address": first}})
    dut = Fire(cfg)
    kept = []

    async def prepare(ctx):
        ctx.set(dut.layer, layer)

    async def states(ctx):
        async for *_, enable, address, data in ctx.tick().sample(dut.states.enable, dut.states.address,
                                                                 dut.states.data):
            if enable:
                assert address == len(kept)
                kept.extend(data)

    got = through(dut, beats, len(beats), prepare=prepare, processes=[states], **options)
    assert [beat.place.state_address for beat in got] == list(range(0, len(state), lanes))
    return *([value for beat in got for value in getattr(beat, name)] for name in ("codes", "potentials")), kept


def fire_one(potential, gain, coding, **layer):
    """Code and state of a neuron at ``potential``."""
    codes, _, states = fired([potential, 0, 0, 0], [0] * 4, [0] * 4, [gain, 0, 0, 0], descriptor(coding, **layer))
    return codes[0], states[0]


CODINGS = [Coding(window=window, tau=tau, nearest=nearest)
           for window, tau, nearest in product((1, 24, 31), (1, 2, 4), (False, True))]


@pytest.mark.parametrize("coding", CODINGS, ids=str)
@pytest.mark.parametrize("cfg, gap, stall", [
    (CFG, 0, 0), (ProcessorConfig(columns=16, encoders=1, numerics=Numerics(fraction_width=6)), 1, 2),
    (ProcessorConfig(columns=16, encoders=8, numerics=Numerics(fraction_width=14)), 0, 3)], ids=["12", "6", "14"])
def test_matches_model(coding, cfg, gap, stall):
    generator = torch.Generator().manual_seed(coding.window * 8 + coding.tau)
    count = 160
    # Potentials of every size, so that every slot is met.
    sizes = 2 ** (torch.rand(3, count, generator=generator) * 21)
    signs = torch.randint(2, (3, count), generator=generator) * 2 - 1
    state, charge, bias = (sizes * signs).int()
    leak_shift = coding.window % 8
    reset = list(Reset)[(coding.tau + coding.nearest) % 3]
    octaves = sizes.amax(0).log2() - cfg.numerics.fraction_width
    gain = (-4 * octaves + torch.randint(-30, 5, (count,), generator=generator)).clamp(-64, 63).int()
    expected = fire(state, charge, bias, gain, leak_shift=leak_shift, reset=reset, coding=coding,
                    numerics=cfg.numerics)
    layer = descriptor(coding, leak_shift=leak_shift, reset=reset)
    got = fired(*(values.tolist() for values in (state, charge, bias, gain)), layer, cfg=cfg, gap=gap, stall=stall)
    assert got == tuple(values.tolist() for values in expected)
    assert SILENT in got[0] and min(got[0]) < coding.window


def threshold(gain, slot, coding):
    """The smallest potential that has reached the threshold of ``slot``, by bisection of the definition."""
    low, high = 0, HIGH + 1
    while high - low > 1:
        middle = (low + high) // 2
        if scalar.reached(middle, gain + slot * coding.grain, coding, CFG.numerics.fraction_width):
            high = middle
        else:
            low = middle
    return high


@pytest.mark.parametrize("tau", [1, 2, 4])
@pytest.mark.parametrize("nearest", [False, True])
def test_fires_at_every_threshold_and_not_below(tau, nearest):
    coding = Coding(window=24, tau=tau, nearest=nearest)
    gains = (-43, -20, -1, 0, 1, 6, 15)
    around = [(threshold(gain, slot, coding) + offset, gain)
              for gain in gains for slot in range(coding.window) for offset in (-1, 0, 1)]
    around = [(potential, gain) for potential, gain in around if potential <= HIGH]
    around += [(0, 0)] * (-len(around) % 4)
    potentials, gain = map(list, zip(*around))
    zeros = [0] * len(around)
    codes, _, _ = fired(potentials, zeros, zeros, gain, descriptor(coding))
    assert codes == [scalar.spike_time(*neuron, coding, CFG.numerics.fraction_width) for neuron in around]
    assert set(codes) == {*range(coding.window), SILENT}


def test_the_first_slot_fires_at_one_and_the_last_slot_ends_the_window():
    one = 1 << CFG.numerics.fraction_width
    coding = Coding(window=5, tau=1)
    assert fire_one(one, 0, coding)[0] == 0
    assert fire_one(one - 1, 0, coding)[0] == 1
    assert fire_one(one >> 4, 0, coding)[0] == 4
    assert fire_one((one >> 4) - 1, 0, coding)[0] == SILENT


@pytest.mark.parametrize("potential, code", [(1, 0), (0, SILENT), (-1, SILENT), (LOW, SILENT), (HIGH, 0)])
def test_only_a_positive_potential_fires_however_low_the_threshold(potential, code):
    assert fire_one(potential, 63, Coding(window=31))[0] == code


def test_the_extremes_of_gain_and_potential_make_no_code_that_wraps():
    for coding in (Coding(window=31, tau=1), Coding(window=31, tau=4, nearest=True)):
        neurons = [(potential, gain) for potential in (1, 2, HIGH - 1, HIGH) for gain in (-64, -63, 62, 63)]
        potentials, gain = map(list, zip(*neurons))
        zeros = [0] * len(neurons)
        codes, _, _ = fired(potentials, zeros, zeros, gain, descriptor(coding))
        assert codes == [scalar.spike_time(*neuron, coding, CFG.numerics.fraction_width) for neuron in neurons]


@pytest.mark.parametrize("leak_shift", range(8))
def test_the_leak_floors(leak_shift):
    states = [0, 1, 127, 128, 5000, HIGH, -1, -127, -128, -129, -5000, LOW]
    zeros = [0] * len(states)
    _, potentials, _ = fired(states, zeros, zeros, zeros, descriptor(Coding(), leak_shift=leak_shift))
    assert potentials == [state - state // 2 ** leak_shift if leak_shift else state for state in states]
    assert potentials == charge_up(torch.tensor(states, dtype=torch.int32), 0, 0, leak_shift).tolist()


def test_a_spike_takes_off_its_own_threshold_or_everything_or_nothing():
    coding = Coding(window=8, tau=2)
    # 5000 = 4096 + 904 fires in slot 0; 3000 fires in slot 1, worth 2896; 200 does not fire.
    for reset, rests in ((Reset.SUBTRACT, (904, 104, 200)), (Reset.ZERO, (0, 0, 200)), (Reset.NONE, (5000, 3000, 200))):
        for potential, code, rest in zip((5000, 3000, 200), (0, 1, SILENT), rests):
            assert fire_one(potential, 0, coding, reset=reset) == (code, rest)


def test_subtracts_in_the_scale_of_the_column():
    coding = Coding(window=8, tau=2)
    # A gain of -6 lifts the threshold by one and a half octaves, 8 lowers it by two.
    assert fire_one(12_000, -6, coding, reset=Reset.SUBTRACT) == (0, 12_000 - (2896 << 2))
    assert fire_one(1_100, 8, coding, reset=Reset.SUBTRACT) == (0, 1_100 - 1024)
    assert fire_one(800, 8, coding, reset=Reset.SUBTRACT) == (1, 800 - 724)


def test_rounding_to_the_nearest_spike_time_can_leave_less_than_nothing():
    coding = Coding(window=8, tau=4, nearest=True)
    # Half a quarter octave below one: 3756.
    assert fire_one(3756, 0, coding, reset=Reset.SUBTRACT) == (0, 3756 - 4096)
    assert fire_one(3755, 0, coding, reset=Reset.SUBTRACT) == (1, 3755 - 3444)


def test_a_readout_never_fires_and_keeps_its_potential():
    layer = descriptor(Coding(window=8), reset=Reset.ZERO, readout=True)
    potentials = [HIGH, 4096, 0, LOW]
    assert fired(potentials, [0] * 4, [0] * 4, [0] * 4, layer) == ([SILENT] * 4, potentials, potentials)


def test_a_layer_that_keeps_nothing_writes_nothing():
    layer = descriptor(Coding(window=8)) | {"stateful": 0}
    assert fired([5000] * 4, [0] * 4, [0] * 4, [0] * 4, layer) == ([0] * 4, [5000] * 4, [])


def test_a_beat_is_kept_once_two_cycles_after_it_has_left():
    dut = Fire(CFG)
    enables = []

    async def testbench(ctx):
        ctx.set(dut.layer, descriptor(Coding(window=8)))
        await put(ctx, dut.i, {"states": [5000] * 4})
        for ready in (0,) * 8 + (1,) + (0,) * 5:
            ctx.set(dut.o.ready, ready)
            *_, enable = await ctx.tick().sample(dut.states.enable)
            enables.append(enable)

    simulate(dut, testbench)
    assert enables == [0] * 10 + [1] + [0] * 3


@pytest.mark.parametrize("lanes", [0b0001, 0b0011, 0b0111, 0b1111])
def test_lanes_without_a_neuron_are_silent(lanes):
    dut = Fire(CFG)

    async def testbench(ctx):
        ctx.set(dut.layer, descriptor(Coding(window=8), reset=Reset.ZERO))
        await put(ctx, dut.i, {"charges": [4096] * 4, "place": {"lanes": lanes}})
        got = await take(ctx, dut.o)
        assert list(got.codes) == [0 if lanes >> lane & 1 else SILENT for lane in range(4)]

    simulate(dut, testbench)


def test_takes_a_beat_every_cycle_and_answers_five_cycles_later():
    dut = Fire(CFG)

    async def testbench(ctx):
        ctx.set(dut.layer, descriptor(Coding(window=31)))
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.i.valid, 1)
        for cycle in range(20):
            ctx.set(dut.i.p.place.index, cycle % 4)
            *_, ready, valid, index = await ctx.tick().sample(dut.i.ready, dut.o.valid, dut.o.p.place.index)
            assert ready and valid == (cycle >= 5)
            if valid:
                assert index == (cycle - 5) % 4

    simulate(dut, testbench, processes=[holds(dut.o)])
