"""The spike store: written word by word, read in rows of several words, by every walker."""

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from model.config import WORD_WIDTH, ProcessorConfig

from .layouts import SpikeRow, SpikeWord
from .store import ADDRESS_WIDTH, ReadSignature, WriteSignature

__all__ = ["SpikeStore"]


class SpikeStore(wiring.Component):
    """A memory of spike words. No row may be read in the cycle after that of a write to one of its words.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    write : In(WriteSignature(SpikeWord))
    reads : In(ReadSignature(SpikeRow(cfg))).array(cfg.walkers)
        ``address`` is that of any word of the row.
    fault : Out(1), fault_address : Out(32)
        See :class:`~rtl.store.Store`.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "write": In(WriteSignature(SpikeWord)),
            "reads": In(ReadSignature(SpikeRow(cfg))).array(cfg.walkers),
            "fault": Out(1),
            "fault_address": Out(ADDRESS_WIDTH),
        })

    def elaborate(self, platform):
        m = Module()
        cfg = self.cfg
        span_shift = exact_log2(cfg.span)
        m.submodules.memory = rows = memory.Memory(shape=unsigned(cfg.span * WORD_WIDTH),
                                                   depth=cfg.spike_words // cfg.span, init=[],
                                                   attrs={"no_rw_check": 1})
        write_port = rows.write_port(granularity=WORD_WIDTH)

        # Written a cycle later, by when the address has been checked.
        m.d.sync += [
            write_port.addr.eq(self.write.address >> span_shift),
            write_port.data.eq(Value.cast(self.write.data).replicate(cfg.span)),
            write_port.en.eq(0),
        ]
        write_fault = self.write.enable & (self.write.address >= cfg.spike_words)
        m.d.comb += [
            self.fault.eq(write_fault),
            self.fault_address.eq(self.write.address),
        ]
        for read in self.reads:
            read_port = rows.read_port()
            m.d.comb += [
                read_port.addr.eq(read.address >> span_shift),
                read_port.en.eq(read.enable),
                Value.cast(read.data).eq(read_port.data),
            ]
            with m.If(read.enable & (read.address >= cfg.spike_words) & ~write_fault):
                m.d.comb += [self.fault.eq(1), self.fault_address.eq(read.address)]
        with m.If(self.write.enable & ~write_fault):
            m.d.sync += write_port.en.eq(1 << self.write.address[:span_shift])
        return m
