"""The closed form against a pixel-by-pixel account; the exported Verilog is asked in tests/cosim."""

import pytest
import torch

from model.config import SILENT, ProcessorConfig
from model.cycles import FETCH, FILL, TAIL, layer_cycles, pixel_work, taps_inside
from model.network import Layer
from model.walker import synapses

CFG = ProcessorConfig(columns=16, encoders=2)


def layer(out=16, of=1, kernel=3, **settings):
    return Layer(name="layer", weight=torch.zeros(out, of, kernel, kernel, dtype=torch.uint8),
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
    work, _ = pixel_work(taps, chosen, (5, 5), silent=False)
    cycles = layer_cycles(taps, chosen, (5, 5), False, CFG)
    for image in range(3):
        integrated = account(work[image].tolist(), 8, groups)
        assert int(cycles.total[image]) == FETCH + integrated + 8 + TAIL + 1


def test_a_word_takes_its_spikes_and_an_empty_one_a_cycle():
    codes = torch.full((1, 33, 1, 1), SILENT, dtype=torch.uint8)
    codes[0, :3] = 0
    codes[0, 32] = 5
    chosen = layer(of=33, kernel=1)
    work, events = pixel_work(synapses(codes, chosen), chosen, (1, 1), silent=False)
    # Three spikes in the first word, none in the second, one in the third.
    assert (int(work), int(events)) == (3 + 1 + 1, 4)


def test_taps_outside_the_map_cost_nothing():
    inside = taps_inside(layer(padding=1), (3, 3)).sum(0)
    assert inside.view(3, 3).tolist() == [[4, 6, 4], [6, 9, 6], [4, 6, 4]]


def test_a_silent_source_costs_a_cycle_a_pixel():
    chosen = layer(padding=1)
    taps = synapses(random_map(1, 4, 0), chosen)
    work, events = pixel_work(taps, chosen, (4, 4), silent=True)
    assert (work == 1).all() and not events.any()


def test_every_cycle_of_the_tiles_has_one_cause():
    chosen = layer(48, of=20, kernel=1)
    taps = synapses(random_map(20, 6, 0.05), chosen)
    cycles = layer_cycles(taps, chosen, (6, 6), False, CFG)
    known = cycles.busy + cycles.empty + cycles.fire
    assert (cycles.busy > 0).all() and (cycles.empty > 0).all() and (cycles.fire > 0).all()
    # All but filling, the last drain, and waits that nobody stands behind.
    assert ((cycles.total - known) >= FETCH + FILL + TAIL + 8 + 1).all()
    assert ((cycles.total - known) <= FETCH + FILL + TAIL + 8 + 1 + 2 * 8).all()
