"""Reads of the memory: runs of beats, as bursts of AXI4."""

from amaranth import *
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from model.config import BURST_BEATS

from .axi import INCREMENTING, NORMAL, AxiReadSignature, Response
from .buffer import Buffer

__all__ = ["OUTSTANDING", "Run", "Beat", "Reader"]

# Bursts whose data has not come yet. The more, the longer a latency they hide.
OUTSTANDING = 16


class Run(data.StructLayout):
    """Neighbouring beats to be read."""

    def __init__(self, address_width: int):
        super().__init__({
            "address": address_width,       # in beats
            "beats": 24,                    # at least 1
        })


class Beat(data.StructLayout):
    """A beat that was read."""

    def __init__(self, data_width: int):
        super().__init__({"data": data_width, "last": 1})


class Reader(wiring.Component):
    """Read runs, one after the other, and pass on their beats in order.

    A run's first burst is offered to the bus two cycles after the run was taken, one burst a cycle from there on, as
    long as fewer than ``OUTSTANDING`` wait for their data; there is no bubble between runs. A beat leaves in the cycle
    in which it comes. Back-pressure on ``o`` stalls the bus, a cycle later.

    Parameters
    ----------
    address_width : int
        Bits of a byte address.
    data_width : int
        Bits of a beat: 32 to 1024, a power of two.

    Members
    -------
    bus : Out(AxiReadSignature(address_width, data_width))
    i : In(stream.Signature(Run))
    o : Out(stream.Signature(Beat(data_width)))
        The ``last`` beat is that of the run.
    discard : In(1)
        Take no run, ask for nothing more, and drop what is still to come. May be lowered when ``busy`` is.
    busy : Out(1)
        A run was taken whose last beat has not come.
    error : Out(1), error_address : Out(address_width)
        High for one cycle when a beat comes with an error, with the byte address of its burst. Not while ``discard``.
    """

    def __init__(self, address_width: int, data_width: int):
        self.address_width, self.data_width = address_width, data_width
        self.beat_shift = exact_log2(data_width // 8)
        super().__init__({
            "bus": Out(AxiReadSignature(address_width, data_width)),
            "i": In(stream.Signature(Run(address_width - self.beat_shift))),
            "o": Out(stream.Signature(Beat(data_width))),
            "discard": In(1),
            "busy": Out(1),
            "error": Out(1),
            "error_address": Out(address_width),
        })

    def elaborate(self, platform):
        m = Module()
        bus, i = self.bus, self.i

        # What is left of the run, and the next burst of it.
        run, running = Signal.like(i.payload), Signal()
        room = BURST_BEATS - run.address[:exact_log2(BURST_BEATS)]
        length = Signal(range(BURST_BEATS + 1))
        run_done = Signal()
        m.d.comb += [
            run_done.eq(run.beats <= room),
            length.eq(Mux(run_done, run.beats, room)),
        ]

        # Bursts on their way, in order: where they begin, and whether they end their run.
        m.submodules.bursts = bursts = fifo.SyncFIFOBuffered(width=self.address_width - self.beat_shift + 1,
                                                             depth=OUTSTANDING)
        issue = Signal()
        m.d.comb += [
            issue.eq(running & ~self.discard & bursts.w_rdy & (~bus.arvalid | bus.arready)),
            bursts.w_en.eq(issue),
            bursts.w_data.eq(Cat(run.address, run_done)),
            i.ready.eq(~self.discard & (~running | (issue & run_done))),
        ]
        # An offer on the bus stands until it is accepted, whatever becomes of the run.
        with m.If(bus.arready):
            m.d.sync += bus.arvalid.eq(0)
        with m.If(issue):
            m.d.sync += [
                bus.arvalid.eq(1),
                bus.araddr.eq(run.address << self.beat_shift),
                bus.arlen.eq(length - 1),
                run.address.eq(run.address + length),
                run.beats.eq(run.beats - length),
                running.eq(~run_done),
            ]
        with m.If(i.ready & i.valid):
            m.d.sync += [run.eq(i.payload), running.eq(1)]
        with m.If(self.discard):
            m.d.sync += running.eq(0)
        m.d.comb += [
            bus.arsize.eq(self.beat_shift),
            bus.arburst.eq(INCREMENTING),
            bus.arcache.eq(NORMAL),
        ]

        # A stall reaches the bus a cycle later.
        m.submodules.beats = beats = ResetInserter(self.discard)(Buffer(Beat(self.data_width)))
        come = bus.rvalid & bus.rready
        m.d.comb += [
            bus.rready.eq(beats.i.ready | self.discard),
            beats.i.valid.eq(bus.rvalid & ~self.discard),
            beats.i.p.data.eq(bus.rdata),
            beats.i.p.last.eq(bus.rlast & bursts.r_data[-1]),
            bursts.r_en.eq(come & bus.rlast),
            self.busy.eq(running | bus.arvalid | bursts.r_rdy),
            self.error.eq(come & (bus.rresp != Response.OKAY) & ~self.discard),
            self.error_address.eq(bursts.r_data[:-1] << self.beat_shift),
        ]
        wiring.connect(m, beats.o, wiring.flipped(self.o))
        return m
