"""A place to wait, so that readiness does not travel through."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Buffer"]


class Buffer(wiring.Component):
    """Pass a stream on; hold a payload that comes in a cycle in which ``o`` stalls.

    No latency, and no bubbles. ``i.ready`` is a register: a stall reaches ``i`` one cycle later, by when one more
    payload has come.

    Parameters
    ----------
    shape : ShapeLike
        Of a payload.

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))
    """

    def __init__(self, shape):
        self.shape = shape
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
        })

    def elaborate(self, platform):
        m = Module()
        held = Signal(self.shape)
        holds = Signal()
        m.d.comb += [
            self.i.ready.eq(~holds),
            self.o.valid.eq(holds | self.i.valid),
            Value.cast(self.o.payload).eq(Mux(holds, Value.cast(held), Value.cast(self.i.payload))),
        ]
        m.d.sync += holds.eq(self.o.valid & ~self.o.ready)
        with m.If(~holds):
            m.d.sync += held.eq(self.i.payload)
        return m
