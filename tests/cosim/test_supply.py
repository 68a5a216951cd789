import pytest

from cosim.bench_supply import changed, chosen, content
from cosim.memory import SYSTEM, system
from cosim.simulator import Simulation
from cosim.soak import STREAMING, streaming_seeds
from model.config import ProcessorConfig
from model.residence import residences

PACES = {"ideal": {}, "late": {"latency": 60}, "slow": {"latency": 30, "pause": 3}, "random": None}
JITTER = ("+latency=9", "+jitter=40")
NETWORKS = 6


def seeds(cfg):
    """Half of the networks fetch some of their weights by spikes."""
    halves, seeds = {True: [], False: []}, streaming_seeds(cfg)
    while min(map(len, halves.values())) < NETWORKS // 2:
        seed = next(seeds)
        halves[any(home.by_spikes for home in residences(chosen(seed).network, cfg))].append(seed)
    return halves[False][:NETWORKS // 2] + halves[True][:NETWORKS // 2]


@pytest.fixture(scope="module", params=STREAMING)
def built(request, tmp_path_factory):
    """A processor with its memory, the file with the memory's content, and what the bench is told."""
    cfg = ProcessorConfig(**STREAMING[request.param])
    networks, file = seeds(cfg), tmp_path_factory.mktemp("memory") / "content"
    file.write_bytes(content(networks, cfg)[1])
    return Simulation(system(cfg), SYSTEM), file, {"cfg": STREAMING[request.param], "seeds": networks}


@pytest.mark.parametrize("built", ["64 bits"], indirect=True)
def test_a_memory_that_never_answers_costs_a_run_and_not_the_processor(built, tmp_path):
    simulation, _, told = built
    passed = simulation.run("cosim.bench_unanswered", tmp_path, parameters={**told, "pace": None},
                            plusargs=[f"+latency={1 << 30}"])
    assert len(passed) == 2


@pytest.mark.parametrize("pace", PACES)
def test_networks_that_do_not_fit_agree_and_a_run_that_fails_leaves_nothing_behind(built, pace, tmp_path):
    simulation, file, told = built
    fields = PACES[pace]
    plusargs = JITTER if fields is None else (f"+{name}={cycles}" for name, cycles in fields.items())
    passed = simulation.run("cosim.bench_supply", tmp_path, parameters={**told, "pace": fields},
                            plusargs=[f"+memory={file}", *plusargs])
    assert len(passed) == 3


def test_where_nothing_spikes_the_next_network_is_changed():
    cfg = ProcessorConfig(**STREAMING["64 bits"])
    index, network = changed([163, 168], cfg)
    assert index == 1 and network.name == chosen(168).network.name
