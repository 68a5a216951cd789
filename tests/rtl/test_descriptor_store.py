import random

import pytest

from model.config import ProcessorConfig
from model.descriptor import DESCRIPTOR, DESCRIPTOR_WORDS, pack
from rtl.descriptor_store import DescriptorStore
from tests.streams import simulate


def random_descriptor(choose):
    return {name: choose.getrandbits(width) for fields in DESCRIPTOR for name, width in fields.items()}


async def write(ctx, dut, address, data):
    ctx.set(dut.write.address, address)
    ctx.set(dut.write.data, data)
    ctx.set(dut.write.enable, 1)
    await ctx.tick()
    ctx.set(dut.write.enable, 0)


def read(ctx, dut, index):
    """The fields of a layer, without a cycle in between."""
    ctx.set(dut.index, index)
    layer = ctx.get(dut.layer)
    return {name: getattr(layer, name) for fields in DESCRIPTOR for name in fields}


@pytest.mark.parametrize("layers", [2, 3, 16])
def test_words_written_in_any_order_are_descriptors(layers):
    choose = random.Random(layers)
    descriptors = [random_descriptor(choose) for _ in range(layers)]
    words = [*enumerate(word for descriptor in descriptors for word in pack(descriptor))]
    choose.shuffle(words)
    dut = DescriptorStore(ProcessorConfig(columns=16, layers=layers))

    async def testbench(ctx):
        for address, word in words:
            await write(ctx, dut, address, word)
        for index in (*range(layers), *reversed(range(layers))):
            assert read(ctx, dut, index) == descriptors[index]

    simulate(dut, testbench)


def test_a_write_changes_one_word_of_one_layer():
    dut = DescriptorStore(ProcessorConfig(columns=16, layers=3))
    zeros = dict.fromkeys((name for fields in DESCRIPTOR for name in fields), 0)

    async def testbench(ctx):
        for address in range(3 * DESCRIPTOR_WORDS):
            await write(ctx, dut, address, 0)
        for word, fields in enumerate(DESCRIPTOR):
            await write(ctx, dut, DESCRIPTOR_WORDS + word, (1 << 32) - 1)
            ones = {name: (1 << width) - 1 for name, width in fields.items()}
            assert [read(ctx, dut, index) for index in range(3)] == [zeros, zeros | ones, zeros]
            await write(ctx, dut, DESCRIPTOR_WORDS + word, 0)
            assert read(ctx, dut, 1) == zeros

    simulate(dut, testbench)


def test_without_enable_nothing_is_written():
    dut = DescriptorStore(ProcessorConfig(columns=16, layers=2))

    async def testbench(ctx):
        for address in range(2 * DESCRIPTOR_WORDS):
            await write(ctx, dut, address, 0)
        before = [read(ctx, dut, index) for index in range(2)]
        ctx.set(dut.write.data, (1 << 32) - 1)
        for address in range(2 * DESCRIPTOR_WORDS):
            ctx.set(dut.write.address, address)
            await ctx.tick()
        assert [read(ctx, dut, index) for index in range(2)] == before

    simulate(dut, testbench)
