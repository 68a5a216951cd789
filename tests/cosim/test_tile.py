from cosim import bench_tile
from cosim.simulator import Simulation
from rtl.tile import Tile
from rtl.verilog import export


def test_verilog_matches_model(tmp_path):
    simulation = Simulation(export(Tile(bench_tile.CFG), "tile"), "tile")
    assert len(simulation.run("cosim.bench_tile", tmp_path)) == 16
