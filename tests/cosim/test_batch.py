from itertools import islice

import pytest

from cosim.bench_batch import PICTURES, answered, orders, silent
from cosim.bench_supply import chosen
from cosim.lockstep import expected_result, first_difference
from cosim.memory import BEATS, SYSTEM, filled, system
from cosim.simulator import Simulation
from cosim.soak import STREAMING, streaming_seeds
from model import processor
from model.config import ProcessorConfig
from model.supply import IDEAL

NETWORKS = 4
JITTER = ("+latency=9", "+jitter=40")


@pytest.mark.parametrize("name, jitter", [("64 bits", ()), ("128 bits", JITTER)])
def test_batches_are_answered_in_the_memory_and_an_error_leaves_nothing_behind(name, jitter, tmp_path):
    cfg = ProcessorConfig(**STREAMING[name])
    seeds = list(islice(streaming_seeds(cfg), NETWORKS))
    batches = orders(seeds, cfg)
    content, result = tmp_path / "content", tmp_path / "result"
    content.write_bytes(filled(batches))
    passed = Simulation(system(cfg), SYSTEM).run(
        "cosim.bench_batch", tmp_path, parameters={"cfg": STREAMING[name], "seeds": seeds},
        plusargs=[f"+memory={content}", f"+result={result}", f"+silent={silent(batches)}", *jitter])
    assert len(passed) == 4

    memory, checked = result.read_bytes(), 0
    *complete, at_the_end = answered(batches, cfg)
    cases = [chosen(seed) for seed in seeds]
    decisions = [processor.run(case.network, case.codes, cfg) for case in cases]
    for number, batch in enumerate([*complete, at_the_end]):
        network = number if number < NETWORKS else 0
        for picture, answer in zip(PICTURES, batch.answers(memory)):
            differs = first_difference(expected_result(decisions[network], picture), answer, None if jitter else IDEAL)
            assert differs is None, f"random network {seeds[network]}, batch {number}, picture {picture}: {differs}"
            checked += 1
    assert checked == len(PICTURES) * (len(complete) + 1) - 1 > 100
    # Nothing was written anywhere else.
    for batch in batches:
        assert memory[batch.first:batch.answer_address] == batch.content
    assert silent(batches) == complete[-1].end
    assert not any(memory[silent(batches) + batches[0].answer_bytes:at_the_end.answer_address])
    assert len(memory) == at_the_end.end == BEATS * cfg.beat_bytes
