"""Charges to spike times. Twin of :mod:`model.fire`."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from model.config import CODE_WIDTH, SILENT, ProcessorConfig, Reset
from model.tables import octave_shift, thresholds

from .drain import Beat, Place
from .layouts import Charges, Descriptor, potential_shape
from .logarithm import leading_one, pick_mantissa

__all__ = ["Fired", "Fire"]


class Fired(data.StructLayout):
    """Neurons that have fired, or not."""

    def __init__(self, cfg: ProcessorConfig):
        super().__init__({
            "codes": data.ArrayLayout(unsigned(CODE_WIDTH), cfg.encoders),
            "potentials": Charges(cfg, cfg.encoders),       # before the reset
            "states": Charges(cfg, cfg.encoders),           # after it
            "place": Place(cfg),
        })


class Fire(wiring.Component):
    """Leak, charge up, find the spike time, reset.

    One beat a cycle, five cycles later. There is no sweep over the slots: the window costs no time.
    Back-pressure on ``o`` stalls ``i``.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    layer : In(Descriptor)
        Must not change while beats are inside.
    i : In(stream.Signature(Beat(cfg)))
    o : Out(stream.Signature(Fired(cfg)))
        Lanes without a neuron are silent.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "layer": In(Descriptor),
            "i": In(stream.Signature(Beat(cfg))),
            "o": Out(stream.Signature(Fired(cfg))),
        })

    def elaborate(self, platform):
        m = Module()
        cfg, layer = self.cfg, self.layer

        step = Signal()
        m.d.comb += [
            step.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(step),
        ]

        # What travels beside the neurons.
        valid, place = self.i.valid, self.i.p.place
        places = []
        for stage in "charged", "normal", "timed", "priced":
            before = valid, place
            valid, place = Signal(name=f"{stage}_valid"), Signal(Place(cfg), name=f"{stage}_place")
            places.append(place)
            with m.If(step):
                m.d.sync += [valid.eq(before[0]), place.eq(before[1])]
        with m.If(step):
            m.d.sync += [self.o.valid.eq(valid), self.o.p.place.eq(place)]
        normal_place = places[1]

        half, whole = self.shift_by_half_a_slot(m)
        for lane in range(cfg.encoders):
            # Stage 1, charge_up.
            state = self.i.p.states[lane]
            bias, gain = self.i.p.parameters[lane].bias, self.i.p.parameters[lane].gain
            leaked = Mux(layer.leak_shift == 0, state, state - (state >> layer.leak_shift))
            potential = Signal(potential_shape(cfg), name=f"potential_{lane}")
            potential_gain = Signal.like(gain, name=f"potential_gain_{lane}")
            with m.If(step):
                m.d.sync += [
                    potential.eq(leaked + bias + self.i.p.charges[lane]),
                    potential_gain.eq(gain),
                ]

            # Stages 2 and 3, spike_time: first the octave of the potential, then what lies between the octaves.
            normal, level = self.normalise(m, potential, potential_gain, whole)
            normal_potential = Signal.like(potential, name=f"normal_potential_{lane}")
            normal_gain = Signal.like(gain, name=f"normal_gain_{lane}")
            normal_amount = Signal.like(normal, name=f"normal_amount_{lane}")
            normal_level = Signal.like(level, name=f"normal_level_{lane}")
            positive = Signal(name=f"positive_{lane}")
            with m.If(step):
                m.d.sync += [
                    normal_potential.eq(potential),
                    normal_gain.eq(potential_gain),
                    normal_amount.eq(normal),
                    normal_level.eq(level),
                    positive.eq(potential > 0),
                ]
            code = self.slot(m, positive, normal_amount, normal_level, half)
            timed_code = Signal.like(code, name=f"timed_code_{lane}")
            timed_potential = Signal.like(potential, name=f"timed_potential_{lane}")
            timed_gain = Signal.like(gain, name=f"timed_gain_{lane}")
            with m.If(step):
                m.d.sync += [
                    timed_code.eq(Mux(normal_place.lanes[lane] & ~layer.readout, code, SILENT)),
                    timed_potential.eq(normal_potential),
                    timed_gain.eq(normal_gain),
                ]

            # Stages 4 and 5, take_off: first what the spike takes, then taking it off.
            magnitude = self.magnitude(m, timed_code, timed_gain)
            priced_code = Signal.like(code, name=f"priced_code_{lane}")
            priced_potential = Signal.like(potential, name=f"priced_potential_{lane}")
            price = Signal.like(magnitude, name=f"price_{lane}")
            with m.If(step):
                m.d.sync += [
                    priced_code.eq(timed_code),
                    priced_potential.eq(timed_potential),
                    price.eq(magnitude),
                ]
            rest = Signal.like(potential, name=f"rest_{lane}")
            with m.If((priced_code == SILENT) | ((layer.reset != Reset.ZERO) & (layer.reset != Reset.SUBTRACT))):
                m.d.comb += rest.eq(priced_potential)
            with m.Elif(layer.reset == Reset.SUBTRACT):
                m.d.comb += rest.eq(priced_potential - price)
            with m.If(step):
                m.d.sync += [
                    self.o.p.codes[lane].eq(priced_code),
                    self.o.p.potentials[lane].eq(priced_potential),
                    self.o.p.states[lane].eq(rest),
                ]
        return m

    def shift_by_half_a_slot(self, m):
        """:func:`model.tables.octave_shift` of the layer."""
        half, whole = Signal(), Signal(2)
        for shift in range(3):
            with m.If(self.layer.nearest & (self.layer.output_shift == shift)):
                m.d.comb += Cat(half, whole).eq(Cat(*(Const(int(part), len(signal)) for part, signal in
                                                      zip(octave_shift(1 << shift, True), (half, whole)))))
        return half, whole

    def normalise(self, m, potential, gain, whole):
        """The potential with its leading one in bit ``fraction_width - 1``, and its level above the gain, at least."""
        fraction_width = self.cfg.numerics.fraction_width
        # A positive potential has no sign bit to look at.
        amount = potential[:-1]
        position = leading_one(m, amount)
        normal = Signal(fraction_width)
        level = Signal(signed(9))
        m.d.comb += [
            normal.eq((amount << (fraction_width - 1)) >> position),
            level.eq(4 * (fraction_width - 1 - position) - whole - gain),
        ]
        return normal, level

    def slot(self, m, positive, normal, level, half):
        """The code of a potential that reaches ``level``, or a few quarter octaves more."""
        counts = [sum(normal < threshold for threshold in thresholds(self.cfg.numerics.fraction_width, on_half))
                  for on_half in (0, 1)]
        missed = Signal(range(5))
        # The first slot at or after the level: a division by the grain that rounds up.
        slot = Signal(signed(9))
        m.d.comb += [
            missed.eq(Mux(half, counts[1], counts[0])),
            slot.eq((level + missed + (1 << self.layer.output_shift) - 1) >> self.layer.output_shift),
        ]
        code = Signal(CODE_WIDTH)
        with m.If(~positive | (slot >= self.layer.window)):
            m.d.comb += code.eq(SILENT)
        with m.Elif(slot > 0):
            m.d.comb += code.eq(slot)
        return code

    def magnitude(self, m, code, gain):
        """:func:`model.logarithm.magnitude` of a spike in the column's own scale."""
        level = Signal(signed(9))
        m.d.comb += level.eq(gain + (code << self.layer.output_shift))
        mantissa = pick_mantissa(m, level, self.cfg.numerics)
        octave = level >> 2
        # A neuron that fired holds at least about this much, so what falls off on the left is never used.
        magnitude = Signal(self.cfg.numerics.accumulator_width)
        with m.If(octave >= 0):
            m.d.comb += magnitude.eq(mantissa >> octave[:6])
        with m.Else():
            m.d.comb += magnitude.eq(mantissa << (-octave)[:5])
        return magnitude
