import random

import pytest

from model import answer
from model.config import ProcessorConfig
from rtl.answer import Answer
from tests.streams import expect_nothing, holds, simulate, take_all

WORD = 32


@pytest.mark.parametrize("width", [64, 128, 256])
@pytest.mark.parametrize("classes, layers", [(2, 1), (3, 4), (7, 16), (40, 2)])
@pytest.mark.parametrize("stall", [0, 5])
def test_matches_model(width, classes, layers, stall):
    cfg = ProcessorConfig(memory_width=width)
    dut, rng = Answer(cfg), random.Random(classes)
    answers = []
    for _ in range(2):
        answers.append(answer.Answer(
            class_index=rng.getrandbits(16), timestep=rng.getrandbits(8),
            counters={name: rng.getrandbits(WORD) for name in answer.HARDWARE_COUNTERS},
            logits=[rng.randrange(-1 << 23, 1 << 23) for _ in range(classes)],
            signatures=[rng.getrandbits(WORD) for _ in range(layers)]))
    now, beats = answers[0], []

    async def stores(ctx):
        async for _, _, index in ctx.tick().sample(dut.index):
            ctx.set(dut.logit_data, now.logits[index] if index < classes else 0x5555)
            ctx.set(dut.signature_data, now.signatures[index] if index < layers else 0x5555)

    async def drive(ctx):
        nonlocal now
        ctx.set(dut.classes, classes)
        ctx.set(dut.layers, layers)
        for now in answers:
            head = [now.class_index | now.timestep << 16, *now.counters.values()]
            ctx.set(dut.head, head)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            came = await take_all(ctx, dut.o, answer.answer_beats(classes, layers, width), stall=stall)
            await expect_nothing(ctx, dut.o, 20)
            assert not ctx.get(dut.busy)
            beats.append(b"".join(beat.to_bytes(width // 8, "little") for beat in came))

    simulate(dut, drive, processes=[holds(dut.o), stores])
    assert beats == [its.to_bytes(width) for its in answers] and beats[0] != beats[1]
