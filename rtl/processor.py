"""The processor: registers, loader, sequencer, core, exit unit. Twin of :mod:`model.processor`."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from amaranth.utils import bits_for

from model.answer import ANSWER, HARDWARE_COUNTERS
from model.config import MEMORY_ADDRESS_WIDTH, ProcessorConfig, Target, Way
from model.descriptor import DESCRIPTOR_WORDS
from model.tables import SCALE_WIDTH

from .axi import AxiLiteSignature, AxiReadSignature, AxiWriteSignature
from .batch import Batch
from .core import Core, Emission, Parameters, SpikeWord, WeightRow
from .descriptor_store import DescriptorStore
from .exit import ExitUnit
from .layouts import DESCRIPTOR_WORD
from .loader import Loader, LoadTarget
from .registers import Registers, description
from .sequencer import ErrorCode, Sequencer
from .signature import Signature
from .steps import Order
from .store import Store
from .supply import Supply

__all__ = ["Processor"]

COUNTER_WIDTH = 32


class Processor(wiring.Component):
    """A spiking processor behind an AXI4-Lite slave; with a memory, an AXI4 master, too.

    Load an image and a picture through the load window, write the settings, start, and wait for the
    interrupt; ``registers.rdl`` describes every register. With a memory, weights that do not fit come from there, and
    it can load image and pictures from there by itself, and write the answers to a batch of pictures into it.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    s_axil_* : AXI4-Lite slave, see :class:`rtl.axi.AxiLiteSignature`
    m_axi_* : AXI4 master, only with a memory
        See :class:`rtl.axi.AxiReadSignature` and :class:`rtl.axi.AxiWriteSignature`.
    interrupt : Out(1)
        High while an enabled cause is set.
    busy : Out(1)
        High during a run; as all that follows, a cycle late.
    trace_layer, trace_timestep : Out
        Where the run is. Keep their last values after it.
    trace_valid, trace_address, trace_word : Out
        One word that the layer emits: 16 spike codes and their address in the spike store, or a logit.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        bus = AxiLiteSignature(bits_for(description().size - 1)).flip().members
        memory = {}
        if cfg.memory_width:
            memory = {**AxiReadSignature(MEMORY_ADDRESS_WIDTH, cfg.memory_width).members,
                      **AxiWriteSignature(MEMORY_ADDRESS_WIDTH, cfg.memory_width).members}
        super().__init__({
            # Flat, so that the ports have the names that other tools expect.
            **{f"s_axil_{name}": member for name, member in bus.items()},
            **{f"m_axi_{name}": member for name, member in memory.items()},
            "interrupt": Out(1),
            "busy": Out(1),
            "trace_valid": Out(1),
            "trace_layer": Out(range(cfg.layers)),
            "trace_timestep": Out(range(cfg.timesteps + 1)),
            "trace_address": Out(Emission()["address"].shape),
            "trace_word": Out(Emission()["word"].shape),
        })

    def elaborate(self, platform):
        m = Module()
        cfg = self.cfg

        failed = Signal()
        m.submodules.registers = registers = Registers(memory=bool(cfg.memory_width))
        m.submodules.core = core = ResetInserter(failed)(Core(cfg))
        m.submodules.sequencer = sequencer = ResetInserter(failed)(Sequencer(cfg))
        m.submodules.exit = exit_unit = ResetInserter(failed)(ExitUnit(cfg))
        m.submodules.signature = signature = Signature(cfg)
        m.submodules.descriptors = descriptors = DescriptorStore(cfg)
        m.submodules.scales = scales = Store(unsigned(SCALE_WIDTH), cfg.timesteps)

        self.connect_bus(m, "s_axil", registers.bus)

        # The memories that images fill, each with its write port.
        writes = {
            LoadTarget(Target.DESCRIPTORS, cfg.layers * DESCRIPTOR_WORDS, DESCRIPTOR_WORD): descriptors.write,
            LoadTarget(Target.SCALES, cfg.timesteps, SCALE_WIDTH): scales.write,
            LoadTarget(Target.PARAMETERS, cfg.parameter_words, Parameters(cfg).size): core.load_parameters,
            LoadTarget(Target.SPIKES, cfg.spike_words, SpikeWord.size): core.load_spikes,
            **{LoadTarget(Target.TILES + tile, cfg.rows, WeightRow(cfg).size): port
               for tile, port in enumerate(core.load_rows)},
        }
        # With a memory, an error may end what has loaded half a section.
        forget = registers.control_abort | failed if cfg.memory_width else registers.control_abort
        m.submodules.loader = loader = ResetInserter(forget)(Loader(list(writes)))
        for port, enable in zip(writes.values(), loader.enables):
            m.d.comb += [
                port.address.eq(loader.address),
                Value.cast(port.data).eq(loader.data),
                port.enable.eq(enable),
            ]
        # ``running`` says that a network runs, ``busy`` that any command is being done.
        start, begin, running = registers.control_start & ~loader.loading, sequencer.begin, sequencer.busy
        busy, supply, batch = running, None, None
        if cfg.memory_width:
            m.submodules.supply = supply = Supply(cfg)
            m.submodules.batch = batch = Batch(cfg)
            start = (start & ~batch.busy) | batch.start
            # A start waits for what the run before has asked the memory for, as long as a run may take.
            waits = Signal()
            m.d.sync += waits.eq((start | (waits & ~failed)) & supply.busy & ~registers.control_abort)
            begin |= start & supply.busy & ~waits
            start, running = (start | waits) & ~supply.busy, running | waits
            busy = running | batch.busy
            self.connect_supply(m, supply, sequencer, descriptors, core, failed)
            self.connect_batch(m, batch, registers, supply, loader, busy, failed)
            self.connect_moves(m, batch, sequencer, core)
        m.d.comb += [
            registers.load.ready.eq(1),
        ]
        # Words that come meanwhile are refused.
        refused = Signal()
        m.d.sync += [
            loader.i.payload.eq(registers.load.payload),
            loader.i.valid.eq(registers.load.valid & ~busy),
            refused.eq(registers.load.valid & busy),
        ]
        if batch:
            with m.If(batch.words.valid):
                m.d.sync += [loader.i.payload.eq(batch.words.payload), loader.i.valid.eq(1)]

        m.d.comb += [
            sequencer.run.layers.eq(registers.network_layers),
            sequencer.run.timesteps.eq(registers.network_timesteps),
            sequencer.run.classes.eq(registers.network_classes),
            sequencer.run.rule.eq(registers.exit_rule),
            sequencer.run.threshold.eq(registers.exit_threshold),
            sequencer.start.eq(start),
            sequencer.drained.eq(core.drained | batch.moved if batch else core.drained),

            core.layer.eq(sequencer.layer),
            core.silent.eq(sequencer.silent),
            core.fresh.eq(sequencer.fresh),
            core.start.eq(sequencer.layer_start & (sequencer.layer.way == Way.NONE)),

            scales.read.address.eq(sequencer.timestep - 1),
            scales.read.enable.eq(sequencer.timestep != 0),
            # The exit unit takes all logits of a readout, and its verdict ends the layer.
            exit_unit.i.valid.eq(core.logits.valid),
            exit_unit.i.payload.eq(core.logits.payload),
            exit_unit.rule.eq(registers.exit_rule),
            exit_unit.threshold.eq(registers.exit_threshold),
            exit_unit.shift.eq(registers.exit_shift),
            exit_unit.scale.eq(scales.read.data),
            exit_unit.read_class.eq(registers.logits_address),

            signature.clear.eq(sequencer.begin),
            signature.layer.eq(self.trace_layer),
            signature.word.eq(core.emission.word),
            signature.valid.eq(core.emission.valid),
            signature.read_layer.eq(registers.signatures_address),

            self.trace_valid.eq(core.emission.valid),
            self.trace_address.eq(core.emission.address),
            self.trace_word.eq(core.emission.word),
        ]
        m.d.comb += [descriptors.index.eq(sequencer.next_index), sequencer.next_layer.eq(descriptors.layer)]
        wiring.connect(m, exit_unit.o, sequencer.verdict)

        self.count(m, registers, begin, running, core.activity)
        answered = self.report_errors(m, registers, sequencer, loader, core, supply, batch, refused, failed,
                                      running, busy)
        if batch:
            self.connect_answer(m, batch, registers, exit_unit, signature, answered)

        # A layer's last word leaves in the cycle after its end.
        m.d.sync += [
            self.busy.eq(sequencer.busy),
            self.trace_layer.eq(sequencer.layer_index),
            self.trace_timestep.eq(sequencer.timestep),
            registers.signatures_data.eq(signature.read_data),
        ]
        m.d.comb += [
            registers.logits_data.eq(exit_unit.read_data),
            registers.status_busy.eq(busy),
            registers.status_loading.eq(loader.loading),
            registers.result_class_index.eq(sequencer.best),
            registers.result_timestep.eq(sequencer.timestep),
            self.interrupt.eq((registers.interrupt_done_value & registers.interrupt_enable_done)
                              | (registers.interrupt_error_value & registers.interrupt_enable_error)),
            registers.capability_columns_columns.eq(cfg.columns),
            registers.capability_columns_tiles.eq(cfg.tiles),
            registers.capability_columns_encoders.eq(cfg.encoders),
            registers.capability_tiles_rows.eq(cfg.rows),
            registers.capability_tiles_walkers.eq(cfg.walkers),
            registers.capability_spikes_words.eq(cfg.spike_words),
            registers.capability_spikes_span.eq(cfg.span),
            registers.capability_state_words.eq(cfg.state_words),
            registers.capability_charge_words.eq(cfg.charge_words),
            registers.capability_parameter_words.eq(cfg.parameter_words),
            registers.capability_memory_width.eq(cfg.memory_width),
            registers.capability_limits_layers.eq(cfg.layers),
            registers.capability_limits_timesteps.eq(cfg.timesteps),
            registers.capability_limits_classes.eq(cfg.classes),
        ]
        return m

    def connect_bus(self, m, prefix, bus):
        """Connect the ports of a bus with those of the block that drives it."""
        for name in bus.signature.members:
            port, member = getattr(self, f"{prefix}_{name}"), getattr(bus, name)
            m.d.comb += port.eq(member) if self.signature.members[f"{prefix}_{name}"].flow is Out else member.eq(port)

    def connect_supply(self, m, supply, sequencer, descriptors, core, failed):
        """Weights that come from the memory while a network runs."""
        m.d.comb += [
            supply.run.eq(sequencer.run),
            supply.begin.eq(sequencer.begin),
            supply.end.eq(sequencer.done | failed),
            descriptors.ahead_index.eq(supply.index),
            supply.layer.eq(descriptors.ahead_layer),
            supply.running.eq(sequencer.busy),
            supply.runs_index.eq(sequencer.layer_index),
            supply.runs_timestep.eq(sequencer.timestep),
            supply.moved.eq(sequencer.drained),

            core.begin.eq(sequencer.begin),
            core.groups_came.eq(supply.groups_came),
            supply.group_released.eq(core.group_released),
            core.seen_address.eq(supply.seen_address),
            core.seen_corners.eq(supply.seen_corners),
            supply.seen_data.eq(core.seen_data),
        ]
        for port, write in zip(core.load_rows, supply.writes):
            with m.If(write.enable):
                m.d.comb += [port.address.eq(write.address), port.data.eq(write.data), port.enable.eq(1)]
        self.connect_bus(m, "m_axi", supply.bus)

    def connect_batch(self, m, batch, registers, supply, loader, busy, failed):
        """Loads from the memory, and batches of pictures."""
        accepted = ~busy & ~loader.loading & ~registers.control_start
        m.d.comb += [
            *(batch.order[name].eq(getattr(registers, name)) for name in Order.members),
            batch.classes.eq(registers.network_classes),
            batch.layers.eq(registers.network_layers),
            batch.limit.eq(registers.cycle_limit),
            batch.load.eq(registers.control_load & accepted),
            batch.batch.eq(registers.control_batch & accepted),
            batch.end.eq(failed),
            batch.loading.eq(loader.loading),
            batch.section.eq(loader.head),
            supply.lent.eq(batch.reading),
            registers.batch_done.eq(batch.pictures_done),
        ]
        wiring.connect(m, batch.reads, supply.lent_runs)
        wiring.connect(m, supply.lent_beats, batch.beats)
        self.connect_bus(m, "m_axi", batch.bus)

    def connect_moves(self, m, batch, sequencer, core):
        """Words of the stores that move to and from the memory while a network runs."""
        m.d.comb += [
            batch.layer.eq(sequencer.layer),
            batch.move.eq(sequencer.layer_start & (sequencer.layer.way != Way.NONE)),
        ]
        wiring.connect(m, batch.spikes, core.move_spikes)
        wiring.connect(m, batch.states, core.move_states)
        wiring.connect(m, batch.bring_states, core.load_states)
        with m.If(batch.bring_spikes.enable):
            m.d.comb += [
                core.load_spikes.address.eq(batch.bring_spikes.address),
                core.load_spikes.data.eq(batch.bring_spikes.data),
                core.load_spikes.enable.eq(1),
            ]

    def connect_answer(self, m, batch, registers, exit_unit, signature, answered):
        """What a batch writes into the memory when a run has ``answered``; the host reads the same meanwhile."""
        words = {"class_index": registers.result_class_index, "timestep": registers.result_timestep,
                 **{name: getattr(registers, name) for name in HARDWARE_COUNTERS}}
        m.d.comb += [
            batch.answered.eq(answered),
            *(batch.head[index].eq(Cat(words[name] for name in fields)) for index, fields in enumerate(ANSWER)),
            batch.logit_data.eq(registers.logits_data),
            batch.signature_data.eq(registers.signatures_data),
        ]
        with m.If(batch.answering):
            m.d.comb += [exit_unit.read_class.eq(batch.index), signature.read_layer.eq(batch.index)]

    def count(self, m, registers, begin, running, activity):
        """The counters of a run; they keep their last value until the next one begins, or begins to wait."""
        # Counted a cycle later, as nothing waits for it.
        seen = Signal.like(activity)
        m.d.sync += seen.eq(activity)
        increments = {
            "cycles": running,
            "busy_cycles": seen.events,
            "empty_cycles": seen.empty,
            "fire_cycles": seen.blocked,
            "events": seen.events,
            "synaptic_operations": seen.operations,
            "spikes": seen.spikes,
            "neurons": seen.neurons,
        }
        for name, increment in increments.items():
            counter = Signal(COUNTER_WIDTH, name=name)
            m.d.comb += getattr(registers, name).eq(counter)
            m.d.sync += counter.eq(Mux(begin, 0, counter + increment))

    def report_errors(self, m, registers, sequencer, loader, core, supply, batch, refused, failed, running, busy):
        """How a command ends: well, or with the first error since the host cleared the cause.

        ``failed`` is high in the cycle after an error that ends it, and brings everything back. What is returned is
        high in the cycle in which a run ends with an answer.
        """
        code, layer, detail = (Signal.like(getattr(registers, f"error_{part}")) for part in ("code", "layer", "detail"))
        m.d.comb += [
            registers.error_code.eq(code),
            registers.error_layer.eq(layer),
            registers.error_detail.eq(detail),
        ]
        running = running & ~failed
        # An access beyond a store is reported a cycle later.
        fault, fault_layer = Signal(), Signal.like(layer)
        m.d.sync += [fault.eq(core.fault & running), fault_layer.eq(self.trace_layer)]
        commanded, incomplete = registers.control_start, loader.loading
        if batch:
            commanded |= registers.control_load | registers.control_batch
            incomplete &= ~busy
        # (condition, code, detail, whether it ends a command)
        errors = [
            (busy & ~failed & registers.control_abort, ErrorCode.ABORTED, 0, True),
            (fault & ~failed, ErrorCode.ADDRESS, core.fault_address, True),
            (running & (registers.cycles >= registers.cycle_limit), ErrorCode.CYCLES, registers.cycles, True),
            (sequencer.failed, sequencer.failure.code, sequencer.failure.detail, True),
            (registers.rejected, ErrorCode.REGISTER, registers.rejected_address, False),
            (loader.error, ErrorCode.LOAD, loader.head, False),
            (commanded & incomplete, ErrorCode.LOAD, loader.head, False),
            (refused | (busy & commanded), ErrorCode.BUSY, 0, False),
        ]
        if batch:
            errors[1:1] = [
                (busy & ~failed & supply.error, ErrorCode.MEMORY, supply.error_address, True),
                (batch.failed & ~failed, batch.code, batch.detail, True),
                (batch.busy & ~failed & loader.error, ErrorCode.LOAD, loader.head, True),
            ]
            both = registers.control_start & (registers.control_load | registers.control_batch)
            errors.append((both, ErrorCode.BUSY, 0, False))
        failing = Cat(condition for condition, *_, ends in errors if ends).any()
        m.d.sync += failed.eq(failing)
        answered = sequencer.done & ~(core.fault | failing | failed)
        done = (answered & ~batch.busy) | (batch.done & ~(failing | failed)) if batch else answered
        m.d.comb += registers.interrupt_done.eq(done)
        for condition, error, about, _ in reversed(errors):
            with m.If(condition):
                m.d.comb += registers.interrupt_error.eq(1)
                with m.If(~registers.interrupt_error_value):
                    m.d.sync += [code.eq(error), detail.eq(about),
                                 layer.eq(Mux(fault, fault_layer, sequencer.layer_index))]
        return answered
