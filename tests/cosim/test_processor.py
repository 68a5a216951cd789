import pytest

from cosim.simulator import Simulation
from model.config import ProcessorConfig
from rtl.processor import Processor
from rtl.verilog import export

# Room for every random network.
ROOM = {"rows": 8192, "spike_words": 2048, "state_words": 4096, "parameter_words": 128, "layers": 4, "classes": 64,
        "timesteps": 4}
# Two small tiles with many encoders; a wide span and a drain that everything waits for; readouts of two column groups
# whose logits hold up the drain; four walkers, alone and in pairs.
SIZES = [{**ROOM, "columns": 16, "tiles": 2, "encoders": 8, "span": 2},
         {**ROOM, "columns": 16, "tiles": 1, "encoders": 1, "span": 4},
         {**ROOM, "columns": 16, "tiles": 1, "encoders": 8, "span": 1},
         {**ROOM, "columns": 16, "tiles": 4, "walkers": 4, "encoders": 8, "span": 2}]
NETWORKS = 60


@pytest.mark.parametrize("sizes", SIZES, ids=["two tiles", "wide span", "many encoders", "walkers"])
def test_random_networks_agree_and_errors_are_reported(sizes, tmp_path):
    simulation = Simulation(export(Processor(ProcessorConfig(**sizes)), "firstlight"), "firstlight")
    passed = simulation.run("cosim.bench_system", tmp_path, parameters={"cfg": sizes, "seeds": list(range(NETWORKS))})
    assert len(passed) == 2
