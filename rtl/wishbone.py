"""The processor on a Wishbone bus (Wishbone B4, classic cycles of single words)."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from model.config import ProcessorConfig

from .axi import DATA_WIDTH, STROBE_WIDTH, AxiLiteSignature, Response
from .ports import flat
from .processor import Processor

__all__ = ["WishboneSignature", "WishboneBridge", "WishboneProcessor"]

OFFSET_WIDTH = exact_log2(STROBE_WIDTH)


class WishboneSignature(wiring.Signature):
    """Wishbone with words of 32 bits, as its master sees it.

    Parameters
    ----------
    address_width : int
        Bits of a word address.
    """

    def __init__(self, address_width: int):
        super().__init__({
            "cyc": Out(1),
            "stb": Out(1),
            "we": Out(1),
            "adr": Out(address_width),
            "sel": Out(STROBE_WIDTH),
            "dat_w": Out(DATA_WIDTH),
            "dat_r": In(DATA_WIDTH),
            "ack": In(1),
            "err": In(1),
        })


class WishboneBridge(wiring.Component):
    """Turn the accesses of a Wishbone master into those of an AXI4-Lite master.

    One access after the other: it is offered to the slave in the cycle in which it comes, and answered in the cycle
    in which the slave's response is valid, with ``err`` where that is an error, otherwise with ``ack``. With a slave of
    :class:`~rtl.axi.AxiLiteFrontEnd` that is two cycles later, and an access takes three. Cycles are classic,
    since a slave that takes one access at a time has nothing to gain from pipelined ones.

    Parameters
    ----------
    address_width : int
        Bits of a byte address, on AXI4-Lite.

    Members
    -------
    bus : In(WishboneSignature(address_width - 2))
        The bus, as slave. A master holds an access until it is answered. ``sel`` is not looked at in reads, which
        give the whole word.
    axi : Out(AxiLiteSignature(address_width))
        The slave's bus, as master.
    """

    def __init__(self, address_width: int):
        super().__init__({
            "bus": In(WishboneSignature(address_width - OFFSET_WIDTH)),
            "axi": Out(AxiLiteSignature(address_width)),
        })

    def elaborate(self, platform):
        m = Module()
        bus, axi = self.bus, self.axi

        writes, reads, answered = (Signal(name=name) for name in ("writes", "reads", "answered"))
        m.d.comb += [
            writes.eq(bus.cyc & bus.stb & bus.we),
            reads.eq(bus.cyc & bus.stb & ~bus.we),
            axi.awaddr.eq(bus.adr << OFFSET_WIDTH),
            axi.araddr.eq(bus.adr << OFFSET_WIDTH),
            axi.wdata.eq(bus.dat_w),
            axi.wstrb.eq(bus.sel),
        ]
        # What a channel has taken is not offered again, although the master still holds it.
        for asked, valid, ready in ((writes, axi.awvalid, axi.awready), (writes, axi.wvalid, axi.wready),
                                    (reads, axi.arvalid, axi.arready)):
            taken = Signal(name=f"{valid.name}_taken")
            m.d.comb += valid.eq(asked & ~taken)
            m.d.sync += taken.eq((taken | (valid & ready)) & ~answered)

        okay = Mux(bus.we, axi.bresp, axi.rresp) == Response.OKAY
        m.d.comb += [
            axi.bready.eq(1),
            axi.rready.eq(1),
            answered.eq(axi.bvalid | axi.rvalid),
            bus.dat_r.eq(axi.rdata),
            bus.ack.eq(answered & okay),
            bus.err.eq(answered & ~okay),
        ]
        return m


class WishboneProcessor(wiring.Component):
    """The :class:`~rtl.processor.Processor` with a Wishbone slave for its host.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    wb_* : Wishbone slave, see :class:`WishboneSignature`
        ``wb_adr`` counts words: it is the byte address of the register map divided by four. What would be answered with
        ``SLVERR`` on AXI4-Lite is answered with ``wb_err``.

    All others are those of :class:`~rtl.processor.Processor`.
    """

    def __init__(self, cfg: ProcessorConfig):
        self._processor = processor = Processor(cfg)
        members = processor.signature.members
        self._address_width = members["s_axil_awaddr"].shape
        self._others = {name: member for name, member in members.items() if not name.startswith("s_axil_")}
        bus = WishboneSignature(self._address_width - OFFSET_WIDTH).flip().members
        super().__init__({**{f"wb_{name}": member for name, member in bus.items()}, **self._others})

    def elaborate(self, platform):
        m = Module()
        m.submodules.processor = processor = self._processor
        m.submodules.bridge = bridge = WishboneBridge(self._address_width)
        wiring.connect(m, bridge.axi, flat(processor, AxiLiteSignature(self._address_width).flip(), "s_axil_"))
        wiring.connect(m, flat(self, bridge.bus.signature.flip(), "wb_"), bridge.bus)
        others = wiring.Signature(self._others)
        wiring.connect(m, flat(self, others.flip()), flat(processor, others))
        return m
