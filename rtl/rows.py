"""Beats of the memory to rows of the crossbar. Twin of :func:`model.memory.block`."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from model.config import CODE_WIDTH, ProcessorConfig

from .reader import Beat
from .store import ADDRESS_WIDTH, WriteSignature
from .tile import WeightRow

__all__ = ["Destination", "Rows"]


class Destination(data.StructLayout):
    """Where the rows of a run go."""

    def __init__(self):
        super().__init__({
            "row": ADDRESS_WIDTH,
            "walker_shift": 3,          # log2 of the walkers that share the layer
            "last": 1,                  # the last run of its column group
        })


class Rows(wiring.Component):
    """Cut runs of granules into rows, and write them to the tiles.

    A granule is the fewest rows that fill whole beats. One beat is taken a cycle, and one row written; the first row
    of a granule is written in the cycle after its last beat. So where a granule has more rows than beats, ``i`` stalls.
    Rows of a layer with several walkers go to the tiles of each.

    Parameters
    ----------
    cfg : ProcessorConfig
        With a memory.

    Members
    -------
    i : In(stream.Signature(Beat(cfg.memory_width)))
    to : In(stream.Signature(Destination()))
        One for each run, taken with its first beat.
    writes : Out(WriteSignature(WeightRow(cfg))).array(cfg.tiles)
    complete : Out(1)
        High in the cycle in which the last row of a column group is written.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "i": In(stream.Signature(Beat(cfg.memory_width))),
            "to": In(stream.Signature(Destination())),
            "writes": Out(WriteSignature(WeightRow(cfg))).array(cfg.tiles),
            "complete": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        cfg, width = self.cfg, self.cfg.memory_width
        # By the walkers that share the layer: beats and rows of a granule.
        shapes = [cfg.granule(1 << shift) for shift in range(exact_log2(cfg.walkers) + 1)]
        most_beats, most_rows = (max(counts) for counts in zip(*shapes))

        # Of the granule that comes: its beats so far, and where they go.
        collected = Signal(most_beats * width)
        beat, last_beat = Signal(range(most_beats + 1)), Signal(range(most_beats + 1))
        destination, open_run = Signal(Destination()), Signal()
        # Of the granule that leaves: its rows, how many are left, and where the next goes.
        leaving = Signal(most_beats * width)
        left, rows = Signal(range(most_rows + 1)), Signal(range(most_rows + 1))
        row, leaving_shift, ends = Signal(ADDRESS_WIDTH), Signal.like(destination.walker_shift), Signal()

        here = data.View(Destination(), Mux(open_run, Value.cast(destination), Value.cast(self.to.payload)))
        with m.Switch(here.walker_shift):
            for shift, (beats_of, rows_of) in enumerate(shapes):
                with m.Case(shift):
                    m.d.comb += [last_beat.eq(beats_of - 1), rows.eq(rows_of)]
        whole = beat == last_beat
        taken = Signal()
        m.d.comb += [
            self.i.ready.eq((open_run | self.to.valid) & (~whole | (left <= 1))),
            taken.eq(self.i.valid & self.i.ready),
            self.to.ready.eq(taken & ~open_run),
        ]
        arrived = Signal.like(collected)
        m.d.comb += arrived.eq(collected)
        with m.Switch(beat):
            for number in range(most_beats):
                with m.Case(number):
                    m.d.comb += arrived.word_select(number, width).eq(self.i.p.data)

        with m.If(left != 0):
            m.d.sync += [left.eq(left - 1), row.eq(row + 1)]
            with m.Switch(leaving_shift):
                for shift in range(len(shapes)):
                    with m.Case(shift):
                        m.d.sync += leaving.eq(leaving >> ((cfg.group_columns * CODE_WIDTH) >> shift))
        with m.If(taken):
            m.d.sync += [
                collected.eq(arrived),
                beat.eq(beat + 1),
                destination.eq(here),
                open_run.eq(~self.i.p.last),
            ]
            with m.If(whole):
                m.d.sync += [
                    beat.eq(0),
                    destination.row.eq(here.row + rows),
                    leaving.eq(arrived), left.eq(rows), leaving_shift.eq(here.walker_shift),
                    row.eq(here.row), ends.eq(here.last & self.i.p.last),
                ]

        m.d.comb += self.complete.eq((left == 1) & ends)
        row_width = cfg.columns * CODE_WIDTH
        for number, write in enumerate(self.writes):
            m.d.comb += [write.address.eq(row), write.enable.eq(left != 0)]
            with m.Switch(leaving_shift):
                for shift in range(len(shapes)):
                    with m.Case(shift):
                        part = number % (cfg.tiles >> shift)
                        m.d.comb += Value.cast(write.data).eq(leaving.word_select(part, row_width))
        return m
