import random

import pytest

from rtl.uart_bridge import UartBridge
from tests.streams import expect_nothing, holds, idle, put_all, simulate, take_all

ADDRESS_WIDTH = 12
PATIENCE = 50


def command(code, address, words):
    """The bytes of a command; ``words`` are those of a write, or how many a read asks for."""
    count = len(words) if code == 1 else words
    sent = b"".join(word.to_bytes(4, "big") for word in words) if code == 1 else b""
    return [code, count, *address.to_bytes(4, "big"), *sent]


def memory(bus, content, seen, *, delay=lambda: 0):
    """A slave that notes every access, and refuses those to addresses that ``content`` does not have."""
    async def process(ctx):
        while True:
            ctx.set(bus.ack, 0)
            ctx.set(bus.err, 0)
            _, _, asked, we, address, data, select = await ctx.tick().sample(
                bus.cyc & bus.stb, bus.we, bus.adr, bus.dat_w, bus.sel)
            if not asked:
                continue
            await idle(ctx, delay())
            known = address in content
            seen.append((address, data if we else None))
            assert select == 0b1111
            if known and we:
                content[address] = data
            ctx.set(bus.dat_r, content.get(address, 0))
            ctx.set(bus.ack, known)
            ctx.set(bus.err, not known)
            await ctx.tick()
    return process


@pytest.mark.parametrize("gap", [0, 9])
@pytest.mark.parametrize("stall", [0, 4])
def test_words_that_are_written_are_read_back_and_every_access_is_made_once(gap, stall):
    source = random.Random(10 * gap + stall)
    dut, seen, expected = UartBridge(ADDRESS_WIDTH, PATIENCE), [], []

    async def testbench(ctx):
        for _ in range(6):
            address, words = source.randrange(1 << 10), source.choices(range(1 << 32), k=source.randint(1, 9))
            await put_all(ctx, dut.i, command(1, address, words), gap=gap)
            await put_all(ctx, dut.i, command(2, address, len(words)), gap=gap)
            got = await take_all(ctx, dut.o, 4 * len(words), stall=stall)
            assert bytes(got) == b"".join(word.to_bytes(4, "big") for word in words)
            expected.extend((address + index, word) for index, word in enumerate(words))
            expected.extend((address + index, None) for index in range(len(words)))
        await expect_nothing(ctx, dut.o, 20)

    content = dict.fromkeys(range(1 << ADDRESS_WIDTH), 0)
    simulate(dut, testbench, processes=[holds(dut.o), memory(dut.bus, content, seen,
                                                             delay=lambda: source.randint(0, stall))])
    assert len(expected) >= 12 and seen == expected


def exchange(*parts):
    """Send parts of bytes, each after a pause, then read word 5, which holds 0x01020304; what was accessed before."""
    dut, seen, answer = UartBridge(ADDRESS_WIDTH, PATIENCE), [], []

    async def testbench(ctx):
        for part, pause in parts:
            await put_all(ctx, dut.i, part)
            await idle(ctx, pause)
        await put_all(ctx, dut.i, command(2, 5, 1))
        answer.extend(await take_all(ctx, dut.o, 4))
        await expect_nothing(ctx, dut.o, 20)

    simulate(dut, testbench, processes=[memory(dut.bus, {5: 0x0102_0304}, seen)])
    assert answer == [1, 2, 3, 4] and seen.pop() == (5, None)
    return seen


def test_bytes_that_are_no_command_and_commands_of_no_words_do_nothing():
    assert exchange(([0, 3, 0xFF], 0), (command(1, 7, []), 0), (command(2, 7, 0), 0)) == []


def test_an_access_that_is_refused_ends_like_any_other():
    assert exchange((command(1, 3, [8, 9]), 0), (command(1, 6, [7]), 0)) == [(3, 8), (4, 9), (6, 7)]


@pytest.mark.parametrize("sent", [1, 2, 5, 6, 9])
def test_an_incomplete_command_is_forgotten_after_a_pause_and_not_before(sent):
    whole = command(1, 7, [8])
    assert exchange((whole[:sent], PATIENCE + 2)) == []
    assert exchange((whole[:sent], PATIENCE - 10), (whole[sent:], 0)) == [(7, 8)]
