"""AXI4-Lite: the host's bus, and the handshake of a slave on it; AXI4: the bus to the memory."""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["DATA_WIDTH", "STROBE_WIDTH", "Response", "AxiLiteSignature", "AxiLiteWrite", "AxiLiteFrontEnd",
           "INCREMENTING", "NORMAL", "AxiReadSignature", "AxiWriteSignature"]

DATA_WIDTH = 32
STROBE_WIDTH = DATA_WIDTH // 8

# Of arburst and awburst: each beat follows the one before. Of arcache and awcache: a normal memory that may buffer.
INCREMENTING, NORMAL = 1, 0b0011


class Response(enum.Enum, shape=2):
    """How an access ended (AMBA AXI4, A3.4.4)."""
    OKAY = 0
    EXOKAY = 1
    SLVERR = 2
    DECERR = 3


class AxiLiteSignature(wiring.Signature):
    """AXI4-Lite with words of 32 bits, as its master sees it.

    Parameters
    ----------
    address_width : int
        Bits of a byte address.
    """

    def __init__(self, address_width: int):
        super().__init__({
            "awaddr": Out(address_width),
            "awprot": Out(3),
            "awvalid": Out(1),
            "awready": In(1),
            "wdata": Out(DATA_WIDTH),
            "wstrb": Out(STROBE_WIDTH),
            "wvalid": Out(1),
            "wready": In(1),
            "bresp": In(Response),
            "bvalid": In(1),
            "bready": Out(1),
            "araddr": Out(address_width),
            "arprot": Out(3),
            "arvalid": Out(1),
            "arready": In(1),
            "rdata": In(DATA_WIDTH),
            "rresp": In(Response),
            "rvalid": In(1),
            "rready": Out(1),
        })


class AxiLiteWrite(data.StructLayout):
    """One write: the bytes of ``data`` whose bit of ``strobe`` is set."""

    def __init__(self, address_width: int):
        super().__init__({
            "address": address_width,
            "data": DATA_WIDTH,
            "strobe": STROBE_WIDTH,
        })


class AxiLiteFrontEnd(wiring.Component):
    """Turn bus transfers into one stream of writes and one strobe per read.

    Writes and reads do not wait for each other. A write may offer address and data in either order. Its address
    and data are accepted in the cycle after it was taken from ``write``, its response is valid in the cycle after that;
    a read's address is accepted in the cycle after ``read``, its data is valid in the cycle after that. A host that is
    always ready completes a write or a read every two cycles. A host that withholds ``bready`` or ``rready``
    holds off the next access of that kind. There is no combinational path from the bus to the bus.

    Parameters
    ----------
    address_width : int
        Bits of a byte address.

    Members
    -------
    bus : In(AxiLiteSignature(address_width))
        The bus, as slave. ``awprot`` and ``arprot`` are not looked at.
    write : Out(stream.Signature(AxiLiteWrite(address_width)))
        Writes, in order.
    write_error : In(1)
        Answer with an error the write that is being taken from ``write``.
    read : Out(1)
        High for one cycle: read ``read_address``.
    read_address : Out(address_width)
        Steady while ``read`` and in the cycle after it.
    read_data : In(32)
        Answer, due in the cycle after ``read``.
    read_error : In(1)
        Answer with an error, due in the cycle after ``read``.
    """

    def __init__(self, address_width: int):
        super().__init__({
            "bus": In(AxiLiteSignature(address_width)),
            "write": Out(stream.Signature(AxiLiteWrite(address_width))),
            "write_error": In(1),
            "read": Out(1),
            "read_address": Out(address_width),
            "read_data": In(DATA_WIDTH),
            "read_error": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        bus, write = self.bus, self.write

        # A master holds its offer until it is accepted, so nothing is copied: first the access is done, then accepted.
        written = Signal()
        m.d.comb += [
            write.p.address.eq(bus.awaddr),
            write.p.data.eq(bus.wdata),
            write.p.strobe.eq(bus.wstrb),
            write.valid.eq(bus.awvalid & bus.wvalid & ~written & (~bus.bvalid | bus.bready)),
            bus.awready.eq(written),
            bus.wready.eq(written),
        ]
        m.d.sync += [
            written.eq(write.valid & write.ready),
            bus.bvalid.eq(written | (bus.bvalid & ~bus.bready)),
        ]
        with m.If(write.valid & write.ready):
            m.d.sync += bus.bresp.eq(Mux(self.write_error, Response.SLVERR, Response.OKAY))

        fetching = Signal()
        m.d.comb += [
            self.read.eq(bus.arvalid & ~fetching & (~bus.rvalid | bus.rready)),
            self.read_address.eq(bus.araddr),
            bus.arready.eq(fetching),
        ]
        m.d.sync += [
            fetching.eq(self.read),
            bus.rvalid.eq(fetching | (bus.rvalid & ~bus.rready)),
        ]
        with m.If(fetching):
            m.d.sync += [
                bus.rdata.eq(self.read_data),
                bus.rresp.eq(Mux(self.read_error, Response.SLVERR, Response.OKAY)),
            ]

        return m


class AxiReadSignature(wiring.Signature):
    """The read channels of AXI4, as their master sees them.

    Parameters
    ----------
    address_width : int
        Bits of a byte address.
    data_width : int
        Bits of a beat.
    """

    def __init__(self, address_width: int, data_width: int):
        super().__init__({
            "arid": Out(1),
            "araddr": Out(address_width),
            "arlen": Out(8),
            "arsize": Out(3),
            "arburst": Out(2),
            "arcache": Out(4),
            "arprot": Out(3),
            "arvalid": Out(1),
            "arready": In(1),
            "rid": In(1),
            "rdata": In(data_width),
            "rresp": In(Response),
            "rlast": In(1),
            "rvalid": In(1),
            "rready": Out(1),
        })


class AxiWriteSignature(wiring.Signature):
    """The write channels of AXI4, as their master sees them.

    Parameters
    ----------
    address_width : int
        Bits of a byte address.
    data_width : int
        Bits of a beat.
    """

    def __init__(self, address_width: int, data_width: int):
        super().__init__({
            "awid": Out(1),
            "awaddr": Out(address_width),
            "awlen": Out(8),
            "awsize": Out(3),
            "awburst": Out(2),
            "awcache": Out(4),
            "awprot": Out(3),
            "awvalid": Out(1),
            "awready": In(1),
            "wdata": Out(data_width),
            "wstrb": Out(data_width // 8),
            "wlast": Out(1),
            "wvalid": Out(1),
            "wready": In(1),
            "bid": In(1),
            "bresp": In(Response),
            "bvalid": In(1),
            "bready": Out(1),
        })
