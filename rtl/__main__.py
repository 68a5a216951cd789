"""The gateware's door: ``python -m rtl verilog | lint | synth | cost | board | registers``."""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from model import page, record
from model.config import FAMILY, PRESETS, preset

# Each command imports its own tools, so that a session installs no more than it runs.


def export_verilog(name: str, options) -> Path:
    """Write the processor of the preset ``name``; returns the file."""
    from .processor import Processor
    from .verilog import export
    from .wishbone import WishboneProcessor

    buses = {"axi": (Processor, ""), "wishbone": (WishboneProcessor, "_wishbone")}
    if options.bus not in buses:
        raise ValueError(f"there is no bus called {options.bus!r}; there are {', '.join(buses)}")
    processor, suffix = buses[options.bus]
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"firstlight_{name}{suffix}.sv"
    path.write_text(export(processor(preset(name)), path.stem))
    return path


def verilog(options):
    for name in options.names:
        path = export_verilog(name, options)
        print(f"{path}  {len(path.read_text().splitlines())} lines")


def lint(options):
    from .netlist import lint

    for name in options.names:
        path = export_verilog(name, options)
        warnings = lint(path, path.stem)
        if warnings:
            raise RuntimeError(f"{path} does not pass verilator -Wall:\n{warnings}")
        print(f"{path} passes verilator --lint-only -Wall")


def synth(options):
    from .netlist import DEVICE_BITS, synthesize

    for name in options.names:
        if preset(name).weight_bits > DEVICE_BITS:
            print(f"{name}: its weights are {preset(name).weight_bits} bits, the block RAM of the largest ECP5 is "
                  f"{DEVICE_BITS}: not mapped")
            continue
        path = export_verilog(name, options)
        columns = preset(name).group_columns
        table = Table("resource", title=f"{name}: {columns} columns on an ECP5")
        table.add_column("count", justify="right")
        table.add_column("per column", justify="right")
        with Console(stderr=True).status(f"Yosys maps {path}"):
            counts = synthesize(path, path.stem)
        for resource, count in counts.items():
            table.add_row(resource, str(count), f"{count / columns:.1f}")
        Console().print(table)


def cost(options):
    from .cost import measure
    from .cost_report import plot, show, tables

    figures = measure(options.columns, options.targets, options.out, jobs=options.jobs, seeds=options.seeds,
                      again=options.again)
    lines = tables(figures)
    for table in lines.values():
        Console().print(show(table))
    for path in *plot(figures), page.fill({name: table.markdown() for name, table in lines.items()}):
        print(path)


def board(options):
    from .board import build

    folder = options.out / options.board
    with Console(stderr=True).status(f"building {folder}"):
        figures = build(options.board, preset(options.config), folder)
    lines = {"clock": f"{figures['MHz']} MHz, the board has {figures['wanted MHz']:g}",
             **{site: f"{used} of {available}" for site, (used, available) in figures["used"].items()}}
    table = Table(title=f"{options.config} on {options.board}", show_header=False)
    for line in lines.items():
        table.add_row(*line)
    Console().print(table)
    print(folder / "firstlight.bit")
    if options.record:
        command = f"nox -s board -- --board {options.board} --config {options.config}"
        print(record.write("board", command, {"board": options.board, "configuration": options.config, **figures}))


def registers(options):
    from .register_docs import HEADER, TABLE, write_header, write_ipxact, write_page, write_table

    folder = Path("build/registers")
    write_header()
    write_table()
    write_page(folder)
    write_ipxact(folder / "firstlight.xml")
    print(f"{HEADER}\n{TABLE}\n{folder / 'index.html'}\n{folder / 'firstlight.xml'}")


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    root = argparse.ArgumentParser(prog="python -m rtl", description="The gateware as Verilog.")
    commands = root.add_subparsers(required=True, metavar="command")
    for run, summary in ((verilog, "write the SystemVerilog of a configuration"),
                         (lint, "write it and check it with Verilator"),
                         (synth, "write it, map it to an ECP5 that can hold it with Yosys and count the cells")):
        command = commands.add_parser(run.__name__, help=summary, description=summary.capitalize() + ".")
        command.add_argument("--config", default="all", help=f"{', '.join(PRESETS)} or all (the default)")
        command.add_argument("--bus", default="axi", help="of the host: axi, AXI4-Lite (the default), or wishbone")
        command.add_argument("--out", type=Path, default=Path("build/verilog"), help="folder, build/verilog by default")
        command.set_defaults(run=run)
    command = commands.add_parser(
        "cost", help="place the processors of several widths, and write down what they cost",
        description="Map processors of several widths to an ECP5, place and route them, and map them to standard "
                    "cells. What has been measured of the same Verilog by the same tools is not measured again. "
                    "Figures and plots go to results/, tables to docs/performance.md. Liberty files are downloaded, "
                    "or taken from the folder that the environment variable FIRSTLIGHT_DATA names.")
    command.add_argument("--columns", type=int, nargs="+", default=FAMILY, metavar="N",
                         help=f"which widths, of {', '.join(map(str, FAMILY))} (all by default)")
    command.add_argument("--targets", nargs="+", default=("ecp5", "asic"), metavar="TARGET",
                         help="ecp5, an FPGA, or asic, standard cells (both by default)")
    command.add_argument("--jobs", type=int, default=1, help="how many to measure at a time; one takes up to 4 GB")
    command.add_argument("--seeds", type=int, default=1, help="how many placements to try for a clock that is near "
                                                              "100 MHz (one by default)")
    command.add_argument("--again", action="store_true", help="measure again what is on record, too")
    command.add_argument("--out", type=Path, default=Path("build/cost"), help="folder, build/cost by default")
    command.set_defaults(run=cost)
    command = commands.add_parser(
        "board", help="build a bitstream that puts a processor on a board's serial port",
        description="Build a bitstream that puts a processor on a board's serial port, with Yosys, nextpnr and "
                    "ecppack. Fails where the processor does not fit, or is slower than the board's clock.")
    command.add_argument("--board", default="ulx3s-12f", help="ulx3s- and 12f (the default), 25f, 45f or 85f")
    command.add_argument("--config", default="tiny", help=f"of {', '.join(PRESETS)}, one without a memory bus (tiny by "
                                                          "default)")
    command.add_argument("--record", action="store_true", help="keep the figures in results/board.json, too")
    command.add_argument("--out", type=Path, default=Path("build/board"), help="folder, build/board by default")
    command.set_defaults(run=board)
    command = commands.add_parser("registers", help="write the register map as C header, Python, page and IP-XACT")
    command.set_defaults(run=registers)
    return root


def main():
    options = parser().parse_args()
    try:
        if options.run in (verilog, lint, synth):
            options.names = list(PRESETS) if options.config == "all" else [options.config]
        options.run(options)
    except (ValueError, RuntimeError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
