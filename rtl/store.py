"""A memory with one write and one read port that knows its bounds."""

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ADDRESS_WIDTH", "WriteSignature", "ReadSignature", "Store"]

# Wide enough for every address a descriptor can lead to, so that none wraps into bounds.
ADDRESS_WIDTH = 32


class WriteSignature(wiring.Signature):
    """A write, seen by the writer: ``data`` goes to ``address`` at the end of a cycle with ``enable``."""

    def __init__(self, shape):
        super().__init__({"address": Out(ADDRESS_WIDTH), "data": Out(shape), "enable": Out(1)})


class ReadSignature(wiring.Signature):
    """A read, seen by the reader: ``data`` follows a cycle with ``enable`` and holds until the next."""

    def __init__(self, shape):
        super().__init__({"address": Out(ADDRESS_WIDTH), "enable": Out(1), "data": In(shape)})


class Store(wiring.Component):
    """A memory. No word may be read in the cycle in which it is written: block RAMs differ in what they give then.

    Parameters
    ----------
    shape : ShapeLike
        Of a word.
    depth : int
        Words, at least 2.

    Members
    -------
    write : In(WriteSignature(shape))
    read : In(ReadSignature(shape))
    fault : Out(1), fault_address : Out(32)
        High in the cycle of an access beyond ``depth``, with its address. Such a write changes nothing.
    """

    def __init__(self, shape, depth: int):
        self.shape = shape
        self.depth = depth
        super().__init__({
            "write": In(WriteSignature(shape)),
            "read": In(ReadSignature(shape)),
            "fault": Out(1),
            "fault_address": Out(ADDRESS_WIDTH),
        })

    def elaborate(self, platform):
        m = Module()
        width = Shape.cast(self.shape).width
        # Without the attribute, logic around the block RAM would take care of reads in the cycle of a write.
        m.submodules.memory = words = memory.Memory(shape=unsigned(width), depth=self.depth, init=[],
                                                      attrs={"no_rw_check": 1})
        write_port = words.write_port()
        read_port = words.read_port()

        write_fault = self.write.enable & (self.write.address >= self.depth)
        read_fault = self.read.enable & (self.read.address >= self.depth)
        m.d.comb += [
            write_port.addr.eq(self.write.address),
            write_port.data.eq(self.write.data),
            write_port.en.eq(self.write.enable & ~write_fault),
            read_port.addr.eq(self.read.address),
            read_port.en.eq(self.read.enable),
            Value.cast(self.read.data).eq(read_port.data),
            self.fault.eq(write_fault | read_fault),
            self.fault_address.eq(Mux(write_fault, self.write.address, self.read.address)),
        ]
        return m
