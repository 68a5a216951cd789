import pytest

from cosim.memory import SYSTEM, system
from cosim.random_networks import seeded
from cosim.simulator import Simulation
from cosim.soak import RESIDENT
from model.config import SILENT, ProcessorConfig

NETWORKS = 50
# The least alike; `nox -s soak` runs all.
CHOSEN = {name: RESIDENT[name] for name in ("wide span", "walkers")}


def seeds(number):
    return list(range(number * NETWORKS, (number + 1) * NETWORKS))


@pytest.mark.parametrize("number, sizes", list(enumerate(CHOSEN.values())), ids=list(CHOSEN))
def test_random_networks_agree_and_errors_are_reported(number, sizes, tmp_path):
    simulation = Simulation(system(ProcessorConfig(**sizes)), SYSTEM)
    passed = simulation.run("cosim.bench_system", tmp_path, parameters={"cfg": sizes, "seeds": seeds(number)})
    assert len(passed) == 2


def test_random_networks_have_many_layer_shapes_at_all_densities():
    shapes, densities = set(), []
    for number in range(len(CHOSEN)):
        for case in map(seeded, seeds(number)):
            for layer, source in zip(case.network.layers, case.network.maps()):
                shapes.add((layer.weight.shape, layer.stride, layer.padding, layer.pool, source))
            densities.append(float((case.codes != SILENT).float().mean()))
    assert len(shapes) > 100
    assert min(densities) < 0.15 and max(densities) > 0.85
