"""The exported processor at the service of :mod:`cosim.simulated`, until that hangs up.

Parameters: ``cfg``, of the processor; ``address``, of the socket on which requests come: a word and its arguments.
"""

from multiprocessing.connection import Client

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge, select

from cosim.host import Host
from cosim.simulator import parameters
from model.config import ProcessorConfig

# How long to sleep when no interrupt comes: a fraction of a second.
NAP_CYCLES = 50_000


@cocotb.test()
async def every_request_is_served(dut):
    host = Host(dut, ProcessorConfig.from_dict(parameters()["cfg"]))
    await host.reset()

    async def sleep():
        if not dut.interrupt.value:
            await select(RisingEdge(dut.interrupt), ClockCycles(dut.clk, NAP_CYCLES))

    services = {"read": host.read_at, "write": host.write_at, "sleep": sleep}
    with Client(parameters()["address"]) as connection:
        while True:
            try:
                service, *arguments = connection.recv()
            except EOFError:
                break
            connection.send(await services[service](*arguments))
