"""Beats of the memory to the words that the loader takes."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from model.config import GRANULE_WIDTH

from .reader import Beat

__all__ = ["WORDS_WIDTH", "Word", "Words"]

# Bits of a number of words.
WORDS_WIDTH = 24

# The last of a run is marked.
Word = data.StructLayout({"data": GRANULE_WIDTH, "last": 1})


class Words(wiring.Component):
    """Cut beats into words, the lowest first, and drop what is beyond the last word of a run.

    A word leaves in the cycle in which its beat comes, one a cycle; a beat is taken with its last word.

    Parameters
    ----------
    data_width : int
        Bits of a beat.

    Members
    -------
    words : In(24)
        Of a run, at least 1; as many beats belong to it as hold so many words. Must not change during a run.
    i : In(stream.Signature(Beat(data_width)))
    o : Out(stream.Signature(Word))
    """

    def __init__(self, data_width: int):
        self.data_width = data_width
        super().__init__({
            "words": In(WORDS_WIDTH),
            "i": In(stream.Signature(Beat(data_width))),
            "o": Out(stream.Signature(Word)),
        })

    def elaborate(self, platform):
        m = Module()
        lane, given = Signal(range(self.data_width // GRANULE_WIDTH)), Signal(WORDS_WIDTH)
        last = given + 1 == self.words
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.o.p.data.eq(self.i.p.data.word_select(lane, GRANULE_WIDTH)),
            self.o.p.last.eq(last),
            self.i.ready.eq(self.o.ready & (last | (lane == self.data_width // GRANULE_WIDTH - 1))),
        ]
        with m.If(self.o.valid & self.o.ready):
            # There are as many lanes as the counter has values.
            m.d.sync += [lane.eq(lane + 1), given.eq(given + 1)]
            with m.If(last):
                m.d.sync += [lane.eq(0), given.eq(0)]
        return m
