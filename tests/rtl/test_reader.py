import random
from collections import deque

import pytest

from model.config import BURST_BEATS
from rtl.axi import Response
from rtl.reader import OUTSTANDING, Reader
from tests.streams import expect_nothing, holds, put, simulate, take

WIDTH, BYTES = 64, 8


def stored(address):
    """What the memory holds in a beat."""
    return (address * 0x9E37_79B9_7F4A_7C15 + 1) % (1 << WIDTH)


class Memory:
    """The slave: answers in order, a burst ``latency`` cycles after it was asked for, its beats ``stall`` cycles apart.
    """

    def __init__(self, bus, latency=0, stall=0, broken=()):
        self.bus, self.latency, self.stall, self.broken = bus, latency, stall, broken
        self.bursts, self.waiting = [], deque()

    async def addresses(self, ctx):
        """Take what is asked for, and see that it is legal and stands until it is taken."""
        bus, offered, cycle = self.bus, None, 0
        async for _, _, valid, ready, address, length, size, burst in ctx.tick().sample(
                bus.arvalid, bus.arready, bus.araddr, bus.arlen, bus.arsize, bus.arburst):
            cycle += 1
            if offered is not None:
                assert valid and (address, length) == offered
            offered = (address, length) if valid and not ready else None
            if valid and ready:
                assert (1 << size) == BYTES and burst == 1 and address % BYTES == 0
                assert address // 4096 == (address + (length + 1) * BYTES - 1) // 4096
                self.bursts.append((address // BYTES, length + 1))
                self.waiting.append((cycle + self.latency, address // BYTES, length + 1))
                assert len(self.waiting) <= OUTSTANDING
            ctx.set(bus.arready, random.random() < 1 / (1 + self.stall))

    async def beats(self, ctx):
        """Give what was asked for."""
        bus, cycle, pause = self.bus, 0, 0
        ctx.set(bus.arready, 1)
        while True:
            if self.waiting and self.waiting[0][0] <= cycle and not pause:
                _, address, length = self.waiting[0]
                for beat in range(address, address + length):
                    ctx.set(bus.rvalid, 1)
                    ctx.set(bus.rdata, stored(beat))
                    ctx.set(bus.rlast, beat == address + length - 1)
                    ctx.set(bus.rresp, Response.SLVERR if beat in self.broken else Response.OKAY)
                    while True:
                        *_, ready = await ctx.tick().sample(bus.rready)
                        cycle += 1
                        if ready:
                            break
                    ctx.set(bus.rvalid, 0)
                    if beat == address + length - 1:
                        self.waiting.popleft()
                    for _ in range(self.stall):
                        await ctx.tick()
                        cycle += 1
            else:
                await ctx.tick()
                cycle += 1


def read(runs, *, latency=0, stall=0, slow=0, cycles=20_000):
    """The beats of ``runs``, the bursts that were asked for, and the cycles it took."""
    random.seed(1)
    dut = Reader(32, WIDTH)
    memory, came, took = Memory(dut.bus, latency, stall), [], [0]

    async def ask(ctx):
        for address, beats in runs:
            await put(ctx, dut.i, {"address": address, "beats": beats})

    async def collect(ctx):
        for _ in range(sum(beats for _, beats in runs)):
            for _ in range(slow):
                await ctx.tick()
                took[0] += 1
            beat = await take(ctx, dut.o)
            came.append((beat["data"], beat["last"]))
        await expect_nothing(ctx, dut.o, 30)
        assert not ctx.get(dut.busy)

    async def count(ctx):
        async for _, _, error in ctx.tick().sample(dut.error):
            assert not error

    simulate(dut, ask, collect, processes=[holds(dut.o), memory.addresses, memory.beats, count], cycles=cycles)
    return came, memory.bursts


def expected(runs):
    return [(stored(address + beat), beat == beats - 1) for address, beats in runs for beat in range(beats)]


@pytest.mark.parametrize("latency, stall, slow", [(0, 0, 0), (30, 0, 0), (0, 2, 0), (3, 0, 2), (17, 1, 1)])
def test_reads_what_the_memory_holds_in_order(latency, stall, slow):
    chosen = random.Random(latency + stall + slow)
    runs = [(chosen.randrange(1 << 20), chosen.choice((1, 2, 5, 16, 40, 100))) for _ in range(20)]
    came, bursts = read(runs, latency=latency, stall=stall, slow=slow)
    assert came == expected(runs) and len(came) > 200
    assert sum(length for _, length in bursts) == len(came)
    assert all(length <= BURST_BEATS for _, length in bursts)


def test_bursts_end_where_sixteen_beats_end():
    assert read([(13, 40)])[1] == [(13, 3), (16, 16), (32, 16), (48, 5)]
    assert read([(32, 16), (48, 1)])[1] == [(32, 16), (48, 1)]


def test_a_beat_comes_every_cycle_also_between_runs_and_behind_a_latency():
    dut = Reader(32, WIDTH)
    memory, came = Memory(dut.bus, latency=40), []
    runs = [(100 + 5 * n, 5) for n in range(60)]

    async def ask(ctx):
        ctx.set(dut.o.ready, 1)
        for address, beats in runs:
            await put(ctx, dut.i, {"address": address, "beats": beats})
        await ctx.tick().repeat(120)

    async def watch(ctx):
        cycle = 0
        async for _, _, valid in ctx.tick().sample(dut.o.valid):
            cycle += 1
            if valid:
                came.append(cycle)

    simulate(dut, ask, processes=[memory.addresses, memory.beats, watch])
    assert len(came) == 300
    # Sixteen short bursts of five beats hide 40 cycles.
    assert came[-1] - came[0] == 299


def test_an_error_names_its_burst_and_what_is_discarded_does_not_come():
    dut = Reader(32, WIDTH)
    memory, errors, came = Memory(dut.bus, latency=9, broken={70}), [], []

    async def drive(ctx):
        ctx.set(dut.o.ready, 1)
        await put(ctx, dut.i, {"address": 60, "beats": 1000})
        await ctx.tick().until(dut.error)
        ctx.set(dut.discard, 1)
        before = len(came)
        await ctx.tick().until(~dut.busy)
        ctx.set(dut.discard, 0)
        await put(ctx, dut.i, {"address": 7, "beats": 3})
        await ctx.tick().repeat(30)
        assert came[before:] == [stored(7), stored(8), stored(9)]
        assert not ctx.get(dut.busy)

    async def watch(ctx):
        async for _, _, error, address, valid, data in ctx.tick().sample(
                dut.error, dut.error_address, dut.o.valid, dut.o.p.data):
            if error:
                errors.append(address)
            if valid:
                came.append(data)

    simulate(dut, drive, processes=[memory.addresses, memory.beats, watch])
    assert errors == [64 * BYTES]
    assert len(memory.bursts) < 30
