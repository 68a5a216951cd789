import random

import pytest
import torch

from model.config import CODE_WIDTH, LANES, ProcessorConfig
from model.signature import INITIAL, sign_logits, sign_words
from rtl.signature import Signature
from tests import scalar
from tests.streams import simulate

CFG = ProcessorConfig(columns=16, layers=5)


def packed(codes):
    return sum(code << CODE_WIDTH * lane for lane, code in enumerate(codes))


def signed(words, *, gap=0):
    """The signature of every layer after (layer, word) of ``words``."""
    dut = Signature(CFG)
    got = []

    async def testbench(ctx):
        for layer, word in words:
            for _ in range(gap):
                await ctx.tick()
            ctx.set(dut.layer, layer)
            ctx.set(dut.word, word)
            ctx.set(dut.valid, 1)
            await ctx.tick()
            ctx.set(dut.valid, 0)
            # Whatever is on the port between words is no word.
            ctx.set(dut.word, ~word)
        await ctx.tick()
        for layer in range(CFG.layers):
            ctx.set(dut.read_layer, layer)
            got.append(ctx.get(dut.read_data))

    simulate(dut, testbench)
    return got


@pytest.mark.parametrize("gap", [0, 2])
def test_matches_model(gap):
    generator = torch.Generator().manual_seed(gap)
    maps = [torch.randint(32, (1, count, LANES), dtype=torch.uint8, generator=generator) for count in (1, 7, 0, 32, 50)]
    words = [(layer, packed(codes)) for layer, codes in enumerate(maps) for codes in codes[0].tolist()]
    # Layers take turns, as they do from timestep to timestep; only the order within a layer counts.
    queues = [iter([word for word in words if word[0] == layer]) for layer in range(CFG.layers)]
    turns = [layer for layer, _ in words]
    random.Random(1).shuffle(turns)
    words = [next(queues[layer]) for layer in turns]
    initial = torch.tensor([INITIAL])
    assert signed(words, gap=gap) == [
        int(sign_words(initial, codes)) if codes.shape[1] else INITIAL for codes in maps]


def test_matches_the_model_on_logits():
    logits = torch.randint(-1 << 23, 1 << 23, (1, 20), generator=torch.Generator().manual_seed(3)).int()
    mask = (1 << CFG.numerics.accumulator_width) - 1
    expected = int(sign_logits(torch.tensor([INITIAL]), logits, CFG.numerics))
    assert signed([(2, logit & mask) for logit in logits[0].tolist()])[2] == expected


def test_every_bit_of_a_word_counts():
    dut = Signature(CFG)
    seen = []

    async def testbench(ctx):
        for bit in range(LANES * CODE_WIDTH):
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)
            ctx.set(dut.word, 1 << bit)
            ctx.set(dut.valid, 1)
            await ctx.tick()
            ctx.set(dut.valid, 0)
            await ctx.tick()
            seen.append(ctx.get(dut.read_data))

    simulate(dut, testbench)
    assert seen == [scalar.crc(INITIAL, 1 << bit) for bit in range(LANES * CODE_WIDTH)]
    assert len(set(seen)) == len(seen)


def test_a_clear_begins_all_signatures_anew():
    dut = Signature(CFG)

    async def testbench(ctx):
        for expected in (scalar.crc(INITIAL, 99), INITIAL):
            for layer in (0, CFG.layers - 1):
                ctx.set(dut.layer, layer)
                ctx.set(dut.word, 99)
                ctx.set(dut.valid, expected != INITIAL)
                await ctx.tick()
                ctx.set(dut.valid, 0)
                await ctx.tick()
                ctx.set(dut.read_layer, layer)
                assert ctx.get(dut.read_data) == expected
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)
        ctx.set(dut.valid, 1)
        await ctx.tick()
        ctx.set(dut.valid, 0)
        await ctx.tick()
        assert ctx.get(dut.read_data) == scalar.crc(INITIAL, 99)

    simulate(dut, testbench)
