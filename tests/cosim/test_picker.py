import pytest

from cosim.simulator import Simulation
from model.config import ProcessorConfig
from rtl.picker import Picker
from rtl.verilog import export


@pytest.mark.parametrize("span", [1, 2])
def test_verilog_matches_model(span, tmp_path):
    cfg = {"columns": 16, "rows": 1024, "span": span}
    simulation = Simulation(export(Picker(ProcessorConfig(**cfg)), "picker"), "picker")
    assert len(simulation.run("cosim.bench_picker", tmp_path, parameters={"cfg": cfg})) == 12
