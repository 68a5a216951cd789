"""The load window: sections of images and pictures into the memories. Format: :mod:`model.image`."""

from dataclasses import dataclass

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from model.config import GRANULE_WIDTH

__all__ = ["SectionHead", "LoadTarget", "Loader"]

# First word of a section.
SectionHead = data.StructLayout({"target": 8, "granules": 8, "zero": 16})


@dataclass(frozen=True)
class LoadTarget:
    """A memory that sections can fill.

    Parameters
    ----------
    target : int
        See :class:`model.config.Target`.
    depth : int
        Entries.
    width : int
        Bits of an entry.
    """

    target: int
    depth: int
    width: int

    @property
    def granules(self) -> int:
        """32-bit words of a whole entry."""
        return -(-self.width // GRANULE_WIDTH)


class Loader(wiring.Component):
    """Parse sections, one word a cycle, and write their entries.

    An entry is written in the cycle after its last granule. After an illegal section everything is
    swallowed until a reset.

    Parameters
    ----------
    memories : list of LoadTarget
        In the order of ``enables``.

    Members
    -------
    i : In(stream.Signature(32))
        Always ready.
    loading : Out(1)
        A section has begun and is not complete.
    error : Out(1)
        High for one cycle, that after the head of a section that has an unknown target, too many or no granules, or
        leads beyond its memory.
    head : Out(32)
        First word of the section at hand.
    address : Out(32)
    data : Out
        The entry; granules that the section does not bring are ones.
    enables : Out(len(memories))
        Which memory is written in this cycle.
    """

    def __init__(self, memories: list[LoadTarget]):
        self.memories = memories
        self.granules = max(memory.granules for memory in memories)
        super().__init__({
            "i": In(stream.Signature(GRANULE_WIDTH)),
            "loading": Out(1),
            "error": Out(1),
            "head": Out(GRANULE_WIDTH),
            "address": Out(GRANULE_WIDTH),
            "data": Out(self.granules * GRANULE_WIDTH),
            "enables": Out(len(memories)),
        })

    def elaborate(self, platform):
        m = Module()
        word = self.i.payload
        head = Signal(SectionHead)
        address, entries, granule = Signal(GRANULE_WIDTH), Signal(GRANULE_WIDTH), Signal(8)
        entry = Signal(len(self.data))

        # The memory this section fills, known two cycles after its first word.
        selected = Signal(len(self.memories))
        depth = Signal(range(max(memory.depth for memory in self.memories) + 1))
        granules = Signal(range(self.granules + 1))
        m.d.sync += granules.eq(0)
        with m.Switch(head.target):
            for index, memory in enumerate(self.memories):
                with m.Case(memory.target):
                    m.d.sync += [
                        selected.eq(1 << index),
                        depth.eq(memory.depth),
                        granules.eq(memory.granules),
                    ]

        arrived = Signal(len(entry))
        m.d.comb += arrived.eq(entry)
        with m.Switch(granule):
            for index in range(self.granules):
                with m.Case(index):
                    m.d.comb += arrived.word_select(index, GRANULE_WIDTH).eq(word)

        m.d.comb += [self.i.ready.eq(1), self.head.eq(head)]
        # A section is checked in the cycle after its head, in which its first granule may come.
        begun = Signal()
        end, last_granule = Signal(GRANULE_WIDTH + 1), Signal.like(granule)
        m.d.sync += last_granule.eq(head.granules - 1)
        illegal_head = (head.granules == 0) | (head.granules > granules) | head.zero.any()
        m.d.sync += [self.enables.eq(0), begun.eq(0)]
        with m.FSM() as fsm:
            m.d.comb += self.loading.eq(~fsm.ongoing("TARGET"))
            with m.State("TARGET"):
                with m.If(self.i.valid):
                    m.d.sync += head.eq(word)
                    m.next = "ADDRESS"
            with m.State("ADDRESS"):
                with m.If(self.i.valid):
                    m.d.sync += address.eq(word)
                    m.next = "ENTRIES"
            with m.State("ENTRIES"):
                with m.If(self.i.valid):
                    m.d.sync += [entries.eq(word), end.eq(address + word), granule.eq(0), entry.eq(~0), begun.eq(1)]
                    m.next = "DATA"
                    with m.If((word == 0) & ~illegal_head):
                        m.next = "TARGET"
            with m.State("DATA"):
                with m.If(begun & (illegal_head | (end > depth))):
                    m.d.comb += self.error.eq(1)
                    m.next = "REFUSE"
                with m.Elif(self.i.valid):
                    m.d.sync += [entry.eq(arrived), granule.eq(granule + 1)]
                    with m.If(granule == last_granule):
                        m.d.sync += [
                            self.enables.eq(selected),
                            self.address.eq(address),
                            self.data.eq(arrived),
                            address.eq(address + 1),
                            entries.eq(entries - 1),
                            granule.eq(0),
                            entry.eq(~0),
                        ]
                        with m.If(entries == 1):
                            m.next = "TARGET"
            with m.State("REFUSE"):
                pass
        return m
