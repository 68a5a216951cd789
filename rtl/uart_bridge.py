"""The processor on a serial line: a host at its other end reads and writes registers."""

from amaranth import *
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from model.config import ProcessorConfig

from .axi import DATA_WIDTH, STROBE_WIDTH
from .ports import flat
from .uart import BYTE_WIDTH, UartReceiver, UartTransmitter
from .wishbone import WishboneProcessor, WishboneSignature

__all__ = ["Command", "UartBridge", "UartProcessor"]

ADDRESS_BYTES = 4
# Bits of a pause after which a host begins anew: 6500 bytes.
PATIENCE_BITS = 1 << 16


class Command(enum.Enum, shape=BYTE_WIDTH):
    """What a host asks for, in the codes of LiteX's UARTBone."""
    WRITE = 1
    READ = 2


class UartBridge(wiring.Component):
    """Turn the commands of a host into accesses to a Wishbone bus.

    A command is a byte of :class:`Command`; a byte, how many words; four bytes, the address of the first one in
    words; and of a write, the words. A read is answered with the words, and a write is not. All of them have
    their highest byte first. The host waits for the answer to a read before it goes on.

    Bytes that are no command are skipped. A command that is not complete ``patience`` cycles after its last byte is
    forgotten. An access takes as long as the bus does; a byte that arrives meanwhile waits.

    Parameters
    ----------
    address_width : int
        Bits of a word address of the bus. Those above are not looked at.
    patience : int
        Cycles, at least 1.

    Members
    -------
    i : In(stream.Signature(8))
        Bytes from the host.
    o : Out(stream.Signature(8))
        Bytes to the host.
    bus : Out(WishboneSignature(address_width))
        An access that ends with ``err`` ends like any other: the protocol knows no errors. A read gives what is on
        the bus.
    """

    def __init__(self, address_width: int, patience: int):
        self._patience = patience
        super().__init__({
            "i": In(stream.Signature(BYTE_WIDTH)),
            "o": Out(stream.Signature(BYTE_WIDTH)),
            "bus": Out(WishboneSignature(address_width)),
        })

    def elaborate(self, platform):
        m = Module()
        write, words = Signal(), Signal(BYTE_WIDTH)
        address, word = Signal(ADDRESS_BYTES * BYTE_WIDTH), Signal(DATA_WIDTH)
        # Of the four bytes that make an address or a word.
        index = Signal(range(STROBE_WIDTH))
        paused, forgotten = Signal(range(self._patience + 1)), Signal()

        bus = self.bus
        m.d.comb += [
            bus.adr.eq(address),
            bus.we.eq(write),
            bus.sel.eq(-1),
            bus.dat_w.eq(word),
            bus.stb.eq(bus.cyc),
            self.o.payload.eq(word[-BYTE_WIDTH:]),
            forgotten.eq(paused == self._patience),
        ]
        m.d.sync += paused.eq(Mux(self.i.valid, 0, paused + 1))

        with m.FSM():
            with m.State("COMMAND"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [write.eq(self.i.payload == Command.WRITE), index.eq(0), paused.eq(0)]
                with m.If(self.i.valid & self.i.payload.matches(*Command)):
                    m.next = "WORDS"
            with m.State("WORDS"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += words.eq(self.i.payload)
                with m.If(self.i.valid):
                    m.next = "ADDRESS"
                with m.Elif(forgotten):
                    m.next = "COMMAND"
            with m.State("ADDRESS"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [address.eq(Cat(self.i.payload, address)), index.eq(index + 1)]
                    with m.If(index == ADDRESS_BYTES - 1):
                        m.next = "NEXT"
                with m.Elif(forgotten):
                    m.next = "COMMAND"
            with m.State("NEXT"):
                m.d.sync += paused.eq(0)
                with m.If(words == 0):
                    m.next = "COMMAND"
                with m.Elif(write):
                    m.next = "WORD"
                with m.Else():
                    m.next = "ACCESS"
            with m.State("WORD"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [word.eq(Cat(self.i.payload, word)), index.eq(index + 1)]
                    with m.If(index == STROBE_WIDTH - 1):
                        m.next = "ACCESS"
                with m.Elif(forgotten):
                    m.next = "COMMAND"
            with m.State("ACCESS"):
                m.d.comb += bus.cyc.eq(1)
                with m.If(bus.ack | bus.err):
                    m.d.sync += [address.eq(address + 1), words.eq(words - 1)]
                    m.next = "NEXT"
                    with m.If(~write):
                        m.d.sync += word.eq(bus.dat_r)
                        m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += [word.eq(word << BYTE_WIDTH), index.eq(index + 1)]
                    with m.If(index == STROBE_WIDTH - 1):
                        m.next = "NEXT"
        return m


class UartProcessor(wiring.Component):
    """The :class:`~rtl.processor.Processor` with a serial line for its host, see :class:`UartBridge`.

    A host that has paused for 65536 bits can begin a command, whatever it has sent before.

    Parameters
    ----------
    cfg : ProcessorConfig
    bit_cycles : int
        Cycles of a bit, at least 4.

    Members
    -------
    rx : In(1)
        From the host.
    tx : Out(1)
        To the host.

    All others but the AXI4-Lite slave are those of :class:`~rtl.processor.Processor`.

    Raises
    ------
    ValueError
        If ``bit_cycles`` is below 4.
    """

    def __init__(self, cfg: ProcessorConfig, bit_cycles: int):
        self._receiver, self._transmitter = UartReceiver(bit_cycles), UartTransmitter(bit_cycles)
        self._patience = PATIENCE_BITS * bit_cycles
        self._processor = processor = WishboneProcessor(cfg)
        members = processor.signature.members
        self._address_width = members["wb_adr"].shape
        self._others = {name: member for name, member in members.items() if not name.startswith("wb_")}
        super().__init__({"rx": In(1, init=1), "tx": Out(1), **self._others})

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = self._receiver
        m.submodules.bridge = bridge = UartBridge(self._address_width, self._patience)
        m.submodules.transmitter = transmitter = self._transmitter
        m.submodules.processor = processor = self._processor
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]
        wiring.connect(m, receiver.o, bridge.i)
        wiring.connect(m, bridge.o, transmitter.i)
        wiring.connect(m, bridge.bus, flat(processor, bridge.bus.signature.flip(), "wb_"))
        others = wiring.Signature(self._others)
        wiring.connect(m, flat(self, others.flip()), flat(processor, others))
        return m
