"""What results/synth.json has to show."""

import re

import pytest

from model import page, record
from model.config import FAMILY
from rtl.area import LIBRARIES
from rtl.cost_report import plot, tables

FIGURES = record.read("synth")
QUANTITIES = {
    "ECP5 cells": lambda columns: FIGURES["ecp5"][columns]["mapped"]["cells"],
    "LUT4": lambda columns: FIGURES["ecp5"][columns]["mapped"]["LUT4"],
    "flip-flops": lambda columns: FIGURES["ecp5"][columns]["mapped"]["flip-flop"],
    **{f"{library} um2": lambda columns, library=library: FIGURES["asic"][columns][library]["um2"]
       for library in LIBRARIES},
    **{f"{library} cells": lambda columns, library=library: FIGURES["asic"][columns][library]["cells"]
       for library in LIBRARIES},
}


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_doubling_the_columns_at_most_doubles_the_cells(quantity):
    counts = [QUANTITIES[quantity](str(columns)) for columns in FAMILY]
    for columns, count, doubled in zip(FAMILY, counts, counts[1:]):
        assert count < doubled <= 2 * count, f"{quantity} of {columns} and {2 * columns} columns: {count}, {doubled}"
    assert len(counts) == 4


def test_tiles_of_32_columns_are_small_and_fast():
    figure = FIGURES["ecp5"]["32"]
    assert figure["blocks"]["tile"]["LUT4"] <= 150 * 32
    assert figure["placed"]["MHz"] >= 100


def test_every_width_that_was_placed_fits_the_device():
    placed = {columns: figure["placed"]["fits"] for columns, figure in FIGURES["ecp5"].items() if "placed" in figure}
    assert placed.keys() >= {"16", "32", "64"} and all(placed.values())


def test_tables_and_plots_show_every_width(tmp_path, monkeypatch):
    shown = tables(FIGURES)
    assert list(shown) == ["ecp5", "paths", "blocks", "areas", "memories"]
    text = page.PAGE.read_text()
    for name, table in shown.items():
        assert f"<!-- {name}: written by nox -->\n{table.markdown()}<!-- end -->\n" in text
    assert all(f"(../results/synth-{name}.svg)" in text for name in ("cells", "blocks"))
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    paths = plot(FIGURES)
    assert [path.name for path in paths] == ["synth-cells.svg", "synth-blocks.svg"]
    once = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in plot(FIGURES)] == once
    for path in paths:
        shown = set(re.findall(r">(\d+)</text>", path.read_text()))
        assert shown >= {str(columns) for columns in FAMILY}
