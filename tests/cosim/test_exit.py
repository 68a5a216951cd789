from cosim import bench_exit
from cosim.simulator import Simulation
from rtl.exit import ExitUnit
from rtl.verilog import export


def test_verilog_matches_model(tmp_path):
    simulation = Simulation(export(ExitUnit(bench_exit.CFG), "exit_unit"), "exit_unit")
    assert len(simulation.run("cosim.bench_exit", tmp_path)) == 8
