import random

import pytest
from amaranth import *

from model.config import WORD_WIDTH, ProcessorConfig, Way, moved_beats
from rtl.mover import Mover
from tests.streams import idle, put, simulate, take

WORDS = 11
PICTURE = 500


def moved(width, states, way, *, gap=0, stall=0, picture=0, span=2):
    """Words of a store before and after a move, the run that was asked for, and its beats."""
    cfg = ProcessorConfig(encoders=4, span=span, memory_width=width)
    dut, choose = Mover(cfg), random.Random(width + states)
    bits, each = 4 * 24 if states else WORD_WIDTH, moved_beats(cfg, states)
    first = choose.randrange(20)
    store = {address: choose.getrandbits(bits) for address in range(40)}
    came = {first + n: choose.getrandbits(bits) for n in range(WORDS)}
    beats = [came[first + n] >> part * width & (1 << width) - 1 for n in range(WORDS) for part in range(each)]
    layer = {"way": way, "states": states, "picture": picture, "input_base": first, "group_rows": WORDS,
             "weight_base": 77}
    runs, gone = [], []
    before = dict(store)
    reads, writes = (dut.states, dut.bring_states) if states else (dut.spikes, dut.bring_spikes)

    async def stores(ctx):
        async for _, _, address, enable, to, data, write in ctx.tick().sample(
                reads.address, reads.enable, writes.address, Value.cast(writes.data), writes.enable):
            if enable:
                row = address // span * span
                read = store[address] if states else sum(store[row + n] << n * WORD_WIDTH for n in range(span))
                ctx.set(Value.cast(reads.data), read)
            if write:
                store[to] = data

    async def memory(ctx):
        run = await take(ctx, dut.reads if way == Way.BRING else dut.writes)
        runs.append((run["address"], run["beats"]))
        for number in range(run["beats"]):
            await idle(ctx, gap)
            if way == Way.BRING:
                await put(ctx, dut.beats, {"data": beats[number], "last": number == run["beats"] - 1})
            else:
                await idle(ctx, stall)
                gone.append(await take(ctx, dut.o))
        if way == Way.PUT:
            await idle(ctx, 3)
            ctx.set(dut.written, 1)
            await ctx.tick()
            ctx.set(dut.written, 0)

    async def command(ctx):
        ctx.set(dut.layer, layer)
        ctx.set(dut.picture, PICTURE)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        await ctx.tick().until(dut.done)
        await ctx.tick()

    simulate(dut, command, memory, processes=[stores])
    assert runs == [(77 + PICTURE * picture, WORDS * each)]
    return before, store, came, gone, first, each


@pytest.mark.parametrize("gap", [0, 2])
@pytest.mark.parametrize("states", [0, 1])
@pytest.mark.parametrize("width", [64, 128, 256])
def test_words_are_brought_where_they_belong_and_nowhere_else(width, states, gap):
    before, store, came, *_ = moved(width, states, Way.BRING, gap=gap, picture=gap // 2)
    assert store == before | came


@pytest.mark.parametrize("stall", [0, 3])
@pytest.mark.parametrize("states", [0, 1])
@pytest.mark.parametrize("width, span", [(64, 1), (64, 4), (128, 2), (256, 2)])
def test_words_are_put_in_order_and_stay_in_the_store(width, span, states, stall):
    before, store, _, gone, first, each = moved(width, states, Way.PUT, stall=stall, span=span)
    assert store == before
    words = [sum(beat << part * width for part, beat in enumerate(gone[n * each:][:each])) for n in range(WORDS)]
    assert words == [before[first + n] for n in range(WORDS)]
