"""What tile, fire unit and exit unit take in standard cells: netlists on a picture's spikes, and Liberty's tables.

A netlist has passed the bench of its block before anything is measured. Then it runs a picture at full speed; every
change of every net is counted, and takes what the tables say of the cells at the net, and half of capacitance times
voltage squared. Clock pins take theirs in every cycle, also while a block waits for others: a picture has as many
cycles as the golden model says. Memories, wires and the clock's tree are not in it, nor are glitches: gates have no
delay here.
"""

import json
from collections import Counter
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from amaranth.lib.wiring import Component
from rich.console import Console

from model.config import preset
from model.constant import Constant
from model.convert import convert
from model.datasets import test_slice
from model.encode import picture_codes
from model.fetch import fetch
from model.processor import run
from model.trained import load
from rtl.area import LIBRARIES
from rtl.cost import digest_of
from rtl.exit import ExitUnit
from rtl.fire import Fire
from rtl.gates import leakage, netlist, power
from rtl.liberty import cells
from rtl.tile import Tile
from rtl.verilog import export

from .simulator import Simulation

__all__ = ["BLOCKS", "NETWORKS", "measure", "toggles"]

CONFIG = "tiny"
NETWORKS = ("digits-ttfs", "digits-lif")
PICTURE = 0
# ns
PERIOD = 10


@dataclass(frozen=True)
class Block:
    """A block, and the bench that it shares with its gateware."""

    component: type[Component]
    bench: str


BLOCKS = {"tile": Block(Tile, "cosim.bench_tile"), "fire": Block(Fire, "cosim.bench_fire"),
          "exit_unit": Block(ExitUnit, "cosim.bench_exit")}
# How long a change of a net takes, whatever drives it, in s.
TRANSITIONS = {
    "sky130hd": Constant(100e-12, "s", "sky130_fd_sc_hd__tt_025C_1v80: nand2_1 takes 80 to 96 ps with 9.1 fF"),
    "asap7": Constant(20e-12, "s", "asap7sc7p5t_SIMPLE_RVT_TT: NAND2xp5 takes 14 to 26 ps with 0.7 to 1.4 fF"),
}


def toggles(vcd: Path, top: str, began: int, ended: int) -> Counter:
    """How often each net of a module changed between two times, in the unit of the file.

    Parameters
    ----------
    vcd : Path
        A value change dump.
    top : str
        The module; of those inside it, nothing is counted. A bit of a vector is called ``name[bit]``.
    """
    names: dict[str, list[str]] = {}
    scopes: list[str] = []
    values: dict[str, str] = {}
    counts: Counter = Counter()
    now = 0
    with vcd.open() as lines:
        for line in lines:
            words = line.split()
            if words[:1] == ["$scope"]:
                scopes.append(words[2])
            elif words[:1] == ["$upscope"]:
                scopes.pop()
            elif words[:1] == ["$var"] and scopes[-1:] == [top] and top not in scopes[:-1]:
                width, code, name = int(words[2]), words[3], words[4]
                names[code] = [f"{name}[{bit}]" for bit in range(width)] if width > 1 else [name]
            elif words[:1] == ["$enddefinitions"]:
                break
        for line in lines:
            if line[0] == "#":
                now = int(line[1:])
                continue
            if line[0] not in "01b":
                continue
            value, code = line[1:].split() if line[0] == "b" else (line[0], line[1:-1])
            if code not in names:
                continue
            before, values[code] = values.get(code), value
            if before is None or not began < now <= ended:
                continue
            changed = int(before, 2) ^ int(value, 2)
            while changed:
                lowest = changed & -changed
                counts[names[code][lowest.bit_length() - 1]] += 1
                changed ^= lowest
    return counts


def measure(blocks: list[str], folder: Path, console: Console) -> dict:
    """Synthesise, check and measure ``blocks`` of :data:`BLOCKS` in every library.

    Returns
    -------
    dict
        ``[library][block]``: ``cells``, ``checks`` of the bench that passed, ``leakage nW``, ``clock pJ`` of a cycle,
        and by network ``cells pJ`` and ``nets pJ`` of the picture and what was done in it. ``[library]["pictures"]``:
        by network, see :func:`whole`.

    Raises
    ------
    BenchError
        If a netlist does not do what the model does.
    OSError
        If a file of a library is not to be had.
    """
    figures: dict = {name: {} for name in LIBRARIES}
    for block, name in product(blocks, LIBRARIES):
        source = folder / f"{block}.{name}.sv"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(export(BLOCKS[block].component(preset(CONFIG)), block))
        # Of an interrupted run, the next one finds what it has measured.
        kept, digest = source.with_suffix(".json"), digest_of(source)
        known = json.loads(kept.read_text()) if kept.exists() else {}
        if known.get("digest") != digest:
            known = {"digest": digest, "figures": _block(source, block, name, folder)}
            kept.write_text(json.dumps(known))
        figures[name][block] = known["figures"]
        console.print(f"{LIBRARIES[name].title}, {block}: {figures[name][block]}", highlight=False)
    for found in figures.values():
        found["pictures"] = {network: whole(found, network) for network in NETWORKS}
    return figures


def _block(source: Path, block: str, name: str, folder: Path) -> dict:
    library, cfg = LIBRARIES[name], preset(CONFIG)
    made, powers = netlist(source, block, library), cells([fetch(file).read_text() for file in library.files])
    simulation = Simulation(made.verilog, block, waves=True)
    checks = len(simulation.run(BLOCKS[block].bench, folder / f"{block}-{name}-bench", waves=False,
                                parameters={"config": cfg.as_dict()}))
    return {"cells": len(made.cells), "checks": checks, "leakage nW": _rounded(leakage(made, powers) * 1e9),
            **{network: _activity(simulation, made, powers, name, block, network, folder) for network in NETWORKS}}


def _activity(simulation, made, powers, library, block, network, folder) -> dict:
    where = folder / f"{block}-{library}-{network}"
    path = Path(__file__).parents[1] / "networks" / network
    simulation.run("cosim.bench_activity", where, test=f"activity_of_{block}$",
                   parameters={"config": preset(CONFIG).as_dict(), "network": str(path), "picture": PICTURE})
    window = json.loads((where / "window.json").read_text())
    began, ended = window.pop("began"), window.pop("ended")
    # A dump counts picoseconds.
    changes = toggles(where / "dump.vcd", block, 1000 * began, 1000 * ended)
    energy = {kind: each * 1e12 for kind, each in power(made, powers, changes, TRANSITIONS[library]).items()}
    cycles = (ended - began) // PERIOD
    return {"cells pJ": _rounded(energy["cells"]), "nets pJ": _rounded(energy["nets"]),
            "clock pJ a cycle": _rounded(energy["clock"] / cycles), "cycles": cycles, **window}


def whole(blocks: dict, network: str) -> dict:
    """A picture on the processor, whose blocks, the tile among them, wait for each other: every cycle takes its clock.

    Returns
    -------
    dict
        ``cycles``, ``synaptic_operations``; ``pJ`` by block, and ``pJ, clock stopped``, where each block's clock stands
        while it has nothing to do; ``pJ a synaptic operation``, of the tile and of all.
    """
    integer = convert(load(Path(__file__).parents[1] / "networks" / network))
    split = test_slice(integer.dataset, PICTURE + 1)
    decision = run(integer, picture_codes(split.images[PICTURE:], integer), preset(CONFIG))
    cycles = int(decision.cycles["cycles"].sum())
    operations = int(decision.counters["synaptic_operations"].sum())
    if blocks["tile"][network]["synaptic_operations"] != operations:
        raise ValueError(f"the tile did {blocks['tile'][network]['synaptic_operations']} synaptic operations of "
                         f"{network}, the model {operations}")
    spent, stopped = {}, {}
    for name in [name for name in BLOCKS if name in blocks]:
        figure = blocks[name][network]
        changes = figure["cells pJ"] + figure["nets pJ"] + cycles * blocks[name]["leakage nW"] * PERIOD / 1e6
        spent[name] = _rounded(changes + cycles * figure["clock pJ a cycle"])
        stopped[name] = _rounded(changes + figure["cycles"] * figure["clock pJ a cycle"])
    return {"cycles": cycles, "synaptic_operations": operations, "pJ": spent, "pJ, clock stopped": stopped,
            "pJ a synaptic operation": {"tile": _rounded(spent["tile"] / operations),
                                        "all": _rounded(sum(spent.values()) / operations)}}


def _rounded(value: float) -> float:
    """Six digits."""
    return float(f"{value:.6g}")
