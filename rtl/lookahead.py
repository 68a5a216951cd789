"""Which layer's weights are to come next: the sequencer's loops, run ahead of it."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from model.config import ProcessorConfig, Way

from .layouts import Descriptor, legal_rows
from .prefetch import Streamed
from .sequencer import Run

__all__ = ["Lookahead"]


class Lookahead(wiring.Component):
    """Name every layer whose weights come from the memory, in the order in which the sequencer will run them.

    A layer takes a cycle, and as long as ``o`` stalls. One that is fetched by spikes waits until it runs, since only
    then all spikes of its source are there. What is behind words that are brought waits until they are there, since
    they come through the same reader. A layer that the mask leaves out, or that recalls its charge, needs no weights;
    nor does one that cannot have any, which the sequencer refuses.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    run : In(Run())
        Must not change from ``begin`` on.
    begin : In(1)
        A run begins. Ends the one before.
    index : Out(range(cfg.layers)), layer : In(Descriptor)
        A layer, and its descriptor, in the same cycle.
    running : In(1), runs_index : In(range(cfg.layers)), runs_timestep : In(range(cfg.timesteps + 1))
        What the sequencer runs.
    moved : In(1)
        High in the cycle in which words that move are where they belong.
    o : Out(stream.Signature(Streamed()))
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "run": In(Run()),
            "begin": In(1),
            "index": Out(range(cfg.layers)),
            "layer": In(Descriptor),
            "running": In(1),
            "runs_index": In(range(cfg.layers)),
            "runs_timestep": In(range(cfg.timesteps + 1)),
            "moved": In(1),
            "o": Out(stream.Signature(Streamed())),
        })

    def elaborate(self, platform):
        m = Module()
        cfg, layer, streamed = self.cfg, self.layer, self.o.p

        going = Signal()
        timestep = Signal(range(cfg.timesteps + 1))
        # Bit k - 1 of ``now`` in timestep k; ``before`` has all the bits below.
        now, before = Signal(cfg.timesteps), Signal(cfg.timesteps)
        recalls = layer.recall & (layer.mask & before).any()
        legal = legal_rows(layer, cfg) & (1 << layer.walker_shift <= cfg.walkers)
        active = (layer.mask & now).any()
        needed = layer.streamed & active & ~recalls & legal
        reached = self.running & (self.runs_index == self.index) & (self.runs_timestep == timestep)

        waits = (layer.way == Way.BRING) & active & ~(reached & self.moved)

        m.d.comb += [
            streamed.base.eq(layer.weight_base),
            streamed.row.eq(layer.row_base),
            streamed.rows.eq(layer.group_rows),
            streamed.output_channels.eq(layer.output_channels),
            streamed.input_channels.eq(layer.input_channels),
            streamed.kernel_height.eq(layer.kernel_height),
            streamed.kernel_width.eq(layer.kernel_width),
            streamed.padding.eq(layer.padding),
            streamed.walker_shift.eq(layer.walker_shift),
            streamed.by_spikes.eq(layer.by_spikes),
            streamed.seen.eq(layer.input_seen),
            self.o.valid.eq(going & needed & (reached | ~layer.by_spikes)),
        ]
        with m.If(going & ~waits & (~needed | (self.o.valid & self.o.ready))):
            m.d.sync += self.index.eq(self.index + 1)
            with m.If(self.index + 1 == self.run.layers):
                m.d.sync += [
                    self.index.eq(0), timestep.eq(timestep + 1), now.eq(now << 1), before.eq(before | now),
                    going.eq(timestep != self.run.timesteps),
                ]
        with m.If(self.begin):
            m.d.sync += [going.eq(1), self.index.eq(0), timestep.eq(1), now.eq(1), before.eq(0)]
        return m
