"""The steps of a load, and of a batch of pictures."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from model.answer import ANSWER_WORDS
from model.config import GRANULE_WIDTH, MEMORY_ADDRESS_WIDTH, ProcessorConfig

from .reader import Run
from .registers import registers
from .sequencer import ErrorCode
from .words import WORDS_WIDTH

__all__ = ["Order", "Steps"]

# Cycles until the last word that was loaded is where it belongs, or found illegal.
SETTLING = 4

# The registers of these names.
Order = data.StructLayout({
    "source_address": MEMORY_ADDRESS_WIDTH,
    "source_words": WORDS_WIDTH,
    "batch_pictures": 32,
    "batch_distance": MEMORY_ADDRESS_WIDTH,
    "batch_answers": MEMORY_ADDRESS_WIDTH,
})


class Steps(wiring.Component):
    """Load words from the memory; or, for each picture, load its words, run the network, write the answer.

    A transfer, which is a load or the writing of an answer, may take ``limit`` cycles, waiting for the bus included.
    From the last word of a load to what follows, ``SETTLING`` cycles pass.

    Parameters
    ----------
    cfg : ProcessorConfig
        With a memory.

    Members
    -------
    order : In(Order)
        Must not change from a command on, as ``classes``, ``layers`` and ``limit``.
    classes : In(range(cfg.classes + 1)), layers : In(range(cfg.layers + 1))
        Of the network.
    limit : In(32)
    load, batch : In(1)
        Commands; one at a time, and not while ``busy``.
    busy : Out(1)
    reads : Out(stream.Signature(Run))
        What is to be read.
    source : Out
        Beat of the memory from which words are loaded next, or were for the run that goes on.
    reading : Out(1)
        From the offer of a read until its last word has come.
    loaded : In(1)
        High in the cycle in which the loader takes the last word of a read.
    loading : In(1), section : In(32)
        ``loading`` and ``head`` of the :class:`~rtl.loader.Loader`.
    start : Out(1)
        High in the cycle in which a run may begin.
    answered : In(1)
        High in the cycle in which it ends with an answer.
    writes : Out(stream.Signature(Run))
        Where an answer is to be written.
    answer : Out(1)
        High in the cycle in which ``writes`` is taken: the answer may come.
    written : In(1)
        High in the cycle in which it is in the memory.
    begin : Out(1)
        High in the cycle in which a batch begins.
    done : Out(1)
        High in the cycle in which everything is done.
    failed : Out(1), code : Out(8), detail : Out(32)
        High in the cycle in which an error is found, with its code and detail. A reset must follow.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        run = Run(MEMORY_ADDRESS_WIDTH - exact_log2(cfg.beat_bytes))
        super().__init__({
            "order": In(Order),
            "classes": In(range(cfg.classes + 1)),
            "layers": In(range(cfg.layers + 1)),
            "limit": In(32),
            "load": In(1),
            "batch": In(1),
            "busy": Out(1),
            "reads": Out(stream.Signature(run)),
            "source": Out(run["address"].shape),
            "reading": Out(1),
            "loaded": In(1),
            "loading": In(1),
            "section": In(GRANULE_WIDTH),
            "start": Out(1),
            "answered": In(1),
            "writes": Out(stream.Signature(run)),
            "answer": Out(1),
            "written": In(1),
            "begin": Out(1),
            "done": Out(1),
            "failed": Out(1),
            "code": Out(8),
            "detail": Out(32),
        })

    def elaborate(self, platform):
        m = Module()
        order, reads, writes = self.order, self.reads.p, self.writes.p
        byte_shift = exact_log2(self.cfg.beat_bytes)
        word_shift = exact_log2(self.cfg.memory_width // GRANULE_WIDTH)
        addresses = {register.inst_name: register.absolute_address for register in registers()}

        def beats(words):
            """As many as hold so many words."""
            return (words + (1 << word_shift) - 1) >> word_shift

        # The next read and the next write, with a bit more: what leads beyond the address space is refused.
        source, answers = Signal(len(reads.address) + 1), Signal(len(writes.address) + 1)
        pictures_left, is_batch = Signal.like(order.batch_pictures), Signal()
        m.d.comb += [
            reads.address.eq(source),
            self.source.eq(source),
            reads.beats.eq(beats(order.source_words)),
            writes.address.eq(answers),
            writes.beats.eq(beats(ANSWER_WORDS + self.classes + self.layers)),
        ]
        read_fits = source + reads.beats <= 1 << len(reads.address)
        write_fits = answers + writes.beats <= 1 << len(writes.address)

        def fail(code, detail):
            m.d.comb += [self.failed.eq(1), self.code.eq(code), self.detail.eq(detail)]

        waited, settled = Signal(32), Signal(range(SETTLING))
        m.d.sync += [waited.eq(waited + 1), settled.eq(0)]
        with m.FSM() as fsm:
            m.d.comb += [
                self.busy.eq(~fsm.ongoing("IDLE")),
                self.reading.eq(fsm.ongoing("READ") | fsm.ongoing("LOAD")),
            ]
            with m.State("IDLE"):
                m.d.sync += [
                    source.eq(order.source_address >> byte_shift),
                    answers.eq(order.batch_answers >> byte_shift),
                    pictures_left.eq(order.batch_pictures),
                    is_batch.eq(self.batch),
                    waited.eq(0),
                ]
                with m.If(self.load | self.batch):
                    m.d.comb += self.begin.eq(self.batch)
                    m.next = "READ"
                    for name, wrong in (("batch_answers", self.batch & order.batch_answers[:byte_shift].any()),
                                        ("batch_distance", self.batch & order.batch_distance[:byte_shift].any()),
                                        ("batch_pictures", self.batch & (order.batch_pictures == 0)),
                                        ("source_words", order.source_words == 0),
                                        ("source_address", order.source_address[:byte_shift].any())):
                        with m.If(wrong):
                            fail(ErrorCode.SETTINGS, addresses[name])
                            m.next = "IDLE"

            with m.State("READ"):
                m.d.comb += self.reads.valid.eq(read_fits)
                with m.If(~read_fits):
                    fail(ErrorCode.SETTINGS, addresses["source_address"])
                with m.Elif(self.reads.ready):
                    m.next = "LOAD"

            with m.State("LOAD"):
                with m.If(self.loaded):
                    m.next = "LOADED"

            with m.State("LOADED"):
                m.d.sync += settled.eq(settled + 1)
                with m.If(settled == SETTLING - 1):
                    m.d.comb += [self.start.eq(is_batch), self.done.eq(~is_batch)]
                    m.next = "IDLE"
                    with m.If(is_batch):
                        m.next = "RUN"
                    # The words were no whole sections.
                    with m.If(self.loading):
                        m.d.comb += self.start.eq(0)
                        fail(ErrorCode.LOAD, self.section)

            with m.State("RUN"):
                m.d.sync += waited.eq(0)
                with m.If(self.answered):
                    m.next = "WRITE"

            with m.State("WRITE"):
                m.d.comb += [self.writes.valid.eq(write_fits), self.answer.eq(write_fits & self.writes.ready)]
                with m.If(~write_fits):
                    fail(ErrorCode.SETTINGS, addresses["batch_answers"])
                with m.Elif(self.writes.ready):
                    m.next = "WRITTEN"

            with m.State("WRITTEN"):
                with m.If(self.written):
                    m.d.sync += [
                        source.eq(source + (order.batch_distance >> byte_shift)),
                        answers.eq(answers + writes.beats),
                        pictures_left.eq(pictures_left - 1),
                        waited.eq(0),
                    ]
                    m.next = "READ"
                    with m.If(pictures_left == 1):
                        m.d.comb += self.done.eq(1)
                        m.next = "IDLE"

        with m.If(self.busy & ~fsm.ongoing("RUN") & (waited >= self.limit)):
            fail(ErrorCode.CYCLES, waited)
        return m
