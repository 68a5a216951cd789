"""Blocks as netlists of standard cells, with the Verilog of the cells, to simulate; their memories stay behavioural."""

import json
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

from model.fetch import fetch

from .area import Library, simplify
from .liberty import Cells
from .netlist import yosys

__all__ = ["CLOCK", "Netlist", "netlist", "nets", "power", "leakage"]

CLOCK = "clk"


@dataclass(frozen=True)
class Netlist:
    """A block in the cells of a library.

    Parameters
    ----------
    verilog : str
        The netlist, and every cell in it as its Liberty file describes it.
    cells : tuple of (str, dict of str)
        Of each its name in the library, and the net at each pin.
    """

    verilog: str
    cells: tuple[tuple[str, dict[str, str]], ...]


def netlist(source: Path, top: str, library: Library) -> Netlist:
    """Map ``source`` to the cells of ``library`` for the least area; files are left beside it.

    Raises
    ------
    OSError
        If a file of the library is not to be had.
    RuntimeError
        If Yosys refuses the design.
    """
    def options(option, values):
        return " ".join(f"{option} {value}" for value in values)

    gates, _ = simplify(source, top)
    paths = {name: relpath(fetch(name)) for name in library.files}
    logic, registers = ([paths[name] for name in names] for names in (library.logic, library.registers))
    avoid = options("-dont_use", library.avoid)
    verilog, cells = source.with_suffix(".netlist.sv"), source.with_suffix(".netlist.json")
    yosys(gates, f"read_rtlil {relpath(gates)}", f"dfflibmap {options('-liberty', registers)} {avoid}",
          f"abc {options('-liberty', logic)} {avoid}", "opt_clean -purge", "splitnets",
          # Verilator traces no net whose name begins with an underscore.
          "rename -enumerate -pattern net% w:*",
          f"write_json {relpath(cells)}",
          *(f"read_liberty -ignore_miss_func {path}" for path in paths.values()),
          f"hierarchy -top {top}", f"write_verilog -sv -noattr {relpath(verilog)}")
    return Netlist(verilog.read_text(), nets(json.loads(cells.read_text())["modules"][top]))


def nets(module: dict) -> tuple[tuple[str, dict[str, str]], ...]:
    """Cells of a module in a netlist of Yosys; a bit of a port is called ``name[bit]``."""
    named = {}
    for escaped, net in module["netnames"].items():
        name = escaped.removeprefix("\\")
        for place, bit in enumerate(net["bits"]):
            # A net may have several names.
            named.setdefault(bit, f"{name}[{place}]" if len(net["bits"]) > 1 else name)
    return tuple((cell["type"], {pin: named[bits[0]] for pin, bits in cell["connections"].items()
                                 if bits and bits[0] in named})
                 for cell in module["cells"].values() if not cell["type"].startswith("$"))


def power(design: Netlist, library: Cells, toggles: dict[str, int], transition: float) -> dict[str, float]:
    """Energy of the changes of nets, in J.

    Parameters
    ----------
    toggles : dict of int
        How often each net changed.
    transition : float
        How long a change takes, in s, the same for every net.

    Returns
    -------
    dict
        ``"clock"``: of the pins and nets that change with every cycle whatever happens; ``"cells"``: inside all
        others; ``"nets"``: what charges them, half of capacitance times voltage squared a change.
    """
    load: dict[str, float] = {}
    for kind, pins in design.cells:
        for pin, net in pins.items():
            load[net] = load.get(net, 0.0) + library.cells[kind].pins[pin].capacitance
    energy = dict.fromkeys(("clock", "cells", "nets"), 0.0)
    for net, capacitance in load.items():
        energy["clock" if net == CLOCK else "nets"] += toggles.get(net, 0) * capacitance * library.voltage ** 2 / 2
    for kind, pins in design.cells:
        for name, net in pins.items():
            pin = library.cells[kind].pins[name]
            each = pin.energy(transition, load.get(net, 0.0) if pin.output else 0.0)
            energy["clock" if net == CLOCK else "cells"] += toggles.get(net, 0) * each
    return energy


def leakage(design: Netlist, library: Cells) -> float:
    """Of all cells, in W."""
    return sum(library.cells[kind].leakage for kind, _ in design.cells)
