import random

import pytest

from model.config import ProcessorConfig
from rtl.readout import Readout
from tests.streams import put_all, simulate, take_all, through


def beats(logits, cfg):
    fired = []
    for first in range(0, len(logits), cfg.encoders):
        lanes = logits[first:first + cfg.encoders]
        fired.append({"potentials": lanes + [-1] * (cfg.encoders - len(lanes)),
                      "place": {"lanes": (1 << len(lanes)) - 1, "last": first + cfg.encoders >= len(logits)}})
    return fired


@pytest.mark.parametrize("encoders", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("gap, stall", [(0, 0), (4, 0), (0, 3)])
def test_gives_each_neuron_once_and_marks_the_last(encoders, gap, stall):
    cfg = ProcessorConfig(encoders=encoders)
    choose = random.Random(encoders)
    fired, expected = [], []
    for classes in range(1, 36, 3):
        logits = [choose.randrange(-1 << 23, 1 << 23) for _ in range(classes)]
        fired += beats(logits, cfg)
        expected += [(value, int(n + 1 == classes)) for n, value in enumerate(logits)]
    got = through(Readout(cfg), fired, len(expected), gap=gap, stall=stall)
    assert [(logit.value, logit.last) for logit in got] == expected


def test_gives_a_logit_every_cycle():
    cfg = ProcessorConfig(encoders=4)
    dut = Readout(cfg)
    cycles = 0

    async def drive(ctx):
        await put_all(ctx, dut.i, beats(list(range(31)), cfg))

    async def check(ctx):
        await take_all(ctx, dut.o, 31)

    async def count(ctx):
        nonlocal cycles
        while not (ctx.get(dut.o.valid) and ctx.get(dut.o.p.last)):
            cycles += 1
            await ctx.tick()

    simulate(dut, drive, check, count)
    assert cycles == 30
