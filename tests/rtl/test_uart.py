# amaranth: UnusedElaboratable=no
import random

import pytest
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.uart import UartReceiver, UartTransmitter
from tests.streams import expect_nothing, holds, idle, put, put_all, simulate, take, take_all


class Line(wiring.Component):
    """A transmitter whose wire ends at a receiver."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def __init__(self, bit_cycles):
        self.bit_cycles = bit_cycles
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.transmitter = self.transmitter = transmitter = UartTransmitter(self.bit_cycles)
        m.submodules.receiver = receiver = UartReceiver(self.bit_cycles)
        m.d.comb += receiver.rx.eq(transmitter.tx)
        wiring.connect(m, wiring.flipped(self.i), transmitter.i)
        wiring.connect(m, receiver.o, wiring.flipped(self.o))
        return m


@pytest.mark.parametrize("bit_cycles", [4, 5, 25])
@pytest.mark.parametrize("gap", [0, 7])
def test_bytes_arrive_in_order_one_every_ten_bits(bit_cycles, gap):
    sent, arrived = random.Random(bit_cycles).choices(range(256), k=30), []
    dut = Line(bit_cycles)

    async def check(ctx):
        arrived.extend(await take_all(ctx, dut.o, len(sent)))
        await expect_nothing(ctx, dut.o, 20 * bit_cycles)

    async def drive(ctx):
        await put_all(ctx, dut.i, sent, gap=gap)

    simulate(dut, drive, check, processes=[holds(dut.o)], cycles=(len(sent) + 3) * (10 * bit_cycles + gap + 1))
    assert arrived == sent


def bits_of(byte, stop=1):
    return [0, *(byte >> index & 1 for index in range(8)), stop]


async def send(ctx, dut, bits, bit_cycles):
    for bit in bits:
        ctx.set(dut.rx, bit)
        await idle(ctx, bit_cycles)


def test_a_transmitter_sends_the_lowest_bit_first_between_a_start_and_a_stop_bit():
    dut, seen = UartTransmitter(4), []

    async def testbench(ctx):
        await put(ctx, dut.i, 0xA6)
        for _ in range(12):
            seen.append(ctx.get(dut.tx))
            await idle(ctx, 4)

    simulate(dut, testbench)
    assert seen == [*bits_of(0xA6), 1, 1]


@pytest.mark.parametrize("percent", [-3, 3])
def test_a_receiver_forgives_a_clock_that_is_off_by_three_percent(percent):
    dut, arrived, bit_cycles = UartReceiver(100), [], 100 + percent

    async def drive(ctx):
        for byte in (0x00, 0xFF, 0x55):
            await send(ctx, dut, bits_of(byte), bit_cycles)

    async def check(ctx):
        arrived.extend(await take_all(ctx, dut.o, 3))

    simulate(dut, drive, check)
    assert arrived == [0x00, 0xFF, 0x55]


def test_what_is_no_byte_is_dropped_and_so_is_a_byte_that_finds_another_one():
    dut, arrived = UartReceiver(8), []

    async def testbench(ctx):
        # A glitch, a byte without a stop bit, and a line that is held low.
        await send(ctx, dut, [0], 2)
        await send(ctx, dut, [1], 80)
        await send(ctx, dut, [*bits_of(0x12, stop=0), 1, 1], 8)
        await send(ctx, dut, [0] * 95 + [1] * 12, 8)
        await send(ctx, dut, bits_of(0x34), 8)
        await send(ctx, dut, bits_of(0x56), 8)
        arrived.append(await take(ctx, dut.o))
        await send(ctx, dut, bits_of(0x78), 8)
        arrived.append(await take(ctx, dut.o))
        await expect_nothing(ctx, dut.o, 200)

    simulate(dut, testbench, processes=[holds(dut.o)])
    assert arrived == [0x34, 0x78]


@pytest.mark.parametrize("component", [UartReceiver, UartTransmitter])
def test_bits_that_are_too_short_are_refused(component):
    with pytest.raises(ValueError, match="^bit_cycles must be at least 4, not 3$"):
        component(3)
