"""A program on a RISC-V core beside the exported processor: what it writes to its console, until it halts.

Parameters: ``console``, the file its characters go to; ``period_ns``, of the clock; ``silence``, cycles after which a
program that writes nothing is given up. The simulator is told ``+program`` and ``+flash``, see ``soc.sv``.
"""

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, Timer, select

from cosim.simulator import parameters


@cocotb.test()
async def the_program_ends_well(dut):
    told = parameters()
    Clock(dut.clk, told["period_ns"], unit="ns").start()
    dut.rst.value = 1
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    with open(told["console"], "w", buffering=1) as console:
        while True:
            happened, _ = await select(RisingEdge(dut.console_valid), RisingEdge(dut.halted), RisingEdge(dut.trapped),
                                       Timer(told["silence"] * told["period_ns"], "ns"))
            if happened != 0:
                break
            print(chr(dut.console_character.value.to_unsigned()), end="", file=console)
    assert not dut.trapped.value, "the program made an access, or ran an instruction, that there is not"
    assert dut.halted.value, f"the program wrote nothing for {told['silence']} cycles"
    status = dut.status.value.to_unsigned()
    assert status == 0, f"the program ended with status {status}"
