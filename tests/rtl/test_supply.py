import random
from collections import deque

import pytest
import torch

from model.config import LANES, ProcessorConfig
from model.descriptor import DESCRIPTOR
from model.memory import fetched
from model.supply import Supply as Model
from rtl.supply import Supply
from tests.rtl.test_reader import WIDTH, Memory, stored
from tests.streams import expect_nothing, idle, put, simulate, take

# A granule is five beats and four rows.
CFG = ProcessorConfig(columns=16, encoders=2, rows=64, layers=2, timesteps=2, seen_words=4, memory_width=WIDTH)
BEATS, ROWS, ROW_WIDTH = 5, 4, 80
SPIKED = 0b0000_0110_0000_0001
ROW, SECOND = 10, 37


def descriptor(**fields):
    return dict.fromkeys((name for word in DESCRIPTOR for name in word), 0) | {
        "streamed": 1, "mask": 1, "row_base": ROW, "kernel_height": 1, "kernel_width": 1} | fields


# Three column groups of three granules each, one of four granules of which two have channels that spiked.
LAYERS = [descriptor(weight_base=100, group_rows=10, output_channels=40, input_channels=10),
          descriptor(weight_base=300, group_rows=16, output_channels=16, input_channels=16, source=1, input_seen=2,
                     by_spikes=1)]


def rows(base, granules, first):
    """(row, codes as a number) of every row of a group, as they come."""
    written = []
    for granule in granules:
        bits = sum(stored(base + BEATS * granule + beat) << WIDTH * beat for beat in range(BEATS))
        written += [(first + ROWS * granule + row, bits >> ROW_WIDTH * row & (1 << ROW_WIDTH) - 1)
                    for row in range(ROWS)]
    return written


GROUPS = [rows(100, range(3), ROW), rows(115, range(3), SECOND), rows(130, range(3), ROW), rows(300, (0, 2), SECOND)]


class Supplied:
    """What a supply did in runs, of which all but the last are ended after so many cycles."""

    def __init__(self, *, latency, stall, ended=(), release=5):
        random.seed(1)
        self.rows, self.late = [], []
        dut = Supply(CFG)
        memory = Memory(dut.bus, latency, stall)

        async def store(ctx):
            ctx.set(dut.layer, LAYERS[0])
            async for index, address in ctx.changed(dut.index, dut.seen_address):
                ctx.set(dut.layer, LAYERS[index] if index < len(LAYERS) else LAYERS[0])
                ctx.set(dut.seen_data, SPIKED if address == 2 else 0)

        async def watch(ctx):
            # Rows that are on their way when a run ends are written in the next cycle, and none after it.
            write, running, ending = dut.writes[0], False, False
            async for _, _, begin, end, enable, address, data in ctx.tick().sample(
                    dut.begin, dut.end, write.enable, write.address, write.data):
                if begin:
                    self.rows.append([])
                    running = True
                if enable:
                    row = address, sum(code << 5 * column for column, code in enumerate(data))
                    (self.rows[-1] if running else self.late).append(row)
                running, ending = running and not ending, end

        async def play(ctx):
            ctx.set(dut.run, {"layers": len(LAYERS), "timesteps": 1})
            for cycles in (*ended, None):
                while ctx.get(dut.busy):
                    await ctx.tick()
                ctx.set(dut.runs_index, 0)
                ctx.set(dut.runs_timestep, 1)
                ctx.set(dut.running, 1)
                await pulse(ctx, dut.begin)
                if cycles is None:
                    await self.release(ctx, dut, release)
                else:
                    await ctx.tick().repeat(cycles)
                await pulse(ctx, dut.end)
                ctx.set(dut.running, 0)
                assert ctx.get(dut.busy)
                await ctx.tick().repeat(2)
                assert ctx.get(dut.groups_came) == 0

        simulate(dut, play, processes=[store, watch, memory.addresses, memory.beats])

    async def release(self, ctx, dut, wait):
        """Walk every group when it has come; the second layer begins when the first has ended."""
        for group in range(len(GROUPS)):
            if group == len(GROUPS) - 1:
                ctx.set(dut.runs_index, 1)
            while ctx.get(dut.groups_came) == group % 4:
                await ctx.tick()
            await idle(ctx, wait)
            await pulse(ctx, dut.group_released)


async def pulse(ctx, signal):
    ctx.set(signal, 1)
    await ctx.tick()
    ctx.set(signal, 0)


@pytest.mark.parametrize("latency, stall, release", [(0, 0, 5), (30, 0, 60), (3, 2, 0)])
def test_column_groups_come_in_the_order_of_the_run_and_one_ahead_of_it(latency, stall, release):
    supplied = Supplied(latency=latency, stall=stall, release=release)
    assert supplied.rows == [sum(GROUPS, [])]
    assert supplied.late == []


@pytest.mark.parametrize("latency, stall", [(0, 0), (30, 0), (3, 2)])
def test_an_end_drops_what_is_still_to_come_and_the_next_run_begins_anew(latency, stall):
    supplied = Supplied(latency=latency, stall=stall, ended=(3, 25, 40))
    *broken, whole = supplied.rows
    assert whole == sum(GROUPS, []) and supplied.late == []
    assert len(broken) == 3 and all(its == whole[:len(its)] for its in broken)
    assert 0 < len(broken[-1]) < len(whole) or latency


@pytest.mark.parametrize("stall", [0, 2])
def test_a_reader_that_is_lent_reads_what_it_is_asked_for_and_writes_no_row(stall):
    random.seed(1)
    dut = Supply(CFG)
    memory, came = Memory(dut.bus, 5, stall), []

    async def lend(ctx):
        ctx.set(dut.lent, 1)
        for address, beats in ((70, 20), (5, 1)):
            await put(ctx, dut.lent_runs, {"address": address, "beats": beats})
        for _ in range(21):
            came.append((await take(ctx, dut.lent_beats))["data"])
            await idle(ctx, stall)
        # The last one is not waited for.
        await put(ctx, dut.lent_runs, {"address": 200, "beats": 100})
        came.append((await take(ctx, dut.lent_beats))["data"])
        await pulse(ctx, dut.end)
        ctx.set(dut.lent, 0)
        await ctx.tick().until(~dut.busy)
        ctx.set(dut.lent, 1)
        await put(ctx, dut.lent_runs, {"address": 7, "beats": 1})
        came.append((await take(ctx, dut.lent_beats))["data"])
        await expect_nothing(ctx, dut.lent_beats, 30)
        assert not memory.waiting

    async def watch(ctx):
        async for _, _, enable in ctx.tick().sample(dut.writes[0].enable):
            assert not enable

    simulate(dut, lend, processes=[watch, memory.addresses, memory.beats])
    assert came == [stored(beat) for beat in (*range(70, 90), 5, 200, 7)]


def come_and_expected(cfg, spiked, groups, wait, layer):
    """The cycles in which groups that are fetched by spikes come from an ideal memory; those of the model."""
    dut, came, queue = Supply(cfg), [], deque()
    begin, channels = 9, torch.tensor([[[word >> lane & 1 for word in spiked for lane in range(LANES)]] * 4],
                                      dtype=torch.bool)

    async def store(ctx):
        async for index, address in ctx.changed(dut.index, dut.seen_address):
            ctx.set(dut.layer, layer if index == 1 else descriptor(streamed=0))
            ctx.set(dut.seen_data, spiked[address % len(spiked)])

    async def ideal(ctx):
        bus = dut.bus
        ctx.set(bus.arready, 1)
        async for _, _, asks, length, valid, ready in ctx.tick().sample(
                bus.arvalid, bus.arlen, bus.rvalid, bus.rready):
            if valid and ready:
                queue[0] -= 1
            if queue and not queue[0]:
                queue.popleft()
            ctx.set(bus.rvalid, bool(queue))
            ctx.set(bus.rlast, bool(queue) and queue[0] == 1)
            if asks:
                queue.append(length + 1)

    async def play(ctx):
        ctx.set(dut.run, {"layers": 2, "timesteps": 1})
        ctx.set(dut.running, 1)
        ctx.set(dut.runs_timestep, 1)
        await pulse(ctx, dut.begin)
        cycle, due = 1, []
        while len(came) < groups:
            ctx.set(dut.runs_index, cycle >= begin)
            if ctx.get(dut.groups_came) != len(came) % 4:
                came.append(cycle)
                due.append(cycle + wait)
            ctx.set(dut.group_released, cycle in due)
            await ctx.tick()
            cycle += 1

    simulate(dut, play, processes=[store, ideal], cycles=60_000)
    supply, expected = Model(1, cfg), []
    supply.skip()
    supply.enter(torch.tensor([begin]))
    chosen = fetched(channels, (layer["kernel_height"], layer["kernel_width"]), 0, 1, cfg)
    for _ in range(groups):
        expected.append(int(supply.come(layer["group_rows"], 1, chosen)))
        supply.release(torch.tensor([expected[-1] + wait]))
    return came, expected


NARROW, WIDE = {"columns": 16, "memory_width": 64}, {"columns": 64, "tiles": 2, "memory_width": 128}
# Words of silence between others take longer to look at than what was asked for takes to come.
WORDS = [0xFFFF] * 3 + [0] * 90 + [1, 0, 0x8000]


@pytest.mark.parametrize("sizes, share, wait", [
    *((NARROW, share, wait) for share in (0, 0.004, 0.1, 1, None) for wait in (0, 300)), (WIDE, 0.03, 0),
    (WIDE, None, 0)])
def test_groups_come_by_spikes_when_the_model_says(sizes, share, wait):
    cfg = ProcessorConfig(encoders=2, rows=4096, layers=2, seen_words=128, **sizes)
    random.seed(wait)
    spiked = WORDS if share is None else [sum((random.random() < share) << lane for lane in range(LANES))
                                          for _ in WORDS]
    channels, groups = LANES * len(spiked), 2
    layer = descriptor(group_rows=channels, output_channels=groups * cfg.group_columns, input_channels=channels,
                       source=1, by_spikes=1)
    came, expected = come_and_expected(cfg, spiked, groups, wait, layer)
    assert came == expected
