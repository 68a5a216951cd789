"""The beats of a readout, one logit at a time."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from model.config import ProcessorConfig

from .exit import Logit
from .fire import Fired
from .layouts import Charges

__all__ = ["Readout"]


class Readout(wiring.Component):
    """Take the potentials of a beat apart, lowest lane first.

    One logit a cycle, the first in the cycle of its beat. Nothing waits here: the drain leaves as many cycles
    between two beats as there are logits.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    i : In(stream.Signature(Fired(cfg), always_ready=True))
    o : Out(stream.Signature(Logit(cfg), always_ready=True))
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "i": In(stream.Signature(Fired(cfg), always_ready=True)),
            "o": Out(stream.Signature(Logit(cfg), always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        beat = self.i.p
        # What is left of a beat, the next logit in lane 0.
        waiting = Signal(self.cfg.encoders)
        left = Signal(Charges(self.cfg, self.cfg.encoders))
        left_last = Signal()

        lanes = Mux(self.i.valid, beat.place.lanes, waiting)
        potentials = Mux(self.i.valid, Value.cast(beat.potentials), Value.cast(left))
        last = Mux(self.i.valid, beat.place.last, left_last)
        value = data.View(Charges(self.cfg, self.cfg.encoders), potentials)[0]
        m.d.comb += [
            self.o.valid.eq(lanes[0]),
            self.o.p.value.eq(value),
            self.o.p.last.eq(last & ~lanes[1:].any()),
        ]
        m.d.sync += [
            waiting.eq(lanes >> 1),
            Value.cast(left).eq(potentials >> len(value)),
            left_last.eq(last),
        ]
        return m
