import math
import re
from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as hypothesis_settings

from cosim.random_networks import seeded
from model.config import GRAINS, SILENT, Numerics, ProcessorConfig
from model.network import Coding, Exit, Layer, Network, NetworkError, Reset, Rule
from model.processor import COUNTERS, decide, run, trace
from model.tiling import tilings
from tests import scalar
from tests.networks import networks

CONFIGS = (ProcessorConfig(columns=16), ProcessorConfig(columns=16, tiles=2), ProcessorConfig(columns=48, tiles=1),
           ProcessorConfig(columns=16, tiles=4, walkers=4, rows=8192))
TOLERANCE = {Rule.BUDGET: 0, Rule.ENTROPY: 0.03, Rule.PROBABILITY: 0.005, Rule.MARGIN: 0.02}


def agree(case, cfg, seen):
    """Hold the model's whole answer to ``case`` against the scalar one; count in ``seen`` what was met."""
    network = case.network
    traced = trace(network, case.codes, cfg, keep_maps=True)
    decided = decide(network, traced)
    for image, codes in enumerate(case.codes.tolist()):
        steps = scalar.run(network, codes, cfg)
        for k, step in enumerate(steps):
            for index, codes in enumerate(step.maps):
                assert traced.maps[index][image, k].tolist() == codes, (image, k, index)
            assert traced.logits[image, k].tolist() == step.logits, (image, k)
            for name in COUNTERS:
                assert traced.counters[name][image, k].tolist() == step.counters[name], (image, k, name)
            assert traced.signatures[image, k].tolist() == step.signatures, (image, k)

        stop = int(decided.timesteps[image])
        first, last = scalar.stops(network, steps, TOLERANCE[network.exit.rule])
        assert first <= stop <= last
        step = steps[stop - 1]
        assert decided.logits[image].tolist() == step.logits
        assert decided.signatures[image].tolist() == step.signatures
        assert {name: counts[image].tolist() for name, counts in decided.counters.items()} == step.counters
        assert int(decided.classes[image]) == scalar.lowest_best(step.logits)

        seen["spikes"] += sum(step.counters["spikes"])
        seen["silent"] += sum(step.counters["neurons"][:-1]) - sum(step.counters["spikes"])
        seen["clear"] += first == last
        seen["close"] += first != last
        seen["early"] += stop < network.timesteps
        seen["late"] += stop == network.timesteps > 1
        seen[network.exit.rule] += 1
    for layer, source, tiling in zip(network.layers, network.maps(), tilings(network, cfg)):
        seen["walkers", tiling.walkers, len(tiling.groups) > 1] += 1
        seen["recall"] += layer.recall and network.timesteps > 1
        seen["masked"] += not all(layer.fires(k + 1) for k in range(network.timesteps))
        seen["grouped"] += layer.out_channels > cfg.group_columns
        seen["pooled"] += layer.pool > 1
        seen["cropped"] += any(side % layer.pool for side in layer.pixels(source[1:]))
        seen["kernel", max(layer.kernel)] += 1
        for field in ("reset", "leak_shift", "weight_grain", "stride", "padding"):
            seen[field, getattr(layer, field)] += 1
        seen["tau", layer.coding.tau, layer.coding.nearest] += 1


def test_agrees_with_scalar_integers_on_any_network():
    seen = Counter()

    @hypothesis_settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(networks(), strategies.sampled_from(CONFIGS))
    def check(case, cfg):
        agree(case, cfg, seen)

    check()
    assert min(seen["spikes"], seen["silent"]) > 1000
    assert seen["clear"] > 20 * seen["close"]


def test_agrees_with_scalar_integers_over_all_settings():
    seen = Counter()
    for seed in range(240):
        agree(seeded(seed), CONFIGS[seed % len(CONFIGS)], seen)
    assert min(seen["spikes"], seen["silent"]) > 10_000
    assert seen["clear"] > 20 * seen["close"]
    rare = ["early", "late", "masked", "grouped", "pooled", "cropped", *Rule,
            *(("kernel", side) for side in range(1, 8)),
            *(("stride", stride) for stride in range(1, 9)),
            *(("padding", padding) for padding in range(3)),
            *(("reset", reset) for reset in Reset),
            *(("leak_shift", shift) for shift in range(8)),
            *(("weight_grain", grain) for grain in GRAINS),
            *(("tau", tau, nearest) for tau in GRAINS for nearest in (False, True))]
    assert {what for what in rare if seen[what] < 10} == set()


@pytest.mark.parametrize("numerics", [
    Numerics(fraction_width=6, accumulator_width=16), Numerics(fraction_width=7), Numerics(fraction_width=9),
    Numerics(fraction_width=10, accumulator_width=20), Numerics(fraction_width=11), Numerics(fraction_width=13),
    Numerics(fraction_width=14)], ids=str)
def test_agrees_with_scalar_integers_in_other_number_formats(numerics):
    seen = Counter()
    for seed in range(20):
        agree(seeded(seed, numerics=numerics), replace(CONFIGS[seed % 3], numerics=numerics), seen)
    assert min(seen["spikes"], seen["silent"]) > 500
    assert seen["clear"] + seen["close"] == 40


def chain(hidden=None, timesteps=3, **readout):
    """A picture of one pixel, one hidden neuron, two classes: twice the spike's value, and half of it."""
    hidden = {"coding": Coding(window=8, tau=1)} | (hidden or {})
    zero = torch.zeros(1, dtype=torch.int32)
    return Network(
        name="chain", shape=(1, 1, 1), input_coding=Coding(window=8, tau=1), timesteps=timesteps,
        layers=(Layer(name="hidden", weight=torch.zeros(1, 1, 1, 1, dtype=torch.uint8), bias=zero, gain=zero, **hidden),
                Layer(name="readout", weight=torch.tensor([0, 1], dtype=torch.uint8).view(2, 1, 1, 1), weight_grain=4,
                      bias=torch.zeros(2, dtype=torch.int32), gain=torch.zeros(2, dtype=torch.int32), readout=True,
                      **readout)))


def spikes_and_logits(network, code):
    """The hidden neuron's spike codes and the logits of class 0, timestep by timestep."""
    traced = trace(network, torch.full((1, 1, 1, 1), code, dtype=torch.uint8), CONFIGS[0], keep_maps=True)
    return traced.maps[0].flatten().tolist(), traced.logits[0, :, 0].tolist()


@pytest.mark.parametrize("hidden, codes, logits", [
    # Two input octaves below one charge 1024 a timestep, or 1/4.
    ({}, [2, 1, 1], [1024, 3072, 5120]),
    ({"reset": Reset.ZERO}, [2, 2, 2], [1024, 2048, 3072]),
    ({"reset": Reset.SUBTRACT}, [2, 2, 2], [1024, 2048, 3072]),
    ({"leak_shift": 1}, [2, 2, 2], [1024, 2048, 3072]),
    ({"leak_shift": 3}, [2, 2, 1], [1024, 2048, 4096]),
    # A window of two slots ends before 1/4: the potential has to grow to 1/2 first.
    ({"coding": Coding(window=2, tau=1)}, [SILENT, 1, 1], [0, 2048, 4096]),
    ({"coding": Coding(window=2, tau=1), "reset": Reset.ZERO}, [SILENT, 1, SILENT], [0, 2048, 2048]),
    # Rounded to the nearest octave 1024 is still 1/4, and 3072 is already 1.
    ({"coding": Coding(window=8, tau=1, nearest=True)}, [2, 1, 0], [1024, 3072, 7168]),
    ({"mask": 0b101}, [2, SILENT, 1], [1024, 1024, 3072]),
    ({"mask": 0b101, "hold": True}, [2, 2, 1], [1024, 2048, 4096]),
    ({"mask": 0b110, "hold": True}, [SILENT, 2, 1], [0, 1024, 3072]),
    ({"mask": 0b001, "hold": True}, [2, 2, 2], [1024, 2048, 3072]),
])
def test_a_neuron_spikes_as_worked_out_by_hand(hidden, codes, logits):
    assert spikes_and_logits(chain(hidden), 2) == (codes, logits)


def test_a_masked_readout_keeps_its_logits():
    assert spikes_and_logits(chain(mask=0b101), 2)[1] == [1024, 1024, 3072]


def test_a_layer_neither_counts_nor_signs_in_timesteps_its_mask_leaves_out():
    traced = trace(chain({"mask": 0b101, "hold": True}), torch.full((1, 1, 1, 1), 2, dtype=torch.uint8), CONFIGS[0])
    assert traced.counters["neurons"][0].tolist() == [[1, 2], [1, 4], [2, 6]]
    assert traced.counters["spikes"][0].tolist() == [[1, 0], [1, 0], [2, 0]]
    first, masked, last = traced.signatures[0, :, 0].tolist()
    assert first == masked != last


def test_a_masked_readout_is_not_asked_whether_it_is_sure():
    picture = torch.zeros(1, 1, 1, 1, dtype=torch.uint8)
    # No entropy is as large as 16 bits: every answer is sure, even that of a readout that has seen nothing.
    always = Exit(rule=Rule.ENTROPY, threshold=16)
    for mask, timestep in ((0b111, 1), (0b101, 1), (0b110, 2), (0b100, 3)):
        network = replace(chain(mask=mask), exit=always)
        assert run(network, picture, CONFIGS[0]).timesteps.tolist() == [timestep]


def test_pixels_that_no_pooling_window_covers_are_not_computed():
    weight = torch.zeros(3, 1, 2, 2, dtype=torch.uint8)
    zeros = torch.zeros(3, dtype=torch.int32)
    pooled = Layer(name="pooled", weight=weight, bias=zeros, gain=zeros, pool=2)
    readout = Layer(name="readout", weight=torch.zeros(2, 3, 1, 2, dtype=torch.uint8), readout=True,
                    bias=zeros[:2], gain=zeros[:2])
    network = Network(name="cropped", shape=(1, 4, 6), input_coding=Coding(), layers=(pooled, readout))
    # 3 x 5 pixels before pooling, of which 2 x 4 are covered: they read 3 x 5 of the 4 x 6 pixels of the picture.
    codes = torch.zeros(1, 1, 4, 6, dtype=torch.uint8)
    uncovered = codes.clone()
    uncovered[:, :, 3, :] = uncovered[:, :, :, 5] = SILENT
    for picture in (codes, uncovered):
        counters = trace(network, picture, CONFIGS[0]).counters
        assert counters["neurons"][0, 0].tolist() == [3 * 2 * 4, 2]
        assert counters["events"][0, 0].tolist() == [2 * 4 * 4, 3 * 2]
        assert counters["synaptic_operations"][0, 0].tolist() == [3 * 2 * 4 * 4, 2 * 3 * 2]


def test_every_column_group_walks_the_input_again():
    case = seeded(2, channels=(40,), layers=(2,))
    events = [trace(case.network, case.codes, ProcessorConfig(columns=columns)).counters["events"][:, -1, 0]
              for columns in (16, 32, 48)]
    assert events[2].min() > 0
    assert torch.equal(events[0], 3 * events[2])
    assert torch.equal(events[1], 2 * events[2])


def test_column_groups_change_nothing_but_events_and_signatures():
    case = seeded(2, channels=(40,), layers=(3,))
    small, large = (trace(case.network, case.codes, cfg, keep_maps=True) for cfg in (CONFIGS[0], CONFIGS[2]))
    assert torch.equal(small.logits, large.logits)
    assert all(torch.equal(*maps) for maps in zip(small.maps, large.maps))
    for name in ("synaptic_operations", "spikes", "neurons"):
        assert torch.equal(small.counters[name], large.counters[name])
    assert torch.equal(small.signatures[..., -1], large.signatures[..., -1])


def test_maps_come_only_where_asked_for():
    case = seeded(3, layers=(3,))
    assert trace(case.network, case.codes, CONFIGS[0]).maps == ()
    assert len(trace(case.network, case.codes, CONFIGS[0], keep_maps=True).maps) == 2


def test_the_batch_changes_nothing():
    case = seeded(4, images=5, layers=(3,), timesteps=(3,))
    whole, parts = (trace(case.network, case.codes, CONFIGS[0], keep_maps=True, batch=batch) for batch in (5, 2))
    assert torch.equal(whole.logits, parts.logits)
    assert torch.equal(whole.signatures, parts.signatures)
    assert all(torch.equal(*maps) for maps in zip(whole.maps, parts.maps))
    assert all(torch.equal(whole.counters[name], parts.counters[name]) for name in COUNTERS)


def test_every_image_stops_at_its_own_budget():
    case = seeded(5, images=4, timesteps=(4,))
    network = replace(case.network, exit=Exit())
    traced = trace(network, case.codes, CONFIGS[0])
    decided = decide(network, traced, budget=torch.tensor([3, 1, 4, 2]))
    assert decided.timesteps.tolist() == [3, 1, 4, 2]
    for image, timestep in enumerate([3, 1, 4, 2]):
        assert torch.equal(decided.logits[image], traced.logits[image, timestep - 1])
        assert torch.equal(decided.signatures[image], traced.signatures[image, timestep - 1])
    assert decide(network, traced, budget=2).timesteps.tolist() == [2] * 4
    assert decide(network, traced).timesteps.tolist() == [4] * 4


def test_a_rule_stops_before_the_budget_and_the_budget_before_the_rule():
    network = chain()
    traced = trace(network, torch.zeros(1, 1, 1, 1, dtype=torch.uint8), CONFIGS[0])
    # The margin is half of the mean potential, 1, 1 + 1/2, ... octaves of its softmax.
    margins = [(int(logits[0]) - int(logits[1])) / 4096 / (k + 1) / math.log(2)
               for k, logits in enumerate(traced.logits[0])]
    assert margins == sorted(margins)
    for count, threshold in enumerate([margins[0] - 0.1, margins[1] + 0.1], start=1):
        sure = Exit(rule=Rule.MARGIN, threshold=threshold)
        assert decide(network, traced, exit=sure).timesteps.tolist() == [1 if count == 1 else 3]
        assert decide(network, traced, exit=sure, budget=2).timesteps.tolist() == [1 if count == 1 else 2]


def test_the_exit_of_a_decision_replaces_the_networks_own():
    case = seeded(6, timesteps=(4,))
    network = replace(case.network, exit=Exit(rule=Rule.BUDGET))
    traced = trace(network, case.codes, CONFIGS[0])
    never, always = Exit(rule=Rule.ENTROPY, threshold=0), Exit(rule=Rule.ENTROPY, threshold=16)
    first = next(k for k in range(1, 5) if network.layers[-1].fires(k))
    assert decide(network, traced, exit=never).timesteps.tolist() == [4, 4]
    assert decide(network, traced, exit=always).timesteps.tolist() == [first, first]


def test_run_is_trace_then_decide():
    case = seeded(7)
    decided = decide(case.network, trace(case.network, case.codes, CONFIGS[0]))
    ran = run(case.network, case.codes, CONFIGS[0])
    assert torch.equal(ran.logits, decided.logits)
    assert torch.equal(ran.timesteps, decided.timesteps)


@pytest.mark.parametrize("codes, found", [
    (torch.zeros(1, 1, 1, 2, dtype=torch.uint8), "(1, 1, 2) in torch.uint8"),
    (torch.zeros(1, 1, 1, dtype=torch.uint8), "(1, 1) in torch.uint8"),
    (torch.zeros(1, 1, 1, 1), "(1, 1, 1) in torch.float32"),
])
def test_refuses_pictures_of_another_shape(codes, found):
    with pytest.raises(NetworkError, match=re.escape(
            f"network chain reads spike codes of shape (1, 1, 1) in uint8, not {found}")):
        trace(chain(), codes, CONFIGS[0])


@pytest.mark.parametrize("budget, found", [
    (0, "0 to 0"), (4, "4 to 4"), (torch.tensor([1, 4]), "1 to 4"), (torch.tensor([0, 3]), "0 to 3")])
def test_refuses_a_budget_outside_the_timesteps(budget, found):
    network = chain()
    traced = trace(network, torch.zeros(2, 1, 1, 1, dtype=torch.uint8), CONFIGS[0])
    with pytest.raises(NetworkError, match=re.escape(
            f"network chain: a budget must be between 1 and 3 timesteps, found {found}")):
        decide(network, traced, budget=budget)


def test_refuses_a_slot_outside_the_input_window():
    network = chain()
    window = network.input_coding.window
    codes = torch.tensor([SILENT, window - 1, window], dtype=torch.uint8)
    trace(network, codes[:2].view(2, 1, 1, 1), CONFIGS[0])
    with pytest.raises(NetworkError, match=re.escape(
            f"network chain reads slots below {window}, or 31 for silence, found {window}")):
        trace(network, codes.view(3, 1, 1, 1), CONFIGS[0])


def test_refuses_a_processor_of_other_numerics():
    other = replace(CONFIGS[0], numerics=Numerics(fraction_width=10))
    with pytest.raises(NetworkError, match="network chain uses Numerics.*, the processor Numerics"):
        trace(chain(), torch.zeros(1, 1, 1, 1, dtype=torch.uint8), other)
