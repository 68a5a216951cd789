import random

import pytest
from amaranth import *

from rtl.store import Store
from tests.streams import simulate


def access(dut, *, write=None, read=None):
    """Set the ports for one cycle: ``write`` is (address, data), ``read`` an address."""
    async def cycle(ctx):
        ctx.set(dut.write.enable, write is not None)
        ctx.set(dut.read.enable, read is not None)
        if write is not None:
            ctx.set(dut.write.address, write[0])
            ctx.set(dut.write.data, write[1])
        if read is not None:
            ctx.set(dut.read.address, read)
        *_, fault, address = await ctx.tick().sample(dut.fault, dut.fault_address)
        assert not fault or address == (read if write is None else write[0])
        return fault, ctx.get(dut.read.data)
    return cycle


@pytest.mark.parametrize("depth", [2, 5, 16])
def test_reads_what_was_written_and_holds_it_until_the_next_read(depth):
    dut = Store(unsigned(7), depth)
    choose = random.Random(depth)

    async def testbench(ctx):
        words = [None] * depth
        held = None
        for n in range(400):
            # Fill the memory first: its contents are undefined until then.
            write = (n, choose.randrange(128)) if n < depth else choose.choice(
                [None, (choose.randrange(depth), choose.randrange(128))])
            read = None if n < depth else choose.choice([None, choose.randrange(depth)])
            if write is not None and read == write[0]:
                read = None
            if read is not None:
                held = words[read]
            fault, data = await access(dut, write=write, read=read)(ctx)
            assert not fault
            assert held is None or data == held, f"cycle {n}"
            if write is not None:
                words[write[0]] = write[1]

    simulate(dut, testbench)


@pytest.mark.parametrize("depth, beyond", [(5, 5), (5, 7), (5, 8), (4, 4), (4, 1 << 31), (4, (1 << 32) - 1)])
def test_an_access_beyond_the_end_is_a_fault_and_such_a_write_changes_nothing(depth, beyond):
    dut = Store(unsigned(8), depth)

    async def testbench(ctx):
        for address in range(depth):
            assert (await access(dut, write=(address, address + 1))(ctx))[0] == 0
        assert (await access(dut, write=(beyond, 99))(ctx))[0] == 1
        assert (await access(dut, read=beyond)(ctx))[0] == 1
        for address in range(depth):
            assert await access(dut, read=address)(ctx) == (0, address + 1)
        # Without enable an address means nothing.
        ctx.set(dut.read.address, beyond)
        ctx.set(dut.write.address, beyond)
        assert (await access(dut)(ctx))[0] == 0

    simulate(dut, testbench)
