"""The closed form against a pixel-by-pixel account; the exported Verilog is asked in tests/cosim."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from model.config import LANES, SILENT, ProcessorConfig
from model.cycles import (
    BEHIND,
    CHECK,
    FILL,
    TAIL,
    VERDICT,
    drain_order,
    layer_cycles,
    pixel_work,
    taps_inside,
    weighing_cycles,
)
from model.network import Coding, Exit, Layer, Network, Rule
from model.processor import COUNTERS, CYCLES, Trace, decide, trace
from model.tiling import tile_layer
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


def taken(taps, chosen, source, cfg=CFG, walkers=1):
    """The cycles of a layer that is shared by so many walkers."""
    return layer_cycles(taps, chosen, source, False, tile_layer(chosen, walkers, cfg), cfg)


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
    cycles = taken(taps, chosen, (5, 5))
    for image in range(3):
        integrated = account(work[image].tolist(), 8, groups)
        assert int(cycles.total[image]) == CHECK + integrated + 8 + TAIL


@pytest.mark.parametrize("classes", [2, 10, 20])
def test_a_readout_ends_with_its_last_logit(classes):
    chosen, codes = layer(classes, of=2, readout=True), random_map(2, 3, 0.3)
    taps = synapses(codes, chosen)
    cycles = taken(taps, chosen, (3, 3))
    # Of each of its column groups of 16: one pixel of nine taps, a spike or an empty fetch each.
    work = (codes != SILENT).sum(1).clamp(min=1).sum((1, 2))
    assert (work <= 16).all()
    for image in range(3):
        # A second group is integrated before the sixteen logits of the first have left.
        assert int(cycles.total[image]) == CHECK + FILL + int(work[image]) + TAIL + classes + VERDICT


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
        cycles = taken(taps, chosen, (4, 4), cfg)
        # Two column groups read every fetch of every pixel under each of their taps.
        seen = torch.zeros(2, 3, dtype=torch.int64)
        for y, x, tap_y, tap_x in product(range(4), range(4), range(-1, 2), range(-1, 2)):
            if 0 <= y + tap_y < 4 and 0 <= x + tap_x < 4:
                for fetch in codes[:, :, y + tap_y, x + tap_x].split(cfg.span_lanes, dim=1):
                    spikes = (fetch != SILENT).sum(1)
                    seen += 2 * torch.stack([spikes, (spikes == 0).long()])
        assert torch.equal(seen, torch.stack([cycles.busy, cycles.empty])), span
        assert (seen > 0).all() or span * LANES >= channels > 16


def stepped(work, order, beats, walkers, groups):
    """Cycle by cycle: when the last pixel is drained, and how long the walkers wait."""
    turns = [(work[pixel], walker, beat) for beat in beats for pixel, walker in order]
    queues = [[pixel_work for pixel_work, its, _ in turns if its == walker] for walker in range(walkers)]
    drains = [(walker, beat) for _, walker, beat in turns]
    left = [queue.pop(0) for queue in queues]
    complete, now, waited, beat = [False] * walkers, FILL, 0, 0
    while drains:
        # The drain takes the pixel whose turn it is; its walker then is free.
        if complete[drains[0][0]]:
            beat += 1
            if beat == drains[0][1]:
                complete[drains.pop(0)[0]], beat = False, 0
        now += 1
        for walker in range(walkers):
            if left[walker] is None:
                continue
            left[walker] = max(left[walker] - 1, 0)
            if not left[walker] and not complete[walker]:
                complete[walker] = True
                left[walker] = queues[walker].pop(0) if queues[walker] else None
            elif not left[walker]:
                waited += sum(queues[walker]) > BEHIND
    return now, waited


@pytest.mark.parametrize("walkers, out", [(1, 64), (2, 20), (4, 16), (4, 33), (2, 70)])
@pytest.mark.parametrize("density", [0.02, 0.3, 1])
@pytest.mark.parametrize("pool", [1, 2])
def test_walkers_share_a_drain(walkers, out, density, pool):
    cfg = ProcessorConfig(columns=16, tiles=4, walkers=4, encoders=4)
    chosen, codes = layer(out, of=3, padding=1, pool=pool), random_map(3, 8, density)
    taps = synapses(codes, chosen)
    work, _ = pixel_work(taps, chosen, (8, 8), False, cfg)
    order = drain_order(chosen, (8, 8), walkers)
    assert sorted(pixel for pixel, _ in order) == list(range(64))
    tiling = tile_layer(chosen, walkers, cfg)
    cycles = taken(taps, chosen, (8, 8), cfg, walkers)
    for image in range(3):
        drained, waited = stepped(work[image].tolist(), order, [-(-columns // 4) for columns in tiling.groups],
                                  walkers, tiling.groups)
        assert (int(cycles.total[image]), int(cycles.fire[image])) == (CHECK + drained + TAIL, waited)


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
    cycles = taken(taps, chosen, (6, 6))
    known = cycles.busy + cycles.empty + cycles.fire
    assert (cycles.busy > 0).all() and (cycles.empty > 0).all() and (cycles.fire > 0).all()
    # All but filling, the last drain, and waits that nobody stands behind.
    assert ((cycles.total - known) >= CHECK + FILL + TAIL + 8).all()
    assert ((cycles.total - known) <= CHECK + FILL + TAIL + 8 + 2 * 8).all()


def test_a_layer_that_recalls_integrates_once_and_fires_from_the_same_charge():
    first = layer(20, of=2, kernel=1, name="first")
    readout = layer(5, of=20, kernel=3, name="readout", readout=True)
    recalls, integrates = (Network(name="net", shape=(2, 3, 3), input_coding=Coding(window=4), timesteps=3,
                                   layers=(replace(first, recall=recall), readout)) for recall in (True, False))
    codes = random_map(2, 3, 0.8)
    with_recall, without = (trace(network, codes, CFG, keep_maps=True) for network in (recalls, integrates))
    assert torch.equal(with_recall.logits, without.logits)
    assert torch.equal(*(traced.maps[0] for traced in (with_recall, without)))
    assert torch.equal(with_recall.signatures, without.signatures)
    once = without.counters["events"][:, 0, 0]
    assert torch.equal(without.counters["events"][:, 2, 0], 3 * once) and (once > 0).all()
    assert torch.equal(with_recall.counters["events"][:, 2, 0], once)
    # Groups of 16 and 4 channels in beats of two, of nine pixels.
    taken = with_recall.cycles["cycles"][:, :, 0].diff(dim=1)
    assert (taken == CHECK + 9 * (8 + 2) + TAIL).all()


def readout_network(mask, timesteps=4):
    return Network(name="net", shape=(3, 1, 1), input_coding=Coding(), timesteps=timesteps,
                   layers=(layer(5, of=3, kernel=1, name="readout", readout=True, mask=mask),))


def test_a_skipped_layer_takes_the_cycle_of_its_check():
    codes = torch.zeros(1, 3, 1, 1, dtype=torch.uint8)
    total, = trace(readout_network(0b0010), codes, CFG).cycles["cycles"][0].T.tolist()
    ran = CHECK + FILL + 3 + TAIL + 5 + VERDICT
    assert total == [CHECK, CHECK + ran, 2 * CHECK + ran, 3 * CHECK + ran]


@pytest.mark.parametrize("mask, weighed", [(0b1111, 4), (0b0101, 2), (0b1000, 1)])
def test_every_rule_but_the_budget_weighs_the_logits_of_each_readout(mask, weighed):
    network = readout_network(mask)
    history = torch.arange(4).view(1, 4, 1) + 100
    traced = Trace(logits=torch.zeros(1, 4, 5, dtype=torch.int32), counters=dict.fromkeys(COUNTERS, history),
                   cycles=dict.fromkeys(CYCLES, history), signatures=history)
    taken = {rule: decide(network, traced, exit=Exit(rule=rule, threshold=threshold)).cycles
             for rule, threshold in ((Rule.BUDGET, 0), (Rule.ENTROPY, 0), (Rule.PROBABILITY, 1), (Rule.MARGIN, 1))}
    assert weighing_cycles(5) == 18
    for rule, cycles in taken.items():
        assert cycles["cycles"].tolist() == [[103 + (rule != Rule.BUDGET) * weighed * 18]]
        assert all(cycles[name].tolist() == [[103]] for name in CYCLES[1:])
    # The history is left as it was.
    assert history.flatten().tolist() == [100, 101, 102, 103]
