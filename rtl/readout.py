"""The beats of a readout, one logit at a time."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from model.config import ProcessorConfig

from .exit import Logit
from .fire import Fired

__all__ = ["Readout"]


class Readout(wiring.Component):
    """Take the potentials of a beat apart, lowest lane first.

    One logit a cycle, in the cycle in which its beat is offered; the beat is accepted with its last logit.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    i : In(stream.Signature(Fired(cfg)))
    o : Out(stream.Signature(Logit(cfg)))
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "i": In(stream.Signature(Fired(cfg))),
            "o": Out(stream.Signature(Logit(cfg))),
        })

    def elaborate(self, platform):
        m = Module()
        lane = Signal(range(self.cfg.encoders))
        # Lanes are filled from below.
        lanes_above = self.i.p.place.lanes >> lane >> 1
        lane_last = ~lanes_above.any()
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.o.p.value.eq(self.i.p.potentials[lane]),
            self.o.p.last.eq(self.i.p.place.last & lane_last),
            self.i.ready.eq(self.o.ready & lane_last),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += lane.eq(Mux(lane_last, 0, lane + 1))
        return m
