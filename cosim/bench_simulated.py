"""The exported processor at the service of :mod:`cosim.simulated`, until that hangs up.

Parameters: ``cfg``, of the processor; ``address``, of the socket on which requests come: a word and its arguments.
"""

from multiprocessing.connection import Client

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge, select
from cocotbext.axi import AxiResp

from cosim.host import Host
from cosim.simulator import parameters
from model.config import ProcessorConfig

# How long to sleep when no interrupt comes: a fraction of a second.
NAP_CYCLES = 50_000


@cocotb.test()
async def every_access_is_accepted(dut):
    host = Host(dut, ProcessorConfig.from_dict(parameters()["cfg"]))
    await host.reset()

    async def read(address, words):
        response = await host.axi.read(address, 4 * words)
        assert response.resp == AxiResp.OKAY, f"the processor refuses to be read at {address:#x}"
        return np.frombuffer(response.data, "<u4").tolist()

    async def write(address, words):
        response = await host.axi.write(address, np.array(words, "<u4").tobytes())
        assert response.resp == AxiResp.OKAY, f"the processor refuses a write at {address:#x}"

    async def sleep():
        if not dut.interrupt.value:
            await select(RisingEdge(dut.interrupt), ClockCycles(dut.clk, NAP_CYCLES))

    with Client(parameters()["address"]) as connection:
        while True:
            try:
                request, *arguments = connection.recv()
            except EOFError:
                break
            connection.send(await {"read": read, "write": write, "sleep": sleep}[request](*arguments))
