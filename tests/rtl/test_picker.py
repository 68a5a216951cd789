import pytest
import torch

from model.config import GRAINS, LANES, SILENT, ProcessorConfig
from model.picker import pick
from rtl.layouts import row_width
from rtl.picker import Picker
from tests.streams import put_all, simulate, through

CFGS = {span: ProcessorConfig(columns=16, rows=200, span=span) for span in (1, 2, 4, 8)}
CFG = CFGS[1]
EMPTY = [SILENT] * LANES


def fetched(codes, row=0, columns=16, last=0):
    return {"codes": codes, "row": row, "columns": columns, "last": last}


def random_fetches(cfg, seed, count=30):
    """Fetches of every density, from empty to full, over all codes."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(SILENT, (count, cfg.span_lanes), dtype=torch.uint8, generator=generator)
    density = torch.linspace(0, 1, count)[torch.randperm(count, generator=generator)]
    codes = codes.where(torch.rand(codes.shape, generator=generator) < density[:, None], SILENT)
    rows, columns, last = (torch.randint(limit, (count,), generator=generator).tolist()
                           for limit in (cfg.rows - cfg.span_lanes, cfg.columns + 1, 2))
    return codes, [fetched(*fetch) for fetch in zip(codes.tolist(), rows, columns, last)]


def beats(codes, fetches, grain):
    """What the model makes of fetches; row and level of an empty beat mean nothing."""
    fetch, lane, code, spike = (part.tolist() for part in pick(codes))
    finals = [this != following for this, following in zip(fetch, [*fetch[1:], None])]
    return [(spike, fetches[n]["row"] + lane if spike else None, code * grain if spike else None,
             fetches[n]["columns"], fetches[n]["last"] and final)
            for n, lane, code, spike, final in zip(fetch, lane, code, spike, finals)]


def read(event):
    return (bool(event.spike), event.row if event.spike else None, event.level if event.spike else None,
            event.columns, event.last)


def picked(fetches, count, *, cfg=CFG, grain_shift=0, gap=0, stall=0):
    dut = Picker(cfg)

    async def prepare(ctx):
        ctx.set(dut.grain_shift, grain_shift)

    return [read(event) for event in through(dut, fetches, count, gap=gap, stall=stall, prepare=prepare)]


@pytest.mark.parametrize("span, grain_shift, gap, stall", [
    *((1, grain_shift, gap, stall) for grain_shift in range(len(GRAINS))
      for gap, stall in ((0, 0), (2, 0), (0, 3), (1, 1))),
    (2, 0, 0, 0), (2, 1, 2, 0), (2, 2, 0, 3), (4, 1, 0, 0), (4, 0, 1, 1), (8, 2, 0, 0), (8, 1, 0, 1)])
def test_matches_model(span, grain_shift, gap, stall):
    cfg, grain = CFGS[span], GRAINS[grain_shift]
    codes, fetches = random_fetches(cfg, grain)
    expected = beats(codes, fetches, grain)
    assert {bool(spike) for spike, *_ in expected} == {False, True} and len(expected) > 150 * span
    assert picked(fetches, len(expected), cfg=cfg, grain_shift=grain_shift, gap=gap, stall=stall) == expected


@pytest.mark.parametrize("span", CFGS)
def test_one_spike_is_found_in_any_lane(span):
    lanes = span * LANES
    fetches = [fetched([lane % SILENT if n == lane else SILENT for n in range(lanes)], row=20, last=1)
               for lane in range(lanes)]
    assert picked(fetches, lanes, cfg=CFGS[span]) == [(True, 20 + lane, lane % SILENT, 16, 1) for lane in range(lanes)]


@pytest.mark.parametrize("span", CFGS)
def test_a_full_fetch_leaves_from_the_lowest_lane_and_only_its_last_event_is_last(span):
    codes = list(range(15, 31)) * span
    assert picked([fetched(codes, row=7, last=1)], len(codes), cfg=CFGS[span]) == [
        (True, 7 + lane, code, 16, int(lane == len(codes) - 1)) for lane, code in enumerate(codes)]


def test_the_row_of_lane_0_may_lie_before_the_first_row():
    # As the walker hands it over where the pixel begins at the second word of a row of the store.
    wrapped = (1 << row_width(CFGS[2])) - LANES
    codes = EMPTY + [4, *EMPTY[2:], 6]
    assert picked([fetched(codes, row=wrapped, last=1)], 2, cfg=CFGS[2]) == [
        (True, 0, 4, 16, 0), (True, LANES - 1, 6, 16, 1)]


@pytest.mark.parametrize("span", CFGS)
def test_an_empty_fetch_is_one_beat_that_can_complete_a_pixel(span):
    empty = EMPTY * span
    first = [5] + empty[1:]
    assert picked([fetched(first), fetched(empty, last=1), fetched(empty), fetched(first, last=1)], 4,
                  cfg=CFGS[span]) == [
        (True, 0, 5, 16, 0), (False, None, None, 16, 1), (False, None, None, 16, 0), (True, 0, 5, 16, 1)]


def test_the_last_slot_is_a_spike_at_any_grain():
    for grain_shift, grain in enumerate(GRAINS):
        assert picked([fetched(EMPTY[1:] + [30])], 1, grain_shift=grain_shift) == [(True, 15, 30 * grain, 16, 0)]


@pytest.mark.parametrize("span", CFGS)
def test_a_fetch_of_n_spikes_takes_n_cycles_and_one_without_takes_one(span):
    codes, fetches = random_fetches(CFGS[span], 9)
    cycles = sum(max(1, int((fetch != SILENT).sum())) for fetch in codes)
    dut = Picker(CFGS[span])
    offered = []

    async def drive(ctx):
        await put_all(ctx, dut.i, fetches)

    async def watch(ctx):
        ctx.set(dut.o.ready, 1)
        for _ in range(cycles + 10):
            *_, valid = await ctx.tick().sample(dut.o.valid)
            offered.append(valid)

    simulate(dut, drive, watch)
    assert offered == [0] + [1] * cycles + [0] * 9


def test_holds_one_fetch_while_events_wait():
    dut = Picker(CFG)

    async def testbench(ctx):
        await put_all(ctx, dut.i, [fetched([1, 2] + EMPTY[2:])])
        ctx.set(dut.i.valid, 1)
        for ready, expected in ((0, 1), (0, 0), (1, 0), (0, 0), (1, 0), (0, 1)):
            ctx.set(dut.o.ready, ready)
            *_, got = await ctx.tick().sample(dut.i.ready)
            assert got == expected

    simulate(dut, testbench)
