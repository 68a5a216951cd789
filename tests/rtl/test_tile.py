import pytest
import torch

from model.config import GRAINS, NO_SYNAPSE, SIGN_BIT, SILENT, Numerics, ProcessorConfig
from model.logarithm import synapse
from model.tile import integrate
from rtl.tile import Tile
from tests.streams import holds, put, put_all, simulate, take, through

CFG = ProcessorConfig(columns=16, rows=24)
WIDE = ProcessorConfig(columns=32, rows=8, numerics=Numerics(fraction_width=6, accumulator_width=12))
FINE = ProcessorConfig(columns=16, rows=20, numerics=Numerics(fraction_width=14))
ONE = 1 << CFG.numerics.fraction_width


def event(row, level=0, last=0, spike=1):
    return {"row": row, "level": level, "columns": 16, "spike": spike, "last": last}


EMPTY = event(0, last=1, spike=0)


def load(dut, weight, grain=1):
    """Write the weight codes (rows, columns), one row a cycle."""
    async def prepare(ctx):
        ctx.set(dut.grain_shift, GRAINS.index(grain))
        ctx.set(dut.load.enable, 1)
        for row, codes in enumerate(weight):
            ctx.set(dut.load.address, row)
            ctx.set(dut.load.data, codes)
            await ctx.tick()
        ctx.set(dut.load.enable, 0)
    return prepare


def integrated(weight, events, pixels, *, cfg=CFG, grain=1, **options):
    """The charges of each pixel: a list of lists."""
    dut = Tile(cfg)
    return [list(charges) for charges in through(dut, events, pixels, prepare=load(dut, weight, grain), **options)]


@pytest.mark.parametrize("cfg, weight_grain, input_grain, gap, stall", [
    (CFG, 1, 4, 0, 0), (CFG, 2, 1, 1, 0), (CFG, 4, 2, 0, 12), (CFG, 2, 2, 1, 2), (CFG, 1, 1, 0, 40),
    (WIDE, 2, 4, 0, 9), (FINE, 1, 1, 0, 0)])
def test_matches_model(cfg, weight_grain, input_grain, gap, stall):
    generator = torch.Generator().manual_seed(stall)
    pixels = 20
    weight = torch.randint(2 * SIGN_BIT, (cfg.columns, cfg.rows), dtype=torch.uint8, generator=generator)
    codes = torch.randint(SILENT, (cfg.rows, pixels), dtype=torch.uint8, generator=generator)
    # Pixels without spikes, with a single one, with a few and with many.
    codes = codes.where(torch.rand(codes.shape, generator=generator) < torch.tensor([0, 0.1, 0.4, 1]).repeat(5), SILENT)
    charge = integrate(codes[None], weight, weight_grain=weight_grain, input_grain=input_grain,
                       numerics=cfg.numerics)[0]
    assert charge.min() < 0 < charge.max()
    events = []
    for pixel in codes.T.tolist():
        spikes = [event(row, code * input_grain) for row, code in enumerate(pixel) if code != SILENT]
        events += [*spikes[:-1], {**spikes[-1], "last": 1}] if spikes else [EMPTY]
    assert EMPTY in events
    assert integrated(weight.T.tolist(), events, pixels, cfg=cfg, grain=weight_grain,
                      gap=gap, stall=stall) == charge.T.tolist()


@pytest.mark.parametrize("grain", GRAINS)
def test_adds_every_weight_code_at_every_level(grain):
    weight = torch.arange(2 * SIGN_BIT, dtype=torch.uint8).reshape(2, SIGN_BIT)
    levels = range(30 * max(GRAINS) + 1)
    charges = integrated(weight.tolist(), [event(row, level, last=1) for level in levels for row in range(2)],
                         2 * len(levels), grain=grain)
    assert charges == [synapse(weight[row], level, grain, CFG.numerics).tolist()
                       for level in levels for row in range(2)]


def test_truncates_before_the_sign():
    # 3444 >> 1 is exact and 3444 >> 3 is not: floor of the negative would be one more.
    weight = [[0, SIGN_BIT] + [NO_SYNAPSE] * 14]
    assert integrated(weight, [event(0, 5, last=1), event(0, 13, last=1)], 2) == [
        [1722, -1722] + [0] * 14, [430, -430] + [0] * 14]


def test_no_synapse_adds_nothing_whatever_its_sign_and_grain():
    weight = [[NO_SYNAPSE, NO_SYNAPSE + SIGN_BIT] * 8]
    for grain in GRAINS:
        assert integrated(weight, [event(0), event(0, last=1)], 1, grain=grain) == [[0] * 16]


def test_the_accumulator_reaches_both_its_ends():
    # 16 bits with 12 bits of fraction: seven synapses of one, and seven and a half of the other sign.
    cfg = ProcessorConfig(columns=16, rows=2, numerics=Numerics(accumulator_width=16))
    weight = [[0, SIGN_BIT] * 8, [4, SIGN_BIT + 4] * 8]
    assert integrated(weight, [*[event(0)] * 7, event(1), event(1, 4), event(1, 8, last=1)], 1, cfg=cfg) == [
        [7 * ONE + ONE // 2 + ONE // 4 + ONE // 8, -(7 * ONE + ONE // 2 + ONE // 4 + ONE // 8)] * 8]
    assert integrated(weight, [event(0)] * 7 + [event(0, last=1)], 1, cfg=cfg)[0][1] == cfg.numerics.potential_min


def test_a_pixel_without_spikes_has_no_charge_left_from_the_one_before():
    weight = [[0] * 16]
    assert integrated(weight, [event(0), event(0, last=1), EMPTY, event(0, last=1), EMPTY, EMPTY], 5) == [
        [2 * ONE] * 16, [0] * 16, [ONE] * 16, [0] * 16, [0] * 16]


def test_an_empty_beat_opens_no_row():
    weight = [[0] * 16]
    assert integrated(weight, [event(0), event(0, spike=0), event(0, 4), event(0, spike=0, last=1)], 1) == [
        [ONE + ONE // 2] * 16]


def test_charges_follow_their_last_event_by_four_cycles():
    dut = Tile(CFG)

    async def testbench(ctx):
        await load(dut, [[0] * 16])(ctx)
        await put(ctx, dut.i, event(0, last=1))
        for expected in (0, 0, 0, 1):
            assert ctx.get(dut.o.valid) == expected
            await ctx.tick()

    simulate(dut, testbench)


def test_the_next_pixel_integrates_while_the_charges_wait_and_stalls_when_it_is_complete_too():
    dut = Tile(CFG)

    async def testbench(ctx):
        await load(dut, [[0] * 16])(ctx)
        # All of these are accepted though nothing is taken: three more events fit behind a complete pixel.
        await put_all(ctx, dut.i, [event(0, last=1), event(0), event(0), event(0, last=1), *[event(0)] * 3])
        ctx.set(dut.i.payload, event(0, last=1))
        ctx.set(dut.i.valid, 1)
        for _ in range(10):
            assert not ctx.get(dut.i.ready)
            assert ctx.get(dut.o.valid) and list(ctx.get(dut.o.payload)) == [ONE] * 16
            await ctx.tick()
        assert list(await take(ctx, dut.o)) == [ONE] * 16
        # The event that was on offer goes in behind the one that was held.
        assert ctx.get(dut.i.ready)
        await ctx.tick()
        ctx.set(dut.i.valid, 0)
        assert list(await take(ctx, dut.o)) == [3 * ONE] * 16
        assert list(await take(ctx, dut.o)) == [4 * ONE] * 16
        for _ in range(10):
            assert not ctx.get(dut.o.valid)
            await ctx.tick()

    simulate(dut, testbench, processes=[holds(dut.o)])


def test_takes_an_event_every_cycle_over_the_ends_of_pixels():
    dut = Tile(CFG)
    events = [event(0, last=n % 3 == 2) for n in range(60)]
    cycles = 0

    async def testbench(ctx):
        nonlocal cycles
        await load(dut, [[0] * 16])(ctx)
        ctx.set(dut.o.ready, 1)
        for each in events:
            ctx.set(dut.i.payload, each)
            ctx.set(dut.i.valid, 1)
            *_, ready = await ctx.tick().sample(dut.i.ready)
            cycles += ready

    simulate(dut, testbench)
    assert cycles == len(events)
