import pytest
import torch

from model.config import LANES, SILENT, ProcessorConfig
from model.pool import earliest
from model.walker import words
from rtl.pool import Pool
from tests.streams import put_all, simulate, through

BASE = 60


def random_map(seed, channels, height, width):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(SILENT + 1, (1, channels, height, width), dtype=torch.uint8, generator=generator)


def beats(codes, side, cfg):
    """One column group as the fire unit emits it: windows, pixels of a window, beats."""
    channels, height, width = codes.shape[1:]
    output_words = -(-channels // LANES)
    pixels = codes[0].permute(1, 2, 0).tolist()
    fired = []
    for oy in range(height // side):
        for ox in range(width // side):
            for pixel in range(side ** 2):
                lanes = pixels[oy * side + pixel // side][ox * side + pixel % side]
                # Lanes without a neuron are silent, but whole beats without neurons never come.
                lanes = lanes + [SILENT] * (-channels % cfg.encoders)
                count = len(lanes) // cfg.encoders
                for index in range(count):
                    first = index * cfg.encoders
                    fired.append({
                        "codes": lanes[first:first + cfg.encoders],
                        "place": {"index": index, "first": pixel == 0, "complete": pixel + 1 == side ** 2,
                                  "full": index + 1 == count or (index + 1) % cfg.word_beats == 0,
                                  "last": (oy + 1, ox + 1, pixel + 1, index + 1)
                                  == (height // side, width // side, side ** 2, count),
                                  "word_address": BASE + (oy * (width // side) + ox) * output_words + first // LANES}})
    return fired


def expected_words(codes, side):
    packed = words(earliest(codes, side))[0].flatten(0, 2).tolist()
    return [(BASE + n, codes, int(n + 1 == len(packed))) for n, codes in enumerate(packed)]


def read(word):
    return word.address, list(word.codes), word.last


@pytest.mark.parametrize("side, channels", [(1, 16), (1, 5), (2, 16), (2, 33), (3, 48), (3, 1)])
@pytest.mark.parametrize("encoders, gap, stall", [(1, 0, 0), (4, 1, 0), (8, 0, 3), (16, 1, 2)])
def test_matches_model(side, channels, encoders, gap, stall):
    cfg = ProcessorConfig(columns=48, encoders=encoders)
    codes = random_map(side * 64 + channels, channels, 2 * side, 3 * side)
    expected = expected_words(codes, side)
    got = through(Pool(cfg), beats(codes, side, cfg), len(expected), gap=gap, stall=stall)
    assert [read(word) for word in got] == expected


@pytest.mark.parametrize("order", [(3, 9, 7, 8), (9, 3, 7, 8), (9, 7, 3, 8), (9, 8, 7, 3), (SILENT, SILENT, SILENT, 3)])
def test_keeps_the_earliest_spike_wherever_it_stands(order):
    cfg = ProcessorConfig(columns=16, encoders=1)
    codes = torch.tensor(order, dtype=torch.uint8).reshape(1, 1, 2, 2)
    word, = through(Pool(cfg), beats(codes, 2, cfg), 1)
    assert read(word) == (BASE, [3] + [SILENT] * 15, 1)


def test_a_window_without_spikes_is_silent_after_one_with():
    cfg = ProcessorConfig(columns=16, encoders=1)
    codes = torch.tensor([[0, 1, SILENT, SILENT], [2, 3, SILENT, SILENT]], dtype=torch.uint8)[None, None]
    first, second = through(Pool(cfg), beats(codes, 2, cfg), 2)
    assert read(first) == (BASE, [0] + [SILENT] * 15, 0)
    assert read(second) == (BASE + 1, [SILENT] * 16, 1)


def test_lanes_that_no_beat_fills_are_silent_after_a_full_word():
    cfg = ProcessorConfig(columns=32, encoders=4)
    codes = torch.zeros(1, 20, 1, 1, dtype=torch.uint8)
    full, rest = through(Pool(cfg), beats(codes, 1, cfg), 2)
    assert read(full) == (BASE, [0] * 16, 0)
    assert read(rest) == (BASE + 1, [0] * 4 + [SILENT] * 12, 1)


def test_takes_a_beat_every_cycle():
    cfg = ProcessorConfig(columns=32, encoders=8)
    fired = beats(random_map(1, 32, 4, 4), 2, cfg)
    dut = Pool(cfg)
    refused = []

    async def drive(ctx):
        await put_all(ctx, dut.i, fired)

    async def watch(ctx):
        ctx.set(dut.o.ready, 1)
        for _ in fired:
            *_, ready = await ctx.tick().sample(dut.i.ready)
            refused.append(not ready)

    simulate(dut, drive, watch)
    assert not any(refused)
