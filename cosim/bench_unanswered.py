"""The exported processor behind a memory that never answers. Parameters: as of :mod:`cosim.bench_supply`."""

import cocotb

from cosim.bench_supply import begin, chosen
from cosim.bench_system import fails_with
from cosim.host import ABORT, BATCH, LOAD
from cosim.simulator import parameters

LIMIT = 2000


@cocotb.test()
async def every_start_ends_with_the_cycle_limit_or_an_abort(dut):
    host, _, images = await begin(dut)
    await host.load_image(images[0])
    await host.load_picture(chosen(parameters()["seeds"][0]).codes[0].numpy())
    await host.write("cycle_limit", LIMIT)
    ended = 0
    # The first run waits for its weights, and all others for what it has asked for.
    for aborted in (False, False, True, False):
        await host.start()
        busy, = await host.read("status")
        assert busy & 1
        if aborted:
            await host.write("control", ABORT)
        await fails_with(host, "ABORTED" if aborted else "CYCLES")
        cycles, = await host.read("cycles")
        assert cycles < LIMIT if aborted else LIMIT <= cycles < LIMIT + 10
        # It is at the host's command, though its memory is not.
        await host.load_image(images[0])
        ended += 1
    assert ended == 4


@cocotb.test()
async def every_load_ends_with_the_cycle_limit_or_an_abort(dut):
    host, _, images = await begin(dut)
    await host.write("source_words", 100)
    await host.write("batch_pictures", 1)
    await host.write("cycle_limit", LIMIT)
    ended = 0
    for command, aborted in ((LOAD, False), (LOAD, True), (BATCH, False), (BATCH, True), (LOAD, False)):
        await host.write("control", command)
        assert await host.read("status") == [1]
        if aborted:
            await host.write("control", ABORT)
        await fails_with(host, "ABORTED" if aborted else "CYCLES")
        assert await host.read("status") == [0]
        # The load window is free.
        await host.load_image(images[0])
        ended += 1
    assert ended == 5
