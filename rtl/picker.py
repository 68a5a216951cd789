"""Fetched spikes to events. Twin of :mod:`model.picker`."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from model.config import CODE_WIDTH, SILENT, ProcessorConfig

from .buffer import Buffer
from .layouts import Event, Fetch

__all__ = ["Picker"]


class Found(data.StructLayout):
    """What waits in some of the lanes of a fetch."""

    def __init__(self, lanes: int):
        super().__init__({
            "any": 1,                   # a spike
            "several": 1,               # more than one
            "lane": range(lanes),       # of the lowest
            "code": CODE_WIDTH,
        })


class Picker(wiring.Component):
    """Turn fetched spikes into one event a cycle, lowest lane first.

    A fetch of n spikes takes n cycles and one without spikes takes one, without a bubble between them. An
    event follows its fetch one cycle later. One more fetch is accepted while events wait.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    grain_shift : In(2)
        log2 of the quarter octaves per slot of the input spikes. Must not change while a fetch is inside.
    i : In(stream.Signature(Fetch(cfg)))
    o : Out(stream.Signature(Event(cfg)))
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "grain_shift": In(2),
            "i": In(stream.Signature(Fetch(cfg))),
            "o": Out(stream.Signature(Event(cfg))),
        })

    def elaborate(self, platform):
        m = Module()
        # A stall reaches ``i`` a cycle later.
        m.submodules.fetches = fetches = Buffer(Fetch(self.cfg))
        wiring.connect(m, wiring.flipped(self.i), fetches.i)

        lanes = self.cfg.span_lanes
        # The fetch being picked from, and which of its lanes still wait.
        fetch = Signal(Fetch(self.cfg))
        waiting = Signal(lanes)
        full = Signal()

        lowest = self.lowest(m, waiting, fetch.codes)
        m.d.comb += [
            self.o.valid.eq(full),
            self.o.p.row.eq(fetch.row + lowest.lane),
            self.o.p.level.eq(lowest.code << self.grain_shift),
            self.o.p.columns.eq(fetch.columns),
            self.o.p.spike.eq(lowest.any),
            self.o.p.last.eq(fetch.last & ~lowest.several),
            fetches.o.ready.eq(~full | (self.o.ready & ~lowest.several)),
        ]
        with m.If(fetches.o.ready):
            m.d.sync += [
                full.eq(fetches.o.valid),
                fetch.eq(fetches.o.payload),
                waiting.eq(Cat(code != SILENT for code in fetches.o.p.codes)),
            ]
        with m.Elif(self.o.ready):
            m.d.sync += waiting.eq(waiting & (waiting - 1))

        return m

    def lowest(self, m, waiting, codes):
        """What waits in all lanes: first in pairs of lanes, then in pairs of pairs, and so on."""
        lanes = len(waiting)
        found = [Signal(Found(lanes), name=f"found_{lane}") for lane in range(lanes)]
        for lane, one in enumerate(found):
            m.d.comb += [one.any.eq(waiting[lane]), one.lane.eq(lane), one.code.eq(codes[lane])]
        while len(found) > 1:
            pairs = list(zip(found[::2], found[1::2]))
            found = [Signal(Found(lanes), name=f"found_{pair}_of_{len(pairs)}") for pair in range(len(pairs))]
            for both, (low, high) in zip(found, pairs):
                m.d.comb += [
                    both.any.eq(low.any | high.any),
                    both.several.eq(low.several | high.several | (low.any & high.any)),
                    both.lane.eq(Mux(low.any, low.lane, high.lane)),
                    both.code.eq(Mux(low.any, low.code, high.code)),
                ]
        return found[0]
