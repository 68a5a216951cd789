"""What a person sees of the cost: tables in the terminal and in ``docs/performance.md``, two plots under results/."""

from pathlib import Path
from typing import NamedTuple

from matplotlib import style
from matplotlib.figure import Figure
from rich.table import Table

from model import page, record
from model.page import METADATA, STYLE, number

from .area import LIBRARIES
from .netlist import RESOURCES

__all__ = ["Lines", "tables", "show", "plot"]

# Inches.
SIZE = (6.4, 4.2)
# Okabe and Ito's colours, which the colour-blind tell apart too.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#5f5f5f", "#c8c8c8")


class Lines(NamedTuple):
    """A table, on its way to a terminal or a page."""

    title: str
    headings: list[str]
    rows: list[list[str]]

    def markdown(self) -> str:
        return page.markdown(self.headings, self.rows)


def tables(figures: dict) -> dict[str, Lines]:
    """The record of :func:`rtl.cost.measure`, as far as it goes, by the names of its tables in the page."""
    shown = {}
    if ecp5 := figures.get("ecp5"):
        shown |= {"ecp5": _ecp5(ecp5), "paths": _paths(ecp5), "blocks": _blocks(ecp5)}
    if asic := figures.get("asic"):
        shown |= {"areas": _areas(asic), "memories": _memories(asic)}
    return shown


def show(lines: Lines) -> Table:
    """``lines`` for a terminal."""
    table = Table(lines.headings[0], title=lines.title, title_justify="left")
    for heading in lines.headings[1:]:
        table.add_column(heading, justify="right", overflow="fold")
    for row in lines.rows:
        table.add_row(*row)
    return table


def _widths(figures: dict) -> list[str]:
    return [f"{columns} columns" for columns in figures]


def _ecp5(widths: dict) -> Lines:
    rows = [[resource, *(_each(figure["mapped"][resource], columns) for columns, figure in widths.items())]
            for resource in ("cells", *RESOURCES)]
    # A width that was mapped and never placed is shown as far as it is known.
    placed = [figure.get("placed", {"used": {}, "MHz": "not placed"}) for figure in widths.values()]
    comb = (each["used"].get("TRELLIS_COMB") for each in placed)
    rows.append(["TRELLIS_COMB", *(f"{number(sites[0])} of {number(sites[1])}" if sites else "not placed"
                                   for sites in comb)])
    for resource in ("LUT4", "carry"):
        rows.append([f"{resource} of the tiles alone", *(_each(figure["blocks"]["tile"][resource], columns)
                                                         for columns, figure in widths.items())])
    rows.append(["clock, MHz", *(str(each.get("MHz", "does not fit")) for each in placed)])
    rows.append(["from seed after seed", *(", ".join(map(str, each.get("tries", {}).values())) for each in placed)])
    return Lines("On an ECP5 LFE5U-85F, speed grade 8: in all, and per column", ["", *_widths(widths)], rows)


def _each(count: float, columns: str) -> str:
    """A number of a processor, and of one of its columns."""
    return f"{_rounded(count)} ({_rounded(count / int(columns))})"


def _rounded(value: float) -> str:
    return number(value) if value >= 100 else f"{value:.3g}"


def _paths(widths: dict) -> Lines:
    return Lines("Critical paths", ["columns", "from", "to", "cells", "logic, ns", "routing, ns"],
                 [[columns, *map(str, figure["placed"]["critical path"].values())]
                  for columns, figure in widths.items() if figure.get("placed", {}).get("fits")])


def _blocks(widths: dict) -> Lines:
    return Lines("Where it goes: LUT4 + flip-flops of each block, mapped by itself", ["block", *_widths(widths)],
                 [[block, *(f"{number(figure['blocks'][block]['LUT4'])} + "
                            f"{number(figure['blocks'][block]['flip-flop'])}"
                            if block in figure["blocks"] else "-" for figure in widths.values())]
                  for block in _by_size(widths)])


def _by_size(widths: dict) -> list[str]:
    """The blocks of the widest processor, largest first."""
    return list(list(widths.values())[-1]["blocks"])


def _areas(widths: dict) -> Lines:
    rows = [[f"{library.title}, {unit}", *(_each(figure[name][unit], columns) for columns, figure in widths.items())]
            for name, library in LIBRARIES.items()
            for unit in ("um2", "kGE", "cells")]
    rows.append(["memories, kbit", *(
        _each(sum(memory["words"] * memory["width"] for memory in figure["memories"]) // 1024, columns)
        for columns, figure in widths.items())])
    return Lines("In standard cells, without memories: in all, and per column", ["", *_widths(widths)], rows)


def _memories(widths: dict) -> Lines:
    columns, figure = list(widths.items())[-1]
    return Lines(f"Memories of {columns} columns", ["memory", "words", "bits", "reads", "writes"],
                 [[*map(str, memory.values())] for memory in figure["memories"]])


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
