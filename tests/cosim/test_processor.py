from cosim.simulator import Simulation
from model.config import ProcessorConfig
from rtl.processor import Processor
from rtl.verilog import export

# Two tiles and more lanes than a preset has, with room for every random network.
SIZES = {"columns": 16, "tiles": 2, "rows": 8192, "encoders": 8, "spike_words": 1024, "state_words": 2048,
         "parameter_words": 64, "layers": 4, "classes": 64, "timesteps": 4}
NETWORKS = 60


def test_random_networks_agree_and_errors_are_reported(tmp_path):
    simulation = Simulation(export(Processor(ProcessorConfig(**SIZES)), "firstlight"), "firstlight")
    passed = simulation.run("cosim.bench_system", tmp_path, parameters={"cfg": SIZES, "seeds": list(range(NETWORKS))})
    assert len(passed) == 2
