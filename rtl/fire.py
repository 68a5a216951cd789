"""Charges to spike times. Twin of :mod:`model.fire`."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from model.config import CODE_WIDTH, SILENT, ProcessorConfig, Reset
from model.tables import octave_shift, thresholds

from .drain import Beat, Place
from .layouts import Charges, Descriptor, potential_shape
from .logarithm import leading_one, pick_mantissa
from .store import WriteSignature

__all__ = ["Fired", "Fire"]


class Fired(data.StructLayout):
    """Neurons that have fired, or not."""

    def __init__(self, cfg: ProcessorConfig):
        super().__init__({
            "codes": data.ArrayLayout(unsigned(CODE_WIDTH), cfg.encoders),
            "potentials": Charges(cfg, cfg.encoders),       # before the reset
            "place": Place(cfg),
        })


class Fire(wiring.Component):
    """Leak, charge up, find the spike time, reset.

    One beat a cycle, five cycles later. There is no sweep over the slots: the window costs no time.
    Back-pressure on ``o`` stalls ``i``. What the neurons keep is written two cycles after
    their beat has left.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    layer : In(Descriptor)
        Must not change until the last beat has left.
    i : In(stream.Signature(Beat(cfg)))
    o : Out(stream.Signature(Fired(cfg)))
        Lanes without a neuron are silent.
    states : Out(WriteSignature(Charges(cfg, cfg.encoders)))
        The potentials after the reset, of layers that keep them.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "layer": In(Descriptor),
            "i": In(stream.Signature(Beat(cfg))),
            "o": Out(stream.Signature(Fired(cfg))),
            "states": Out(WriteSignature(Charges(cfg, cfg.encoders))),
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
        for stage in "driven", "charged", "placed", "normal":
            before = valid, place
            valid, place = Signal(name=f"{stage}_valid"), Signal(Place(cfg), name=f"{stage}_place")
            with m.If(step):
                m.d.sync += [valid.eq(before[0]), place.eq(before[1])]
        with m.If(step):
            m.d.sync += [self.o.valid.eq(valid), self.o.p.place.eq(place)]
        # Behind the spikes, ``layer`` may change.
        keeps, keeps_at = Signal(), Signal.like(self.states.address)
        zeroes, subtracts = Signal(), Signal()
        m.d.sync += [
            zeroes.eq(layer.reset == Reset.ZERO),
            subtracts.eq(layer.reset == Reset.SUBTRACT),
            keeps.eq(self.o.valid & self.o.ready & layer.stateful),
            keeps_at.eq(self.o.p.place.state_address),
            self.states.enable.eq(keeps),
            self.states.address.eq(keeps_at),
        ]

        half, whole = self.shift_by_half_a_slot(m)
        for lane in range(cfg.encoders):
            # Stages 1 and 2, charge_up: first what drives the neuron, while its state leaves the memory. That sum
            # may wrap; the compiler's overflow proof keeps the potential inside.
            bias, gain = self.i.p.parameters[lane].bias, self.i.p.parameters[lane].gain
            state = Signal(potential_shape(cfg), name=f"state_{lane}")
            drive = Signal.like(state, name=f"drive_{lane}")
            driven_gain = Signal.like(gain, name=f"driven_gain_{lane}")
            with m.If(step):
                m.d.sync += [
                    state.eq(self.i.p.states[lane]),
                    drive.eq(bias + self.i.p.charges[lane]),
                    driven_gain.eq(gain),
                ]
            lost = Mux(layer.leak_shift == 0, 0, state >> layer.leak_shift)
            potential = Signal.like(state, name=f"potential_{lane}")
            potential_gain = Signal.like(gain, name=f"potential_gain_{lane}")
            with m.If(step):
                m.d.sync += [
                    potential.eq(state - lost + drive),
                    potential_gain.eq(driven_gain),
                ]

            # Stages 3 to 5, spike_time: first the octave of a potential, then the potential without it, then what lies
            # between the octaves. A positive potential has no sign bit to look at.
            octave = Signal(range(len(potential) - 1), name=f"octave_{lane}")
            octave_potential = Signal.like(potential, name=f"octave_potential_{lane}")
            octave_gain = Signal.like(gain, name=f"octave_gain_{lane}")
            with m.If(step):
                m.d.sync += [
                    octave.eq(leading_one(m, potential[:-1])),
                    octave_potential.eq(potential),
                    octave_gain.eq(potential_gain),
                ]
            normal, level = self.normalise(m, octave_potential, octave, octave_gain, whole)
            normal_potential = Signal.like(potential, name=f"normal_potential_{lane}")
            normal_gain = Signal.like(gain, name=f"normal_gain_{lane}")
            normal_amount = Signal.like(normal, name=f"normal_amount_{lane}")
            normal_level = Signal.like(level, name=f"normal_level_{lane}")
            positive = Signal(name=f"positive_{lane}")
            with m.If(step):
                m.d.sync += [
                    normal_potential.eq(octave_potential),
                    normal_gain.eq(octave_gain),
                    normal_amount.eq(normal),
                    normal_level.eq(level),
                    positive.eq(octave_potential > 0),
                ]
            slot = self.slot(m, positive, normal_amount, normal_level, half)
            code = self.o.p.codes[lane]
            code_gain = Signal.like(gain, name=f"code_gain_{lane}")
            with m.If(step):
                m.d.sync += [
                    code.eq(Mux(place.lanes[lane] & ~layer.readout & ~layer.partial, slot, SILENT)),
                    code_gain.eq(normal_gain),
                    self.o.p.potentials[lane].eq(normal_potential),
                ]

            # Behind the spikes, take_off: first the level of the spike, then what it takes, then taking it off.
            spike, empties, lowers = (Signal(name=f"{name}_{lane}") for name in ("spike", "empties", "lowers"))
            price_level = Signal(signed(9), name=f"price_level_{lane}")
            spent = Signal.like(potential, name=f"spent_{lane}")
            price = Signal(cfg.numerics.accumulator_width, name=f"price_{lane}")
            rest = Signal.like(potential, name=f"rest_{lane}")
            m.d.sync += [
                spike.eq(code != SILENT),
                price_level.eq(code_gain + (code << layer.output_shift)),
                spent.eq(self.o.p.potentials[lane]),

                empties.eq(spike & zeroes),
                lowers.eq(spike & subtracts),
                price.eq(self.magnitude(m, price_level)),
                rest.eq(spent),
            ]
            m.d.comb += self.states.data[lane].eq(Mux(empties, 0, rest - Mux(lowers, price, 0)))
        return m

    def shift_by_half_a_slot(self, m):
        """:func:`model.tables.octave_shift` of the layer."""
        half, whole = Signal(), Signal(2)
        for shift in range(3):
            with m.If(self.layer.nearest & (self.layer.output_shift == shift)):
                m.d.comb += Cat(half, whole).eq(Cat(*(Const(int(part), len(signal)) for part, signal in
                                                      zip(octave_shift(1 << shift, True), (half, whole)))))
        return half, whole

    def normalise(self, m, potential, octave, gain, whole):
        """The potential with its leading one in bit ``fraction_width - 1``, and its level above the gain, at least.

        The level is given as a slot begins with it: a division by the grain that rounds up becomes one that floors.
        """
        fraction_width = self.cfg.numerics.fraction_width
        normal = Signal(fraction_width)
        level = Signal(signed(9))
        rounded = 4 * (fraction_width - 1) - whole + (1 << self.layer.output_shift) - 1
        m.d.comb += [
            normal.eq((potential[:-1] << (fraction_width - 1)) >> octave),
            level.eq((rounded - gain) - (octave << 2)),
        ]
        return normal, level

    def slot(self, m, positive, normal, level, half):
        """The slot of a potential that reaches ``level``, or a few quarter octaves more, as a code."""
        counts = [sum(normal < threshold for threshold in thresholds(self.cfg.numerics.fraction_width, on_half))
                  for on_half in (0, 1)]
        missed = Signal(range(5))
        reached = Signal(signed(9))
        # What may be missed of the window's levels.
        room = Signal(signed(10))
        m.d.comb += [
            missed.eq(Mux(half, counts[1], counts[0])),
            reached.eq(level + missed),
            room.eq((self.layer.window << self.layer.output_shift) - level),
        ]
        code = Signal(CODE_WIDTH)
        with m.If(~positive | (missed >= room)):
            m.d.comb += code.eq(SILENT)
        with m.Elif(reached >= 0):
            m.d.comb += code.eq(reached >> self.layer.output_shift)
        return code

    def magnitude(self, m, level):
        """:func:`model.logarithm.magnitude` of a level in the column's own scale."""
        mantissa = pick_mantissa(m, level, self.cfg.numerics)
        # From as far on the left as a potential reaches. A neuron that fired holds at least about this much, so what
        # falls off there is never used.
        reach = self.cfg.numerics.accumulator_width - self.cfg.numerics.fraction_width
        octaves_down = Signal(7)
        magnitude = Signal(self.cfg.numerics.accumulator_width)
        m.d.comb += [
            octaves_down.eq((level >> 2) + reach),
            magnitude.eq((mantissa << reach) >> octaves_down),
        ]
        return magnitude
