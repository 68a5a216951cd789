"""Which channels of a map spiked, in which of its corners. Twin of :func:`model.memory.seen`."""

from functools import reduce
from operator import or_

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from model.config import CORNERS, LANES, SILENT, ProcessorConfig

from .pool import PooledWord

__all__ = ["Seen"]


class Seen(wiring.Component):
    """A bit for every channel and corner, of any number of maps.

    The corners of a map overlap: top left is all of it but the last line and the last column, and so on. A map of one
    line has it at the top and at the bottom.

    Parameters
    ----------
    cfg : ProcessorConfig
        With a memory.

    Members
    -------
    word : In(PooledWord(cfg))
        A word that a layer emits; the first of its map forgets what was known of its channels.
    enable : In(1)
        There is one.
    address : In(range(cfg.seen_words)), corners : In(4), data : Out(16)
        The channels of a word that have spiked in one of these corners; in the same cycle.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "word": In(PooledWord(cfg)),
            "enable": In(1),
            "address": In(ceil_log2(self.cfg.seen_words)),
            "corners": In(CORNERS),
            "data": Out(LANES),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = words = memory.Memory(shape=data.ArrayLayout(LANES, CORNERS), depth=self.cfg.seen_words,
                                                    init=[])
        write_port = words.write_port()
        before, read_port = (words.read_port(domain="comb") for _ in range(2))
        spiked = Cat(code != SILENT for code in self.word.codes)
        m.d.comb += [
            before.addr.eq(self.word.seen),
            write_port.addr.eq(self.word.seen),
            write_port.en.eq(self.enable),
            read_port.addr.eq(self.address),
            self.data.eq(reduce(or_, (Mux(self.corners[corner], read_port.data[corner], 0)
                                      for corner in range(CORNERS)))),
        ]
        for corner in range(CORNERS):
            m.d.comb += write_port.data[corner].eq(Mux(self.word.corners[corner], spiked, 0)
                                                   | Mux(self.word.begins, 0, before.data[corner]))
        return m
