import math
import re
from dataclasses import replace

import pytest
import torch

from model.config import Numerics
from model.exit import Evidence, best, settings, sure, weigh
from model.network import Exit, Layer, Network, Rule
from model.tables import DISTANCE_MAX, SCALE_WIDTH, SHIFT_MAX, WEIGHT_FRACTION_WIDTH, threshold_code
from tests import scalar

CLASSES = (2, 3, 4, 7, 10, 16, 30, 64, 100, 200, 300, 500, 700, 1000)
ONE = 1 << WEIGHT_FRACTION_WIDTH


def readout_of(classes, gain=0, timesteps=1, rule=Rule.BUDGET, threshold=0.0, mask=(1 << 32) - 1, numerics=None):
    """A network that is one readout."""
    layer = Layer(name="readout", weight=torch.zeros(classes, 1, 1, 1, dtype=torch.uint8), readout=True, mask=mask,
                  bias=torch.zeros(classes, dtype=torch.int32), gain=torch.full((classes,), gain, dtype=torch.int32))
    return Network(name="exit", shape=(1, 1, 1), input_coding=layer.coding, layers=(layer,), timesteps=timesteps,
                   exit=Exit(rule=rule, threshold=threshold), numerics=numerics or Numerics())


def look(logits, network, timestep=1):
    """The evidence after ``timestep`` of one image's natural ``logits``, and the logits its integers stand for."""
    unit = 2 ** (int(network.layers[-1].gain[0]) / 4 - network.numerics.fraction_width)
    potentials = [round(logit / unit) for logit in logits]
    told = settings(network)
    evidence = weigh(torch.tensor([potentials], dtype=torch.int32), told.scales[timestep - 1], told.shift)
    return evidence, [potential * unit / timestep for potential in potentials]


def pictures(classes):
    """Logits of every kind: scattered, with a leader, and with a few classes far ahead of all the others."""
    generator = torch.Generator().manual_seed(classes)
    for spread in (0, 0.1, 0.3, 0.6, 1, 1.5, 2, 3, 4, 6, 8):
        for lead in (0, 2, 5, 8):
            logits = torch.randn(classes, dtype=torch.float64, generator=generator) * spread
            logits[0] += lead
            yield logits.tolist()
    for equals in {1, 2, 3, classes}:
        for behind in range(1, 25):
            yield [0.0] * min(equals, classes) + [-behind / 2] * (classes - equals)


@pytest.mark.parametrize("classes", CLASSES)
def test_entropy_and_probability_are_those_of_a_float64_softmax(classes):
    entropies = []
    for gain in (-5, 0, 3, 20):
        for logits in pictures(classes):
            evidence, exact = look(logits, readout_of(classes, gain))
            entropy = scalar.entropy(exact) / math.log2(classes)
            assert float(evidence.entropy) / math.log2(classes) == pytest.approx(entropy, abs=0.005)
            assert float(evidence.probability) == pytest.approx(scalar.probability(exact), abs=0.004)
            entropies.append(entropy)
    assert len(entropies) > 4 * 100
    assert min(entropies) < 0.01 and max(entropies) == pytest.approx(1)


@pytest.mark.parametrize("timestep", [1, 2, 3, 7, 32])
def test_the_logits_are_averaged_over_the_timesteps(timestep):
    network = readout_of(10, timesteps=32)
    logits = torch.randn(10, dtype=torch.float64, generator=torch.Generator().manual_seed(timestep)) * 2
    evidence, exact = look((logits * timestep).tolist(), network, timestep)
    assert exact == pytest.approx(logits.tolist(), abs=0.001)
    assert float(evidence.entropy) == pytest.approx(scalar.entropy(exact), abs=0.005 * math.log2(10))
    assert float(evidence.probability) == pytest.approx(scalar.probability(exact), abs=0.004)


def test_only_timesteps_in_which_the_readout_integrates_count_in_the_mean():
    every, some = readout_of(4, timesteps=5), readout_of(4, timesteps=5, mask=0b11010)
    scales = settings(every).scales
    assert settings(some).scales == (scales[0], scales[0], scales[0], scales[1], scales[2])
    assert scales == pytest.approx([scales[0] / count for count in range(1, 6)], abs=1)


def test_the_margin_is_rounded_to_the_nearest_64th_of_a_bit():
    network = readout_of(5)
    behinds = [n / 300 for n in range(1, 3000)]
    for behind in behinds:
        evidence, exact = look([-behind - 1, 2 - behind, 2, -3, 2 - behind], network)
        assert int(evidence.margin) / 64 == pytest.approx(scalar.margin(exact), abs=1 / 128 + 1e-3)
    assert len(behinds) > 2000


def test_the_margin_and_the_weights_saturate_beyond_their_last_bit():
    network = readout_of(2)
    for behind in (22 * math.log(2), 30, 1000):
        evidence, _ = look([behind, 0], network)
        assert (int(evidence.margin), int(evidence.total), int(evidence.weighted)) == (DISTANCE_MAX, ONE, 0)


def test_a_lone_answer_has_no_entropy_and_equals_have_all_of_it():
    for classes in (2, 4, 64, 256):
        evidence, _ = look([20.0] + [-20.0] * (classes - 1), readout_of(classes))
        assert (int(evidence.total), int(evidence.weighted)) == (ONE, 0)
        assert float(evidence.probability) == 1
        assert float(evidence.entropy) < 0.004
        evidence, _ = look([1.0] * classes, readout_of(classes))
        assert (int(evidence.margin), int(evidence.total), int(evidence.weighted)) == (0, classes * ONE, 0)
        assert float(evidence.entropy) == pytest.approx(math.log2(classes), abs=0.004)


def test_where_the_largest_logit_stands_and_what_is_added_to_all_change_nothing():
    logits = torch.tensor([5, 9000, -70, 8999, -8000], dtype=torch.int32)
    offsets = (-8_000_000, -9000, 0, 1, 8_000_000)
    rows = torch.stack([logits.roll(turn) + offset for turn in range(5) for offset in offsets])
    evidence = weigh(rows, 40_000, 20)
    for tensor in (evidence.margin, evidence.total, evidence.weighted):
        assert len(tensor) == 25 and tensor.unique().numel() == 1


@pytest.mark.parametrize("logits, expected", [
    ([1, 1], 0), ([0, 1, 1], 1), ([3, 2, 3], 0), ([-8388608, -8388608, -8388608], 0),
    ([-1, 0, 8388607, 8388607], 2), ([0] * 1000, 0), ([0] * 999 + [1], 999)])
def test_equal_logits_give_the_lowest_class(logits, expected):
    assert int(best(torch.tensor([logits], dtype=torch.int32))) == expected == scalar.lowest_best(logits)


def evidence_of(margin=0, total=ONE, weighted=0):
    return Evidence(margin=torch.tensor([margin]), total=torch.tensor([total]), weighted=torch.tensor([weighted]))


def test_an_entropy_equal_to_the_threshold_does_not_exit():
    exact = 0
    for total in (ONE, 3 * ONE // 2, 40_000, 2 * ONE, 5 * ONE, 100 * ONE, 1000 * ONE):
        log_total = int(evidence_of(total=total).log_total)
        for quotient in (0, 1, 700, 2048):
            # U = quotient * S, so that H = log2 S + U / S needs no rounding: quotient has 6 fraction bits.
            entropy = log_total + (quotient << 4)
            evidence = evidence_of(total=total, weighted=quotient * total)
            assert not sure(evidence, Rule.ENTROPY, entropy)
            assert sure(evidence, Rule.ENTROPY, entropy + 1)
            # One unit of U less is an entropy just below.
            if quotient:
                assert sure(evidence_of(total=total, weighted=quotient * total - 1), Rule.ENTROPY, entropy)
                exact += 1
    assert exact == 7 * 3


def test_an_entropy_threshold_of_zero_never_exits():
    assert not sure(evidence_of(), Rule.ENTROPY, threshold_code(Rule.ENTROPY, 0))


def test_the_logarithm_is_within_half_a_step_of_its_table():
    totals = range(ONE, 1024 * ONE, 9973)
    logs = [int(log) for log in evidence_of(total=list(totals)).log_total.flatten()]
    for total, log in zip(totals, logs, strict=True):
        assert log / 1024 == pytest.approx(math.log2(total / ONE), abs=0.0035)
    assert len(logs) > 3000


def test_a_probability_equal_to_the_threshold_does_not_exit():
    for probability in (0.3, 0.5, 0.9, 1.0):
        threshold = threshold_code(Rule.PROBABILITY, probability)
        assert not sure(evidence_of(total=threshold), Rule.PROBABILITY, threshold)
        assert not sure(evidence_of(total=threshold + 1), Rule.PROBABILITY, threshold)
        assert sure(evidence_of(total=threshold - 1), Rule.PROBABILITY, threshold)


def test_two_equal_classes_have_exactly_half_the_probability_each():
    evidence, _ = look([1.0, 1.0], readout_of(2))
    assert not sure(evidence, Rule.PROBABILITY, threshold_code(Rule.PROBABILITY, 0.5))
    assert sure(evidence, Rule.PROBABILITY, threshold_code(Rule.PROBABILITY, 0.49))


def test_a_margin_equal_to_the_threshold_does_not_exit():
    for bits in (0.0, 0.5, 3.25):
        threshold = threshold_code(Rule.MARGIN, bits)
        assert threshold == bits * 64
        assert not sure(evidence_of(margin=threshold), Rule.MARGIN, threshold)
        assert sure(evidence_of(margin=threshold + 1), Rule.MARGIN, threshold)


def test_equal_logits_do_not_exit_at_a_margin_of_zero():
    evidence, _ = look([2.0, 1.0, 2.0], readout_of(3))
    assert not sure(evidence, Rule.MARGIN, 0)


def test_a_budget_alone_is_never_sure():
    assert not sure(evidence_of(margin=1023), Rule.BUDGET, 0)


@pytest.mark.parametrize("rule, threshold", [
    (Rule.ENTROPY, 0.25), (Rule.ENTROPY, 1.0), (Rule.PROBABILITY, 0.6), (Rule.PROBABILITY, 0.9), (Rule.MARGIN, 1.5)])
def test_every_rule_decides_as_float64_does_away_from_its_threshold(rule, threshold):
    generator = torch.Generator().manual_seed(int(rule))
    network = readout_of(10, rule=rule, threshold=threshold)
    tolerance = {Rule.ENTROPY: 0.005 * math.log2(10), Rule.PROBABILITY: 0.004, Rule.MARGIN: 0.01}[rule]
    decided = {True: 0, False: 0}
    for image in range(400):
        logits = torch.randn(10, dtype=torch.float64, generator=generator) * (image % 8)
        evidence, exact = look(logits.tolist(), network)
        beyond = scalar.sureness(exact, rule, threshold)
        if abs(beyond) > tolerance:
            expected = beyond > 0
            assert bool(sure(evidence, rule, settings(network).threshold)) == expected
            decided[expected] += 1
    assert min(decided.values()) > 20 and sum(decided.values()) > 370


def test_all_images_are_looked_at_on_their_own():
    logits = (torch.randn(50, 10, generator=torch.Generator().manual_seed(1)) * 8000).int()
    together = weigh(logits, 23_637, 20)
    for image, row in enumerate(logits.split(1)):
        alone = weigh(row, 23_637, 20)
        assert [int(tensor[image]) for tensor in (together.margin, together.total, together.weighted)] == [
            int(alone.margin), int(alone.total), int(alone.weighted)]


@pytest.mark.parametrize("rule, threshold, code", [
    (Rule.BUDGET, 0, 0), (Rule.ENTROPY, 0.3, 307), (Rule.ENTROPY, 16, 16384), (Rule.PROBABILITY, 1, ONE),
    (Rule.PROBABILITY, 0.9, 2_330_169), (Rule.PROBABILITY, 1 / 1024, 1 << 31), (Rule.MARGIN, 2.5, 160)])
def test_thresholds_are_told_in_fixed_point(rule, threshold, code):
    assert threshold_code(rule, threshold) == code
    assert settings(readout_of(2, rule=rule, threshold=threshold)).threshold == code


@pytest.mark.parametrize("rule, threshold, message", [
    (Rule.BUDGET, 0.5, "the threshold of budget must be between 0 and 0, not 0.5"),
    (Rule.ENTROPY, -0.1, "the threshold of entropy must be between 0 and 16, not -0.1"),
    (Rule.ENTROPY, 16.5, "the threshold of entropy must be between 0 and 16, not 16.5"),
    (Rule.ENTROPY, math.nan, "the threshold of entropy must be between 0 and 16, not nan"),
    (Rule.PROBABILITY, 0, "the threshold of probability must be between 0.0009765625 and 1, not 0"),
    (Rule.PROBABILITY, 1.5, "the threshold of probability must be between 0.0009765625 and 1, not 1.5"),
    (Rule.MARGIN, -1, "the threshold of margin must be between 0 and 1048576, not -1"),
    (Rule.MARGIN, 2 << 20, "the threshold of margin must be between 0 and 1048576, not 2097152"),
])
def test_refuses_a_threshold_the_rule_does_not_have(rule, threshold, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        threshold_code(rule, threshold)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        settings(readout_of(2, rule=rule, threshold=threshold))


def test_refuses_a_readout_gain_beyond_the_scale():
    numerics = Numerics(fraction_width=6, accumulator_width=16)
    assert settings(readout_of(2, gain=61, numerics=numerics)).shift == 0
    with pytest.raises(ValueError, match=re.escape(
            "layer readout: a readout gain of 63 quarter octaves is too large for the exit unit's 16-bit scale")):
        settings(readout_of(2, gain=63, numerics=numerics))


def test_scales_use_their_sixteen_bits_at_every_gain():
    checks = 0
    for gain in range(-64, 64):
        told = settings(readout_of(2, gain=gain, timesteps=4))
        assert 0 <= told.shift <= SHIFT_MAX
        assert all(0 < scale < 1 << SCALE_WIDTH for scale in told.scales)
        if told.shift < SHIFT_MAX:
            assert told.scales[0] >= 1 << SCALE_WIDTH - 1
            checks += 1
    assert checks > 90


def test_another_exit_changes_nothing_but_rule_and_threshold():
    network = readout_of(10, gain=-3, timesteps=4)
    told = settings(replace(network, exit=Exit(rule=Rule.ENTROPY, threshold=1)))
    assert told == replace(settings(network), rule=Rule.ENTROPY, threshold=1024)
