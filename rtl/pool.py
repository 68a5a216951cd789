"""Max pooling: the earliest spike of a window, packed into words. Twin of :mod:`model.pool`."""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from model.config import CODE_WIDTH, LANES, SILENT, ProcessorConfig

from .drain import Place
from .fire import Fired
from .layouts import SpikeWord
from .store import ADDRESS_WIDTH

__all__ = ["PooledWord", "Pool"]


class PooledWord(data.StructLayout):
    """A spike word on its way to the spike store."""

    def __init__(self, cfg: ProcessorConfig):
        noted = Place(cfg).members
        super().__init__({
            "address": ADDRESS_WIDTH,
            "codes": SpikeWord,
            "last": 1,                  # last word of the layer
            **{name: noted[name] for name in ("seen", "corners", "begins") if name in noted},
        })


class Pool(wiring.Component):
    """Keep the smallest code of every neuron of a window; after its last pixel, pack 16 neurons to a word.

    One beat a cycle; a word is offered in the cycle after its last beat. Lanes that no beat filled are
    silent. Back-pressure on ``o`` stalls ``i``.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    i : In(stream.Signature(Fired(cfg)))
    o : Out(stream.Signature(PooledWord(cfg)))
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "i": In(stream.Signature(Fired(cfg))),
            "o": Out(stream.Signature(PooledWord(cfg))),
        })

    def elaborate(self, platform):
        m = Module()
        cfg = self.cfg
        codes_shape = data.ArrayLayout(unsigned(CODE_WIDTH), cfg.encoders)
        place = self.i.p.place

        # The earliest spikes of the window so far, one entry per beat of the column group.
        m.submodules.window = window = memory.Memory(shape=unsigned(cfg.encoders * CODE_WIDTH), depth=cfg.group_beats,
                                                     init=[])
        write_port = window.write_port()
        read_port = window.read_port(domain="comb")

        before = data.View(codes_shape, read_port.data)
        earliest = Signal(codes_shape)
        for lane in range(cfg.encoders):
            sooner = place.first | (self.i.p.codes[lane] < before[lane])
            m.d.comb += earliest[lane].eq(Mux(sooner, self.i.p.codes[lane], before[lane]))

        # The beats of the word being packed, the first in the lowest lanes.
        packed = Signal(SpikeWord, init=[SILENT] * LANES)
        filled = Signal(SpikeWord)
        m.d.comb += filled.eq(packed)
        position = place.index % cfg.word_beats
        with m.Switch(position):
            for beat in range(cfg.word_beats):
                with m.Case(beat):
                    for lane in range(cfg.encoders):
                        m.d.comb += filled[beat * cfg.encoders + lane].eq(earliest[lane])

        taken = self.i.valid & self.i.ready
        m.d.comb += [
            self.i.ready.eq(~self.o.valid | self.o.ready),
            read_port.addr.eq(place.index),
            write_port.addr.eq(place.index),
            write_port.data.eq(earliest),
            write_port.en.eq(taken),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(taken & place.complete):
            m.d.sync += packed.eq(filled)
            with m.If(place.full):
                m.d.sync += [
                    packed.eq(Const(-1, len(Value.cast(packed)))),
                    self.o.valid.eq(1),
                    self.o.p.address.eq(place.word_address),
                    self.o.p.codes.eq(filled),
                    self.o.p.last.eq(place.last),
                ]
                if cfg.memory_width:
                    m.d.sync += [self.o.p[name].eq(place[name]) for name in ("seen", "corners", "begins")]
        return m
