"""The CRC that stands for everything a layer emitted. Twin of :mod:`model.signature`."""

from functools import reduce
from operator import xor

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from model.config import WORD_WIDTH, ProcessorConfig
from model.tables import CRC_INITIAL, CRC_WIDTH, crc_step

__all__ = ["Signature"]


class Signature(wiring.Component):
    """One CRC per layer, over all the timesteps of a run.

    One word a cycle, which is in the signature two cycles later.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    clear : In(1)
        A run begins: all signatures go back to their initial value.
    layer : In(range(cfg.layers))
        Whose word this is.
    word : In(WORD_WIDTH)
    valid : In(1)
    read_layer : In(range(cfg.layers))
    read_data : Out(CRC_WIDTH)
        Signature of ``read_layer``, in the same cycle.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "clear": In(1),
            "layer": In(range(cfg.layers)),
            "word": In(WORD_WIDTH),
            "valid": In(1),
            "read_layer": In(range(cfg.layers)),
            "read_data": Out(CRC_WIDTH),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.crcs = crcs = memory.Memory(shape=unsigned(CRC_WIDTH), depth=self.cfg.layers, init=[])
        write_port = crcs.write_port()
        old_port, read_port = crcs.read_port(domain="comb"), crcs.read_port(domain="comb")
        signed_layers = Signal(self.cfg.layers)

        # A CRC is linear: each bit is the XOR of the bits that reach it. Those of the word come first.
        share = Signal(CRC_WIDTH)
        layer, valid, begun = Signal.like(self.layer), Signal(), Signal()
        m.d.sync += [
            share.eq(reached(self.word, [crc_step(0, 1 << bit, WORD_WIDTH) for bit in range(WORD_WIDTH)])),
            layer.eq(self.layer),
            valid.eq(self.valid),
            begun.eq(signed_layers.bit_select(self.layer, 1) | (valid & (layer == self.layer))),
        ]

        old = Signal(CRC_WIDTH)
        m.d.comb += [
            old_port.addr.eq(layer),
            old.eq(Mux(begun, old_port.data, CRC_INITIAL)),
            write_port.addr.eq(layer),
            write_port.data.eq(share ^ reached(old, [crc_step(1 << bit, 0, WORD_WIDTH) for bit in range(CRC_WIDTH)])),
            write_port.en.eq(valid),
            read_port.addr.eq(self.read_layer),
            self.read_data.eq(Mux(signed_layers.bit_select(self.read_layer, 1), read_port.data, CRC_INITIAL)),
        ]
        with m.If(valid):
            m.d.sync += signed_layers.bit_select(layer, 1).eq(1)
        with m.If(self.clear):
            m.d.sync += signed_layers.eq(0)
        return m


def reached(bits, reaches):
    """The XOR, bit by bit of a CRC, of the ``bits`` that reach it; ``reaches`` says for each which it reaches."""
    return Cat(reduce(xor, (bit for bit, reach in zip(bits, reaches) if reach >> n & 1)) for n in range(CRC_WIDTH))
