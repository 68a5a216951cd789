import pytest

from cosim.simulator import Simulation
from model.config import SILENT, ProcessorConfig
from rtl.processor import Processor
from rtl.verilog import export
from tests.networks import seeded

# Room for every random network.
ROOM = {"rows": 8192, "spike_words": 2048, "state_words": 4096, "charge_words": 4096, "parameter_words": 128,
        "layers": 4, "classes": 64, "timesteps": 4}
# Two small tiles with many encoders; a wide span and a drain that everything waits for; readouts of two column groups
# whose logits hold up the drain; four walkers, alone and in pairs.
SIZES = [{**ROOM, "columns": 16, "tiles": 2, "encoders": 8, "span": 2},
         {**ROOM, "columns": 16, "tiles": 1, "encoders": 1, "span": 4},
         {**ROOM, "columns": 16, "tiles": 1, "encoders": 8, "span": 1},
         {**ROOM, "columns": 16, "tiles": 4, "walkers": 4, "encoders": 8, "span": 2}]
# Different ones for each of the sizes.
NETWORKS = 25


def seeds(number):
    return list(range(number * NETWORKS, (number + 1) * NETWORKS))


@pytest.mark.parametrize("number", range(len(SIZES)), ids=["two tiles", "wide span", "many encoders", "walkers"])
def test_random_networks_agree_and_errors_are_reported(number, tmp_path):
    sizes = SIZES[number]
    simulation = Simulation(export(Processor(ProcessorConfig(**sizes)), "firstlight"), "firstlight")
    passed = simulation.run("cosim.bench_system", tmp_path, parameters={"cfg": sizes, "seeds": seeds(number)})
    assert len(passed) == 2


def test_random_networks_have_many_layer_shapes_at_all_densities():
    shapes, densities = set(), []
    for number in range(len(SIZES)):
        for case in map(seeded, seeds(number)):
            for layer, source in zip(case.network.layers, case.network.maps()):
                shapes.add((layer.weight.shape, layer.stride, layer.padding, layer.pool, source))
            densities.append(float((case.codes != SILENT).float().mean()))
    assert len(shapes) > 100
    assert min(densities) < 0.15 and max(densities) > 0.85
