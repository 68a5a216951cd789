"""The host at the other end of a serial line, in simulation."""

from collections.abc import Sequence

import numpy as np
from cocotb.triggers import with_timeout
from cocotbext.axi import AxiResp
from cocotbext.uart import UartSink, UartSource

from rtl.uart_bridge import Command

from .host import CLOCK_PERIOD_NS
from .wishbone import WORD_BYTES, Answered

__all__ = ["UartMaster"]

# Words of a command.
MOST_WORDS = 255
# Bits within which a read is answered, with a wide margin: a command, and so many words.
PATIENCE_BITS = 10 * (6 + 2 * WORD_BYTES * MOST_WORDS)


class UartMaster:
    """Drives ``rx`` of ``dut``, and listens to ``tx``, in the words of AXI. Errors of single accesses are not seen.

    Parameters
    ----------
    dut : SimHandle
    bit_cycles : int
        Clock cycles of a bit.
    """

    def __init__(self, dut, bit_cycles: int):
        self.bit_ns = bit_cycles * CLOCK_PERIOD_NS
        self.source, self.sink = (end(line, baud=1e9 / self.bit_ns)
                                  for end, line in ((UartSource, dut.rx), (UartSink, dut.tx)))
        for end in (self.source, self.sink):
            end.log.setLevel("WARNING")

    async def command(self, code: Command, address: int, count: int, words: Sequence[int] = ()):
        """Send a command, until its last bit is on the wire."""
        sent = np.array([address // WORD_BYTES, *words], ">u4").tobytes()
        await self.source.write(bytes([code.value, count]) + sent)
        await self.source.wait()

    async def write(self, address: int, data: bytes) -> Answered:
        """Write words to ``address`` and behind."""
        words = np.frombuffer(data, "<u4").tolist()
        for first in range(0, len(words), MOST_WORDS):
            part = words[first:first + MOST_WORDS]
            await self.command(Command.WRITE, address + WORD_BYTES * first, len(part), part)
        return Answered(AxiResp.OKAY)

    async def read(self, address: int, length: int) -> Answered:
        """Read ``length`` bytes, whole words, at most 255, from ``address`` on."""
        await self.command(Command.READ, address, length // WORD_BYTES)
        answer = bytearray()
        while len(answer) < length:
            answer += await with_timeout(self.sink.read(1), PATIENCE_BITS * self.bit_ns, "ns")
        return Answered(AxiResp.OKAY, np.frombuffer(answer, ">u4").astype("<u4").tobytes())
