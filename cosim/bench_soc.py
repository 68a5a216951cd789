"""A program on a RISC-V core beside the exported processor: what it writes to its console, until it halts.

Parameters: ``cycles``, after which it is stopped; ``console``, the file its characters go to. The simulator is told
``+program`` and ``+flash``, see ``soc.sv``.
"""

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, Timer, select

from cosim.host import CLOCK_PERIOD_NS
from cosim.simulator import parameters


@cocotb.test()
async def the_program_ends_well(dut):
    told = parameters()
    Clock(dut.clk, CLOCK_PERIOD_NS, unit="ns").start()
    dut.rst.value = 1
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    with open(told["console"], "w", buffering=1) as console:

        async def listen():
            while True:
                await RisingEdge(dut.console_valid)
                print(chr(dut.console_character.value.to_unsigned()), end="", file=console)

        listener = cocotb.start_soon(listen())
        await select(RisingEdge(dut.halted), RisingEdge(dut.trapped), Timer(told["cycles"] * CLOCK_PERIOD_NS, "ns"))
        listener.cancel()
    assert not dut.trapped.value, "the program made an access or ran an instruction that there is not"
    assert dut.halted.value, f"the program did not end within {told['cycles']} cycles"
    assert dut.status.value.to_unsigned() == 0, f"the program ended with status {dut.status.value.to_unsigned()}"
