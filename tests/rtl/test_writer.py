import random

import pytest

from model.config import BURST_BEATS
from rtl.axi import Response
from rtl.writer import Writer
from tests.streams import idle, put, simulate

WIDTH, BYTES = 64, 8


class Memory:
    """The slave: takes addresses, beats and responses in its own time, and sees that each is legal and stands."""

    def __init__(self, bus, stall=0, broken=()):
        self.bus, self.stall, self.broken = bus, stall, broken
        self.content, self.bursts, self.beats = {}, [], 0

    async def process(self, ctx):
        while True:
            address, length, size, burst = await self.take(ctx, "aw", "awaddr", "awlen", "awsize", "awburst")
            assert (1 << size) == BYTES and burst == 1 and address % BYTES == 0
            assert address // 4096 == (address + (length + 1) * BYTES - 1) // 4096
            self.bursts.append((address // BYTES, length + 1))
            for beat in range(length + 1):
                word, strobes, last = await self.take(ctx, "w", "wdata", "wstrb", "wlast")
                assert last == (beat == length) and strobes in (0, 0xFF)
                self.beats += 1
                if strobes:
                    self.content[address // BYTES + beat] = word
            await idle(ctx, random.randint(0, self.stall))
            ctx.set(self.bus.bresp, Response.SLVERR if address // BYTES in self.broken else Response.OKAY)
            ctx.set(self.bus.bvalid, 1)
            await ctx.tick().until(self.bus.bready)
            ctx.set(self.bus.bvalid, 0)

    async def take(self, ctx, channel, *names):
        """What is offered on a channel, after a while in which it must not change."""
        valid, ready = getattr(self.bus, f"{channel}valid"), getattr(self.bus, f"{channel}ready")
        members = [getattr(self.bus, name) for name in names]
        offered = None
        for left in reversed(range(random.randint(0, self.stall) + 1)):
            ctx.set(ready, left == 0)
            while True:
                _, _, valid_now, *values = await ctx.tick().sample(valid, *members)
                assert offered is None or (valid_now and values == offered), "offer withdrawn or changed"
                if valid_now:
                    offered = values
                    break
                if left:
                    break
        ctx.set(ready, 0)
        return offered


def write(runs, *, gap=0, stall=0, broken=(), cycles=20_000):
    """Write ``runs`` of (address, beats), and return the memory, what was written, and how every run ended."""
    random.seed(1)
    dut = Writer(32, WIDTH)
    memory, ends = Memory(dut.bus, stall, broken), []
    beats = [random.getrandbits(WIDTH) for _ in range(sum(count for _, count in runs))]

    async def ask(ctx):
        for address, count in runs:
            await put(ctx, dut.to, {"address": address, "beats": count})
        await ctx.tick().until(~dut.busy)
        await ctx.tick().repeat(20)
        assert not ctx.get(dut.bus.awvalid) and not ctx.get(dut.bus.wvalid) and not ctx.get(dut.i.ready)

    async def give(ctx):
        for beat in beats:
            await idle(ctx, gap)
            await put(ctx, dut.i, beat)

    async def watch(ctx):
        async for _, _, done, error, address in ctx.tick().sample(dut.done, dut.error, dut.error_address):
            if done or error:
                ends.append(address if error else None)

    simulate(dut, ask, give, processes=[memory.process, watch], cycles=cycles)
    return memory, beats, ends


@pytest.mark.parametrize("gap, stall", [(0, 0), (3, 0), (0, 3), (1, 4)])
def test_writes_runs_where_they_belong_in_legal_bursts(gap, stall):
    chosen = random.Random(gap + stall)
    runs = [(1000 * n + chosen.randrange(400), chosen.choice((1, 2, 5, 16, 40, 100))) for n in range(12)]
    memory, beats, ends = write(runs, gap=gap, stall=stall)
    where = [address + beat for address, count in runs for beat in range(count)]
    assert memory.content == dict(zip(where, beats)) and memory.beats == len(beats) > 100
    assert all(length <= BURST_BEATS for _, length in memory.bursts)
    assert ends == [None] * len(runs)


def test_bursts_end_where_sixteen_beats_end():
    assert write([(13, 40)])[0].bursts == [(13, 3), (16, 16), (32, 16), (48, 5)]
    assert write([(32, 16), (48, 1)])[0].bursts == [(32, 16), (48, 1)]


def test_a_burst_takes_two_cycles_more_than_its_beats_and_the_response():
    dut, cycles = Writer(32, WIDTH), []

    async def drive(ctx):
        for ready in (dut.bus.awready, dut.bus.wready, dut.bus.bvalid, dut.i.valid):
            ctx.set(ready, 1)
        await put(ctx, dut.to, {"address": 16, "beats": 32})
        cycle = 1
        while not ctx.get(dut.done):
            await ctx.tick()
            cycle += 1
        cycles.append(cycle)

    simulate(dut, drive)
    # Of each burst: address, first beat on its way, sixteen beats, response.
    assert cycles == [2 * (1 + 1 + 16 + 1)]


def test_an_error_ends_its_run_and_names_the_burst():
    memory, beats, ends = write([(60, 4)], broken={60})
    assert ends == [60 * BYTES] and memory.beats == 4
    dut = Writer(32, WIDTH)
    memory, ends = Memory(dut.bus, broken={64}), []

    async def drive(ctx):
        ctx.set(dut.i.valid, 1)
        await put(ctx, dut.to, {"address": 60, "beats": 100})
        ends.append(await ctx.tick().sample(dut.error_address).until(dut.error))
        await ctx.tick().repeat(60)

    simulate(dut, drive, processes=[memory.process])
    assert ends == [(64 * BYTES,)] and memory.bursts == [(60, 4), (64, 16)]


@pytest.mark.parametrize("stall", [0, 4])
@pytest.mark.parametrize("when", range(0, 36, 3))
def test_what_is_given_up_ends_legally_and_changes_nothing_more(when, stall):
    random.seed(when)
    dut = Writer(32, WIDTH)
    memory, ends = Memory(dut.bus, stall), []

    async def drive(ctx):
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.i.payload, 7)
        ctx.set(dut.to.payload, {"address": 10, "beats": 30})
        ctx.set(dut.to.valid, 1)
        await ctx.tick()
        ctx.set(dut.to.valid, 0)
        await idle(ctx, when)
        ctx.set(dut.discard, 1)
        await ctx.tick()
        ctx.set(dut.discard, 0)
        ctx.set(dut.i.valid, 0)
        ctx.set(dut.i.payload, 9)
        if ctx.get(dut.busy):
            await ctx.tick().until(~dut.busy)
        written = dict(memory.content)
        assert set(written.values()) <= {7} and len(written) < 30
        # Another run finds nothing left over.
        await put(ctx, dut.to, {"address": 100, "beats": 1})
        await put(ctx, dut.i, 11)
        await ctx.tick().until(dut.done)
        assert memory.content == written | {100: 11}

    async def watch(ctx):
        async for _, _, done, error in ctx.tick().sample(dut.done, dut.error):
            if done or error:
                ends.append(error)

    simulate(dut, drive, processes=[memory.process, watch])
    assert ends == [0]
    assert memory.beats == sum(length for _, length in memory.bursts)
