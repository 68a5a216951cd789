"""The crossbar: events to charges. Twin of :mod:`model.tile`."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from model.config import CODE_WIDTH, NO_SYNAPSE, ProcessorConfig

from .buffer import Buffer
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

        # A stall reaches ``i`` a cycle later.
        m.submodules.events = events = Buffer(Event(cfg))
        wiring.connect(m, wiring.flipped(self.i), events.i)

        # Four stages that move together: take the event, read its row, find its level in each column, add it.
        event, read = Signal(Event(cfg)), Signal(Event(cfg))
        event_valid, read_valid = Signal(), Signal()
        # Whole quarter octaves of a weight, at most 14 * 4, and of a spike, at most 30 * 4. Nothing is left so far down
        # as the largest number is.
        level_shape = Shape.cast(range(14 * 4 + 30 * 4 + 1))
        nothing = (1 << level_shape.width) - 1
        levels = Signal(data.ArrayLayout(level_shape, cfg.columns), init=[nothing] * cfg.columns)
        negative = Signal(cfg.columns)
        complete = Signal()
        potentials = Signal(Charges(cfg, cfg.columns))

        # A complete pixel waits in the last stage until the shadow copy before it has been taken.
        step = Signal()
        m.d.comb += [
            step.eq(~(complete & self.o.valid & ~self.o.ready)),
            events.o.ready.eq(step),
            rows.read.address.eq(event.row),
            rows.read.enable.eq(step & event_valid & event.spike),
        ]
        with m.If(step):
            m.d.sync += [
                event.eq(events.o.payload),
                event_valid.eq(events.o.valid),
                read.eq(event),
                read_valid.eq(event_valid),
                complete.eq(read_valid & read.last),
            ]

        sums = Signal(Charges(cfg, cfg.columns))
        for column in range(cfg.columns):
            code = rows.read.data[column]
            exponent = code[:-1]
            with m.If(step):
                m.d.sync += [
                    levels[column].eq((exponent << self.grain_shift) + read.level),
                    negative[column].eq(code[-1]),
                ]
            with m.If(step & ~(read_valid & read.spike & (exponent != NO_SYNAPSE))):
                m.d.sync += levels[column].eq(nothing)

            magnitude = Signal(signed(cfg.numerics.fraction_width + 2), name=f"magnitude_{column}")
            m.d.comb += magnitude.eq(synapse_magnitude(m, levels[column], cfg.numerics))
            # Minus is the complement and one more: the one is carried into the sum from a bit below the last.
            term = Mux(negative[column], ~magnitude, magnitude)
            carried = Cat(C(1, 1), potentials[column]) + Cat(negative[column], term).as_signed()
            # The compiler's overflow proof keeps every sum inside the accumulator.
            m.d.comb += sums[column].eq(carried >> 1)

        with m.If(step):
            m.d.sync += potentials.eq(sums)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(step & complete):
            m.d.sync += [
                self.o.valid.eq(1),
                self.o.payload.eq(sums),
                potentials.eq(0),
            ]
        return m
