from contextlib import suppress

import pytest

from cosim.bench_supply import chosen, content
from cosim.memory import SYSTEM, system
from cosim.simulator import Simulation
from model.config import ProcessorConfig
from model.network import NetworkError
from model.residence import residences

# Few rows, so that weights come from the memory, and room for everything else.
ROOM = {"rows": 400, "spike_words": 2048, "state_words": 4096, "charge_words": 4096, "parameter_words": 128,
        "layers": 4, "classes": 64, "timesteps": 4}
SIZES = {"64 bits": {**ROOM, "columns": 16, "tiles": 1, "encoders": 8, "span": 2, "memory_width": 64},
         "128 bits": {**ROOM, "columns": 16, "tiles": 2, "walkers": 2, "encoders": 8, "span": 2, "memory_width": 128}}
PACES = {"ideal": (), "slow": ("+latency=60", "+pause=3"), "random": ("+latency=9", "+jitter=40")}
NETWORKS = 6


def seeds(cfg):
    """Of networks that do not fit, but whose column groups do; half of them fetch some of theirs by spikes."""
    whole, by_spikes, seed = [], [], 0
    while len(whole) < NETWORKS // 2 or len(by_spikes) < NETWORKS // 2:
        with suppress(NetworkError):
            homes = residences(chosen(seed).network, cfg)
            if any(home.by_spikes for home in homes):
                by_spikes.append(seed)
            elif any(home.streamed for home in homes):
                whole.append(seed)
        seed += 1
    return whole[:NETWORKS // 2] + by_spikes[:NETWORKS // 2]


@pytest.fixture(scope="module", params=SIZES)
def built(request, tmp_path_factory):
    """A processor with its memory, the file with the memory's content, and what the bench is told."""
    cfg = ProcessorConfig(**SIZES[request.param])
    networks, file = seeds(cfg), tmp_path_factory.mktemp("memory") / "content"
    file.write_bytes(content(networks, cfg)[1])
    return Simulation(system(cfg), SYSTEM), file, {"cfg": SIZES[request.param], "seeds": networks}


@pytest.mark.parametrize("built", ["64 bits"], indirect=True)
def test_a_memory_that_never_answers_costs_a_run_and_not_the_processor(built, tmp_path):
    simulation, _, told = built
    passed = simulation.run("cosim.bench_unanswered", tmp_path, parameters={**told, "exact": False},
                            plusargs=[f"+latency={1 << 30}"])
    assert len(passed) == 1


@pytest.mark.parametrize("pace", PACES)
def test_networks_that_do_not_fit_agree_and_a_run_that_fails_leaves_nothing_behind(built, pace, tmp_path):
    simulation, file, told = built
    passed = simulation.run("cosim.bench_supply", tmp_path, parameters={**told, "exact": pace == "ideal"},
                            plusargs=[f"+memory={file}", *PACES[pace]])
    assert len(passed) == 3
