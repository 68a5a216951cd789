import random
from dataclasses import dataclass, replace

import pytest
from amaranth import Cat
from amaranth.utils import exact_log2

from model.config import ProcessorConfig
from rtl.drain import Drain
from tests.streams import expect_nothing, holds, simulate, take_all

CFG = ProcessorConfig(columns=16, encoders=4)
OUTPUT_BASE, PARAMETER_BASE, START_BASE, STATE_BASE, OUTPUT_SEEN = 300, 41, 77, 1000, 12


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A layer, as far as the drain knows it."""

    out: int = 16
    pixels: int = 3
    lines: int = 1
    pool: int = 1
    stateful: bool = False
    adds: bool = False
    walkers: int = 1

    def descriptor(self):
        return {"walker_shift": exact_log2(self.walkers), "stateful": self.stateful, "adds": self.adds,
                "output_channels": self.out, "output_words": -(-self.out // 16),
                "output_pixels": self.pixels, "output_width": self.pixels // self.lines,
                "pool_area": self.pool ** 2, "output_base": OUTPUT_BASE,
                "parameter_base": PARAMETER_BASE, "start_base": START_BASE, "state_base": STATE_BASE,
                "output_seen": OUTPUT_SEEN}


PLACE = ("lanes", "index", "first", "complete", "full", "last", "state_address", "word_address")


# What the memories of the test hold.
def parameter(cfg, word):
    return [{"bias": 16 * word + lane, "gain": lane - word} for lane in range(cfg.encoders)]


def state(cfg, word):
    return [5000 - 16 * word - lane for lane in range(cfg.encoders)]


def turns(shape, cfg):
    """Group, pooling window, pixel of the window and walker, in the order of the loops."""
    for group in range(-(-shape.out // (cfg.group_columns // shape.walkers))):
        for first in range(0, shape.pixels, shape.walkers):
            for window_pixel in range(shape.pool ** 2):
                for window in range(first, min(first + shape.walkers, shape.pixels)):
                    yield group, window, window_pixel, window - first


def corners(shape, pixel):
    """A bit for each corner that the pixel lies in."""
    def halves(place, places):
        return (True, True) if places == 1 else (place + 1 < places, place > 0)
    y, x = divmod(pixel, shape.pixels // shape.lines)
    inside = [line and column for line in halves(y, shape.lines) for column in halves(x, shape.pixels // shape.lines)]
    return sum(each << number for number, each in enumerate(inside))


def expected_beats(shape, charges, cfg, fresh):
    """Every beat in the order of the loops."""
    beats = []
    words = -(-shape.out // 16)
    group_columns, group_beats = cfg.group_columns // shape.walkers, cfg.group_beats // shape.walkers
    groups = -(-shape.out // group_columns)
    keeps = shape.stateful and (shape.adds or not fresh)
    for (group, pixel, window_pixel, walker), columns in zip(turns(shape, cfg), charges, strict=True):
        channels = min(group_columns, shape.out - group * group_columns)
        for index in range(-(-channels // cfg.encoders)):
            first = index * cfg.encoders
            lanes = min(cfg.encoders, channels - first)
            pixel_last = first + lanes == channels
            window_last = window_pixel + 1 == shape.pool ** 2
            state_address = STATE_BASE + len(beats)
            beats.append({
                "charges": columns[first:first + cfg.encoders],
                "states": state(cfg, state_address) if keeps else [0] * cfg.encoders,
                "parameters": parameter(cfg, (START_BASE if fresh else PARAMETER_BASE) + group * group_beats + index),
                "lanes": (1 << lanes) - 1,
                "index": walker * group_beats + index,
                "first": int(window_pixel == 0),
                "complete": int(window_last),
                "full": int(pixel_last or (first + cfg.encoders) % 16 == 0),
                "last": int(group + 1 == groups and pixel + 1 == shape.pixels and window_last and pixel_last),
                "state_address": state_address,
                "word_address": OUTPUT_BASE + pixel * words + group * group_columns // 16 + first // 16,
            })
            if cfg.memory_width:
                beats[-1] |= {"seen": OUTPUT_SEEN + group * group_columns // 16 + first // 16,
                              "corners": corners(shape, pixel), "begins": int(pixel == 0)}
    return beats


def read(beat):
    place = beat.place
    return {"charges": list(beat.charges), "states": list(beat.states),
            "parameters": [{"bias": parameter.bias, "gain": parameter.gain} for parameter in beat.parameters],
            **{name: getattr(place, name) for name in (*PLACE, "seen", "corners", "begins")
               if name in place.shape().members}}


def answers(port, word):
    """Process that answers reads with ``word(address)``."""
    async def process(ctx):
        async for *_, enable, address in ctx.tick().sample(port.enable, port.address):
            if enable:
                ctx.set(port.data, word(address))
    return process


def drained(shape, charges, count, *, cfg=CFG, fresh=False, gap=0, stall=0, layers=1):
    """The beats of ``layers`` runs of the same layer."""
    dut = Drain(cfg)
    runs, groups = [], []

    async def count_groups(ctx):
        async for _, _, done in ctx.tick().sample(dut.group_done):
            if done:
                groups.append(done)

    async def drive(ctx):
        ctx.set(dut.layer, shape.descriptor())
        ctx.set(dut.fresh, fresh)
        # What a layer before read last.
        ctx.set(dut.states.data, [999] * cfg.encoders)
        for layer in range(layers):
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            for (*_, walker), columns in zip(turns(shape, cfg), charges, strict=True):
                await put(ctx, shape, dut, walker, columns, gap=gap)
            while len(runs) == layer:
                await ctx.tick()

    async def check(ctx):
        for _ in range(layers):
            beats = [read(beat) for beat in await take_all(ctx, dut.o, count, stall=stall)]
            await expect_nothing(ctx, dut.o, 10)
            runs.append(beats)

    simulate(dut, drive, check, processes=[holds(dut.o), answers(dut.parameters, lambda word: parameter(cfg, word)),
                                           answers(dut.states, lambda word: state(cfg, word)), count_groups])
    assert len(groups) == layers * -(-shape.out // (cfg.group_columns // shape.walkers))
    return runs


async def put(ctx, shape, dut, walker, columns, *, gap):
    """Offer the charges of a pixel on the streams of its walker, which are taken together."""
    share = dut.cfg.walkers // shape.walkers
    own = [dut.i[number] for number in range(walker * share, (walker + 1) * share)]
    for _ in range(gap):
        await ctx.tick()
    for stream, part in zip(own, zip(*[iter(columns)] * (len(columns) // share), strict=True), strict=True):
        ctx.set(stream.payload, list(part))
        ctx.set(stream.valid, 1)
    taken = (0,)
    while not any(taken):
        *_, taken = await ctx.tick().sample(Cat(stream.ready for stream in dut.i))
        taken = [taken >> number & 1 for number in range(dut.cfg.walkers)]
        assert [number for number, each in enumerate(taken) if each] in (
            [], [*range(walker * share, (walker + 1) * share)])
    for stream in own:
        ctx.set(stream.valid, 0)


def random_charges(shape, cfg, seed=1):
    choose = random.Random(seed)
    return [[choose.randrange(-1 << 23, 1 << 23) for _ in range(cfg.group_columns // shape.walkers)]
            for _ in turns(shape, cfg)]


@pytest.mark.parametrize("shape, tiles", [
    (Shape(out=16), 1), (Shape(out=5, pool=2), 1), (Shape(out=33, pixels=2, stateful=True), 1),
    (Shape(out=50, pixels=2, pool=2), 2), (Shape(out=32, pixels=1), 2), (Shape(out=17, stateful=True), 3)])
@pytest.mark.parametrize("encoders, gap, stall", [(1, 0, 0), (2, 0, 2), (4, 3, 0), (8, 3, 2)])
def test_beats_follow_the_loop_nest(shape, tiles, encoders, gap, stall):
    cfg = ProcessorConfig(columns=16, tiles=tiles, encoders=encoders)
    charges = random_charges(shape, cfg)
    expected = expected_beats(shape, charges, cfg, fresh=False)
    for got in drained(shape, charges, len(expected), cfg=cfg, gap=gap, stall=stall, layers=2):
        assert got == expected


@pytest.mark.parametrize("walkers", [1, 2, 4])
@pytest.mark.parametrize("shape", [
    Shape(pixels=9), Shape(out=33, pixels=6, pool=2, stateful=True), Shape(out=70, pixels=5)])
@pytest.mark.parametrize("gap, stall", [(0, 0), (2, 0), (0, 2)])
def test_walkers_take_turns(shape, walkers, gap, stall):
    shape = replace(shape, walkers=walkers)
    cfg = ProcessorConfig(columns=16, tiles=4, walkers=4, encoders=8)
    charges = random_charges(shape, cfg)
    expected = expected_beats(shape, charges, cfg, fresh=False)
    for got in drained(shape, charges, len(expected), cfg=cfg, gap=gap, stall=stall, layers=2):
        assert got == expected


@pytest.mark.parametrize("walkers", [1, 2, 4])
@pytest.mark.parametrize("shape", [Shape(pixels=9, lines=3), Shape(out=33, pixels=8, lines=2, pool=2),
                                   Shape(out=70, pixels=5), Shape(pixels=12, lines=3)])
def test_says_where_the_channels_of_a_beat_are_kept_in_mind(shape, walkers):
    shape = replace(shape, walkers=walkers)
    cfg = ProcessorConfig(columns=16, tiles=4, walkers=4, encoders=8, memory_width=64)
    charges = random_charges(shape, cfg)
    expected = expected_beats(shape, charges, cfg, fresh=False)
    assert {beat["seen"] for beat in expected} == {*range(OUTPUT_SEEN, OUTPUT_SEEN - (-shape.out // 16))}
    for got in drained(shape, charges, len(expected), cfg=cfg, stall=1, layers=2):
        assert got == expected


@pytest.mark.parametrize("stateful, fresh", [(False, False), (True, True), (False, True)])
def test_in_the_first_timestep_states_are_zero_and_biases_those_of_the_start(stateful, fresh):
    shape = Shape(stateful=stateful)
    charges = random_charges(shape, CFG)
    expected = expected_beats(shape, charges, CFG, fresh)
    got, = drained(shape, charges, len(expected), fresh=fresh)
    assert got == expected
    assert all(not any(beat["states"]) for beat in got)


@pytest.mark.parametrize("fresh", [False, True])
def test_what_the_layer_before_left_is_there_in_every_timestep(fresh):
    shape = Shape(stateful=True, adds=True)
    charges = random_charges(shape, CFG)
    expected = expected_beats(shape, charges, CFG, fresh)
    got, = drained(shape, charges, len(expected), fresh=fresh)
    assert got == expected
    assert all(any(beat["states"]) for beat in got)


@pytest.mark.parametrize("stall", [0, 2])
@pytest.mark.parametrize("shape", [
    Shape(pixels=5), Shape(out=33, pixels=6, pool=2, stateful=True), Shape(out=20, pixels=7, walkers=4)])
def test_recalls_every_charge_from_where_the_state_of_its_neuron_lies(shape, stall):
    cfg = ProcessorConfig(columns=16, tiles=4, walkers=4, encoders=8)
    charges = random_charges(shape, cfg)
    expected = expected_beats(shape, charges, cfg, fresh=False)
    dut = Drain(cfg)
    kept = {beat["state_address"]: beat["charges"] for beat in expected}

    async def check(ctx):
        ctx.set(dut.layer, shape.descriptor())
        ctx.set(dut.recall, 1)
        for _ in range(2):
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            assert [read(beat) for beat in await take_all(ctx, dut.o, len(expected), stall=stall)] == expected
            await expect_nothing(ctx, dut.o, 10)

    simulate(dut, check, processes=[holds(dut.o), answers(dut.parameters, lambda word: parameter(cfg, word)),
                                    answers(dut.states, lambda word: state(cfg, word)),
                                    answers(dut.charges, kept.__getitem__)])


def test_does_not_touch_the_state_store_when_states_are_zero():
    for stateful, fresh in ((False, False), (True, True)):
        shape = Shape(stateful=stateful)
        dut = Drain(CFG)

        async def drive(ctx, dut=dut, shape=shape, fresh=fresh):
            ctx.set(dut.layer, shape.descriptor())
            ctx.set(dut.fresh, fresh)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            ctx.set(dut.o.ready, 1)
            ctx.set(dut.i[0].valid, 1)
            for _ in range(20):
                *_, enable = await ctx.tick().sample(dut.states.enable)
                assert not enable

        simulate(dut, drive)


@pytest.mark.parametrize("encoders", [1, 4, 16])
def test_beats_of_a_readout_are_as_many_cycles_apart_as_they_have_logits(encoders):
    cfg = ProcessorConfig(columns=32, encoders=encoders)
    dut = Drain(cfg)
    offered = []

    async def testbench(ctx):
        ctx.set(dut.layer, {**Shape(out=45, pixels=1).descriptor(), "readout": 1})
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        ctx.set(dut.i[0].valid, 1)
        ctx.set(dut.o.ready, 1)
        for cycle in range(50):
            *_, valid, lanes = await ctx.tick().sample(dut.o.valid, dut.o.p.place.lanes)
            if valid:
                offered.append((cycle, lanes.bit_count()))

    simulate(dut, testbench)
    # Two column groups, of 32 and 13 classes.
    cycle = 1
    for found, (at, logits) in enumerate(offered[:32 // encoders + -(-13 // encoders)]):
        assert (at, logits) == (cycle, min(encoders, (32 - cycle + 1) if cycle <= 32 else 45 - cycle + 1)), found
        cycle += logits
    assert cycle == 46


def test_gives_a_beat_every_cycle_from_the_second_on():
    shape = Shape(out=30, pixels=4, pool=2)
    cfg = ProcessorConfig(columns=32, encoders=4)
    beats = len(expected_beats(shape, random_charges(shape, cfg), cfg, False))
    assert beats == 8 * 16
    dut = Drain(cfg)
    offered = []

    async def testbench(ctx):
        ctx.set(dut.layer, shape.descriptor())
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        ctx.set(dut.i[0].valid, 1)
        ctx.set(dut.o.ready, 1)
        for _ in range(beats + 1):
            *_, valid = await ctx.tick().sample(dut.o.valid)
            offered.append(valid)

    simulate(dut, testbench)
    assert offered == [0] + [1] * beats
