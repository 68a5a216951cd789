from itertools import islice

import pytest

from cosim.bench_batch import PICTURES, answered, orders
from cosim.bench_supply import chosen
from cosim.lockstep import expected_result, first_difference
from cosim.memory import BEATS, SYSTEM, system
from cosim.simulator import Simulation
from cosim.soak import STREAMING, streaming_seeds
from model import processor
from model.config import ProcessorConfig
from model.supply import IDEAL

NETWORKS = 4


@pytest.fixture(scope="module", params=STREAMING)
def built(request, tmp_path_factory):
    """A processor with its memory, its configuration, batches, the memory's content and the file that has it."""
    cfg = ProcessorConfig(**STREAMING[request.param])
    networks = list(islice(streaming_seeds(cfg), NETWORKS))
    batches = orders(networks, cfg)
    content = b"".join(batch.content.ljust(batch.end - batch.first, b"\0") for batch in batches)
    file = tmp_path_factory.mktemp("memory") / "content"
    file.write_bytes(content)
    return Simulation(system(cfg), SYSTEM), cfg, networks, batches, file, {"cfg": STREAMING[request.param],
                                                                           "seeds": networks}


@pytest.mark.parametrize("pace", ["ideal", "random"])
def test_batches_are_answered_in_the_memory_and_an_error_leaves_nothing_behind(built, pace, tmp_path):
    simulation, cfg, networks, batches, file, told = built
    result = tmp_path / "result"
    jitter = ["+latency=9", "+response=5", "+jitter=40"] if pace == "random" else []
    passed = simulation.run("cosim.bench_batch", tmp_path, parameters=told,
                            plusargs=[f"+memory={file}", f"+result={result}", *jitter])
    assert len(passed) == 3
    memory, checked = result.read_bytes(), 0
    complete = answered(batches, cfg)
    for number, batch in enumerate(complete):
        seed = networks[number] if number < len(networks) else networks[0]
        case = chosen(seed)
        decision = processor.run(case.network, case.codes, cfg)
        for picture, answer in zip(PICTURES, batch.answers(memory)):
            differs = first_difference(expected_result(decision, picture), answer, None if jitter else IDEAL)
            assert differs is None, f"random network {seed}, batch {number}, picture {picture}: {differs}"
            checked += 1
    assert checked == len(PICTURES) * len(complete) - 1 > 100
    # Nothing was written anywhere else.
    for batch in batches:
        assert memory[batch.first:batch.answer_address] == batch.content
    assert not any(memory[complete[-2].end:complete[-1].answer_address])
    assert len(memory) == complete[-1].end == BEATS * cfg.beat_bytes
