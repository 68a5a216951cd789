"""The crossbar: events to charges. Twin of :mod:`model.tile`."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from model.config import CODE_WIDTH, NO_SYNAPSE, ProcessorConfig

from .layouts import Charges, Event
from .logarithm import synapse_magnitude
from .store import Store, WriteSignature

__all__ = ["WeightRow", "Tile"]


def WeightRow(cfg: ProcessorConfig) -> data.ArrayLayout:
    """The weight codes of one row."""
    return data.ArrayLayout(unsigned(CODE_WIDTH), cfg.columns)


class Tile(wiring.Component):
    """Rows by columns of weight codes; an event opens a row and every column adds its synapse.

    One event a cycle. The charges of a pixel are offered four cycles after its last event, while the
    next pixel integrates; if they are not taken before that one is complete too, ``i`` stalls.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    grain_shift : In(2)
        log2 of the quarter octaves per step of a weight exponent. Must not change while events are inside.
    load : In(WriteSignature(WeightRow(cfg)))
        Writes a row. Only between runs.
    i : In(stream.Signature(Event(cfg)))
    o : Out(stream.Signature(Charges(cfg, cfg.columns)))
        One payload per pixel.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "grain_shift": In(2),
            "load": In(WriteSignature(WeightRow(cfg))),
            "i": In(stream.Signature(Event(cfg))),
            "o": Out(stream.Signature(Charges(cfg, cfg.columns))),
        })

    def elaborate(self, platform):
        m = Module()
        cfg = self.cfg
        m.submodules.rows = rows = Store(WeightRow(cfg), cfg.rows)
        wiring.connect(m, wiring.flipped(self.load), rows.write)

        # Four stages that move together: read the row, hold it, look up what each column adds, add it.
        read, opened = Signal(Event(cfg)), Signal(Event(cfg))
        read_valid, opened_valid = Signal(), Signal()
        row = Signal(WeightRow(cfg))
        term_shape = signed(cfg.numerics.fraction_width + 2)
        terms = Signal(data.ArrayLayout(term_shape, cfg.columns))
        carries = Signal(cfg.columns)
        terms_last = Signal()
        potentials = Signal(Charges(cfg, cfg.columns))

        # A complete pixel waits in the last stage until the shadow copy before it has been taken.
        step = Signal()
        m.d.comb += [
            step.eq(~(terms_last & self.o.valid & ~self.o.ready)),
            self.i.ready.eq(step),
            rows.read.address.eq(self.i.p.row),
            rows.read.enable.eq(step & self.i.valid & self.i.p.spike),
        ]
        with m.If(step):
            m.d.sync += [
                read.eq(self.i.payload),
                read_valid.eq(self.i.valid),
                opened.eq(read),
                opened_valid.eq(read_valid),
                row.eq(rows.read.data),
                terms_last.eq(opened_valid & opened.last),
            ]

        sums = Signal(Charges(cfg, cfg.columns))
        for column in range(cfg.columns):
            code = row[column]
            exponent = code[:-1]
            # Both are whole quarter octaves, at most 14 * 4 and 30 * 4.
            level = Signal(range(14 * 4 + 30 * 4 + 1), name=f"level_{column}")
            m.d.comb += level.eq((exponent << self.grain_shift) + opened.level)
            magnitude = Signal(term_shape, name=f"magnitude_{column}")
            m.d.comb += magnitude.eq(synapse_magnitude(m, level, cfg.numerics))
            negative = code[-1]
            # Minus is the complement and one more: the one is carried into the sum from a bit below the last.
            with m.If(step):
                m.d.sync += [terms[column].eq(Mux(negative, ~magnitude, magnitude)), carries[column].eq(negative)]
            with m.If(step & ~(opened_valid & opened.spike & (exponent != NO_SYNAPSE))):
                m.d.sync += [terms[column].eq(0), carries[column].eq(0)]
            carried = Cat(C(1, 1), potentials[column]) + Cat(carries[column], terms[column]).as_signed()
            # The compiler's overflow proof keeps every sum inside the accumulator.
            m.d.comb += sums[column].eq(carried >> 1)

        with m.If(step):
            m.d.sync += potentials.eq(sums)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(step & terms_last):
            m.d.sync += [
                self.o.valid.eq(1),
                self.o.payload.eq(sums),
                potentials.eq(0),
            ]
        return m
