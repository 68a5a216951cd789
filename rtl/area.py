"""Area of exported Verilog in standard cells, its memories kept apart."""

import json
import re
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

from model.fetch import fetch

from .netlist import yosys

__all__ = ["Library", "LIBRARIES", "simplify", "read_memories", "area"]


@dataclass(frozen=True, kw_only=True)
class Library:
    """Standard cells of a process.

    Parameters
    ----------
    title : str
    logic, registers : tuple of str
        Liberty files in :data:`model.fetch.FILES` with the cells of either kind.
    avoid : tuple of str
        Cells that are not to be used, with wildcards.
    nand2 : str
        The smallest two-input NAND: one gate equivalent.
    """

    title: str
    logic: tuple[str, ...]
    registers: tuple[str, ...]
    avoid: tuple[str, ...]
    nand2: str

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.logic + self.registers))


_ASAP7 = "asap7/asap7sc7p5t_{}.lib"

LIBRARIES = {
    "sky130hd": Library(
        title="SkyWater 130 nm",
        logic=("sky130hd/sky130hd_tt.lib",),
        registers=("sky130hd/sky130hd_tt.lib",),
        # Cells for power domains and for probing.
        avoid=("*lpflow*", "*probe*"),
        nand2="sky130_fd_sc_hd__nand2_1"),
    "asap7": Library(
        title="ASAP7",
        logic=tuple(map(_ASAP7.format, (
            "SIMPLE_RVT_TT_nldm_211120", "INVBUF_RVT_TT_nldm_220122",
            "AO_RVT_TT_nldm_211120", "OA_RVT_TT_nldm_211120"))),
        registers=(_ASAP7.format("SEQ_RVT_TT_nldm_220123"),),
        # Scan and clock gates, and a flip-flop that is larger than the common one with an inverter.
        avoid=("SDF*", "ICG*", "DFFHQx4*"),
        nand2="NAND2xp5_ASAP7_75t_R"),
}


def simplify(source: Path, top: str) -> tuple[Path, list[dict]]:
    """``source`` as generic gates and flip-flops, beside it, and its memories, which are left as they are.

    Returns
    -------
    tuple of Path, list
        The gates, for :func:`area`; the memories, see :func:`read_memories`.

    Raises
    ------
    RuntimeError
        If Yosys refuses the design.
    """
    gates, memories = source.with_suffix(".gates.il"), source.with_suffix(".memories.json")
    yosys(source, f"read_verilog -sv {relpath(source)}", f"hierarchy -top {top}", "flatten",
          # Tables become gates.
          f"synth -top {top} -run begin:fine", "memory_map -rom-only", "opt_clean -purge",
          "select t:$mem_v2", f"write_json -selected {relpath(memories)}", "select -clear",
          # What `synth` does from here on, without turning memories into flip-flops.
          "opt -fast -full", "opt -undriven -fine", "techmap", "opt", f"write_rtlil {relpath(gates)}")
    return gates, read_memories(json.loads(memories.read_text()))


def read_memories(netlist: dict) -> list[dict]:
    """The memories in a netlist of Yosys, largest first.

    Returns
    -------
    list of dict
        ``"name"``, ``"words"``, ``"width"`` in bits, and how many ``"reads"`` and ``"writes"`` a cycle.
    """
    def number(cell, parameter):
        return int(cell["parameters"][parameter], 2)

    found = [{"name": cell["parameters"]["MEMID"].removeprefix("\\"), "words": number(cell, "SIZE"),
              "width": number(cell, "WIDTH"), "reads": number(cell, "RD_PORTS"), "writes": number(cell, "WR_PORTS")}
             for module in netlist["modules"].values() for cell in module["cells"].values()
             if cell["type"] == "$mem_v2"]
    return sorted(found, key=lambda memory: (-memory["words"] * memory["width"], memory["name"]))


def area(gates: Path, library: Library) -> dict:
    """Map the gates of :func:`simplify` to the cells of ``library`` for the least area, before any placement.

    Returns
    -------
    dict
        ``"cells"``; ``"um2"``, their area; ``"flip-flops um2"``, the flip-flops' share of it; ``"kGE"``, the area in
        thousands of :attr:`Library.nand2`. None of it is a memory's.

    Raises
    ------
    OSError
        If a file of the library is not to be had.
    RuntimeError
        If Yosys refuses the design, or leaves a cell without area.
    """
    def options(option, values):
        return " ".join(f"{option} {value}" for value in values)

    paths = {name: relpath(fetch(name)) for name in library.files}
    logic, registers = ([paths[name] for name in names] for names in (library.logic, library.registers))
    avoid = options("-dont_use", library.avoid)
    count = gates.with_suffix(".area.json")
    yosys(gates, f"read_rtlil {relpath(gates)}",
          f"dfflibmap {options('-liberty', registers)} {avoid}",
          f"abc {options('-liberty', logic)} {avoid}", "opt_clean -purge",
          f"tee -q -o {relpath(count)} stat {options('-liberty', paths.values())} -json")
    found = json.loads(count.read_text())["design"]
    cells = {name: number for name, number in found["num_cells_by_type"].items()
             if name not in ("$mem_v2", "$scopeinfo")}
    areas = cell_areas("\n".join(Path(path).read_text() for path in paths.values()))
    if unmapped := sorted(cells.keys() - areas.keys()):
        raise RuntimeError(f"{library.title} has no cell for {', '.join(unmapped)} of {gates}")
    return {"cells": sum(cells.values()), "um2": round(found["area"], 1),
            "flip-flops um2": round(found["sequential_area"], 1),
            "kGE": round(found["area"] / areas[library.nand2] / 1000, 2)}


def cell_areas(liberty: str) -> dict[str, float]:
    """Area of every cell in the text of Liberty files, in its unit."""
    return {cell: float(area) for cell, area in re.findall(
        r'^\s*cell\s*\(\s*"?(\w+)"?\s*\)\s*\{.*?^\s*area\s*:\s*([\d.]+)', liberty, re.MULTILINE | re.DOTALL)}
