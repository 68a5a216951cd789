import random

import pytest
from amaranth import *

from rtl.buffer import Buffer
from tests.streams import holds, put, simulate, take, through


@pytest.mark.parametrize("gap, stall", [(0, 0), (2, 0), (0, 2), (1, 1), (3, 1)])
def test_passes_on_everything_in_order(gap, stall):
    payloads = random.Random(gap + stall).choices(range(256), k=100)
    assert through(Buffer(unsigned(8)), payloads, 100, gap=gap, stall=stall) == payloads


def test_payloads_pass_in_the_cycle_in_which_they_come_and_one_a_cycle_behind_one_that_is_held():
    dut = Buffer(unsigned(8))
    passed = []

    async def testbench(ctx):
        ctx.set(dut.i.valid, 1)
        payload = 0
        for ready in (1, 1, 0, 0, 0, 1, 1, 1, 1):
            ctx.set(dut.i.payload, payload)
            ctx.set(dut.o.ready, ready)
            *_, taken, valid, out = await ctx.tick().sample(dut.i.ready, dut.o.valid, dut.o.payload)
            assert valid
            payload += taken
            passed.append(out if ready else None)

    simulate(dut, testbench, processes=[holds(dut.o)])
    assert passed == [0, 1, None, None, None, 2, 3, 4, 5]


def test_readiness_does_not_depend_on_that_of_the_stream_behind():
    dut = Buffer(unsigned(8))

    async def testbench(ctx):
        for ready in 0, 1:
            ctx.set(dut.o.ready, ready)
            assert ctx.get(dut.i.ready)
        ctx.set(dut.o.ready, 0)
        await put(ctx, dut.i, 7)
        for ready in 0, 1:
            ctx.set(dut.o.ready, ready)
            assert not ctx.get(dut.i.ready)
        assert await take(ctx, dut.o) == 7
        assert ctx.get(dut.i.ready)

    simulate(dut, testbench)
