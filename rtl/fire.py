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

    One beat a cycle, three cycles later. There is no sweep over the slots: the window costs no time.
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

        charged_valid, timed_valid = Signal(), Signal()
        charged_place, timed_place = Signal(Place(cfg)), Signal(Place(cfg))
        with m.If(step):
            m.d.sync += [
                charged_valid.eq(self.i.valid), charged_place.eq(self.i.p.place),
                timed_valid.eq(charged_valid), timed_place.eq(charged_place),
                self.o.valid.eq(timed_valid), self.o.p.place.eq(timed_place),
            ]

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

            # Stage 2, spike_time.
            code = self.spike_time(m, potential, potential_gain, half, whole)
            timed_code = Signal.like(code, name=f"timed_code_{lane}")
            timed_potential = Signal.like(potential, name=f"timed_potential_{lane}")
            timed_gain = Signal.like(gain, name=f"timed_gain_{lane}")
            with m.If(step):
                m.d.sync += [
                    timed_code.eq(Mux(charged_place.lanes[lane] & ~layer.readout, code, SILENT)),
                    timed_potential.eq(potential),
                    timed_gain.eq(potential_gain),
                ]

            # Stage 3, take_off.
            rest = self.take_off(m, timed_potential, timed_code, timed_gain)
            with m.If(step):
                m.d.sync += [
                    self.o.p.codes[lane].eq(timed_code),
                    self.o.p.potentials[lane].eq(timed_potential),
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

    def spike_time(self, m, potential, gain, half, whole):
        """:func:`model.fire.spike_time`."""
        fraction_width = self.cfg.numerics.fraction_width
        # A positive potential has no sign bit to look at.
        amount = potential[:-1]
        position = leading_one(m, amount)
        octave = Signal(signed(len(position) + 1))
        # The leading one moves to bit fraction_width - 1.
        normal = Signal(fraction_width)
        m.d.comb += [
            octave.eq(fraction_width - 1 - position),
            normal.eq((amount << (fraction_width - 1)) >> position),
        ]

        missed = Signal(range(5))
        counts = [sum(normal < threshold for threshold in thresholds(fraction_width, on_half)) for on_half in (0, 1)]
        m.d.comb += missed.eq(Mux(half, counts[1], counts[0]))

        # The first slot at or after the level: a division by the grain that rounds up.
        level = Signal(signed(9))
        slot = Signal(signed(9))
        m.d.comb += [
            level.eq(4 * octave + missed - whole - gain),
            slot.eq((level + (1 << self.layer.output_shift) - 1) >> self.layer.output_shift),
        ]
        late = slot >= self.layer.window
        code = Signal(CODE_WIDTH)
        with m.If((potential <= 0) | late):
            m.d.comb += code.eq(SILENT)
        with m.Elif(slot > 0):
            m.d.comb += code.eq(slot)
        return code

    def take_off(self, m, potential, code, gain):
        """:func:`model.fire.take_off`."""
        level = Signal(signed(9))
        m.d.comb += level.eq(gain + (code << self.layer.output_shift))
        mantissa = pick_mantissa(m, level, self.cfg.numerics)
        octave = level >> 2
        # A neuron that fired holds at least about this much, so what falls off on the left is never used.
        magnitude = Signal(len(potential))
        with m.If(octave >= 0):
            m.d.comb += magnitude.eq(mantissa >> octave[:6])
        with m.Else():
            m.d.comb += magnitude.eq(mantissa << (-octave)[:5])

        rest = Signal.like(potential)
        with m.If(code == SILENT):
            m.d.comb += rest.eq(potential)
        with m.Elif(self.layer.reset == Reset.SUBTRACT):
            m.d.comb += rest.eq(potential - magnitude)
        with m.Elif(self.layer.reset != Reset.ZERO):
            m.d.comb += rest.eq(potential)
        return rest
