import pytest

from cosim.simulator import BenchError, Simulation
from model.config import preset
from rtl.picker import Picker
from rtl.verilog import export

BENCH = "tests.cosim.bench_told"


def simulation():
    return Simulation(export(Picker(preset("tiny")), "picker"), "picker", waves=True)


def test_a_failing_bench_raises_what_it_said(tmp_path):
    built = simulation()
    assert built.run(BENCH, tmp_path, parameters={"told": "pass"}) == [f"{BENCH}.passes_when_told"]
    with pytest.raises(BenchError, match=f"^{BENCH}.passes_when_told: told to fail"):
        built.run(BENCH, tmp_path, parameters={"told": "fail"})
    with pytest.raises(BenchError, match="^no.such.bench broke off"):
        built.run("no.such.bench", tmp_path)


def test_waves_are_recorded(tmp_path):
    simulation().run(BENCH, tmp_path, parameters={"told": "pass"})
    assert (tmp_path / "dump.vcd").stat().st_size > 0


def test_the_same_verilog_is_built_once():
    executable = simulation().folder / "picker"
    before = executable.stat().st_mtime_ns
    assert simulation().folder == executable.parent
    assert executable.stat().st_mtime_ns == before


def test_what_designs_share_knows_none_of_them():
    shared = list(simulation().runtime.iterdir())
    assert shared
    # The prefix of all names that Verilator makes for a design.
    assert [path.name for path in shared if b"Vtop" in path.read_bytes()] == []


def test_a_design_that_verilator_refuses_is_named():
    with pytest.raises(RuntimeError, match="^broken cannot be built"):
        Simulation("module broken(", "broken")
