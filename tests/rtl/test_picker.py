import pytest
import torch

from model.config import GRAINS, LANES, SILENT, ProcessorConfig
from model.picker import pick
from rtl.picker import Picker
from tests.streams import put_all, simulate, through

CFG = ProcessorConfig(columns=16, rows=200)
EMPTY = [SILENT] * LANES


def walked(codes, row=0, columns=16, last=0):
    return {"codes": codes, "row": row, "columns": columns, "last": last}


def random_words(seed, count=60):
    """Words of every density, from empty to full, over all codes."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(SILENT, (count, LANES), dtype=torch.uint8, generator=generator)
    density = torch.linspace(0, 1, count)[torch.randperm(count, generator=generator)]
    codes = codes.where(torch.rand(codes.shape, generator=generator) < density[:, None], SILENT)
    rows, columns, last = (torch.randint(limit, (count,), generator=generator).tolist()
                           for limit in (CFG.rows - LANES, CFG.columns + 1, 2))
    return codes, [walked(*word) for word in zip(codes.tolist(), rows, columns, last)]


def beats(codes, words, grain):
    """What the model makes of words; row and level of an empty beat mean nothing."""
    word, lane, code, spike = (part.tolist() for part in pick(codes))
    finals = [this != following for this, following in zip(word, [*word[1:], None])]
    return [(spike, words[n]["row"] + lane if spike else None, code * grain if spike else None,
             words[n]["columns"], words[n]["last"] and final)
            for n, lane, code, spike, final in zip(word, lane, code, spike, finals)]


def read(event):
    return (bool(event.spike), event.row if event.spike else None, event.level if event.spike else None,
            event.columns, event.last)


def picked(words, count, *, grain_shift=0, gap=0, stall=0):
    dut = Picker(CFG)

    async def prepare(ctx):
        ctx.set(dut.grain_shift, grain_shift)

    return [read(event) for event in through(dut, words, count, gap=gap, stall=stall, prepare=prepare)]


@pytest.mark.parametrize("grain_shift, grain", [*enumerate(GRAINS)])
@pytest.mark.parametrize("gap, stall", [(0, 0), (2, 0), (0, 3), (1, 1)])
def test_matches_model(grain_shift, grain, gap, stall):
    codes, words = random_words(grain)
    expected = beats(codes, words, grain)
    assert {bool(spike) for spike, *_ in expected} == {False, True} and len(expected) > 300
    assert picked(words, len(expected), grain_shift=grain_shift, gap=gap, stall=stall) == expected


def test_one_spike_is_found_in_any_lane():
    words = [walked([lane if n == lane else SILENT for n in range(LANES)], row=20, last=1) for lane in range(LANES)]
    assert picked(words, LANES) == [(True, 20 + lane, lane, 16, 1) for lane in range(LANES)]


def test_a_full_word_leaves_from_the_lowest_lane_and_only_its_last_event_is_last():
    assert picked([walked(list(range(15, 31)), row=7, last=1)], LANES) == [
        (True, 7 + lane, 15 + lane, 16, int(lane == 15)) for lane in range(LANES)]


def test_an_empty_word_is_one_beat_that_can_complete_a_pixel():
    first = [5] + EMPTY[1:]
    assert picked([walked(first), walked(EMPTY, last=1), walked(EMPTY), walked(first, last=1)], 4) == [
        (True, 0, 5, 16, 0), (False, None, None, 16, 1), (False, None, None, 16, 0), (True, 0, 5, 16, 1)]


def test_the_last_slot_is_a_spike_at_any_grain():
    for grain_shift, grain in enumerate(GRAINS):
        assert picked([walked(EMPTY[1:] + [30])], 1, grain_shift=grain_shift) == [(True, 15, 30 * grain, 16, 0)]


def test_a_word_of_n_spikes_takes_n_cycles_and_a_word_without_takes_one():
    codes, words = random_words(9)
    cycles = sum(max(1, int((word != SILENT).sum())) for word in codes)
    dut = Picker(CFG)
    offered = []

    async def drive(ctx):
        await put_all(ctx, dut.i, words)

    async def watch(ctx):
        ctx.set(dut.o.ready, 1)
        for _ in range(cycles + 10):
            *_, valid = await ctx.tick().sample(dut.o.valid)
            offered.append(valid)

    simulate(dut, drive, watch)
    assert offered == [0] + [1] * cycles + [0] * 9


def test_takes_no_word_while_events_wait():
    dut = Picker(CFG)

    async def testbench(ctx):
        await put_all(ctx, dut.i, [walked([1, 2] + EMPTY[2:])])
        ctx.set(dut.i.valid, 1)
        for ready, expected in ((0, 0), (0, 0), (1, 0), (0, 0), (1, 1)):
            ctx.set(dut.o.ready, ready)
            *_, got = await ctx.tick().sample(dut.i.ready)
            assert got == expected

    simulate(dut, testbench)
