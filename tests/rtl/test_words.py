import random

import pytest

from rtl.words import Words
from tests.streams import through

WIDTH, LANES = 128, 4


@pytest.mark.parametrize("gap", [0, 2])
@pytest.mark.parametrize("stall", [0, 3])
@pytest.mark.parametrize("words", [1, 3, 4, 5, 9])
def test_words_leave_in_order_and_what_is_beyond_the_last_is_dropped(words, gap, stall):
    rng = random.Random(words)
    beats, expected = [], []
    for _ in range(3):
        run = [rng.getrandbits(WIDTH) for _ in range(-(-words // LANES))]
        beats += [{"data": beat, "last": beat is run[-1]} for beat in run]
        parts = [beat >> 32 * lane & 0xFFFF_FFFF for beat in run for lane in range(LANES)]
        expected += [(part, index == words - 1) for index, part in enumerate(parts[:words])]
    dut = Words(WIDTH)

    async def prepare(ctx):
        ctx.set(dut.words, words)

    came = through(dut, beats, len(expected), gap=gap, stall=stall, prepare=prepare)
    assert [(word["data"], word["last"]) for word in came] == expected and len(expected) == 3 * words
