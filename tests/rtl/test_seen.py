from itertools import product

import pytest
import torch

from model.config import CORNERS, LANES, SILENT, ProcessorConfig
from model.memory import seen
from model.walker import words
from rtl.seen import Seen
from tests.streams import simulate

CFG = ProcessorConfig(columns=16, memory_width=64, seen_words=16)
BASES = (3, 7)


def places(height, width):
    """Of every pixel, a bit for each corner that it lies in."""
    whole = torch.arange(height * width).view(1, height, width)
    inside = [seen(torch.where(whole == pixel, 0, SILENT)[None])[0, :, 0] for pixel in range(height * width)]
    return [sum(bool(each) << corner for corner, each in enumerate(corners)) for corners in inside]


@pytest.mark.parametrize("height, width", [(3, 4), (2, 2), (1, 3), (3, 1), (1, 1)])
def test_knows_every_channel_that_spiked_in_every_corner_and_forgets_the_map_before(height, width):
    generator = torch.Generator().manual_seed(height * width)
    maps = []
    for density in (0.3, 0.02, 0.0, 0.1):
        codes = torch.randint(SILENT, (1, 40, height, width), generator=generator)
        maps.append(codes.where(torch.rand(codes.shape, generator=generator) < density, SILENT).to(torch.uint8))
    dut, read, inside = Seen(CFG), [], places(height, width)

    async def testbench(ctx):
        # Two maps are kept apart, and each is emitted twice.
        for number, codes in enumerate(maps):
            ctx.set(dut.enable, 1)
            for pixel, its in enumerate(words(codes)[0].flatten(0, 1).tolist()):
                for word, lanes in enumerate(its):
                    ctx.set(dut.word, {"codes": lanes, "seen": BASES[number % 2] + word, "corners": inside[pixel],
                                       "begins": pixel == 0})
                    await ctx.tick()
            ctx.set(dut.enable, 0)
            await ctx.tick()
            for base, corners, word in product(BASES[:number + 1], range(1 << CORNERS), range(3)):
                ctx.set(dut.address, base + word)
                ctx.set(dut.corners, corners)
                read.append(ctx.get(dut.data))

    simulate(dut, testbench)
    expected = []
    for one in (0, 0, 1, 2, 1, 2, 3):
        for corners, word in product(range(1 << CORNERS), range(3)):
            chosen = [corner for corner in range(CORNERS) if corners >> corner & 1]
            channels = seen(maps[one])[0, chosen].any(0).tolist()
            spiked = sum(each << channel for channel, each in enumerate(channels))
            expected.append(spiked >> LANES * word & 0xFFFF)
    assert read == expected
    assert any(read)


def test_the_corners_of_the_model_are_those_of_its_pixels():
    assert places(1, 1) == [15]
    assert places(2, 2) == [1, 2, 4, 8]
    assert places(1, 3) == [5, 15, 10] and places(3, 1) == [3, 15, 12]
    assert places(3, 3) == [1, 3, 2, 5, 15, 10, 4, 12, 8]
