"""What a person sees of the cost: tables in the terminal, two plots under results/."""

from pathlib import Path

from matplotlib import style
from matplotlib.figure import Figure
from rich.table import Table

from model import record

from .area import LIBRARIES
from .netlist import RESOURCES

__all__ = ["tables", "plot"]

# On top of matplotlib's defaults, whatever the user's own settings are; the same figures give the same bytes.
STYLE = ["default", {
    "svg.fonttype": "none", "svg.hashsalt": "firstlight", "figure.constrained_layout.use": True,
    "font.sans-serif": ["DejaVu Sans"], "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "axes.linewidth": 0.8, "axes.axisbelow": True, "grid.color": "#8a8a8a", "grid.alpha": 0.3, "grid.linewidth": 0.6,
}]
# Inches.
SIZE = (6.4, 4.2)
METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
# Okabe and Ito's colours, which the colour-blind tell apart too.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#5f5f5f", "#c8c8c8")


def tables(figures: dict) -> list[Table]:
    """The record of :func:`rtl.cost.measure`, as far as it goes."""
    shown = []
    if ecp5 := figures.get("ecp5"):
        shown += [_ecp5(ecp5), _paths(ecp5), _blocks(ecp5)]
    if asic := figures.get("asic"):
        shown += [_areas(asic), _memories(asic)]
    return shown


def _table(title: str, *headings: str) -> Table:
    """A table whose first heading is that of words, and the others those of numbers."""
    table = Table(headings[0], title=title, title_justify="left")
    for heading in headings[1:]:
        table.add_column(heading, justify="right")
    return table


def _ecp5(widths: dict) -> Table:
    table = _table("On an ECP5 LFE5U-85F, speed grade 8: in all, and per column", "",
                   *(f"{columns} columns" for columns in widths))
    for resource in ("cells", *RESOURCES):
        table.add_row(resource, *(_each(figure["mapped"][resource], columns) for columns, figure in widths.items()))
    comb = (figure["placed"]["used"]["TRELLIS_COMB"] for figure in widths.values())
    table.add_row("TRELLIS_COMB", *(f"{used:,} of {available:,}" for used, available in comb))
    table.add_row("LUT4 of the tiles alone", *(_each(figure["blocks"]["tile"]["LUT4"], columns)
                                               for columns, figure in widths.items()))
    table.add_row("carry of the tiles alone", *(_each(figure["blocks"]["tile"]["carry"], columns)
                                                for columns, figure in widths.items()))
    table.add_row("fits", *("yes" if figure["placed"]["fits"] else "no" for figure in widths.values()))
    table.add_row("clock, MHz", *(str(figure["placed"].get("MHz", "-")) for figure in widths.values()))
    return table


def _each(count: float, columns: str) -> str:
    """A number of a processor, and of one of its columns."""
    return f"{_number(count)} ({_number(count / int(columns))})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _paths(widths: dict) -> Table:
    table = Table("columns", title="Critical paths", title_justify="left")
    for heading in ("from", "to", "cells", "logic, ns", "routing, ns"):
        table.add_column(heading, overflow="fold")
    for columns, figure in widths.items():
        if path := figure["placed"].get("critical path"):
            table.add_row(columns, *map(str, path.values()))
    return table


def _blocks(widths: dict) -> Table:
    table = _table("Where it goes: LUT4 + flip-flops of each block, mapped by itself", "block",
                   *(f"{columns} columns" for columns in widths))
    for block in _by_size(widths):
        table.add_row(block, *(
            f"{figure['blocks'][block]['LUT4']:,} + {figure['blocks'][block]['flip-flop']:,}"
            if block in figure["blocks"] else "-" for figure in widths.values()))
    return table


def _by_size(widths: dict) -> list[str]:
    """The blocks of the widest processor, largest first."""
    return list(list(widths.values())[-1]["blocks"])


def _areas(widths: dict) -> Table:
    table = _table("In standard cells, without memories: in all, and per column", "",
                   *(f"{columns} columns" for columns in widths))
    for name, library in LIBRARIES.items():
        for unit in ("um2", "kGE"):
            table.add_row(f"{library.title}, {unit}", *(_each(figure[name][unit], columns)
                                                        for columns, figure in widths.items()))
        table.add_row(f"{library.title}, cells", *(_each(figure[name]["cells"], columns)
                                                   for columns, figure in widths.items()))
    table.add_row("memories, kbit", *(
        _each(sum(memory["words"] * memory["width"] for memory in figure["memories"]) // 1024, columns)
        for columns, figure in widths.items()))
    return table


def _memories(widths: dict) -> Table:
    columns, figure = list(widths.items())[-1]
    table = _table(f"Memories of {columns} columns", "memory", "words", "bits", "reads", "writes")
    for memory in figure["memories"]:
        table.add_row(*map(str, memory.values()))
    return table


def plot(figures: dict) -> list[Path]:
    """Write the plots for which there are figures under results/; the same figures give the same bytes.

    Returns
    -------
    list of Path
    """
    plots = {}
    with style.context(STYLE):
        if {"ecp5", "asic"} <= figures.keys():
            plots["cells"] = _plot_cells(figures)
        if "ecp5" in figures:
            plots["blocks"] = _plot_blocks(figures["ecp5"])
        paths = []
        for name, figure in plots.items():
            paths.append(record.RESULTS / f"synth-{name}.svg")
            figure.savefig(paths[-1], metadata=METADATA)
    return paths


def _plot_cells(figures: dict) -> Figure:
    """Cells over columns, each beside the line on which twice the columns are twice the cells."""
    ecp5, asic = figures["ecp5"], figures["asic"]
    curves = {
        "SkyWater 130 nm cells": {columns: figure["sky130hd"]["cells"] for columns, figure in asic.items()},
        "ASAP7 cells": {columns: figure["asap7"]["cells"] for columns, figure in asic.items()},
        "ECP5 LUT4": {columns: figure["mapped"]["LUT4"] for columns, figure in ecp5.items()},
        "ECP5 flip-flops": {columns: figure["mapped"]["flip-flop"] for columns, figure in ecp5.items()},
    }
    figure = Figure(SIZE)
    axes = figure.subplots()
    for (name, counts), colour in zip(curves.items(), COLOURS):
        widths = [int(columns) for columns in counts]
        first = next(iter(counts.values()))
        axes.plot(widths, [first * width / widths[0] for width in widths], color=colour, linestyle=":", linewidth=1)
        axes.plot(widths, counts.values(), color=colour, marker="o", markersize=4, label=name)
    axes.plot([], [], color="#5f5f5f", linestyle=":", linewidth=1, label="doubles with the columns")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=10)
    axes.set_xticks(widths, [str(width) for width in widths])
    axes.set_xlabel("columns")
    axes.set_ylabel("cells of the processor")
    axes.grid(True)
    axes.legend(frameon=False)
    return figure


def _plot_blocks(ecp5: dict) -> Figure:
    """LUT4 per column, one bar for each width, stacked by block."""
    names = _by_size(ecp5)
    # As many blocks as there are colours, the smallest together in the last.
    largest, rest = names[:len(COLOURS) - 1], names[len(COLOURS) - 1:]
    figure = Figure(SIZE)
    axes = figure.subplots()
    widths = list(ecp5)
    base = [0.0] * len(widths)
    for members, colour in zip([*([name] for name in largest), rest], COLOURS):
        heights = [sum(ecp5[columns]["blocks"].get(name, {"LUT4": 0})["LUT4"] for name in members) / int(columns)
                   for columns in widths]
        label = members[0] if len(members) == 1 else f"{len(members)} smaller blocks"
        axes.bar(widths, heights, bottom=base, color=colour, width=0.6, label=label)
        base = [below + height for below, height in zip(base, heights)]
    axes.plot(widths, [ecp5[columns]["mapped"]["LUT4"] / int(columns) for columns in widths], color="black",
              linestyle="none", marker="_", markersize=40, markeredgewidth=1.5)
    axes.plot([], [], color="black", linewidth=1.5, label="mapped as a whole")
    axes.set_xlabel("columns")
    axes.set_ylabel("LUT4 per column")
    axes.grid(True, axis="y")
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], frameon=False)
    return figure
