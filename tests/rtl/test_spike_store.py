import random

import pytest

from model.config import LANES, ProcessorConfig
from rtl.spike_store import SpikeStore
from tests.streams import simulate

SPANS = (1, 2, 4, 8)


def store(span, rows=3):
    return SpikeStore(ProcessorConfig(columns=16, span=span, spike_words=span * rows))


def random_word(choose):
    return [choose.randrange(32) for _ in range(LANES)]


def access(dut, *, write=None, read=None):
    """Set the ports for one cycle: ``write`` is (address, codes), ``read`` an address."""
    async def cycle(ctx):
        ctx.set(dut.write.enable, write is not None)
        ctx.set(dut.reads[0].enable, read is not None)
        if write is not None:
            ctx.set(dut.write.address, write[0])
            ctx.set(dut.write.data, write[1])
        if read is not None:
            ctx.set(dut.reads[0].address, read)
        *_, fault, address = await ctx.tick().sample(dut.fault, dut.fault_address)
        assert not fault or address == (read if write is None else write[0])
        return fault, list(ctx.get(dut.reads[0].data))
    return cycle


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("rows", [2, 3, 8])
def test_reads_the_row_of_a_word_and_holds_it_until_the_next_read(span, rows):
    dut = store(span, rows)
    depth = span * rows
    choose = random.Random(span)
    reads = 0

    async def testbench(ctx):
        nonlocal reads
        words = [None] * depth
        held = written = None
        for n in range(depth + 300):
            # Fill the memory first: its contents are undefined until then.
            write = (n, random_word(choose)) if n < depth else choose.choice(
                [None, (choose.randrange(depth), random_word(choose))])
            read = None if n < depth else choose.choice([None, choose.randrange(depth)])
            if read is not None and written is not None and read // span == written // span:
                read = None
            if read is not None:
                # The write of this cycle is too late for the read of this cycle.
                first = read // span * span
                held = sum(words[first:first + span], [])
                reads += 1
            fault, row = await access(dut, write=write, read=read)(ctx)
            assert not fault
            assert held is None or row == held, f"cycle {n}"
            if write is not None:
                words[write[0]] = write[1]
            written = None if write is None else write[0]

    simulate(dut, testbench)
    assert reads > 100


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("beyond", [0, 1, 7, 8, 1 << 31])
def test_an_access_beyond_the_end_is_a_fault_and_such_a_write_changes_nothing(span, beyond):
    dut = store(span)
    depth = 3 * span
    beyond += depth

    async def testbench(ctx):
        for address in range(depth):
            assert (await access(dut, write=(address, [address] * LANES))(ctx))[0] == 0
        assert (await access(dut, write=(beyond, [30] * LANES))(ctx))[0] == 1
        assert (await access(dut, read=beyond)(ctx))[0] == 1
        for address in range(depth):
            first = address // span * span
            assert await access(dut, read=address)(ctx) == (
                0, [word for word in range(first, first + span) for _ in range(LANES)])
        # Without enable an address means nothing.
        ctx.set(dut.reads[0].address, beyond)
        ctx.set(dut.write.address, beyond)
        assert (await access(dut)(ctx))[0] == 0

    simulate(dut, testbench)
