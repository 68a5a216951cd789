import random

import pytest
from amaranth import *
from amaranth.lib import wiring

from model.answer import HARDWARE_COUNTERS, Answer
from model.config import ProcessorConfig
from rtl.batch import Batch
from rtl.sequencer import ErrorCode
from rtl.supply import Supply
from tests.rtl import test_reader
from tests.rtl.test_reader import stored
from tests.rtl.test_writer import Memory
from tests.streams import idle, simulate

WIDTH = 64
CFG = ProcessorConfig(memory_width=WIDTH)
PICTURES, WORDS, CLASSES, LAYERS = 3, 7, 5, 2
# Beats from picture to picture; the words of one fill four.
DISTANCE, SOURCE, ANSWERS = 6, 0x100, 0x200
ORDER = {"source_address": 8 * SOURCE, "source_words": WORDS, "batch_pictures": PICTURES,
         "batch_distance": 8 * DISTANCE, "batch_answers": 8 * ANSWERS}


def answer(picture):
    """What the processor says of a picture."""
    return Answer(class_index=picture, timestep=7, counters={name: 100 * picture + index for index, name
                                                             in enumerate(HARDWARE_COUNTERS)},
                  logits=[-picture - index for index in range(CLASSES)],
                  signatures=[1000 * picture + index for index in range(LAYERS)])


def loaded(picture):
    """The words of a picture."""
    beats = [stored(SOURCE + DISTANCE * picture + beat) for beat in range(4)]
    return [beat >> shift & 0xFFFF_FFFF for beat in beats for shift in (0, 32)][:WORDS]


def written(pictures):
    """What is in the memory when so many pictures have their answers."""
    data = b"".join(answer(picture).to_bytes(WIDTH) for picture in range(pictures))
    return {ANSWERS + index: int.from_bytes(data[8 * index:8 * index + 8], "little") for index in range(len(data) // 8)}


class System(Elaboratable):
    """A batch and the supply whose reader it borrows."""

    def __init__(self):
        self.batch, self.supply = Batch(CFG), Supply(CFG)

    def elaborate(self, platform):
        m = Module()
        m.submodules += self.batch, self.supply
        wiring.connect(m, self.batch.reads, self.supply.lent_runs)
        wiring.connect(m, self.supply.lent_beats, self.batch.beats)
        m.d.comb += [self.supply.lent.eq(self.batch.reading), self.supply.end.eq(self.batch.end)]
        return m


class World:
    """What a batch meets: a memory with ``stall``, a loader, and a processor that answers every run."""

    def __init__(self, stall=0, broken=()):
        random.seed(1)
        self.system = System()
        self.dut = self.system.batch
        self.source = test_reader.Memory(self.system.supply.bus, latency=3 * stall, stall=stall)
        self.memory = Memory(self.dut.bus, stall, broken)
        self.picture, self.words, self.ends = 0, [], []

    async def runs(self, ctx):
        dut = self.dut
        while True:
            *_, start = await ctx.tick().sample(dut.start)
            if not start:
                continue
            await idle(ctx, random.randint(1, 9))
            said = answer(self.picture)
            ctx.set(dut.head, [said.class_index | said.timestep << 16, *said.counters.values()])
            await pulse(ctx, dut.answered)

    async def stores(self, ctx):
        dut = self.dut
        async for _, _, index in ctx.tick().sample(dut.index):
            said = answer(self.picture)
            ctx.set(dut.logit_data, said.logits[index] if index < CLASSES else 0x5555)
            ctx.set(dut.signature_data, said.signatures[index] if index < LAYERS else 0x5555)

    async def watch(self, ctx):
        dut = self.dut
        async for _, _, valid, word, done, failed, code, detail, pictures in ctx.tick().sample(
                dut.words.valid, dut.words.payload, dut.done, dut.failed, dut.code, dut.detail, dut.pictures_done):
            self.picture = pictures
            if valid:
                self.words.append(word)
            if done or failed:
                self.ends.append("done" if done else (ErrorCode(code), detail))

    async def prepare(self, ctx):
        dut = self.dut
        ctx.set(dut.order, ORDER)
        for member, value in ((dut.classes, CLASSES), (dut.layers, LAYERS), (dut.limit, 1000)):
            ctx.set(member, value)

    async def whole(self, ctx):
        """A batch that ends well, and what it leaves behind."""
        dut = self.dut
        self.words.clear()
        self.ends.clear()
        await pulse(ctx, dut.batch)
        await ctx.tick().until(~dut.busy)
        await idle(ctx, 30)
        assert self.ends == ["done"] and ctx.get(dut.pictures_done) == PICTURES
        assert self.words == sum(map(loaded, range(PICTURES)), [])
        assert self.memory.content == written(PICTURES)
        assert not ctx.get(dut.busy) and not ctx.get(dut.reads.valid) and not ctx.get(dut.bus.awvalid)

    def simulate(self, host):
        simulate(self.system, host, processes=[
            self.source.addresses, self.source.beats, self.memory.process, self.runs, self.stores, self.watch],
                 cycles=40_000)


async def pulse(ctx, signal):
    ctx.set(signal, 1)
    await ctx.tick()
    ctx.set(signal, 0)


@pytest.mark.parametrize("stall", [0, 4])
def test_pictures_are_loaded_and_answered_in_the_memory(stall):
    world = World(stall)

    async def host(ctx):
        await world.prepare(ctx)
        await world.whole(ctx)
        world.memory.content.clear()
        await world.whole(ctx)

    world.simulate(host)
    assert len(world.memory.content) == 3 * 8


def test_a_load_only_loads():
    world = World(stall=2)

    async def host(ctx):
        await world.prepare(ctx)
        await pulse(ctx, world.dut.load)
        await ctx.tick().until(~world.dut.busy)
        await idle(ctx, 30)

    world.simulate(host)
    assert (world.words, world.ends, world.memory.bursts) == (loaded(0), ["done"], [])


@pytest.mark.parametrize("stall", [0, 3])
def test_what_is_ended_leaves_nothing_behind(stall):
    world = World(stall)

    async def host(ctx):
        await world.prepare(ctx)
        # A batch takes more than a hundred cycles.
        for cycles in range(0, 130, 5):
            world.memory.content.clear()
            await pulse(ctx, world.dut.batch)
            await idle(ctx, cycles)
            assert ctx.get(world.dut.busy)
            await pulse(ctx, world.dut.end)
            assert not ctx.get(world.dut.busy)
            done = ctx.get(world.dut.pictures_done)
            # A burst on its way ends without writing.
            await idle(ctx, 30)
            assert written(done).items() <= world.memory.content.items() <= written(done + 1).items()
            await world.whole(ctx)

    world.simulate(host)


def test_an_error_of_a_write_is_that_of_the_memory():
    # Where the third answer begins.
    world = World(broken={ANSWERS + 16})

    async def host(ctx):
        await world.prepare(ctx)
        await pulse(ctx, world.dut.batch)
        await ctx.tick().until(world.dut.failed)
        assert ctx.get(world.dut.pictures_done) == 2
        await pulse(ctx, world.dut.end)
        assert not ctx.get(world.dut.busy)
        world.memory.broken = ()
        await world.whole(ctx)

    world.simulate(host)
