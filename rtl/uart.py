"""Bytes over two wires: 8 data bits, lowest first, no parity, one stop bit."""

from amaranth import *
from amaranth.lib import cdc, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["UartReceiver", "UartTransmitter"]

BYTE_WIDTH = 8
# Start bit, byte, stop bit.
FRAME_BITS = 1 + BYTE_WIDTH + 1


class UartReceiver(wiring.Component):
    """Turn what comes over a wire into bytes.

    A byte is on offer in the cycle after the middle of its stop bit. A byte without a stop bit, and one that ends while
    the one before is still on offer, are dropped.

    Parameters
    ----------
    bit_cycles : int
        Cycles of a bit, at least 4.

    Members
    -------
    rx : In(1)
        The wire, high while it is idle; need not be synchronous.
    o : Out(stream.Signature(8))

    Raises
    ------
    ValueError
        If ``bit_cycles`` is below 4.
    """

    def __init__(self, bit_cycles: int):
        self._bit_cycles = _checked(bit_cycles)
        super().__init__({"rx": In(1, init=1), "o": Out(stream.Signature(BYTE_WIDTH))})

    def elaborate(self, platform):
        m = Module()
        rx, before, bits = Signal(init=1), Signal(init=1), Signal(FRAME_BITS)
        left, wait = Signal(range(FRAME_BITS + 1)), Signal(range(self._bit_cycles))
        m.submodules.rx = cdc.FFSynchronizer(self.rx, rx, init=1)
        m.d.sync += before.eq(rx)

        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(left == 0):
            # From the falling edge to the middle of the start bit.
            m.d.sync += wait.eq(self._bit_cycles // 2 - 1)
            with m.If(before & ~rx):
                m.d.sync += left.eq(FRAME_BITS)
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.Else():
            m.d.sync += [bits.eq(Cat(bits[1:], rx)), wait.eq(self._bit_cycles - 1), left.eq(left - 1)]
            with m.If((left == FRAME_BITS) & rx):
                # A glitch, and no start bit.
                m.d.sync += left.eq(0)
            with m.If((left == 1) & rx & (~self.o.valid | self.o.ready)):
                # The stop bit is just coming, so everything still lies a place further up.
                m.d.sync += [self.o.payload.eq(bits[2:]), self.o.valid.eq(1)]
        return m


class UartTransmitter(wiring.Component):
    """Send bytes over a wire, one every ten bits.

    Parameters
    ----------
    bit_cycles : int
        Cycles of a bit, at least 4.

    Members
    -------
    i : In(stream.Signature(8))
        Taken while the wire is idle; the start bit begins in the cycle after.
    tx : Out(1)
        The wire, high while it is idle.

    Raises
    ------
    ValueError
        If ``bit_cycles`` is below 4.
    """

    def __init__(self, bit_cycles: int):
        self._bit_cycles = _checked(bit_cycles)
        super().__init__({"i": In(stream.Signature(BYTE_WIDTH)), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        bits, left, wait = Signal(FRAME_BITS, init=-1), Signal(range(FRAME_BITS + 1)), Signal(range(self._bit_cycles))
        m.d.comb += [self.i.ready.eq(left == 0), self.tx.eq(bits[0])]
        with m.If(left == 0):
            with m.If(self.i.valid):
                m.d.sync += [bits.eq(Cat(0, self.i.payload, 1)), left.eq(FRAME_BITS), wait.eq(self._bit_cycles - 1)]
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.Else():
            m.d.sync += [bits.eq(Cat(bits[1:], 1)), left.eq(left - 1), wait.eq(self._bit_cycles - 1)]
        return m


def _checked(bit_cycles: int) -> int:
    if bit_cycles < 4:
        raise ValueError(f"bit_cycles must be at least 4, not {bit_cycles}")
    return bit_cycles
