import pytest

from model.fetch import FILES, FOLDER, File
from rtl.area import LIBRARIES, Library, area, cell_areas, simplify

# A small process, with a unit of area for each transistor.
LIBERTY = """
library (toy) {
  cell (INV) {
    area : 2;
    pin (A) { direction : input; }
    pin (Y) { direction : output; function : "!A"; }
  }
  cell (BUF) {
    area : 4
    pin (A) { direction : input; }
    pin (Y) { direction : output; function : "A"; }
  }
  cell ("NAND2") {
    leakage_power () { value : 9; }
    area : 4;
    pin (A) { direction : input; }
    pin (B) { direction : input; }
    pin (Y) { direction : output; function : "!(A*B)"; }
  }
  cell (NOR2) {
    area : 4;
    pin (A) { direction : input; }
    pin (B) { direction : input; }
    pin (Y) { direction : output; function : "!(A+B)"; }
  }
  cell (NAND3) {
    area : 6;
    pin (A) { direction : input; }
    pin (B) { direction : input; }
    pin (C) { direction : input; }
    pin (Y) { direction : output; function : "!(A*B*C)"; }
  }
  cell (FLOP) {
    area : 20;
    ff (IQ, IQN) { clocked_on : CK; next_state : D; }
    pin (CK) { direction : input; clock : true; }
    pin (D) { direction : input; }
    pin (Q) { direction : output; function : IQ; }
  }
}
"""
TOY = Library(title="Toy", logic=("toy/toy.lib",), registers=("toy/toy.lib",), avoid=("NOR*",), nand2="NAND2")

# A NAND gate, two registers, and a memory of 64 words of 8 bits.
SOURCE = """
module top (input clk, input a, input b, input [5:0] address, input [7:0] data, input write, output reg q,
            output reg [7:0] read);
  reg [7:0] words [0:63];
  reg p;
  always @(posedge clk) begin
    p <= ~(a & b);
    q <= p;
    read <= words[address];
    if (write) words[address] <= data;
  end
endmodule
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The gates of SOURCE and its memories; the toy's Liberty file at hand."""
    monkeypatch.setitem(FILES, "toy/toy.lib", File(url="https://example.org", digest="md5:0", licence="CC0-1.0"))
    monkeypatch.setenv(FOLDER, str(tmp_path))
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/toy.lib").write_text(LIBERTY)
    path = tmp_path / "source.sv"
    path.write_text(SOURCE)
    return simplify(path, "top")


def test_the_area_is_that_of_gates_and_registers_and_of_no_memory(toy):
    gates, memories = toy
    assert area(gates, TOY) == {"cells": 3, "um2": 44, "flip-flops um2": 40, "kGE": 0.01}
    assert memories == [{"name": "words", "words": 64, "width": 8, "reads": 1, "writes": 1}]


def test_a_cell_that_the_process_does_not_have_is_refused(toy, tmp_path):
    path = tmp_path / "foreign.sv"
    path.write_text("(* blackbox *) module pll(input i, output o); endmodule\n"
                    "module foreign(input i, output o); pll pll(.i(!i), .o(o)); endmodule\n")
    gates, memories = simplify(path, "foreign")
    assert memories == []
    with pytest.raises(RuntimeError, match=r"^Toy has no cell for pll of .*foreign.gates.il$"):
        area(gates, TOY)


def test_the_area_of_a_cell_is_its_own():
    assert cell_areas(LIBERTY) == {"INV": 2, "BUF": 4, "NAND2": 4, "NOR2": 4, "NAND3": 6, "FLOP": 20}


def test_every_file_of_a_library_is_known():
    for library in LIBRARIES.values():
        assert FILES.keys() >= set(library.files)
