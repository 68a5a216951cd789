"""The host at the other end of a serial line, in simulation."""

import numpy as np
from cocotb.triggers import with_timeout
from cocotbext.axi import AxiResp
from cocotbext.uart import UartSink, UartSource

from firmware.buses import uart_commands

from .host import CLOCK_PERIOD_NS
from .wishbone import WORD_BYTES, Answered

__all__ = ["UartMaster"]

# Bits of the line within which the next byte of an answer comes, with a wide margin.
PATIENCE_BITS = 100


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

    async def send(self, command: bytes):
        """Send a command, until its last bit is on the wire."""
        await self.source.write(command)
        await self.source.wait()

    async def write(self, address: int, data: bytes) -> Answered:
        """Write words to ``address`` and behind."""
        words = np.frombuffer(data, "<u4")
        for command, _ in uart_commands(address, len(words), words):
            await self.send(command)
        return Answered(AxiResp.OKAY)

    async def read(self, address: int, length: int) -> Answered:
        """Read ``length`` bytes, whole words, from ``address`` on."""
        answer = bytearray()
        for command, count in uart_commands(address, length // WORD_BYTES):
            await self.send(command)
            for _ in range(WORD_BYTES * count):
                answer += await with_timeout(self.sink.read(1), PATIENCE_BITS * self.bit_ns, "ns")
        return Answered(AxiResp.OKAY, np.frombuffer(answer, ">u4").astype("<u4").tobytes())
