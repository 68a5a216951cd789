"""Writes to the memory: runs of beats, as bursts of AXI4. The other half of :mod:`rtl.reader`."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from model.config import BURST_BEATS

from .axi import INCREMENTING, NORMAL, AxiWriteSignature, Response
from .reader import Run

__all__ = ["Writer"]


class Writer(wiring.Component):
    """Write runs, one after the other, a burst at a time.

    A burst's address is offered from the cycle after its run was taken, or the burst before was answered, until it is
    accepted; its beats follow, one a cycle, each offered in the cycle after it was taken from ``i``. A run whose burst
    is answered with an error ends.

    Parameters
    ----------
    address_width : int
        Bits of a byte address.
    data_width : int
        Bits of a beat: 32 to 1024, a power of two.

    Members
    -------
    bus : Out(AxiWriteSignature(address_width, data_width))
    to : In(stream.Signature(Run))
        Where the beats go.
    i : In(stream.Signature(data_width))
        Beats; none is taken but for a run.
    discard : In(1)
        Take no run, and give up the one at hand: what is left of its burst is sent without strobes, which changes
        nothing.
    busy : Out(1)
        A run was taken that has not ended.
    done : Out(1)
        High in the cycle in which a run ends well.
    error : Out(1), error_address : Out(address_width)
        High in the cycle in which a run ends with an error, with the byte address of its burst.
    """

    def __init__(self, address_width: int, data_width: int):
        self.address_width, self.data_width = address_width, data_width
        self.beat_shift = exact_log2(data_width // 8)
        super().__init__({
            "bus": Out(AxiWriteSignature(address_width, data_width)),
            "to": In(stream.Signature(Run(address_width - self.beat_shift))),
            "i": In(stream.Signature(data_width)),
            "discard": In(1),
            "busy": Out(1),
            "done": Out(1),
            "error": Out(1),
            "error_address": Out(address_width),
        })

    def elaborate(self, platform):
        m = Module()
        bus = self.bus

        # What is left of the run, and the next burst of it.
        run = Signal.like(self.to.payload)
        room = BURST_BEATS - run.address[:exact_log2(BURST_BEATS)]
        length, left = Signal(range(BURST_BEATS + 1)), Signal(range(BURST_BEATS + 1))
        run_done = run.beats <= room
        m.d.comb += [
            length.eq(Mux(run_done, run.beats, room)),
            bus.awaddr.eq(run.address << self.beat_shift),
            bus.awlen.eq(length - 1),
            bus.awsize.eq(self.beat_shift),
            bus.awburst.eq(INCREMENTING),
            bus.awcache.eq(NORMAL),
            self.error_address.eq(bus.awaddr),
        ]

        given_up = Signal()
        free = ~bus.wvalid | bus.wready
        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))

            with m.State("IDLE"):
                m.d.comb += self.to.ready.eq(~self.discard)
                m.d.sync += [given_up.eq(0), run.eq(self.to.payload)]
                with m.If(self.to.valid & self.to.ready):
                    m.next = "ADDRESS"

            with m.State("ADDRESS"):
                m.d.comb += bus.awvalid.eq(1)
                m.d.sync += left.eq(length)
                with m.If(bus.awready):
                    m.next = "DATA"

            with m.State("DATA"):
                m.d.comb += self.i.ready.eq(free & (left != 0) & ~given_up)
                # A beat on the bus stands until it is accepted, whatever becomes of the run.
                with m.If(free):
                    m.d.sync += bus.wvalid.eq(0)
                    with m.If((left != 0) & (self.i.valid | given_up)):
                        m.d.sync += [
                            bus.wvalid.eq(1),
                            bus.wdata.eq(self.i.payload),
                            bus.wstrb.eq(Mux(given_up, 0, ~0)),
                            bus.wlast.eq(left == 1),
                            left.eq(left - 1),
                        ]
                with m.If(bus.wvalid & bus.wready & bus.wlast):
                    m.next = "RESPONSE"

            with m.State("RESPONSE"):
                m.d.comb += bus.bready.eq(1)
                with m.If(bus.bvalid):
                    m.d.sync += [run.address.eq(run.address + length), run.beats.eq(run.beats - length)]
                    m.next = "ADDRESS"
                    with m.If(given_up | (bus.bresp != Response.OKAY) | run_done):
                        m.next = "IDLE"
                        m.d.comb += [
                            self.done.eq(~given_up & (bus.bresp == Response.OKAY)),
                            self.error.eq(~given_up & (bus.bresp != Response.OKAY)),
                        ]
        with m.If(self.discard & self.busy):
            m.d.sync += given_up.eq(1)
        return m
