"""The layer descriptors: loaded word by word, read whole."""

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from model.config import ProcessorConfig
from model.descriptor import DESCRIPTOR_WORDS

from .layouts import DESCRIPTOR_WORD, Descriptor
from .store import WriteSignature

__all__ = ["DescriptorStore"]


class DescriptorStore(wiring.Component):
    """A memory of descriptors.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    write : In(WriteSignature(32))
        ``address`` counts words.
    index : In(range(cfg.layers))
    layer : Out(Descriptor)
        The descriptor of layer ``index``, in the same cycle.
    ahead_index : In(range(cfg.layers)), ahead_layer : Out(Descriptor)
        The same, of another layer; with a memory only.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "write": In(WriteSignature(unsigned(DESCRIPTOR_WORD))),
            "index": In(range(cfg.layers)),
            "layer": Out(Descriptor),
            **({"ahead_index": In(range(cfg.layers)), "ahead_layer": Out(Descriptor)} if cfg.memory_width else {}),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = layers = memory.Memory(shape=unsigned(DESCRIPTOR_WORDS * DESCRIPTOR_WORD),
                                                     depth=self.cfg.layers, init=[])
        write_port = layers.write_port(granularity=DESCRIPTOR_WORD)
        read_port = layers.read_port(domain="comb")
        word_width = exact_log2(DESCRIPTOR_WORDS)
        m.d.comb += [
            write_port.addr.eq(self.write.address[word_width:]),
            write_port.data.eq(self.write.data.replicate(DESCRIPTOR_WORDS)),
            write_port.en.eq(self.write.enable << self.write.address[:word_width]),
            read_port.addr.eq(self.index),
            Value.cast(self.layer).eq(read_port.data),
        ]
        if self.cfg.memory_width:
            ahead_port = layers.read_port(domain="comb")
            m.d.comb += [ahead_port.addr.eq(self.ahead_index), Value.cast(self.ahead_layer).eq(ahead_port.data)]
        return m
