"""Fetched spikes to events. Twin of :mod:`model.picker`."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from model.config import SILENT, ProcessorConfig

from .layouts import Event, Fetch

__all__ = ["Picker"]


class Picker(wiring.Component):
    """Turn fetched spikes into one event a cycle, lowest lane first.

    A fetch of n spikes takes n cycles and one without spikes takes one; the next is accepted in the cycle
    of the last event, so there is no bubble between them. An event follows its fetch one cycle later.
    Back-pressure on ``o`` stalls ``i``.

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

        lanes = self.cfg.span_lanes
        # The fetch being picked from, and which of its lanes still wait.
        fetch = Signal(Fetch(self.cfg))
        waiting = Signal(lanes)
        full = Signal()

        lowest = Signal(range(lanes))
        for lane in reversed(range(lanes)):
            with m.If(waiting[lane]):
                m.d.comb += lowest.eq(lane)
        rest = Signal(lanes)
        m.d.comb += rest.eq(waiting & (waiting - 1))

        m.d.comb += [
            self.o.valid.eq(full),
            self.o.p.row.eq(fetch.row + lowest),
            self.o.p.level.eq(fetch.codes[lowest] << self.grain_shift),
            self.o.p.columns.eq(fetch.columns),
            self.o.p.spike.eq(waiting.any()),
            self.o.p.last.eq(fetch.last & ~rest.any()),
            self.i.ready.eq(~full | (self.o.ready & ~rest.any())),
        ]
        with m.If(self.i.ready):
            m.d.sync += [
                full.eq(self.i.valid),
                fetch.eq(self.i.payload),
                waiting.eq(Cat(code != SILENT for code in self.i.p.codes)),
            ]
        with m.Elif(self.o.ready):
            m.d.sync += waiting.eq(rest)

        return m
