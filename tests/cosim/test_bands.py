from itertools import islice

import pytest

from cosim.bench_bands import orders
from cosim.memory import SYSTEM, filled, system
from cosim.simulator import Simulation
from cosim.soak import MOVING, moving_seeds
from model.config import ProcessorConfig

NETWORKS = 10
PACES = {"ideal": {}, "slow": {"latency": 30, "pause": 3}, "random": None}
JITTER = ("+latency=9", "+jitter=40")


@pytest.mark.parametrize("pace", PACES)
def test_networks_whose_maps_do_not_fit_agree_and_a_move_that_fails_leaves_nothing_behind(pace, tmp_path):
    fields = MOVING["bands"]
    cfg = ProcessorConfig(**fields)
    seeds, content = list(islice(moving_seeds(cfg), NETWORKS)), tmp_path / "content"
    content.write_bytes(filled(orders(seeds, cfg)))
    chosen = PACES[pace]
    plusargs = JITTER if chosen is None else (f"+{name}={cycles}" for name, cycles in chosen.items())
    passed = Simulation(system(cfg), SYSTEM).run(
        "cosim.bench_bands", tmp_path, parameters={"cfg": fields, "seeds": seeds, "pace": chosen},
        plusargs=[f"+memory={content}", *plusargs])
    assert len(passed) == 2
