"""A Wishbone master in simulation."""

from dataclasses import dataclass

import numpy as np
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiResp

__all__ = ["Answered", "WishboneMaster"]

WORD_BYTES = 4
ALL_BYTES = 0b1111
# Cycles in which every access is answered, with a wide margin.
PATIENCE = 100


@dataclass(frozen=True)
class Answered:
    """How an access, or several that follow one another, ended; ``data`` is what was read."""

    resp: AxiResp
    data: bytes = b""


class WishboneMaster:
    """Drives the ``wb_*`` ports of ``dut`` with classic cycles, one word after the other, in the words of AXI."""

    def __init__(self, dut):
        self.dut = dut
        dut.wb_cyc.value = dut.wb_stb.value = 0

    async def access(self, address: int, data: int | None = None, *, select: int = ALL_BYTES) -> tuple[AxiResp, int]:
        """Write ``data``, or read, at a byte address; returns how that ended, and what was read.

        Raises
        ------
        TimeoutError
            If there is no answer.
        """
        dut = self.dut
        dut.wb_adr.value, dut.wb_sel.value = address // WORD_BYTES, select
        dut.wb_we.value, dut.wb_dat_w.value = data is not None, data or 0
        dut.wb_cyc.value = dut.wb_stb.value = 1
        for _ in range(PATIENCE):
            await RisingEdge(dut.clk)
            ack, err = dut.wb_ack.value, dut.wb_err.value
            if ack or err:
                break
        else:
            raise TimeoutError(f"the access to {address:#x} is not answered within {PATIENCE} cycles")
        read = dut.wb_dat_r.value.to_unsigned()
        dut.wb_cyc.value = dut.wb_stb.value = 0
        return AxiResp.SLVERR if err else AxiResp.OKAY, read

    async def write(self, address: int, data: bytes) -> Answered:
        """Write words to ``address`` and behind; the first error ends it."""
        for offset, word in enumerate(np.frombuffer(data, "<u4").tolist()):
            resp, _ = await self.access(address + WORD_BYTES * offset, word)
            if resp != AxiResp.OKAY:
                return Answered(resp)
        return Answered(AxiResp.OKAY)

    async def read(self, address: int, length: int) -> Answered:
        """Read ``length`` bytes, whole words, from ``address`` on; the first error ends it."""
        words = []
        for offset in range(0, length, WORD_BYTES):
            resp, word = await self.access(address + offset)
            if resp != AxiResp.OKAY:
                return Answered(resp)
            words.append(word)
        return Answered(AxiResp.OKAY, np.array(words, "<u4").tobytes())
