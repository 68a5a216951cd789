import random

import pytest

from model.config import ProcessorConfig
from rtl.readout import Readout
from tests.streams import idle, simulate


def beats(logits, cfg):
    fired = []
    for first in range(0, len(logits), cfg.encoders):
        lanes = logits[first:first + cfg.encoders]
        fired.append({"potentials": lanes + [-1] * (cfg.encoders - len(lanes)),
                      "place": {"lanes": (1 << len(lanes)) - 1, "last": first + cfg.encoders >= len(logits)}})
    return fired


def read(fired, *, encoders, gap=0):
    """The logits of ``fired``, each beat as many cycles after the one before as that has logits, and ``gap``."""
    dut = Readout(ProcessorConfig(encoders=encoders))
    logits = []

    async def drive(ctx):
        for beat in fired:
            await idle(ctx, gap)
            ctx.set(dut.i.payload, beat)
            ctx.set(dut.i.valid, 1)
            await ctx.tick()
            ctx.set(dut.i.valid, 0)
            # Whatever is on the port between beats is none.
            ctx.set(dut.i.payload, {"potentials": [77] * encoders, "place": {"lanes": ~0, "last": 1}})
            await idle(ctx, beat["place"]["lanes"].bit_count() - 1)
        await idle(ctx, 20)

    async def watch(ctx):
        async for *_, valid, logit in ctx.tick().sample(dut.o.valid, dut.o.payload):
            logits.append((logit.value, logit.last) if valid else None)

    simulate(dut, drive, processes=[watch])
    return logits


@pytest.mark.parametrize("encoders", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("gap", [0, 4])
def test_gives_each_neuron_once_and_marks_the_last(encoders, gap):
    cfg = ProcessorConfig(encoders=encoders)
    choose = random.Random(encoders)
    fired, expected = [], []
    for classes in range(1, 36, 3):
        logits = [choose.randrange(-1 << 23, 1 << 23) for _ in range(classes)]
        fired += beats(logits, cfg)
        expected += [(value, int(n + 1 == classes)) for n, value in enumerate(logits)]
    assert [logit for logit in read(fired, encoders=encoders, gap=gap) if logit is not None] == expected


def test_gives_a_logit_every_cycle():
    logits = read(beats(list(range(31)), ProcessorConfig(encoders=4)), encoders=4)
    assert logits[:31] == [(n, int(n == 30)) for n in range(31)]
    assert not any(logits[31:])
