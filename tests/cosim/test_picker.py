from cosim import bench_picker
from cosim.simulator import Simulation
from rtl.picker import Picker
from rtl.verilog import export


def test_verilog_matches_model(tmp_path):
    simulation = Simulation(export(Picker(bench_picker.CFG), "picker"), "picker")
    assert len(simulation.run("cosim.bench_picker", tmp_path)) == 12
