"""The exported processor while it works through pictures in its memory by itself, and everything that can go wrong.

Parameters: as of :mod:`cosim.bench_supply`. What the memory holds is :func:`orders`; where answers are to be
found afterwards says :func:`answered`. It never answers a write to :func:`silent`.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, FallingEdge

from cosim.bench_supply import chosen
from cosim.bench_system import fails_with
from cosim.host import ABORT, BATCH, LOAD, START, Host, batch_registers
from cosim.memory import BEATS
from cosim.simulator import parameters
from model.batch import Batch, laid_out
from model.compiler import compile
from model.config import ProcessorConfig

__all__ = ["PICTURES", "orders", "answered", "silent"]

# Of the two of a case, so that one comes after another and after itself.
PICTURES = (0, 1, 1, 0)
ERRORS = 24
LIMIT = 1_000_000
# Cycles that no run and no transfer of these batches takes.
LONGEST = 50_000


def orders(seeds: list[int], cfg: ProcessorConfig) -> list[Batch]:
    """The batches of all networks, one behind the other in one memory."""
    batches = []
    for seed in seeds:
        case = chosen(seed)
        batches.append(laid_out(compile(case.network, cfg), [case.codes[index].numpy() for index in PICTURES],
                                batches[-1].end if batches else 0))
    return batches


def again(batches: list[Batch]) -> Iterator[Batch]:
    """The first batch, again and again, with room of its own for the answers: behind all others, and all before."""
    batch, end = batches[0], batches[-1].end
    while True:
        batch = replace(batch, answer_address=end)
        yield batch
        end = batch.end


def cut_off(batches: list[Batch], cfg: ProcessorConfig) -> Batch:
    """The first batch, with answers at the end of the memory, where all but the last have room."""
    batch = batches[0]
    return replace(batch, answer_address=BEATS * cfg.beat_bytes - (batch.pictures - 1) * batch.answer_bytes)


def answered(batches: list[Batch], cfg: ProcessorConfig) -> list[Batch]:
    """All batches whose answers are there when the bench has ended, in the order in which they lie in the memory."""
    # A good one follows each error; what comes of the erroneous one lies before it.
    good = list(islice(again(batches), 2 * ERRORS))[1::2]
    return [*batches, *good, replace(cut_off(batches, cfg), pictures=batches[0].pictures - 1)]


def silent(batches: list[Batch]) -> int:
    """The address of writes that are never answered, behind all answers but those at the end of the memory."""
    return next(islice(again(batches), 2 * ERRORS, None)).answer_address


async def begin(dut) -> tuple[Host, ProcessorConfig, list[Batch]]:
    cfg = ProcessorConfig(**parameters()["cfg"])
    host = Host(dut, cfg)
    await host.reset()
    await host.write("cycle_limit", LIMIT)
    return host, cfg, orders(parameters()["seeds"], cfg)


async def work(host: Host, batch: Batch):
    """Load a network and let it answer its pictures."""
    await host.load_batch(batch)
    await host.start_batch(batch)
    await host.finish()
    assert await host.read("batch_done") == [batch.pictures]


@cocotb.test()
async def every_picture_has_its_answer(dut):
    host, _, batches = await begin(dut)
    for batch in batches:
        assert any(fields["streamed"] for fields in batch.image.descriptors)
        await work(host, batch)
    assert len(batches) == len(parameters()["seeds"]) > 0


@cocotb.test()
async def what_comes_meanwhile_is_refused_and_changes_nothing(dut):
    host, _, batches = await begin(dut)
    batch = batches[0]
    await host.load_batch(batch)
    for meanwhile in (host.write("control", START), host.write("control", LOAD), host.write("control", BATCH),
                      host.load(np.array([0, 0, 0], np.uint32))):
        await host.start_batch(batch)
        await meanwhile
        await fails_with(host, "BUSY")
        await host.finish()
        assert await host.read("batch_done") == [batch.pictures]
    # A start wins over what comes with it.
    await host.write("control", START | BATCH)
    await fails_with(host, "BUSY")
    await host.finish()


@cocotb.test()
async def every_error_ends_a_batch_and_leaves_nothing_behind(dut):
    host, cfg, batches = await begin(dut)
    first, rooms, provoked, beyond = batches[0], again(batches), [], BEATS * cfg.beat_bytes

    async def provoke(code, *, command=BATCH, detail=None, done=None, act=None, **changed):
        """Begin a batch, or a load, with some registers ``changed``, which must fail; then one must succeed."""
        erroneous, good = next(rooms), next(rooms)
        await host.load_batch(erroneous)
        for name, value in (batch_registers(erroneous) | changed).items():
            await host.write(name, value)
        await host.write("control", command)
        if act:
            await act
        await fails_with(host, code)
        assert not (await host.read("status"))[0], f"{code} has not ended everything"
        assert detail is None or await host.read("error_detail") == [detail]
        assert done is None or await host.read("batch_done") == [done]
        await host.write("cycle_limit", LIMIT)
        await work(host, good)
        provoked.append(code)

    async def abort(trigger):
        await trigger
        await host.write("control", ABORT)

    image = {"source_address": first.image_address, "source_words": first.image_words}
    highest = (1 << 32) - cfg.beat_bytes
    for name in ("source_address", "batch_distance", "batch_answers"):
        await provoke("SETTINGS", detail=host.address(name), done=0, **{name: cfg.beat_bytes + 4})
    for name in ("source_words", "batch_pictures"):
        await provoke("SETTINGS", detail=host.address(name), done=0, **{name: 0})
    await provoke("SETTINGS", command=LOAD, detail=host.address("source_address"), source_address=4)
    await provoke("SETTINGS", command=LOAD, detail=host.address("source_address"), source_address=highest,
                  source_words=40)
    await provoke("SETTINGS", detail=host.address("batch_answers"), done=0, batch_answers=highest)
    await provoke("SETTINGS", detail=host.address("network"), done=0, network=0)
    await provoke("MEMORY", command=LOAD, detail=beyond, source_address=beyond)
    await provoke("MEMORY", detail=beyond, done=0, source_address=beyond)
    await provoke("MEMORY", done=1, batch_distance=beyond)
    await provoke("MEMORY", detail=beyond, done=0, batch_answers=beyond)
    await provoke("MEMORY", detail=beyond, done=first.pictures - 1,
                  batch_answers=cut_off(batches, cfg).answer_address)
    # No whole section, and no section at all.
    await provoke("LOAD", done=0, source_words=first.picture_words - 1)
    await provoke("LOAD", command=LOAD, source_address=first.answer_address, source_words=40)
    await provoke("CYCLES", command=LOAD, cycle_limit=20, **image)
    for limit in (5, 40):
        await provoke("CYCLES", done=0, cycle_limit=limit)
    await provoke("ABORTED", command=LOAD, act=abort(ClockCycles(dut.clk, 1)), **image)
    for cycles in (1, 100, 400):
        await provoke("ABORTED", act=abort(ClockCycles(dut.clk, cycles)))
    # While the first answer is being written.
    await provoke("ABORTED", done=0, act=abort(FallingEdge(dut.busy)))
    assert len(provoked) == ERRORS
    assert set(provoked) == {"SETTINGS", "MEMORY", "LOAD", "CYCLES", "ABORTED"}
    await ClockCycles(dut.clk, 10)
    assert not dut.interrupt.value, "an interrupt is left over"


@cocotb.test()
async def a_write_that_is_never_answered_costs_batches_and_not_the_processor(dut):
    host, _, batches = await begin(dut)
    batch = replace(batches[0], answer_address=silent(batches))
    await host.load_batch(batch)
    await host.write("cycle_limit", LONGEST)
    # The first batch waits for the response, the others for the channel.
    for aborted in (False, True, False):
        await host.start_batch(batch)
        if aborted:
            await FallingEdge(dut.busy)
            await host.write("control", ABORT)
        await fails_with(host, "ABORTED" if aborted else "CYCLES")
        assert await host.read("batch_done") == [0]
    # What needs no answer still runs.
    await host.load_batch(batch)
    await host.start()
    await host.finish()
