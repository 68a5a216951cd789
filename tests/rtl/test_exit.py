import pytest
import torch

from model.config import ProcessorConfig, Rule
from model.exit import best, sure, weigh
from model.tables import DISTANCE_MAX, EXP_GUARD_WIDTH, LOG_TABLE, LOG_WIDTH, SCALE_WIDTH, WEIGHT_FRACTION_WIDTH
from rtl.exit import ExitUnit
from tests.streams import expect_nothing, holds, put_all, simulate, take

CFG = ProcessorConfig(columns=16, classes=20)
LOW, HIGH = CFG.numerics.potential_min, CFG.numerics.potential_max
SCALE, SHIFT = 47_274, 21


def verdicts(questions, *, cfg=CFG, gap=0, stall=0):
    """(best, sure) of each of ``questions``: logits, rule, threshold, scale, shift."""
    dut = ExitUnit(cfg)
    answers = []

    async def drive(ctx):
        for n, (logits, rule, threshold, scale, shift) in enumerate(questions):
            while len(answers) < n:
                await ctx.tick()
            for name, value in (("rule", rule), ("threshold", threshold), ("scale", scale), ("shift", shift)):
                ctx.set(getattr(dut, name), value)
            await put_all(ctx, dut.i, [{"value": value, "last": n + 1 == len(logits)}
                                       for n, value in enumerate(logits)], gap=gap)

    async def check(ctx):
        for _ in questions:
            for _ in range(stall):
                await ctx.tick()
            verdict = await take(ctx, dut.o)
            answers.append((verdict.best, verdict.sure))
        await expect_nothing(ctx, dut.o, 50)

    simulate(dut, drive, check, processes=[holds(dut.o)], cycles=50_000)
    return answers


def evidence(logits, scale=SCALE, shift=SHIFT):
    return weigh(torch.tensor([logits], dtype=torch.int32), scale, shift)


def expected(logits, rule, threshold, scale, shift):
    return (int(best(torch.tensor([logits]))), int(sure(evidence(logits, scale, shift), rule, threshold)))


def boundary(logits, rule, scale, shift):
    """The smallest threshold (for MARGIN the largest) that stops, from the model's evidence."""
    seen = evidence(logits, scale, shift)
    if rule == Rule.ENTROPY:
        return int(seen.log_total) + int((seen.weighted << LOG_WIDTH - 6) // seen.total) + 1
    return int(seen.total) + 1 if rule == Rule.PROBABILITY else max(0, int(seen.margin) - 1)


@pytest.mark.parametrize("rule", Rule)
@pytest.mark.parametrize("gap, stall", [(0, 0), (2, 0), (0, 5)])
def test_matches_model_on_both_sides_of_every_threshold(rule, gap, stall):
    generator = torch.Generator().manual_seed(rule)
    questions = []
    for classes in (2, 3, 5, 10, 16, 17, 20) * 2:
        spread = 2 ** (8 + 14 * float(torch.rand(1, generator=generator)))
        logits = (torch.randn(classes, generator=generator) * spread).clamp(LOW, HIGH).int().tolist()
        scale = int(torch.randint(1, 1 << SCALE_WIDTH, (1,), generator=generator))
        shift = int(torch.randint(16, 32, (1,), generator=generator))
        edge = boundary(logits, rule, scale, shift)
        questions += [(logits, rule, max(0, edge + offset), scale, shift) for offset in (-1, 0, 1)]
    answers = [expected(*question) for question in questions]
    assert {sure for _, sure in answers} == ({0} if rule == Rule.BUDGET else {0, 1})
    assert verdicts(questions, gap=gap, stall=stall) == answers


@pytest.mark.parametrize("classes", range(2, CFG.classes + 1))
def test_takes_any_number_of_classes(classes):
    logits = [(n * 7919) % 5000 - 2500 for n in range(classes)]
    questions = [(logits, rule, boundary(logits, rule, SCALE, 16), SCALE, 16) for rule in Rule]
    assert verdicts(questions) == [expected(*question) for question in questions]


@pytest.mark.parametrize("logits, winner", [
    ([5, 9, 9], 1), ([9, 5, 9], 0), ([7, 7, 7], 0), ([-3, -9, -3], 0), ([LOW, LOW], 0), ([LOW, HIGH], 1),
    ([HIGH, LOW, HIGH], 0), ([-1, 0], 1), ([0, -1], 0), ([1, 2, 3], 2)])
def test_the_best_class_is_the_lowest_of_equals(logits, winner):
    assert [best for best, _ in verdicts([(logits, Rule.BUDGET, 0, SCALE, SHIFT)])] == [winner]


def test_an_entropy_equal_to_the_threshold_does_not_stop():
    for octaves in (1, 2, 3, 4):
        # Equal logits: exactly their number of octaves, and the middle of the logarithm's first step.
        threshold = (octaves << LOG_WIDTH) + LOG_TABLE[0]
        logits = [1234] * (1 << octaves)
        assert verdicts([(logits, Rule.ENTROPY, threshold + offset, SCALE, SHIFT) for offset in (-1, 0, 1)]) == [
            (0, 0), (0, 0), (0, 1)]


def test_a_sum_equal_to_the_threshold_does_not_stop():
    two = 2 << WEIGHT_FRACTION_WIDTH
    assert verdicts([([0, 0], Rule.PROBABILITY, two + offset, SCALE, SHIFT) for offset in (-1, 0, 1)]) == [
        (0, 0), (0, 0), (0, 1)]


def test_a_margin_equal_to_the_threshold_does_not_stop():
    assert verdicts([([500, 400, 460], Rule.MARGIN, 40 + offset, 1, 0) for offset in (-1, 0, 1)]) == [
        (0, 1), (0, 0), (0, 0)]


def test_equal_best_classes_have_no_margin():
    assert verdicts([([70, 3, 70], Rule.MARGIN, 0, 1, 0), ([71, 3, 70], Rule.MARGIN, 0, 1, 0)]) == [(0, 0), (0, 1)]


def test_a_margin_saturates():
    assert verdicts([([HIGH, LOW], Rule.MARGIN, threshold, (1 << SCALE_WIDTH) - 1, 0)
                     for threshold in (DISTANCE_MAX - 1, DISTANCE_MAX)]) == [(0, 1), (0, 0)]


def test_distances_are_rounded_to_nearest():
    # 5 / 4 is nearer to 1, 6 / 4 is rounded up.
    assert verdicts([([behind, 0], Rule.MARGIN, 1, 1, 2) for behind in (5, 6)]) == [(0, 0), (0, 1)]


def test_a_budget_is_never_sure():
    assert verdicts([([HIGH, LOW], Rule.BUDGET, threshold, SCALE, 10) for threshold in (0, (1 << 32) - 1)]) == [
        (0, 0), (0, 0)]


def test_nothing_is_left_of_the_timestep_before():
    apart, equal = [HIGH, LOW, LOW, LOW], [0, 0]
    for rule, threshold in ((Rule.ENTROPY, 1020), (Rule.PROBABILITY, 40_000 << EXP_GUARD_WIDTH), (Rule.MARGIN, 5)):
        questions = [(logits, rule, threshold, SCALE, 16) for logits in (apart, equal, apart, equal, apart)]
        assert [sure for _, sure in verdicts(questions)] == [1, 0, 1, 0, 1]
    # Just sure enough, so that anything left over would show.
    near = [1000, 900, 850]
    for rule in (Rule.ENTROPY, Rule.PROBABILITY, Rule.MARGIN):
        questions = [(near, rule, boundary(near, rule, 1, 0), 1, 0)] * 3
        assert [sure for _, sure in verdicts(questions)] == [1, 1, 1]
    # A best class that is not lower than the one before.
    questions = [(logits, Rule.BUDGET, 0, 1, 0) for logits in ([LOW, HIGH], [-5, -6])]
    assert [best for best, _ in verdicts(questions)] == [1, 0]


@pytest.mark.parametrize("classes", [2, 7, 20])
def test_the_verdict_follows_the_last_logit_by_the_classes_and_fourteen_cycles(classes):
    dut = ExitUnit(CFG)

    async def testbench(ctx):
        ctx.set(dut.rule, Rule.ENTROPY)
        for question in range(2):
            await put_all(ctx, dut.i, [{"value": n, "last": n + 1 == classes} for n in range(classes)])
            # The last logit was taken in the cycle before.
            cycles = 1
            while not ctx.get(dut.o.valid):
                assert not ctx.get(dut.i.ready)
                cycles += 1
                await ctx.tick()
            assert cycles == classes + 14, f"question {question}"
            assert not ctx.get(dut.i.ready)
            await take(ctx, dut.o)

    simulate(dut, testbench, processes=[holds(dut.o)])


def test_the_verdict_of_a_budget_follows_the_last_logit_by_a_cycle():
    dut = ExitUnit(CFG)
    questions, best_classes = [[3, 9, 1], [4, 2], [LOW, LOW, HIGH, 0]], []

    async def testbench(ctx):
        ctx.set(dut.rule, Rule.BUDGET)
        ctx.set(dut.o.ready, 1)
        for logits in questions:
            await put_all(ctx, dut.i, [{"value": value, "last": n + 1 == len(logits)}
                                       for n, value in enumerate(logits)])
            # The last logit was taken in the cycle before.
            *_, valid, verdict = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            assert (valid, verdict.sure) == (1, 0)
            best_classes.append(verdict.best)
        await expect_nothing(ctx, dut.o, 30)

    simulate(dut, testbench, processes=[holds(dut.o)])
    assert best_classes == [1, 0, 2]


def test_a_rule_after_a_budget_finds_nothing_left_of_it():
    questions = [([HIGH, LOW, 5], Rule.BUDGET, 0, SCALE, SHIFT)]
    for rule in (Rule.ENTROPY, Rule.PROBABILITY, Rule.MARGIN):
        edge = boundary([400, 300, 200, 350], rule, 1, 0)
        questions += [([400, 300, 200, 350], rule, edge + offset, 1, 0) for offset in (-1, 0, 1)]
        questions += [([1, 2], Rule.BUDGET, 0, 1, 0)]
    answers = [expected(*question) for question in questions]
    assert {sure for _, sure in answers} == {0, 1}
    assert verdicts(questions) == answers


def test_logits_can_be_read_after_the_verdict():
    dut = ExitUnit(CFG)
    logits = [LOW, -1, 0, 1, HIGH]

    async def testbench(ctx):
        await put_all(ctx, dut.i, [{"value": value, "last": n + 1 == len(logits)} for n, value in enumerate(logits)])
        await take(ctx, dut.o)
        for number, value in enumerate(logits):
            ctx.set(dut.read_class, number)
            await ctx.tick()
            assert ctx.get(dut.read_data) == value

    simulate(dut, testbench)
