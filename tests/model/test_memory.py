from itertools import product

import pytest
import torch

from model.config import SILENT, ProcessorConfig
from model.memory import ends, fetched, seen
from model.network import Layer
from model.walker import synapses

# A granule is five beats: two rows for all columns, four for each of two walkers.
CFG = ProcessorConfig(columns=32, tiles=4, walkers=2, encoders=2, memory_width=256)


def spiking(channels, sides, density, seed):
    generator = torch.Generator().manual_seed(seed)
    spikes = torch.rand(3, channels, *sides, generator=generator) < density
    return torch.where(spikes, 3, SILENT).to(torch.uint8)


def opened(codes, layer, walkers, cfg):
    """The granules with a row that an event of some output pixel opens: bool, (images, granules)."""
    rows = (synapses(codes, layer) != SILENT).any(2).unflatten(1, (layer.in_channels, -1)).transpose(1, 2).flatten(1)
    return rows.unflatten(1, (-1, cfg.granule(walkers)[1])).any(2)


def layer(channels, kernel, **settings):
    zero = torch.zeros(16, dtype=torch.int32)
    return Layer(name="layer", weight=torch.zeros(16, channels, *kernel, dtype=torch.uint8), bias=zero, gain=zero,
                 **settings)


@pytest.mark.parametrize("kernel, padding", [((3, 3), 1), ((3, 3), 0), ((1, 1), 0), ((5, 3), 2), ((2, 4), 1),
                                             ((4, 4), 3)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("walkers", [1, 2])
def test_every_row_that_a_spike_opens_is_fetched(kernel, padding, stride, walkers):
    checked = 0
    for sides, density in product(((5, 4), (4, 5), (1, 5), (5, 1), (2, 2)), (0.01, 0.1)):
        if min(side + 2 * padding - taps for side, taps in zip(sides, kernel)) < 0:
            continue
        codes, chosen = spiking(32, sides, density, sum(sides)), layer(32, kernel, padding=padding, stride=stride)
        needed = opened(codes, chosen, walkers, CFG)
        assert not (needed & ~fetched(seen(codes), kernel, padding, walkers, CFG)).any()
        checked += int(needed.sum())
    assert checked > 20


@pytest.mark.parametrize("sides", [(2, 2), (1, 2), (2, 1), (1, 1)])
def test_on_a_map_of_four_pixels_no_other_row_is_fetched(sides):
    cfg = ProcessorConfig(columns=64, tiles=2, encoders=2, memory_width=128)
    assert cfg.granule(1) == (5, 1)
    codes, chosen = spiking(32, sides, 0.2, 1), layer(32, (3, 3), padding=1)
    wanted = fetched(seen(codes), (3, 3), 1, 1, cfg)
    assert wanted.any() and not wanted.all()
    # Lines and columns of which the map has a single one are looked for under all taps.
    inside = [tap for tap, (y, x) in enumerate(product(range(3), repeat=2))
              if (sides[0] > 1 or y == 1) and (sides[1] > 1 or x == 1)]
    needed, wanted = (its.unflatten(1, (9, -1))[:, inside] for its in (opened(codes, chosen, 1, cfg), wanted))
    assert torch.equal(needed, wanted)


def test_a_tap_looks_where_it_can_read():
    assert ends(3, 1) == [(True, False), (True, True), (False, True)]
    assert ends(1, 0) == [(True, True)]
    # The middle one never reads either end: it looks at the first corners.
    assert ends(3, 0) == [(True, False), (True, False), (False, True)]
