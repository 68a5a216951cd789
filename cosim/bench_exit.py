"""Lockstep of the exported exit unit with :mod:`model.exit`."""

import cocotb
import torch
from cocotb.triggers import gather

from cosim.simulator import configuration
from cosim.streams import Sink, Source, start
from model.config import ProcessorConfig, Rule
from model.exit import best, sure, weigh
from model.tables import EXP_INDEX_WIDTH, LOG_WIDTH, SCALE_WIDTH
from rtl.exit import Logit, Verdict

CFG = configuration(ProcessorConfig(columns=16, classes=100))


def close_to(evidence, rule):
    """A threshold at which this evidence just does not, or just does stop."""
    edge = {Rule.ENTROPY: evidence.log_total + (evidence.weighted << LOG_WIDTH - EXP_INDEX_WIDTH) // evidence.total,
            Rule.PROBABILITY: evidence.total, Rule.MARGIN: evidence.margin, Rule.BUDGET: torch.tensor(0)}[rule]
    return max(0, int(edge) + int(torch.randint(-1, 2, (1,))))


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(rule=[int(rule) for rule in Rule], pauses=[(0, 0), (0.5, 0.5)])
async def every_verdict_matches(dut, rule, pauses):
    gap, stall = pauses
    source, sink = Source(dut, "i", Logit(CFG), gap=gap), Sink(dut, "o", Verdict(CFG), stall=stall)
    dut.rule.value = rule
    await start(dut)

    torch.manual_seed(cocotb.RANDOM_SEED % 2**63)
    stopped = 0
    for question in range(120):
        classes = 2 + question % (CFG.classes - 1)
        spread = 2 ** (4 + 18 * float(torch.rand(1)))
        logits = (torch.randn(1, classes) * spread).clamp(CFG.numerics.potential_min, CFG.numerics.potential_max).int()
        scale, shift = int(torch.randint(1 << SCALE_WIDTH, (1,))), int(torch.randint(8, 32, (1,)))
        evidence = weigh(logits, scale, shift)
        threshold = close_to(evidence, Rule(rule))
        for name, value in (("threshold", threshold), ("scale", scale), ("shift", shift)):
            getattr(dut, name).value = value

        async def drive(values):
            for n, value in enumerate(values):
                await source.send({"value": value, "last": n + 1 == len(values)})

        _, verdict = await gather(drive(logits[0].tolist()), sink.recv())
        expected = int(best(logits)), int(sure(evidence, Rule(rule), threshold))
        assert (verdict.best, verdict.sure) == expected, f"question {question}"
        stopped += verdict.sure
    await sink.expect_nothing(CFG.classes + 10)
    # A budget never stops; the others were asked on both sides of their thresholds.
    assert stopped == 0 if rule == Rule.BUDGET else 10 < stopped < 110
