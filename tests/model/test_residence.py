from dataclasses import replace

import numpy as np
import pytest
import torch

from cosim.random_networks import random_weight
from model.compiler import compile
from model.config import CODE_WIDTH, NO_SYNAPSE, ProcessorConfig, Target
from model.image import Image, ImageError
from model.network import Coding, Layer, Network, NetworkError
from model.residence import residences
from model.tiling import tilings

CFG = ProcessorConfig(columns=16, tiles=2, walkers=2, encoders=4, rows=510, memory_width=64)


def layer(name, out, of, kernel=1, **settings):
    generator = torch.Generator().manual_seed(out * of)
    return Layer(name=name, weight=random_weight((out, of, kernel, kernel), 0.4, 0.9, generator),
                 bias=torch.zeros(out, dtype=torch.int32), gain=torch.zeros(out, dtype=torch.int32), **settings)


def network(*layers, side=6, **settings):
    return Network(name="net", shape=(layers[0].in_channels, side, side), input_coding=Coding(window=4), layers=layers,
                   **settings)


# 27 rows of one group, for two walkers; 144 of three; 70 of two; 48 of one.
WIDE = network(layer("first", 16, 3, 3, padding=1), layer("second", 70, 16, 3, pool=2, stride=2),
               layer("third", 48, 70), layer("readout", 8, 48, readout=True))


def test_everything_stays_where_it_fits():
    for cfg in (replace(CFG, rows=2000), replace(CFG, rows=2000, memory_width=0)):
        places = residences(WIDE, cfg)
        assert [place.streamed for place in places] == [False] * 4
        assert [section for section in compile(WIDE, cfg).sections if section.target == Target.MEMORY] == []


def test_what_serves_the_fewest_pixels_stays_and_the_rest_takes_turns_behind_it():
    descriptors = compile(WIDE, CFG).descriptors
    assert [d["streamed"] for d in descriptors] == [0, 1, 0, 0]
    resident = [(d["row_base"], d["group_rows"] * groups) for d, groups in zip(descriptors, (1, 3, 2, 1))]
    # Those that stay lie one behind the other, and the two places of the streamed layer share what is left.
    assert resident[0][0] == 0 and resident[2][0] == 27 and resident[3][0] == 27 + 140
    behind = resident[1][0]
    assert behind == 27 + 140 + 48
    half = (behind + CFG.rows) // 2
    assert half - behind >= 144 and half + 144 <= CFG.rows
    assert all(place.streamed == bool(d["streamed"]) and place.row == d["row_base"] and place.beat == d["weight_base"]
               for place, d in zip(residences(WIDE, CFG), descriptors))


def test_layers_that_come_in_every_timestep_stay_before_those_that_come_once():
    for recall in (True, False):
        chosen = network(layer("first", 96, 96, recall=recall), layer("second", 96, 96),
                         layer("readout", 8, 96, readout=True), side=1, timesteps=4)
        places = residences(chosen, replace(CFG, rows=288 + 96 + 2 * 96))
        assert [place.streamed for place in places] == [recall, not recall, False]


def test_a_network_whose_groups_find_no_two_places_is_refused():
    with pytest.raises(NetworkError, match="network net is too large: with the memory it still needs rows = 572, the "
                                           "processor has 287"):
        compile(WIDE, replace(CFG, rows=287))


@pytest.mark.parametrize("width", [64, 128, 256])
def test_the_memory_holds_every_weight_of_the_layers_that_are_streamed(width):
    cfg = replace(CFG, memory_width=width)
    image = compile(WIDE, cfg)
    bits = np.unpackbits(np.frombuffer(image.memory(), np.uint8), bitorder="little")
    checked = 0
    for chosen, tiling, fields in zip(WIDE.layers, tilings(WIDE, cfg), image.descriptors):
        if not fields["streamed"]:
            continue
        beats, rows = cfg.granule(tiling.walkers)
        columns = cfg.group_columns // tiling.walkers
        group_beats = -(-fields["group_rows"] // rows) * beats
        codes = chosen.weight.permute(2, 3, 1, 0).flatten(0, 2).numpy()
        for group, used in enumerate(tiling.groups):
            first = (fields["weight_base"] + group * group_beats) * width
            lies = bits[first:first + fields["group_rows"] * columns * CODE_WIDTH].reshape(-1, columns, CODE_WIDTH)
            lies = (lies << np.arange(CODE_WIDTH)).sum(2)
            assert (lies[:, :used] == codes[:, group * columns:][:, :used]).all()
            assert (lies[:, used:] == NO_SYNAPSE).all()
            checked += lies.size
    assert checked == 96 * 144


def test_an_image_with_a_memory_is_read_as_it_was_written():
    image = compile(WIDE, CFG)
    again = Image.from_bytes(image.to_bytes())
    assert again.to_bytes() == image.to_bytes() and again.memory() == image.memory() and again.memory_width == 64
    # The load window takes the rest.
    assert len(image.load_words()) < len(image.to_bytes()) // 4 - len(image.memory()) // 4
    with pytest.raises(ImageError, match="compiled for memory_width = 64, the processor has 128"):
        again.check(replace(CFG, memory_width=128))


def test_an_image_that_is_moved_has_its_weights_further_up_and_nothing_else_changed():
    image = compile(WIDE, CFG)
    moved = image.moved(7)
    assert moved.memory() == bytes(7 * 8) + image.memory()
    assert [fields["weight_base"] for fields in moved.descriptors] == [
        fields["weight_base"] + 7 * fields["streamed"] for fields in image.descriptors]
    assert any(fields["streamed"] for fields in image.descriptors)
    assert not all(fields["streamed"] for fields in image.descriptors)
    assert moved.moved(-7).to_bytes() == image.to_bytes()


DEEP = network(layer("first", 64, 16, 3, padding=1), layer("second", 64, 64, 3, padding=1, pool=2),
               layer("third", 64, 64, 3, padding=1), layer("fourth", 64, 64, 3, padding=1),
               layer("readout", 8, 64, 2, readout=True), side=4)


def test_weights_are_fetched_by_spikes_where_few_pixels_read_many_rows():
    cfg = ProcessorConfig(columns=32, tiles=1, encoders=4, rows=2000, memory_width=64)
    places = residences(DEEP, cfg)
    assert [place.streamed for place in places] == [False, True, True, True, False]
    # The picture, a map of 4 x 4 pixels, and two of 2 x 2.
    assert [place.by_spikes for place in places] == [False, False, True, True, False]
    # A layer that reads parts of words is not.
    other = replace(DEEP, layers=(*DEEP.layers[:1], layer("second", 40, 64, 3, padding=1, pool=2),
                                  layer("third", 64, 40, 3, padding=1), *DEEP.layers[3:]))
    assert [place.by_spikes for place in residences(other, cfg)] == [False, False, False, True, False]


def test_channels_that_decide_what_is_fetched_are_noted_in_places_of_their_own():
    cfg = ProcessorConfig(columns=32, tiles=1, encoders=4, rows=2000, memory_width=64, seen_words=12)
    descriptors = compile(DEEP, cfg).descriptors
    assert [d["by_spikes"] for d in descriptors] == [0, 0, 1, 1, 0]
    # Four words for all maps that decide nothing, and four for each that does.
    assert [d["output_seen"] for d in descriptors] == [0, 4, 8, 0, 0]
    assert [d["input_seen"] for d in descriptors] == [0, 0, 4, 8, 0]
    with pytest.raises(NetworkError, match="it needs seen_words = 12, the processor has 11"):
        compile(DEEP, replace(cfg, seen_words=11))
