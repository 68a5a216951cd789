import json
from subprocess import CompletedProcess

import pytest

from rtl import netlist
from rtl.netlist import critical_path, place, read_log, split, synthesize

LOG = """\
Info: Logic utilisation before packing:
Info:     Total LUT4s:     17651/83640    21%
Info: Device utilisation:
Info: \t          TRELLIS_IO:     242/    365    66%
Info: \t              DP16KD:      {}/    208    {}%
Info: \t          MULT18X18D:       0/    156     0%
Info: \t        TRELLIS_COMB:   18671/  83640    22%
"""


def step(kind, delay, cell, port):
    return {"type": kind, "delay": delay, "from": {"cell": cell, "port": port}, "to": {"cell": cell, "port": port}}


def report(*paths):
    return {"fmax": {"clk": {"achieved": 66.015, "constraint": 100}},
            "critical_paths": [{"from": start, "to": end, "path": steps} for start, end, steps in paths]}


CLOCK = "posedge $glbnet$clk"
# The second is the slowest that stays inside; the third leaves the chip.
REPORT = report(
    (CLOCK, CLOCK, [step("clk-to-q", 0.4, "core.pool.word_TRELLIS_FF_Q_2", "Q"),
                    step("routing", 1.0, "core.pool.word_LUT4_Z", "A"),
                    step("setup", 0.1, "core.pool.o__payload_TRELLIS_FF_Q", "DI")]),
    (CLOCK, CLOCK, [step("clk-to-q", 0.395, "sequencer.layer.width_TRELLIS_FF_Q_9", "Q"),
                    step("routing", 0.997, "sequencer.$47_MULT18X18D_P9", "B9"),
                    step("logic", 3.066, "sequencer.$47_MULT18X18D_P9", "P15"),
                    step("routing", 4.5, "core.fault_LUT4_Z_1_D_CCU2C_S0", "D"),
                    step("logic", 0.18, "core.fault_LUT4_Z_1_D_CCU2C_S0", "F"),
                    step("setup", 0.287, "exit.distance_TRELLIS_FF_Q_1", "LSR")]),
    (CLOCK, "<async>", [step("clk-to-q", 0.4, "core.pool.word_TRELLIS_FF_Q", "Q"),
                        step("routing", 20.0, "trace_word[30]$tr_io", "I")]))


def test_the_log_says_how_many_sites_are_used_and_what_went_wrong():
    used, error = read_log(LOG.format(42, 20) + "ERROR: Unable to route the clock.\n1 warning, 1 error\n")
    assert used == {"TRELLIS_IO": (242, 365), "DP16KD": (42, 208), "TRELLIS_COMB": (18671, 83640)}
    assert error == "Unable to route the clock."


def test_the_critical_path_is_the_slowest_between_registers_and_is_named_after_signals():
    assert critical_path(REPORT) == {"from": "sequencer.layer.width", "to": "exit.distance (its reset)", "cells": 2,
                                     "logic ns": 3.93, "routing ns": 5.5}


def answer(monkeypatch, returncode, log, timing=None):
    """Let nextpnr answer at once."""
    def run(package, function, *arguments):
        if timing:
            (netlist.Path(arguments[-1])).write_text(json.dumps(timing))
        return CompletedProcess(arguments, returncode, "", log)
    monkeypatch.setattr(netlist, "run", run)


def test_a_placed_design_has_a_clock_and_leaves_its_log(tmp_path, monkeypatch):
    answer(monkeypatch, 0, LOG.format(42, 20), REPORT)
    placed = place(tmp_path / "some.netlist.json", 4)
    assert (placed["fits"], placed["MHz"], placed["used"]["DP16KD"]) == (True, 66.0, (42, 208))
    assert placed["critical path"] == critical_path(REPORT)
    assert (tmp_path / "some.netlist.log").read_text() == LOG.format(42, 20)


def test_a_design_that_is_too_large_does_not_fit(tmp_path, monkeypatch):
    answer(monkeypatch, 1, LOG.format(209, 100) + "ERROR: no BELs remaining to implement cell type DP16KD\n")
    assert place(tmp_path / "some.netlist.json", 4) == {
        "fits": False, "used": {"TRELLIS_IO": (242, 365), "DP16KD": (209, 208), "TRELLIS_COMB": (18671, 83640)}}


def test_a_design_that_should_fit_and_fails_is_one_sentence(tmp_path, monkeypatch):
    answer(monkeypatch, 1, LOG.format(42, 20) + "ERROR: Unable to route the clock.\n")
    with pytest.raises(RuntimeError) as failed:
        place(tmp_path / "some.netlist.json", 4)
    assert str(failed.value) == (
        f"nextpnr cannot place and route {tmp_path / 'some.netlist.json'}: Unable to route the clock.")


# A processor of two tiles in which every block is a register or two.
BLOCKS = """
module \\top.core.tile_0 (input clk, input d, output reg q); always @(posedge clk) q <= d; endmodule
module \\top.core.tile_1 (input clk, input d, output reg q); always @(posedge clk) q <= d; endmodule
module \\top.core.pool.word (input clk, input d, output reg q); always @(posedge clk) q <= d; endmodule
module \\top.core.pool (input clk, input d, output reg q);
  wire w;
  \\top.core.pool.word word (.clk(clk), .d(d), .q(w));
  always @(posedge clk) q <= w;
endmodule
module \\top.core (input clk, input d, output q);
  wire a, b;
  \\top.core.tile_0 tile_0 (.clk(clk), .d(d), .q(a));
  \\top.core.tile_1 tile_1 (.clk(clk), .d(a), .q(b));
  \\top.core.pool pool (.clk(clk), .d(a ^ b), .q(q));
endmodule
module top (input clk, input d, output reg q);
  wire w;
  \\top.core core (.clk(clk), .d(d), .q(w));
  always @(posedge clk) q <= w;
endmodule
"""


def test_every_register_is_in_the_block_it_belongs_to(tmp_path):
    path = tmp_path / "blocks.sv"
    path.write_text(BLOCKS)
    blocks = split(path, "top")
    assert {block: resources["flip-flop"] for block, resources in blocks.items()} == {
        "between blocks": 1, "pool": 2, "tile": 2}
    assert blocks["between blocks"]["LUT4"] == 1
    assert synthesize(path, "top")["flip-flop"] == 5


@pytest.mark.parametrize("clocks, tried", [
    ((101.0, 0), 1), ((97.0, 103.0, 0), 2), ((97.0, 95.0, 99.0, 98.0), 4), ((66.0, 0), 1)])
def test_seeds_are_tried_while_the_target_is_near(clocks, tried, tmp_path, monkeypatch):
    monkeypatch.setattr(netlist, "place_once", lambda path, seed: {"fits": True, "MHz": clocks[seed - 1]})
    assert place(tmp_path / "some.netlist.json", 4) == {
        "fits": True, "MHz": max(clocks[:tried]), "tries": {str(n + 1): clocks[n] for n in range(tried)}}
