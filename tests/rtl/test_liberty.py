import pytest

from rtl.gates import Netlist, leakage, nets, power
from rtl.liberty import Table, cells, parse

# Femtofarads and volts, so energies are femtojoules; one table over the transition, one over transition and load.
LIBERTY = """
/* a comment with { and } */
library (toy) {
  time_unit : "1ps"; voltage_unit : "1V"; leakage_power_unit : "1nW";
  capacitive_load_unit (2, ff);
  operating_conditions ("typical") { voltage : 2; }
  power_lut_template (two) { variable_1 : input_transition_time; index_1 ("0, 10"); }
  cell (INV) {
    leakage_power () { value : 3; when : "A"; related_pg_pin : VDD; }
    leakage_power () { value : 5; related_pg_pin : VDD; }
    leakage_power () { value : 9; related_pg_pin : VSS; }
    pin (A) {
      direction : input; capacitance : 1.5;
      internal_power () {
        related_pg_pin : VDD; rise_power (two) { values ("1, 3"); } fall_power (two) { values ("2, 4"); }
      }
      internal_power () { related_pg_pin : VSS; rise_power (two) { values ("100, 100"); } }
    }
    pin (Y) {
      direction : output;
      internal_power () {
        related_pin : "A";
        rise_power (t) { index_1 ("0, 10"); index_2 ("0, 4"); values ("0, 4", \\
          "10, 14"); }
      }
    }
  }
  cell ("FLOP") {
    cell_leakage_power : 7;
    pin ("CK") { direction : "input"; capacitance : 1; internal_power () { rise_power (scalar) { values ("6"); } } }
    pin (Q) { direction : output; }
  }
}
"""


@pytest.fixture(scope="module")
def toy():
    return cells([LIBERTY])


def test_a_cell_leaks_what_its_supply_brings_whatever_its_state(toy):
    assert toy.voltage == 2
    assert toy.cells["INV"].leakage == pytest.approx(5e-9) and toy.cells["FLOP"].leakage == pytest.approx(7e-9)


def test_energies_are_means_of_rise_and_fall_between_the_points_of_their_tables(toy):
    pins = toy.cells["INV"].pins
    assert pins["A"].capacitance == pytest.approx(3e-15) and not pins["A"].output and pins["Y"].output
    # A unit of energy is 2 fF times the square of 1 V.
    assert pins["A"].energy(5e-12) == pytest.approx(2.5 * 2e-15)
    assert pins["A"].energy(1) == pytest.approx(3.5 * 2e-15)
    assert pins["Y"].energy(5e-12, 4e-15) == pytest.approx(7 * 2e-15)
    assert toy.cells["FLOP"].pins["CK"].energy(5e-12) == pytest.approx(6 * 2e-15)
    assert toy.cells["FLOP"].pins["Q"].energy(5e-12) == 0


def test_a_table_keeps_its_last_value_beyond_its_axis():
    table = Table(((1.0, 2.0), (10.0,)), (3.0, 5.0))
    assert [table.at(place, 99) for place in (0, 1, 1.5, 2, 9)] == [3, 3, 4, 5, 5]


@pytest.mark.parametrize("text, inside", [("library (a) { cell (b) {", "cell"), ("", "nothing: it has no library")])
def test_a_file_that_breaks_off_is_refused(text, inside):
    with pytest.raises(ValueError, match=f"^a Liberty file ends inside {inside}$"):
        parse(text)


def test_a_bit_of_a_port_is_called_by_its_place():
    module = {"netnames": {"a": {"bits": [2, 3]}, "\\$n": {"bits": [4]}, "again": {"bits": [4]}},
              "cells": {"one": {"type": "INV", "connections": {"A": [3], "Y": [4]}},
                        "tied": {"type": "INV", "connections": {"A": ["0"], "Y": [2]}},
                        "memory": {"type": "$mem_v2", "connections": {}}}}
    assert nets(module) == (("INV", {"A": "a[1]", "Y": "$n"}), ("INV", {"Y": "a[0]"}))


def test_a_change_takes_what_the_cells_at_its_net_take_and_half_of_its_charge(toy):
    design = Netlist("", (("FLOP", {"CK": "clk", "Q": "q"}), ("INV", {"A": "q", "Y": "y"}),
                          ("INV", {"A": "y", "Y": "z"})))
    spent = power(design, toy, {"clk": 20, "q": 3, "y": 2}, 5e-12)
    # The clock charges 2 fF to 2 V, twenty times half of it, and takes 12 fJ inside the pin each time.
    assert spent["clock"] == pytest.approx(20 * (2e-15 * 2 ** 2 / 2 + 12e-15))
    assert spent["nets"] == pytest.approx((3 + 2) * 3e-15 * 2 ** 2 / 2)
    # Both inverters at A; the first at Y, with a load of 3 fF: three eighths of the way to the end of the table.
    assert spent["cells"] == pytest.approx((3 + 2) * 5e-15 + 2 * (5 + 4 * 3 / 8) * 2e-15)
    assert leakage(design, toy) == pytest.approx(17e-9)
