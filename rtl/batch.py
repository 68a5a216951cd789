"""What the processor does by itself in its memory: loads, batches of pictures, and moves during a run.

Layout: :mod:`model.batch`.
"""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, flipped
from amaranth.utils import exact_log2

from model.answer import ANSWER_WORDS
from model.config import GRANULE_WIDTH, MEMORY_ADDRESS_WIDTH, ProcessorConfig

from .answer import Answer, index_width
from .axi import AxiWriteSignature
from .layouts import Charges, Descriptor, SpikeRow, SpikeWord
from .mover import Mover
from .reader import Beat, Run
from .sequencer import ErrorCode
from .steps import Order, Steps
from .store import ReadSignature, WriteSignature
from .words import Words
from .writer import Writer

__all__ = ["Batch"]


class Batch(wiring.Component):
    """Load words from the memory; or, for each picture, load its words, run the network, write the answer.

    During a run, of a batch or not, words of the stores move to and from the memory.

    Parameters
    ----------
    cfg : ProcessorConfig
        With a memory.

    Members
    -------
    order : In(Order), classes : In, layers : In, limit : In(32), load : In(1), batch : In(1), busy : Out(1)
        See :class:`~rtl.steps.Steps`.
    end : In(1)
        High in the cycle after an error: what is being done ends.
    reads : Out(stream.Signature(Run)), reading : Out(1), beats : In(stream.Signature(Beat(cfg.memory_width)))
        What is to be read, and what was.
    words : Out(stream.Signature(32))
        For the loader, which is always ready.
    loading : In(1), section : In(32), start : Out(1), answered : In(1)
        See :class:`~rtl.steps.Steps`.
    layer : In(Descriptor), move : In(1), moved : Out(1), spikes, states : Out(ReadSignature),
    bring_spikes, bring_states : Out(WriteSignature)
        ``layer``, ``start``, ``done`` and the ports of the stores of :class:`~rtl.mover.Mover`.
    head : In(data.ArrayLayout(32, ANSWER_WORDS)), index : Out, logit_data : In(signed(32)), signature_data : In(32)
        See :class:`~rtl.answer.Answer`.
    answering : Out(1)
        An answer is being gathered: ``index`` means something.
    bus : Out(AxiWriteSignature)
    pictures_done : Out(32)
        Answers that were written since the last batch began.
    done : Out(1)
        High in the cycle in which everything is done.
    failed : Out(1), code : Out(8), detail : Out(32)
        High in the cycle in which an error is found, with its code and detail. An ``end`` must follow.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "order": In(Order),
            "classes": In(range(cfg.classes + 1)),
            "layers": In(range(cfg.layers + 1)),
            "limit": In(32),
            "load": In(1),
            "batch": In(1),
            "end": In(1),
            "busy": Out(1),
            "reads": Out(stream.Signature(Run(MEMORY_ADDRESS_WIDTH - exact_log2(cfg.beat_bytes)))),
            "reading": Out(1),
            "beats": In(stream.Signature(Beat(cfg.memory_width))),
            "words": Out(stream.Signature(GRANULE_WIDTH, always_ready=True)),
            "loading": In(1),
            "section": In(GRANULE_WIDTH),
            "start": Out(1),
            "answered": In(1),
            "layer": In(Descriptor),
            "move": In(1),
            "moved": Out(1),
            "spikes": Out(ReadSignature(SpikeRow(cfg))),
            "states": Out(ReadSignature(Charges(cfg, cfg.encoders))),
            "bring_spikes": Out(WriteSignature(SpikeWord)),
            "bring_states": Out(WriteSignature(Charges(cfg, cfg.encoders))),
            "head": In(data.ArrayLayout(GRANULE_WIDTH, ANSWER_WORDS)),
            "answering": Out(1),
            "index": Out(index_width(cfg)),
            "logit_data": In(signed(GRANULE_WIDTH)),
            "signature_data": In(GRANULE_WIDTH),
            "bus": Out(AxiWriteSignature(MEMORY_ADDRESS_WIDTH, cfg.memory_width)),
            "pictures_done": Out(32),
            "done": Out(1),
            "failed": Out(1),
            "code": Out(8),
            "detail": Out(32),
        })

    def elaborate(self, platform):
        m = Module()
        cfg = self.cfg
        reset = ResetInserter(self.end)
        m.submodules.steps = steps = reset(Steps(cfg))
        m.submodules.mover = mover = reset(Mover(cfg))
        m.submodules.words = words = reset(Words(cfg.memory_width))
        m.submodules.answer = answer = reset(Answer(cfg))
        m.submodules.writer = writer = Writer(MEMORY_ADDRESS_WIDTH, cfg.memory_width)

        m.d.comb += [
            steps.order.eq(self.order),
            steps.classes.eq(self.classes),
            steps.layers.eq(self.layers),
            steps.limit.eq(self.limit),
            steps.load.eq(self.load),
            steps.batch.eq(self.batch),
            self.busy.eq(steps.busy),
            self.reading.eq(steps.reading | mover.reading),
            mover.layer.eq(self.layer),
            mover.picture.eq(steps.source),
            mover.start.eq(self.move),
            self.moved.eq(mover.done),

            words.words.eq(self.order.source_words),
            self.words.payload.eq(words.o.p.data),
            self.words.valid.eq(words.o.valid & ~self.end),
            words.o.ready.eq(1),
            steps.loaded.eq(words.o.valid & words.o.p.last),
            steps.loading.eq(self.loading),
            steps.section.eq(self.section),

            self.start.eq(steps.start),
            steps.answered.eq(self.answered),

            answer.start.eq(steps.answer),
            answer.head.eq(self.head),
            answer.classes.eq(self.classes),
            answer.layers.eq(self.layers),
            self.answering.eq(answer.busy),
            self.index.eq(answer.index),
            answer.logit_data.eq(self.logit_data),
            answer.signature_data.eq(self.signature_data),

            writer.discard.eq(self.end),
            steps.written.eq(writer.done),
            mover.written.eq(writer.done),

            self.done.eq(steps.done),
            self.failed.eq(steps.failed | writer.error),
            self.code.eq(Mux(writer.error, ErrorCode.MEMORY, steps.code)),
            self.detail.eq(Mux(writer.error, writer.error_address, steps.detail)),
        ]
        # Nothing is loaded, and no answer written, while a network runs.
        for sink, its, movers in ((flipped(self.reads), steps.reads, mover.reads),
                                    (writer.to, steps.writes, mover.writes), (writer.i, answer.o, mover.o)):
            m.d.comb += [
                sink.valid.eq(its.valid | movers.valid),
                Value.cast(sink.payload).eq(Mux(its.valid, Value.cast(its.payload), Value.cast(movers.payload))),
                its.ready.eq(sink.ready),
                movers.ready.eq(sink.ready),
            ]
        m.d.comb += [
            words.i.payload.eq(self.beats.payload),
            mover.beats.payload.eq(self.beats.payload),
            words.i.valid.eq(self.beats.valid & ~mover.reading),
            mover.beats.valid.eq(self.beats.valid & mover.reading),
            self.beats.ready.eq(Mux(mover.reading, mover.beats.ready, words.i.ready)),
        ]
        for name in ("spikes", "states", "bring_spikes", "bring_states"):
            wiring.connect(m, getattr(mover, name), flipped(getattr(self, name)))
        wiring.connect(m, writer.bus, flipped(self.bus))

        with m.If(writer.done):
            m.d.sync += self.pictures_done.eq(self.pictures_done + 1)
        with m.If(steps.begin):
            m.d.sync += self.pictures_done.eq(0)
        return m
