import torch

from model.config import LANES, SILENT, ProcessorConfig
from model.memory import seen
from model.walker import words
from rtl.seen import Seen
from tests.streams import simulate

CFG = ProcessorConfig(columns=16, memory_width=64, seen_words=16)
BASES = (3, 7)


def test_knows_every_channel_that_spiked_and_forgets_the_map_before():
    generator = torch.Generator().manual_seed(1)
    maps = []
    for density in (0.3, 0.02, 0.0, 0.1):
        codes = torch.randint(SILENT, (1, 40, 3, 4), generator=generator)
        maps.append(codes.where(torch.rand(codes.shape, generator=generator) < density, SILENT).to(torch.uint8))
    dut, read = Seen(CFG), []

    async def testbench(ctx):
        # Two maps are kept apart, and each is emitted twice.
        for number, codes in enumerate(maps):
            ctx.set(dut.enable, 1)
            for pixel, its in enumerate(words(codes)[0].flatten(0, 1).tolist()):
                for word, lanes in enumerate(its):
                    ctx.set(dut.word, {"codes": lanes, "seen": BASES[number % 2] + word, "begins": pixel == 0})
                    await ctx.tick()
            ctx.set(dut.enable, 0)
            await ctx.tick()
            for base in BASES[:number + 1]:
                for word in range(3):
                    ctx.set(dut.address, base + word)
                    read.append(ctx.get(dut.data))

    simulate(dut, testbench)
    known = [sum(bool(spiked) << channel for channel, spiked in enumerate(seen(codes)[0].tolist())) for codes in maps]
    expected = [known[0], *(known[one] for pair in ((0, 1), (2, 1), (2, 3)) for one in pair)]
    assert read == [value >> LANES * word & 0xFFFF for value in expected for word in range(3)]
    assert known[0].bit_count() > 35 and 0 < known[1].bit_count() < 20 and known[2] == 0
