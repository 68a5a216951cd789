"""When the answer is sure. Twin of :mod:`model.exit`."""

from amaranth import *
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from model.config import ProcessorConfig, Rule
from model.tables import (
    DISTANCE_MAX,
    EXP_GUARD_WIDTH,
    EXP_INDEX_WIDTH,
    EXP_TABLE,
    EXP_WIDTH,
    LOG_INDEX_WIDTH,
    LOG_TABLE,
    LOG_WIDTH,
    SCALE_WIDTH,
    SHIFT_MAX,
    WEIGHT_FRACTION_WIDTH,
)

from .layouts import potential_shape
from .logarithm import leading_one

__all__ = ["ENTROPY_WIDTH", "Logit", "Verdict", "ExitUnit"]

# Bits of an entropy threshold; the sequencer refuses larger ones.
ENTROPY_WIDTH = 16
THRESHOLD_WIDTH = 32


class Logit(data.StructLayout):
    """The readout's potential for one class, in the order of the classes."""

    def __init__(self, cfg: ProcessorConfig):
        super().__init__({"value": potential_shape(cfg), "last": 1})


class Verdict(data.StructLayout):
    """What the exit unit makes of a timestep."""

    def __init__(self, cfg: ProcessorConfig):
        super().__init__({
            "best": range(cfg.classes),     # class of the largest logit, the lowest of equals
            "sure": 1,                      # the rule stops the run
        })


class ExitUnit(wiring.Component):
    """Weigh the logits of one timestep.

    Takes one logit a cycle and finds the best. Then reads them again, one a cycle, to add up what the
    others weigh against it; offers the verdict ``classes`` + 14 cycles after the last logit, or one cycle
    after it where the rule is a budget. Takes no logits meanwhile, nor until the verdict has been accepted.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    rule : In(2)
    threshold : In(32)
        In the units of :func:`model.tables.threshold_code`.
    scale : In(16)
        Of the timestep.
    shift : In(5)
        None of these four may change from the first logit to the verdict.
    i : In(stream.Signature(Logit(cfg)))
    o : Out(stream.Signature(Verdict(cfg)))
    read_class : In(range(cfg.classes))
    read_data : Out(potential_shape(cfg))
        The logit of ``read_class`` one cycle before, while no logits are being weighed.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "rule": In(2),
            "threshold": In(THRESHOLD_WIDTH),
            "scale": In(SCALE_WIDTH),
            "shift": In(range(SHIFT_MAX + 1)),
            "i": In(stream.Signature(Logit(cfg))),
            "o": Out(stream.Signature(Verdict(cfg))),
            "read_class": In(range(cfg.classes)),
            "read_data": Out(potential_shape(cfg)),
        })

    def elaborate(self, platform):
        m = Module()
        cfg = self.cfg
        m.submodules.logits = logits = memory.Memory(shape=potential_shape(cfg), depth=cfg.classes, init=[])
        write_port, read_port = logits.write_port(), logits.read_port()
        m.d.comb += self.read_data.eq(read_port.data)

        best = Signal(range(cfg.classes))
        largest = Signal(potential_shape(cfg))
        index = Signal(range(cfg.classes + 1))
        count = Signal.like(index)

        # Sums over the classes: S and U of model.exit.
        total = Signal(WEIGHT_FRACTION_WIDTH + 1 + bits_for(cfg.classes - 1))
        weighted = Signal(len(total) + bits_for(DISTANCE_MAX))
        margin = Signal(range(DISTANCE_MAX + 1))

        # The logits again, one stage a cycle. ``at_work`` says which stages hold a logit, and ``at_best`` whose it is;
        # behind the sums, it says that their last change is still on its way to the verdict.
        reading = Signal()
        at_work, at_best = Signal(12), Signal(5)
        behind = Signal(cfg.numerics.accumulator_width)
        product = Signal(len(behind) + SCALE_WIDTH)
        octaves = Signal(len(product) + 1)          # with one more bit, to round by
        distance = Signal(range(DISTANCE_MAX + 1))
        exponential = Signal(EXP_WIDTH)
        weight = Signal(EXP_WIDTH + EXP_GUARD_WIDTH)
        weight_distance = Signal.like(distance)
        share = Signal(len(weight) + len(distance))
        share_weight = Signal.like(weight)

        rounded = (octaves + 1) >> 1
        with m.Switch(distance[:EXP_INDEX_WIDTH]):
            for entry, value in enumerate(EXP_TABLE):
                with m.Case(entry):
                    m.d.comb += exponential.eq(value)
        m.d.sync += [
            at_work.eq(Cat(reading, at_work)),
            at_best.eq(Cat(index == best, at_best)),
            behind.eq(largest - read_port.data),
            product.eq(behind * self.scale),
            octaves.eq((product << 1) >> self.shift),
            distance.eq(Mux(rounded > DISTANCE_MAX, DISTANCE_MAX, rounded)),
            weight.eq((exponential << EXP_GUARD_WIDTH) >> distance[EXP_INDEX_WIDTH:]),
            weight_distance.eq(distance),
            share.eq(weight_distance * weight),
            share_weight.eq(weight),
        ]
        with m.If(at_work[4] & ~at_best[4] & (distance < margin)):
            m.d.sync += margin.eq(distance)
        with m.If(at_work[6]):
            m.d.sync += [total.eq(total + share_weight), weighted.eq(weighted + share)]

        # Both sides of the entropy rule times S, so that nothing is divided.
        log_total = self.logarithm(m, total)
        total_log = Signal(len(total) + len(log_total))
        unsure = Signal(len(weighted) + LOG_WIDTH)
        bound = Signal(len(total) + ENTROPY_WIDTH)
        m.d.sync += [
            total_log.eq(total * log_total),
            unsure.eq(total_log + (weighted << LOG_WIDTH - EXP_INDEX_WIDTH)),
            bound.eq(total * self.threshold[:ENTROPY_WIDTH]),
        ]
        sure = Signal()
        with m.Switch(self.rule):
            with m.Case(Rule.BUDGET):
                m.d.sync += sure.eq(0)
            with m.Case(Rule.ENTROPY):
                m.d.sync += sure.eq(unsure < bound)
            with m.Case(Rule.PROBABILITY):
                m.d.sync += sure.eq(total < self.threshold)
            with m.Case(Rule.MARGIN):
                m.d.sync += sure.eq(margin > self.threshold)

        m.d.comb += [
            write_port.addr.eq(index),
            write_port.data.eq(self.i.p.value),
            read_port.addr.eq(self.read_class),
        ]
        with m.FSM():
            with m.State("COLLECT"):
                m.d.comb += [
                    self.i.ready.eq(1),
                    write_port.en.eq(self.i.valid),
                ]
                with m.If(self.i.valid):
                    m.d.sync += index.eq(index + 1)
                    with m.If((index == 0) | (self.i.p.value > largest)):
                        m.d.sync += [largest.eq(self.i.p.value), best.eq(index)]
                    with m.If(self.i.p.last):
                        m.d.sync += [
                            count.eq(index),
                            index.eq(0),
                        ]
                        m.next = "WEIGH"
                        # A budget does not ask how sure the answer is.
                        with m.If(self.rule == Rule.BUDGET):
                            m.next = "DECIDE"
            with m.State("WEIGH"):
                m.d.comb += [reading.eq(1), read_port.addr.eq(index)]
                m.d.sync += index.eq(index + 1)
                # The first logit is still on its way to the sums.
                with m.If(index == 0):
                    m.d.sync += [Cat(total, weighted).eq(0), margin.eq(DISTANCE_MAX)]
                with m.If(index == count):
                    m.d.sync += index.eq(0)
                    m.next = "SUM"
            with m.State("SUM"):
                with m.If(~at_work.any()):
                    m.next = "DECIDE"
            with m.State("DECIDE"):
                m.d.comb += [
                    self.o.valid.eq(1),
                    self.o.p.best.eq(best),
                    self.o.p.sure.eq(sure),
                ]
                with m.If(self.o.ready):
                    m.next = "COLLECT"
        return m

    def logarithm(self, m, total):
        """log2 of ``total``, which has WEIGHT_FRACTION_WIDTH fraction bits and is at least one, two cycles later."""
        position = leading_one(m, total)
        octave = Signal.like(position)
        # The bits after the leading one.
        entry = Signal(LOG_INDEX_WIDTH)
        fraction = Signal(range(max(LOG_TABLE) + 1))
        logarithm = Signal(LOG_WIDTH + len(octave))
        with m.Switch(entry):
            for index, value in enumerate(LOG_TABLE):
                with m.Case(index):
                    m.d.comb += fraction.eq(value)
        m.d.sync += [
            octave.eq(position),
            entry.eq((total << LOG_INDEX_WIDTH) >> position),
            logarithm.eq(((octave - WEIGHT_FRACTION_WIDTH) << LOG_WIDTH) + fraction),
        ]
        return logarithm
