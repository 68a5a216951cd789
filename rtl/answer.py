"""What a batch writes into the memory of every picture, in beats. Twin of :mod:`model.answer`."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from model.answer import ANSWER_WORDS
from model.config import GRANULE_WIDTH, ProcessorConfig

__all__ = ["index_width", "Answer"]


def index_width(cfg: ProcessorConfig) -> int:
    """Bits of the number of a word within its part of an answer."""
    return bits_for(max(ANSWER_WORDS, cfg.classes, cfg.layers))


class Answer(wiring.Component):
    """Gather what is known of a run, word by word, into beats.

    A word takes two cycles, and a beat that is offered holds up the words after it.

    Parameters
    ----------
    cfg : ProcessorConfig
        With a memory.

    Members
    -------
    start : In(1)
        Begin an answer. Not while ``busy``.
    head : In(data.ArrayLayout(32, ANSWER_WORDS))
        The words of :data:`model.answer.ANSWER`. Must not change while ``busy``, as all inputs that follow.
    classes : In(range(cfg.classes + 1)), layers : In(range(cfg.layers + 1))
        How many logits and signatures there are.
    index : Out
        Which logit, or signature, is asked for.
    logit_data : In(signed(32)), signature_data : In(32)
        Those of ``index`` in the cycle before.
    busy : Out(1)
    o : Out(stream.Signature(cfg.memory_width))
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "start": In(1),
            "head": In(data.ArrayLayout(GRANULE_WIDTH, ANSWER_WORDS)),
            "classes": In(range(cfg.classes + 1)),
            "layers": In(range(cfg.layers + 1)),
            "index": Out(index_width(cfg)),
            "logit_data": In(signed(GRANULE_WIDTH)),
            "signature_data": In(GRANULE_WIDTH),
            "busy": Out(1),
            "o": Out(stream.Signature(cfg.memory_width)),
        })

    def elaborate(self, platform):
        m = Module()
        lanes = self.cfg.memory_width // GRANULE_WIDTH

        # How many words each part has, and its next one. What follows the last part is zero, to the end of its beat.
        parts = [(ANSWER_WORDS, self.head[self.index]), (self.classes, self.logit_data),
                 (self.layers, self.signature_data)]
        part, lane = Signal(range(len(parts) + 1)), Signal(range(lanes))
        length, word = Signal.like(self.index), Signal(GRANULE_WIDTH)
        with m.Switch(part):
            for number, (count, value) in enumerate(parts):
                with m.Case(number):
                    m.d.comb += [length.eq(count), word.eq(value)]
        over = part == len(parts)

        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.sync += [part.eq(0), self.index.eq(0), lane.eq(0)]
                with m.If(self.start):
                    m.next = "ASK"
            with m.State("ASK"):
                m.next = "TAKE"
            with m.State("TAKE"):
                m.d.sync += [
                    self.o.payload.eq(Cat(self.o.payload[GRANULE_WIDTH:], word)),
                    # There are as many lanes as the counter has values.
                    lane.eq(lane + 1),
                    self.index.eq(self.index + 1),
                ]
                with m.If(~over & (self.index + 1 == length)):
                    m.d.sync += [part.eq(part + 1), self.index.eq(0)]
                m.next = "ASK"
                with m.If(lane == lanes - 1):
                    m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "ASK"
                    with m.If(over):
                        m.next = "IDLE"
        return m
