"""Spike words to events. Twin of :mod:`model.picker`."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from model.config import LANES, SILENT, ProcessorConfig

from .layouts import Event, WalkedWord

__all__ = ["Picker"]


class Picker(wiring.Component):
    """Turn a word of spikes into one event a cycle, lowest lane first.

    A word of n spikes takes n cycles and a word without spikes takes one; the next word is accepted in
    the cycle of the last event, so there is no bubble between words. An event follows its word one cycle
    later. Back-pressure on ``o`` stalls ``i``.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    grain_shift : In(2)
        log2 of the quarter octaves per slot of the input spikes. Must not change while a word is inside.
    i : In(stream.Signature(WalkedWord(cfg)))
    o : Out(stream.Signature(Event(cfg)))
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "grain_shift": In(2),
            "i": In(stream.Signature(WalkedWord(cfg))),
            "o": Out(stream.Signature(Event(cfg))),
        })

    def elaborate(self, platform):
        m = Module()

        # The word being picked, and which of its lanes still wait.
        word = Signal(WalkedWord(self.cfg))
        waiting = Signal(LANES)
        full = Signal()

        lowest = Signal(range(LANES))
        for lane in reversed(range(LANES)):
            with m.If(waiting[lane]):
                m.d.comb += lowest.eq(lane)
        rest = Signal(LANES)
        m.d.comb += rest.eq(waiting & (waiting - 1))

        m.d.comb += [
            self.o.valid.eq(full),
            self.o.p.row.eq(word.row + lowest),
            self.o.p.level.eq(word.codes[lowest] << self.grain_shift),
            self.o.p.columns.eq(word.columns),
            self.o.p.spike.eq(waiting.any()),
            self.o.p.last.eq(word.last & ~rest.any()),
            self.i.ready.eq(~full | (self.o.ready & ~rest.any())),
        ]
        with m.If(self.i.ready):
            m.d.sync += [
                full.eq(self.i.valid),
                word.eq(self.i.payload),
                waiting.eq(Cat(code != SILENT for code in self.i.p.codes)),
            ]
        with m.Elif(self.o.ready):
            m.d.sync += waiting.eq(rest)

        return m
