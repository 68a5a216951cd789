"""Words between the stores and the memory, while a network runs. The time it takes: :func:`model.cycles.move_cycles`.
"""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from model.config import MEMORY_ADDRESS_WIDTH, ProcessorConfig, Way, moved_beats

from .layouts import Charges, Descriptor, SpikeRow, SpikeWord
from .reader import Beat, Run
from .store import ADDRESS_WIDTH, ReadSignature, WriteSignature

__all__ = ["Mover"]


class Mover(wiring.Component):
    """Bring words from the memory to a store, or put words of a store into the memory.

    A word has whole beats for itself. One beat is taken, or offered, a cycle; a word is written in the cycle after its
    last beat.

    Parameters
    ----------
    cfg : ProcessorConfig
        With a memory.

    Members
    -------
    layer : In(Descriptor)
        Must not change from ``start`` to ``done``.
    picture : In
        Beat of the memory where the words of the picture are loaded from.
    start : In(1)
        Begin a move. Not while one is going on.
    reads : Out(stream.Signature(Run)), reading : Out(1), beats : In(stream.Signature(Beat(cfg.memory_width)))
        What is to be read; from its offer until its last beat has come; and the beats.
    writes : Out(stream.Signature(Run)), o : Out(stream.Signature(cfg.memory_width)), written : In(1)
        Where something is to be written; its beats; high in the cycle in which it is in the memory.
    spikes, states : Out(ReadSignature)
        Of the stores.
    bring_spikes, bring_states : Out(WriteSignature)
    done : Out(1)
        High in the cycle in which the last word is where it belongs.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        run = Run(MEMORY_ADDRESS_WIDTH - exact_log2(cfg.beat_bytes))
        super().__init__({
            "layer": In(Descriptor),
            "picture": In(run["address"].shape),
            "start": In(1),
            "reads": Out(stream.Signature(run)),
            "reading": Out(1),
            "beats": In(stream.Signature(Beat(cfg.memory_width))),
            "writes": Out(stream.Signature(run)),
            "o": Out(stream.Signature(cfg.memory_width)),
            "written": In(1),
            "spikes": Out(ReadSignature(SpikeRow(cfg))),
            "states": Out(ReadSignature(Charges(cfg, cfg.encoders))),
            "bring_spikes": Out(WriteSignature(SpikeWord)),
            "bring_states": Out(WriteSignature(Charges(cfg, cfg.encoders))),
            "done": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        cfg, layer, width = self.cfg, self.layer, self.cfg.memory_width
        spike_beats, state_beats = (moved_beats(cfg, states) for states in (False, True))
        most = max(spike_beats, state_beats)

        # The next word, and how many are left; the beats of a word, and which comes next.
        address, left = Signal(ADDRESS_WIDTH), Signal.like(layer.group_rows)
        last_part, part = Signal(range(most)), Signal(range(most))
        part_last = part == last_part
        m.d.comb += [
            last_part.eq(Mux(layer.states, state_beats, spike_beats) - 1),
            self.reads.p.address.eq(layer.weight_base + Mux(layer.picture, self.picture, 0)),
            self.reads.p.beats.eq(Mux(layer.states, layer.group_rows * state_beats, layer.group_rows * spike_beats)),
            self.writes.payload.eq(self.reads.payload),
        ]

        # What comes, from the last beat downwards.
        collected = Signal(most * width)
        word = Signal(most * width)
        m.d.comb += word.eq(Mux(layer.states, collected >> (most - state_beats) * width,
                                collected >> (most - spike_beats) * width))
        came = Signal()
        for states, port in ((0, self.bring_spikes), (1, self.bring_states)):
            m.d.comb += [
                port.address.eq(address),
                Value.cast(port.data).eq(word),
                port.enable.eq(came & (layer.states == states)),
            ]
        with m.If(came):
            m.d.sync += address.eq(address + 1)

        # What goes: a word is read when the one before has been offered.
        asked, held = Signal(), Signal()
        lane = Signal(range(max(cfg.span, 2)))
        row = Value.cast(self.spikes.data)
        going = Signal(most * width)
        m.d.comb += [
            going.eq(Mux(layer.states, Value.cast(self.states.data), row.word_select(lane, SpikeWord.size))),
            self.o.valid.eq(held),
            self.o.payload.eq(going.word_select(part, width)),
            self.spikes.address.eq(address),
            self.spikes.enable.eq(asked & ~layer.states),
            self.states.address.eq(address),
            self.states.enable.eq(asked & layer.states),
        ]
        gone = held & self.o.ready & part_last

        m.d.sync += came.eq(0)
        with m.FSM() as fsm:
            m.d.comb += self.reading.eq(fsm.ongoing("ASK") | fsm.ongoing("BRING"))
            with m.State("IDLE"):
                m.d.sync += [address.eq(layer.input_base), left.eq(layer.group_rows), part.eq(0)]
                with m.If(self.start):
                    m.next = "ASK"
                    with m.If(layer.way == Way.PUT):
                        m.next = "OFFER"

            with m.State("ASK"):
                m.d.comb += self.reads.valid.eq(1)
                with m.If(self.reads.ready):
                    m.next = "BRING"

            with m.State("BRING"):
                m.d.comb += self.beats.ready.eq(1)
                with m.If(self.beats.valid):
                    m.d.sync += [
                        collected.eq(Cat(collected[width:], self.beats.p.data)),
                        came.eq(part_last),
                        part.eq(Mux(part_last, 0, part + 1)),
                    ]
                    with m.If(self.beats.p.last):
                        m.next = "SETTLE"

            with m.State("SETTLE"):
                m.d.comb += self.done.eq(1)
                m.next = "IDLE"

            with m.State("OFFER"):
                m.d.comb += self.writes.valid.eq(1)
                with m.If(self.writes.ready):
                    m.next = "PUT"

            with m.State("PUT"):
                m.d.comb += asked.eq((left != 0) & (~held | gone))
                with m.If(held & self.o.ready):
                    m.d.sync += part.eq(Mux(part_last, 0, part + 1))
                m.d.sync += held.eq(asked | (held & ~gone))
                with m.If(asked):
                    m.d.sync += [address.eq(address + 1), left.eq(left - 1), lane.eq(address[:exact_log2(cfg.span)])]
                with m.If(self.written):
                    m.d.comb += self.done.eq(1)
                    m.next = "IDLE"
        return m
