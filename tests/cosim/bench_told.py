"""A bench that passes or fails as it is told."""

import cocotb

from cosim.simulator import parameters
from cosim.streams import start


@cocotb.test()
async def passes_when_told(dut):
    await start(dut)
    assert parameters()["told"] == "pass", f"told to {parameters()['told']}"
