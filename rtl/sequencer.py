"""Layers inside timesteps, from their descriptors. Twin of :func:`model.processor.trace`."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from model.config import GRAINS, LANES, ProcessorConfig, Reset, Rule, Way
from model.descriptor import DESCRIPTOR, DESCRIPTOR_WORDS

from .exit import ENTROPY_WIDTH, Verdict
from .layouts import Descriptor, legal_base, legal_rows
from .registers import enumeration, registers

__all__ = ["ErrorCode", "COUNTS", "Run", "Failure", "Sequencer"]

ErrorCode = enumeration("ErrorCode")

# Fields of a descriptor that count something, so must not be zero.
COUNTS = ("window", "input_height", "input_width", "input_channels", "input_words", "kernel_height", "kernel_width",
          "stride", "pool", "output_height", "output_width", "output_channels", "output_words", "output_pixels",
          "pool_area")


class Run(data.StructLayout):
    """What the host asks for."""

    def __init__(self):
        super().__init__({
            "layers": 8,
            "timesteps": 8,
            "classes": 16,
            "rule": 2,
            "threshold": 32,
        })


class Failure(data.StructLayout):
    """Why a run ended without an answer."""

    def __init__(self, cfg: ProcessorConfig):
        super().__init__({
            "code": 8,
            "layer": range(cfg.layers),
            "detail": 32,       # settings: register address; descriptor: index of the word that holds the field
        })


class Sequencer(wiring.Component):
    """Run a network: take a layer's descriptor, check it, run the layer; after the readout, ask whether to stop.

    A layer starts in the cycle after the end of the one before. A layer that is not active in a timestep is
    skipped in one cycle, and then holds its spikes or is silent.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    run : In(Run())
        Must not change during a run, nor in the cycle of ``start``.
    start : In(1)
    busy : Out(1)
    next_index : Out(range(cfg.layers))
        The layer that comes next.
    next_layer : In(Descriptor)
        Its descriptor, in the same cycle.
    layer : Out(Descriptor)
    layer_index : Out(range(cfg.layers))
    silent, fresh : Out(1)
        See :class:`~rtl.core.Core`.
    layer_start : Out(1)
        High for one cycle to begin a layer, be its descriptor legal or ``failed`` high in the same cycle.
    drained : In(1)
        A layer that is no readout ends, see :class:`~rtl.core.Core`, or a move does, see :class:`~rtl.mover.Mover`.
    verdict : In(stream.Signature(Verdict(cfg)))
        Ends a readout.
    timestep : Out(range(cfg.timesteps + 1))
        Counted from 1. Keeps the last one after a run.
    best : Out(range(cfg.classes))
        Class of the largest logit so far.
    begin : Out(1)
        High in the cycle in which a run begins.
    done : Out(1)
        High in the cycle in which a run ends with an answer.
    failed : Out(1)
        High in the cycle in which illegal settings or an illegal descriptor end a run, or keep it from beginning.
    failure : Out(Failure(cfg))
        Valid while ``failed``.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "run": In(Run()),
            "start": In(1),
            "busy": Out(1),
            "next_index": Out(range(cfg.layers)),
            "next_layer": In(Descriptor),
            "layer": Out(Descriptor),
            "layer_index": Out(range(cfg.layers)),
            "silent": Out(1),
            "fresh": Out(1),
            "layer_start": Out(1),
            "drained": In(1),
            "verdict": In(stream.Signature(Verdict(cfg))),
            "timestep": Out(range(cfg.timesteps + 1)),
            "best": Out(range(cfg.classes)),
            "begin": Out(1),
            "done": Out(1),
            "failed": Out(1),
            "failure": Out(Failure(cfg)),
        })

    def elaborate(self, platform):
        m = Module()
        cfg, layer, run = self.cfg, self.layer, self.run

        layer_last = Signal()
        next_last = self.next_index + 1 == run.layers
        timestep_last = self.timestep == run.timesteps
        # Bit k - 1 of ``now`` in timestep k; ``before`` has all the bits below.
        before = Signal(cfg.timesteps)
        now = Signal(cfg.timesteps)
        active = Signal()
        # Which maps hold no spikes: that of layer n is bit n + 1, the picture is bit 0.
        silent_maps = Signal(cfg.layers + 1)
        own_map = silent_maps.bit_select(self.layer_index + 1, 1)

        m.d.comb += [
            self.silent.eq(silent_maps.bit_select(layer.source, 1)),
            self.failure.layer.eq(self.layer_index),
        ]
        wrong_setting, setting_address = self.check_settings(m)
        wrong_field, field_word = self.check_next_descriptor(m, next_last)

        def fail(code, detail):
            m.d.comb += [self.failed.eq(1), self.failure.code.eq(code), self.failure.detail.eq(detail)]

        def take(next_now, next_before):
            """Take the next descriptor, for the timestep of these bits."""
            m.next = "CHECK"
            m.d.sync += [
                self.layer_index.eq(self.next_index),
                layer.eq(self.next_layer),
                layer_last.eq(next_last),
                self.next_index.eq(Mux(next_last, 0, self.next_index + 1)),
                now.eq(next_now),
                before.eq(next_before),
                active.eq((self.next_layer.mask & next_now).any()),
                self.fresh.eq(~(self.next_layer.mask & next_before).any()),
            ]

        def advance(sure):
            with m.If(layer_last):
                take(now << 1, now | before)
                with m.If(sure | timestep_last):
                    m.d.comb += self.done.eq(1)
                    m.d.sync += self.next_index.eq(0)
                    m.next = "IDLE"
                with m.Else():
                    m.d.sync += self.timestep.eq(self.timestep + 1)
            with m.Else():
                take(now, before)

        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))

            with m.State("IDLE"):
                with m.If(self.start):
                    with m.If(wrong_setting):
                        fail(ErrorCode.SETTINGS, setting_address)
                    with m.Else():
                        m.d.comb += self.begin.eq(1)
                        m.d.sync += [
                            self.timestep.eq(1),
                            self.best.eq(0),
                            silent_maps.eq(~1),
                        ]
                        take(C(1), C(0))

            with m.State("CHECK"):
                with m.If(active):
                    m.d.comb += self.layer_start.eq(1)
                    m.d.sync += own_map.eq(0)
                    m.next = "RUN"
                with m.Else():
                    with m.If(~layer.hold):
                        m.d.sync += own_map.eq(1)
                    advance(sure=0)
                with m.If(wrong_field):
                    fail(ErrorCode.DESCRIPTOR, field_word)
                    m.d.comb += self.done.eq(0)
                    m.d.sync += self.next_index.eq(0)
                    m.next = "IDLE"

            with m.State("RUN"):
                m.d.comb += self.verdict.ready.eq(1)
                with m.If(self.verdict.valid):
                    m.d.sync += self.best.eq(self.verdict.p.best)
                with m.If(self.drained | self.verdict.valid):
                    advance(sure=self.verdict.valid & self.verdict.p.sure)
        return m

    def check_settings(self, m):
        """Whether the run asked for a cycle ago is illegal, and the address of the register that says so."""
        cfg, run = self.cfg, self.run
        addresses = {register.inst_name: register.absolute_address for register in registers()}
        wrong, address = Signal(), Signal(len(self.failure.detail))
        m.d.sync += wrong.eq(0)
        with m.If((run.layers == 0) | (run.layers > cfg.layers) | (run.timesteps == 0)
                  | (run.timesteps > cfg.timesteps) | (run.classes < 2) | (run.classes > cfg.classes)):
            m.d.sync += [wrong.eq(1), address.eq(addresses["network"])]
        with m.Elif((run.rule == Rule.ENTROPY) & run.threshold[ENTROPY_WIDTH:].any()):
            m.d.sync += [wrong.eq(1), address.eq(addresses["exit_threshold"])]
        return wrong, address

    def check_next_descriptor(self, m, next_last):
        """Whether a field could hang the datapath or means nothing, and the index of its word.

        Looks at the next descriptor, and answers in the cycle after, in which it may be ``layer``.
        """
        cfg, layer = self.cfg, self.next_layer
        grain_shifts = len(GRAINS)
        moves = layer.way != Way.NONE
        checks = [(name, ~moves & (layer[name] == 0)) for name in COUNTS] + [
            ("way", layer.way > (max(Way) if cfg.memory_width else Way.NONE)),
            ("reset", layer.reset > max(Reset)),
            ("weight_shift", layer.weight_shift >= grain_shifts),
            ("input_shift", layer.input_shift >= grain_shifts),
            ("output_shift", layer.output_shift >= grain_shifts),
            # A layer reads the picture or a layer before it.
            ("source", layer.source > self.next_index),
            # Only the picture is the same in every timestep.
            ("recall", layer.recall & ((layer.source != 0) | layer.readout)),
            # The last layer, and no other, is the readout; it emits each class once.
            ("readout", layer.readout != next_last),
            ("walker_shift", (1 << layer.walker_shift) > cfg.walkers),
            # Every walker has a pooling window on the first line.
            ("walker_shift", ~moves & ((1 << layer.walker_shift) > layer.output_width)),
            ("output_pixels", layer.readout & (layer.output_pixels != 1)),
            ("pool", layer.readout & (layer.pool != 1)),
            ("output_channels", layer.readout & (layer.output_channels != self.run.classes)),
        ]
        if cfg.memory_width:
            checks += [
                ("group_rows", layer.streamed & ~legal_rows(layer, cfg)),
                ("group_rows", moves & (layer.group_rows == 0)),
                ("weight_base", (layer.streamed | moves) & ~legal_base(layer, cfg)),
                # Whole words of the channels of a layer that spiked, at every tap.
                ("by_spikes", layer.by_spikes & ((layer.source == 0) | (layer.input_channels % LANES != 0)
                                                 | (layer.group_rows % LANES != 0))),
            ]
        words = {name: index for index, fields in enumerate(DESCRIPTOR) for name in fields}
        wrong, word = Signal(), Signal(range(DESCRIPTOR_WORDS))
        m.d.sync += [wrong.eq(0), word.eq(0)]
        for name, broken in checks:
            with m.If(broken):
                m.d.sync += [wrong.eq(1), word.eq(words[name])]

        # A multiplication takes a cycle, so products are compared in the next.
        wrong_field, field_word = Signal(), Signal.like(word)
        m.d.comb += [wrong_field.eq(wrong), field_word.eq(word)]
        for name, one, other in (("output_pixels", layer.output_height, layer.output_width),
                                 ("pool_area", layer.pool, layer.pool)):
            product = Signal.like(layer[name], name=f"product_{name}")
            m.d.sync += product.eq(one * other)
            with m.If(self.layer[name] != product):
                m.d.comb += [wrong_field.eq(1), field_word.eq(words[name])]
        return wrong_field, field_word
