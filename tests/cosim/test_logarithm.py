from cosim import bench_tile
from cosim.simulator import Simulation
from rtl.tile import Tile
from rtl.verilog import export


def test_verilog_matches_model(tmp_path):
    # The same Verilog as that of the tile's own bench, so it is built once for both.
    simulation = Simulation(export(Tile(bench_tile.CFG), "tile"), "tile")
    assert len(simulation.run("cosim.bench_logarithm", tmp_path)) == 3
