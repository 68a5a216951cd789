"""The closed form against a pixel-by-pixel account; the exported Verilog is asked in tests/cosim."""

from itertools import product

import pytest
import torch

from model.config import LANES, SILENT, ProcessorConfig
from model.cycles import CHECK, FILL, TAIL, layer_cycles, pixel_work, taps_inside, weighing_cycles
from model.network import Coding, Exit, Layer, Network, Rule
from model.processor import COUNTERS, CYCLES, Trace, decide, trace
from model.walker import synapses

CFG = ProcessorConfig(columns=16, encoders=2)
SPANS = (1, 2, 4, 8)


def layer(out=16, of=1, kernel=3, name="layer", **settings):
    return Layer(name=name, weight=torch.zeros(out, of, kernel, kernel, dtype=torch.uint8),
                 bias=torch.zeros(out, dtype=torch.int32), gain=torch.zeros(out, dtype=torch.int32), **settings)


def random_map(channels, side, density, seed=1):
    generator = torch.Generator().manual_seed(seed)
    spikes = torch.rand(3, channels, side, side, generator=generator) < density
    return torch.where(spikes, 3, SILENT).to(torch.uint8)


def account(work, beats, groups):
    """When the last pixel is integrated, pixel by pixel of every group."""
    now, drained = FILL, 0
    for _ in range(groups):
        for pixel in work:
            now = max(now + pixel, drained)
            drained = now + beats
    return now


@pytest.mark.parametrize("out, groups", [(16, 1), (32, 2), (48, 3)])
@pytest.mark.parametrize("density", [0, 0.05, 0.3, 1])
def test_the_slower_of_integration_and_drain_sets_the_pace(out, groups, density):
    chosen, codes = layer(out, of=2, padding=1), random_map(2, 5, density)
    taps = synapses(codes, chosen)
    work, _ = pixel_work(taps, chosen, (5, 5), False, CFG)
    cycles = layer_cycles(taps, chosen, (5, 5), False, CFG)
    for image in range(3):
        integrated = account(work[image].tolist(), 8, groups)
        assert int(cycles.total[image]) == CHECK + integrated + 8 + TAIL


@pytest.mark.parametrize("classes", [2, 10, 20])
def test_a_readout_ends_with_its_last_logit(classes):
    chosen, codes = layer(classes, of=2, readout=True), random_map(2, 3, 0.3)
    taps = synapses(codes, chosen)
    cycles = layer_cycles(taps, chosen, (3, 3), False, CFG)
    # Of each of its column groups of 16: one pixel of nine taps, a spike or an empty fetch each.
    work = (codes != SILENT).sum(1).clamp(min=1).sum((1, 2))
    assert (work <= 16).all()
    for image in range(3):
        # A second group is integrated before the sixteen logits of the first have left.
        assert int(cycles.total[image]) == CHECK + FILL + int(work[image]) + TAIL + classes


@pytest.mark.parametrize("span, cycles", [(1, 3 + 1 + 1 + 2 + 1), (2, 3 + 3 + 1), (4, 6 + 1), (8, 6)])
def test_a_fetch_takes_its_spikes_and_an_empty_one_a_cycle(span, cycles):
    codes = torch.full((1, 5 * LANES, 1, 1), SILENT, dtype=torch.uint8)
    # Three spikes in the first word, none in the second, one in the third, two in the fourth, none in the fifth.
    codes[0, :3] = 0
    codes[0, 32] = 5
    codes[0, 50:52] = 5
    chosen = layer(of=5 * LANES, kernel=1)
    work, events = pixel_work(synapses(codes, chosen), chosen, (1, 1), False, ProcessorConfig(span=span))
    assert (int(work), int(events)) == (cycles, 6)


@pytest.mark.parametrize("channels", [3, 16, 17, 33, 70, 129])
def test_the_wider_the_span_the_fewer_fetches_without_spikes(channels):
    chosen, codes = layer(32, of=channels, padding=1), random_map(channels, 4, 0.03)
    taps = synapses(codes, chosen)
    for span in SPANS:
        cfg = ProcessorConfig(columns=16, encoders=2, span=span)
        cycles = layer_cycles(taps, chosen, (4, 4), False, cfg)
        # Two column groups read every fetch of every pixel under each of their taps.
        seen = torch.zeros(2, 3, dtype=torch.int64)
        for y, x, tap_y, tap_x in product(range(4), range(4), range(-1, 2), range(-1, 2)):
            if 0 <= y + tap_y < 4 and 0 <= x + tap_x < 4:
                for fetch in codes[:, :, y + tap_y, x + tap_x].split(cfg.span_lanes, dim=1):
                    spikes = (fetch != SILENT).sum(1)
                    seen += 2 * torch.stack([spikes, (spikes == 0).long()])
        assert torch.equal(seen, torch.stack([cycles.busy, cycles.empty])), span
        assert (seen > 0).all() or span * LANES >= channels > 16


def test_taps_outside_the_map_cost_nothing():
    inside = taps_inside(layer(padding=1), (3, 3)).sum(0)
    assert inside.view(3, 3).tolist() == [[4, 6, 4], [6, 9, 6], [4, 6, 4]]


def test_a_silent_source_costs_a_cycle_a_pixel():
    chosen = layer(padding=1)
    taps = synapses(random_map(1, 4, 0), chosen)
    work, events = pixel_work(taps, chosen, (4, 4), True, CFG)
    assert (work == 1).all() and not events.any()


def test_every_cycle_of_the_tiles_has_one_cause():
    chosen = layer(48, of=20, kernel=1)
    taps = synapses(random_map(20, 6, 0.05), chosen)
    cycles = layer_cycles(taps, chosen, (6, 6), False, CFG)
    known = cycles.busy + cycles.empty + cycles.fire
    assert (cycles.busy > 0).all() and (cycles.empty > 0).all() and (cycles.fire > 0).all()
    # All but filling, the last drain, and waits that nobody stands behind.
    assert ((cycles.total - known) >= CHECK + FILL + TAIL + 8).all()
    assert ((cycles.total - known) <= CHECK + FILL + TAIL + 8 + 2 * 8).all()


def readout_network(mask, timesteps=4):
    return Network(name="net", shape=(3, 1, 1), input_coding=Coding(), timesteps=timesteps,
                   layers=(layer(5, of=3, kernel=1, name="readout", readout=True, mask=mask),))


def test_a_skipped_layer_takes_the_cycle_of_its_check():
    codes = torch.zeros(1, 3, 1, 1, dtype=torch.uint8)
    total, = trace(readout_network(0b0010), codes, CFG).cycles["cycles"][0].T.tolist()
    ran = CHECK + FILL + 3 + TAIL + 5
    assert total == [CHECK, CHECK + ran, 2 * CHECK + ran, 3 * CHECK + ran]


@pytest.mark.parametrize("mask, weighed", [(0b1111, 4), (0b0101, 2), (0b1000, 1)])
def test_every_rule_but_the_budget_weighs_the_logits_of_each_readout(mask, weighed):
    network = readout_network(mask)
    history = torch.arange(4).view(1, 4, 1) + 100
    traced = Trace(logits=torch.zeros(1, 4, 5, dtype=torch.int32), counters=dict.fromkeys(COUNTERS, history),
                   cycles=dict.fromkeys(CYCLES, history), signatures=history)
    taken = {rule: decide(network, traced, exit=Exit(rule=rule, threshold=threshold)).cycles
             for rule, threshold in ((Rule.BUDGET, 0), (Rule.ENTROPY, 0), (Rule.PROBABILITY, 1), (Rule.MARGIN, 1))}
    assert weighing_cycles(5) == 17
    for rule, cycles in taken.items():
        assert cycles["cycles"].tolist() == [[103 + (rule != Rule.BUDGET) * weighed * 17]]
        assert all(cycles[name].tolist() == [[103]] for name in CYCLES[1:])
    # The history is left as it was.
    assert history.flatten().tolist() == [100, 101, 102, 103]
