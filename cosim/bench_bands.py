"""The exported processor with maps and potentials in its memory, as they do not fit: random networks, band by band.

Parameters: as of :mod:`cosim.bench_supply`. What the memory holds is :func:`orders`.
"""

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from cosim.bench_supply import chosen, expected, memory
from cosim.bench_system import fails_with
from cosim.host import ABORT, Host, HostError
from cosim.lockstep import expected_result, first_difference
from cosim.memory import BEATS
from cosim.simulator import parameters
from model.batch import Batch, laid_out
from model.compiler import compile
from model.config import ProcessorConfig, Target, Way
from model.descriptor import DESCRIPTOR_WORDS, pack
from model.image import Section

__all__ = ["orders"]


def orders(seeds: list[int], cfg: ProcessorConfig) -> list[Batch]:
    """The batches of all networks, one behind the other in one memory."""
    batches = []
    for seed in seeds:
        case = chosen(seed)
        batches.append(laid_out(compile(case.network, cfg), case.codes.numpy(), batches[-1].end if batches else 0))
    return batches


async def begin(dut) -> tuple[Host, ProcessorConfig, list[Batch]]:
    cfg = ProcessorConfig(**parameters()["cfg"])
    host = Host(dut, cfg)
    await host.reset()
    return host, cfg, orders(parameters()["seeds"], cfg)


@cocotb.test()
async def random_networks_agree(dut):
    host, cfg, batches = await begin(dut)
    checked = 0
    for seed, batch in zip(parameters()["seeds"], batches):
        case = chosen(seed)
        assert any(fields["way"] for fields in batch.image.descriptors)
        decision = expected(case.network, case.codes, cfg)
        await host.load_batch(batch)
        for index in range(batch.pictures):
            try:
                result = await host.run_loaded(batch, index)
                differs = first_difference(expected_result(decision, index), result, memory())
            except HostError as error:
                differs = str(error)
            assert differs is None, f"random network {seed}, image {index}: {differs}"
            checked += 1
    assert checked == 2 * len(parameters()["seeds"]) > 0


@cocotb.test()
async def a_move_that_fails_leaves_nothing_behind(dut):
    host, cfg, batches = await begin(dut)
    batch, case = batches[0], chosen(parameters()["seeds"][0])
    decision = expected(case.network, case.codes, cfg)
    moves = [index for index, fields in enumerate(batch.image.descriptors) if fields["way"]]
    provoked = 0

    async def provoke(code, *, cycles=None, **fields):
        """Run with a move that is another, or abort after so many cycles: that fails, and the next run is as always."""
        nonlocal provoked
        await host.load_batch(batch)
        index = next(index for index in moves if fields.get("way") in (None, batch.image.descriptors[index]["way"]))
        words = pack(batch.image.descriptors[index] | fields)
        section = Section(target=Target.DESCRIPTORS, address=index * DESCRIPTOR_WORDS,
                          entries=np.array(words, np.uint32)[:, None])
        await host.load(section.words())
        await host.write("source_address", batch.picture_address)
        await host.start()
        if cycles:
            await ClockCycles(dut.clk, cycles)
            await host.write("control", ABORT)
        await fails_with(host, code)
        await host.load_batch(batch)
        differs = first_difference(expected_result(decision, 0), await host.run_loaded(batch, 0), memory())
        assert differs is None, f"{code}, {fields}: {differs}"
        provoked += 1

    for way in Way.BRING, Way.PUT:
        await provoke("MEMORY", way=way, picture=0, weight_base=BEATS)
        await provoke("ADDRESS", way=way, input_base=cfg.spike_words + cfg.state_words)
        await provoke("DESCRIPTOR", way=way, weight_base=(1 << 32) - 1)
        await provoke("DESCRIPTOR", way=way, group_rows=0)
    for cycles in range(10, 200, 19):
        await provoke("ABORTED", cycles=cycles)
    assert provoked == 18
