"""Which channels of a map spiked, wherever on it. Twin of :func:`model.memory.seen`."""

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from model.config import LANES, SILENT, ProcessorConfig

from .pool import PooledWord

__all__ = ["Seen"]


class Seen(wiring.Component):
    """A bit for every channel, of any number of maps.

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
    address : In(range(cfg.seen_words)), data : Out(16)
        The channels of a word that have spiked; in the same cycle.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "word": In(PooledWord(cfg)),
            "enable": In(1),
            "address": In(ceil_log2(cfg.seen_words)),
            "data": Out(LANES),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = words = memory.Memory(shape=unsigned(LANES), depth=self.cfg.seen_words, init=[])
        write_port = words.write_port()
        before, read_port = (words.read_port(domain="comb") for _ in range(2))
        spiked = Cat(code != SILENT for code in self.word.codes)
        m.d.comb += [
            before.addr.eq(self.word.seen),
            write_port.addr.eq(self.word.seen),
            write_port.data.eq(spiked | Mux(self.word.begins, 0, before.data)),
            write_port.en.eq(self.enable),
            read_port.addr.eq(self.address),
            self.data.eq(read_port.data),
        ]
        return m
