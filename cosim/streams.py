"""Drivers and monitors for lib.stream ports of exported Verilog.

Amaranth flattens a member ``i`` into ``i__payload``, ``i__valid`` and ``i__ready``. Payloads are
packed and unpacked with the shape the gateware was built from, so no bit position is written here.
"""

import random

import cocotb
from amaranth import Const, Shape, ShapeCastable
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, gather

__all__ = ["start", "Source", "Sink", "through", "packed"]


async def start(dut):
    """Start the clock and reset the design."""
    Clock(dut.clk, 10, unit="ns").start()
    dut.rst.value = 1
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0


def packed(value, shape) -> int:
    """The bits of ``value``, laid out as ``shape``."""
    bits = Const.cast(Const(value, shape))
    return bits.value & (1 << len(bits)) - 1


class _Port:
    def __init__(self, dut, name, shape):
        self._clk = dut.clk
        self._payload = getattr(dut, f"{name}__payload")
        self._valid = getattr(dut, f"{name}__valid")
        self._ready = getattr(dut, f"{name}__ready")
        self._shape = shape
        self._rng = random.Random(f"{cocotb.RANDOM_SEED} {name}")

    def _unpack(self, bits):
        if isinstance(self._shape, ShapeCastable):
            return self._shape.from_bits(bits)
        return Const(bits, Shape.cast(self._shape)).value


class Source(_Port):
    """Sends payloads of ``shape``, pausing before each with probability ``gap`` in every cycle."""

    def __init__(self, dut, name, shape, *, gap=0.0):
        super().__init__(dut, name, shape)
        self._gap = gap
        self._valid.value = 0

    async def send(self, payload):
        while self._rng.random() < self._gap:
            await RisingEdge(self._clk)
        self._payload.value = packed(payload, self._shape)
        self._valid.value = 1
        while True:
            await RisingEdge(self._clk)
            if self._ready.value:
                break
        self._valid.value = 0


class Sink(_Port):
    """Receives payloads of ``shape``, refusing them with probability ``stall`` in every cycle."""

    def __init__(self, dut, name, shape, *, stall=0.0):
        super().__init__(dut, name, shape)
        self._stall = stall
        self._ready.value = 0

    async def recv(self):
        while True:
            ready = self._rng.random() >= self._stall
            self._ready.value = int(ready)
            await RisingEdge(self._clk)
            if ready and self._valid.value:
                self._ready.value = 0
                return self._unpack(self._payload.value.to_unsigned())

    async def expect_nothing(self, cycles):
        """Fail if anything is offered in the next ``cycles``."""
        for _ in range(cycles):
            await RisingEdge(self._clk)
            assert not self._valid.value, "more came out than was expected"


async def through(source, sink, payloads, count):
    """The ``count`` payloads that a design makes of ``payloads``; fails if it makes more."""
    async def drive():
        for payload in payloads:
            await source.send(payload)

    async def check():
        return [await sink.recv() for _ in range(count)]

    _, received = await gather(drive(), check())
    await sink.expect_nothing(20)
    return received
