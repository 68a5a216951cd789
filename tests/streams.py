"""Drive, observe and police lib.stream interfaces in Amaranth's simulator."""

from amaranth.sim import Simulator

__all__ = ["idle", "put", "take", "put_all", "take_all", "expect_nothing", "holds", "through", "simulate"]


async def idle(ctx, cycles):
    """Do nothing for ``cycles``, which may be zero."""
    for _ in range(cycles):
        await ctx.tick()


async def put(ctx, stream, payload):
    """Offer ``payload`` until it is accepted."""
    ctx.set(stream.payload, payload)
    ctx.set(stream.valid, 1)
    await ctx.tick().until(stream.ready)
    ctx.set(stream.valid, 0)


async def take(ctx, stream):
    """Accept one payload and return it."""
    ctx.set(stream.ready, 1)
    payload, = await ctx.tick().sample(stream.payload).until(stream.valid)
    ctx.set(stream.ready, 0)
    return payload


async def put_all(ctx, stream, payloads, *, gap=0):
    """Offer each of ``payloads``, idle for ``gap`` cycles before it."""
    for payload in payloads:
        await idle(ctx, gap)
        await put(ctx, stream, payload)


async def take_all(ctx, stream, count, *, stall=0):
    """Accept ``count`` payloads, idle for ``stall`` cycles before each, and return them."""
    payloads = []
    for _ in range(count):
        await idle(ctx, stall)
        payloads.append(await take(ctx, stream))
    return payloads


async def expect_nothing(ctx, stream, cycles):
    """Fail if anything is offered in the next ``cycles``."""
    for _ in range(cycles):
        *_, valid = await ctx.tick().sample(stream.valid)
        assert not valid, "more came out than was expected"


def holds(stream):
    """Process that fails when ``stream`` withdraws or changes an offer before it is accepted."""
    async def process(ctx):
        offered = None
        async for _, rst, payload, valid, ready in (
                ctx.tick().sample(stream.payload, stream.valid, stream.ready)):
            if offered is not None:
                assert valid and payload == offered, "offer withdrawn or changed"
            offered = payload if valid and not ready and not rst else None
    return process


def through(dut, payloads, count, *, gap=0, stall=0, prepare=None, processes=(), cycles=10_000):
    """The ``count`` payloads that ``dut`` makes of ``payloads``; fails if it changes an offer or makes more.

    Parameters
    ----------
    dut : Component
        With the streams ``i`` and ``o``.
    gap, stall : int
        Cycles of idleness before each payload that goes in, and before each that is taken.
    prepare : coroutine function, optional
        Called with the simulator's context before the first payload.
    """
    taken = []

    async def drive(ctx):
        if prepare:
            await prepare(ctx)
        await put_all(ctx, dut.i, payloads, gap=gap)

    async def check(ctx):
        taken.extend(await take_all(ctx, dut.o, count, stall=stall))
        await expect_nothing(ctx, dut.o, 20)

    simulate(dut, drive, check, processes=[holds(dut.o), *processes], cycles=cycles)
    return taken


def simulate(dut, *testbenches, processes=(), cycles=10_000):
    """Run ``testbenches`` to completion, failing after ``cycles``."""
    async def watchdog(ctx):
        for _ in range(cycles):
            await ctx.tick()
        raise TimeoutError(f"still running after {cycles} cycles")

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    for testbench in testbenches:
        sim.add_testbench(testbench)
    for process in (*processes, watchdog):
        sim.add_process(process)
    sim.run()
