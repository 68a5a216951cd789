"""Drive, observe and police lib.stream interfaces in Amaranth's simulator."""

from amaranth.sim import Simulator

__all__ = ["idle", "put", "take", "put_all", "take_all", "expect_nothing", "holds", "simulate"]


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
        valid, = await ctx.tick().sample(stream.valid)
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
