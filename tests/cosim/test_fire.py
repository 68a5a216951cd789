from cosim import bench_fire
from cosim.simulator import Simulation
from rtl.fire import Fire
from rtl.verilog import export


def test_verilog_matches_model(tmp_path):
    simulation = Simulation(export(Fire(bench_fire.CFG), "fire"), "fire")
    assert len(simulation.run("cosim.bench_fire", tmp_path)) == 36
