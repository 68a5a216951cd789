"""The weights of a run, from the memory into the tiles, one column group ahead. What comes: :mod:`model.residence`."""

from amaranth import *
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from model.config import CORNERS, LANES, MEMORY_ADDRESS_WIDTH, ProcessorConfig

from .axi import AxiReadSignature
from .layouts import Descriptor
from .lookahead import Lookahead
from .prefetch import Prefetch
from .reader import OUTSTANDING, Beat, Reader
from .reader import Run as Beats
from .rows import Destination, Rows
from .sequencer import Run
from .store import WriteSignature
from .tile import WeightRow
from .walker import GroupCount

__all__ = ["Supply"]


class Supply(wiring.Component):
    """Bring the column groups of every layer that is streamed, in the order of the run.

    From ``begin`` on, the bus has something to do whenever there is room in the tiles.

    Parameters
    ----------
    cfg : ProcessorConfig
        With a memory.

    Members
    -------
    run : In(Run()), index : Out, layer : In(Descriptor), running : In(1), runs_index : In, runs_timestep : In,
    moved : In(1)
        See :class:`~rtl.lookahead.Lookahead`.
    begin : In(1)
        High in the cycle in which a run begins. Not while ``busy``.
    end : In(1)
        High in the cycle in which it ends, however it does: nothing more is asked for, and what still comes is dropped.
    busy : Out(1)
        From the cycle after ``end`` on, until the last beat has come that was asked for.
    group_released : In(1)
        High for a cycle when a column group is not needed any more.
    groups_came : Out(2)
        Column groups that have come since ``begin``, modulo 4.
    seen_address : Out, seen_corners : Out(4), seen_data : In(16)
        See :class:`~rtl.seen.Seen`.
    writes : Out(WriteSignature(WeightRow(cfg))).array(cfg.tiles)
    lent : In(1)
        The reader takes runs from ``lent_runs`` and gives their beats to ``lent_beats``. During a run, only while
        nothing else is on its way.
    lent_runs : In(stream.Signature(Run)), lent_beats : Out(stream.Signature(Beat(cfg.memory_width)))
        See :class:`~rtl.reader.Reader`.
    bus : Out(AxiReadSignature)
    error : Out(1), error_address : Out
        High for one cycle when a beat of the run comes with an error, with the byte address of its burst.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "run": In(Run()),
            "index": Out(range(cfg.layers)),
            "layer": In(Descriptor),
            "running": In(1),
            "runs_index": In(range(cfg.layers)),
            "runs_timestep": In(range(cfg.timesteps + 1)),
            "moved": In(1),
            "begin": In(1),
            "end": In(1),
            "busy": Out(1),
            "group_released": In(1),
            "groups_came": Out(GroupCount),
            "seen_address": Out(ceil_log2(cfg.seen_words)),
            "seen_corners": Out(CORNERS),
            "seen_data": In(LANES),
            "writes": Out(WriteSignature(WeightRow(cfg))).array(cfg.tiles),
            "lent": In(1),
            "lent_runs": In(stream.Signature(Beats(MEMORY_ADDRESS_WIDTH - exact_log2(cfg.beat_bytes)))),
            "lent_beats": Out(stream.Signature(Beat(cfg.memory_width))),
            "bus": Out(AxiReadSignature(MEMORY_ADDRESS_WIDTH, cfg.memory_width)),
            "error": Out(1),
            "error_address": Out(MEMORY_ADDRESS_WIDTH),
        })

    def elaborate(self, platform):
        m = Module()
        cfg = self.cfg
        reset = ResetInserter(self.busy)
        m.submodules.lookahead = lookahead = reset(Lookahead(cfg))
        m.submodules.prefetch = prefetch = reset(Prefetch(cfg))
        m.submodules.reader = reader = Reader(MEMORY_ADDRESS_WIDTH, cfg.memory_width)
        # What is still to be read: a run that is cut into several bursts holds up nothing before it.
        m.submodules.runs = runs = reset(fifo.SyncFIFOBuffered(width=Shape.cast(Beats(32)).width, depth=OUTSTANDING))
        # Where the rows of every run go that may be on its way.
        m.submodules.places = places = reset(fifo.SyncFIFOBuffered(width=Shape.cast(Destination()).width,
                                                                  depth=OUTSTANDING))
        m.submodules.unpacker = rows = reset(Rows(cfg))

        asked = data.View(Beats(32), runs.r_data)
        m.d.comb += [
            lookahead.run.eq(self.run),
            lookahead.begin.eq(self.begin),
            self.index.eq(lookahead.index),
            lookahead.layer.eq(self.layer),
            lookahead.running.eq(self.running),
            lookahead.runs_index.eq(self.runs_index),
            lookahead.runs_timestep.eq(self.runs_timestep),
            lookahead.moved.eq(self.moved),

            prefetch.released.eq(self.group_released),
            self.seen_address.eq(prefetch.seen_address),
            self.seen_corners.eq(prefetch.seen_corners),
            prefetch.seen_data.eq(self.seen_data),

            runs.w_data.eq(prefetch.runs.payload),
            runs.w_en.eq(prefetch.runs.valid),
            prefetch.runs.ready.eq(runs.w_rdy),
            # Addresses beyond those of the bus are refused with their layer.
            reader.i.p.address.eq(asked.address),
            reader.i.p.beats.eq(asked.beats),
            reader.i.valid.eq(runs.r_rdy),
            runs.r_en.eq(reader.i.ready),
            self.lent_runs.ready.eq(reader.i.ready & self.lent),

            rows.i.payload.eq(reader.o.payload),
            rows.i.valid.eq(reader.o.valid & ~self.lent),
            self.lent_beats.payload.eq(reader.o.payload),
            self.lent_beats.valid.eq(reader.o.valid & self.lent),
            reader.o.ready.eq(Mux(self.lent, self.lent_beats.ready, rows.i.ready)),

            places.w_data.eq(prefetch.to.payload),
            places.w_en.eq(prefetch.to.valid),
            prefetch.to.ready.eq(places.w_rdy),
            rows.to.payload.eq(places.r_data),
            rows.to.valid.eq(places.r_rdy),
            places.r_en.eq(rows.to.ready),

            reader.discard.eq(self.busy),
            self.error.eq(reader.error),
            self.error_address.eq(reader.error_address),
        ]
        with m.If(self.lent):
            m.d.comb += [reader.i.payload.eq(self.lent_runs.payload), reader.i.valid.eq(self.lent_runs.valid)]
        wiring.connect(m, lookahead.o, prefetch.i)
        wiring.connect(m, reader.bus, wiring.flipped(self.bus))
        for write, row in zip(self.writes, rows.writes):
            wiring.connect(m, row, wiring.flipped(write))

        m.d.sync += self.busy.eq(self.end | (self.busy & reader.busy))
        with m.If(rows.complete):
            m.d.sync += self.groups_came.eq(self.groups_came + 1)
        with m.If(self.busy):
            m.d.sync += self.groups_came.eq(0)
        return m
