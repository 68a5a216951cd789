from contextlib import suppress
from dataclasses import replace
from itertools import combinations

import pytest
import torch

from cosim.bench_supply import chosen
from cosim.soak import MOVING, ROOM
from model.batch import laid_out
from model.compiler import compile
from model.config import BURST_BEATS, ProcessorConfig, Way, moved_beats
from model.network import Coding, Network, NetworkError
from model.processor import trace
from model.schedule import Band, Move, schedule
from tests.model.test_compiler import layer

ROOMY = ProcessorConfig(**ROOM | {"rows": 400, "columns": 16, "encoders": 8, "span": 2, "memory_width": 64})
TIGHT = ProcessorConfig(**MOVING["bands"])
NETWORKS = 25


def moving(count=NETWORKS, first=0):
    """Cases whose words move on the tight processor, with their steps there."""
    found = []
    for seed in range(first, first + 2000):
        case = chosen(seed)
        with suppress(NetworkError):
            compile(case.network, TIGHT), compile(case.network, ROOMY)
            ordered = schedule(case.network, TIGHT)
            if any(isinstance(step, Move) for step in ordered):
                found.append((case, ordered))
            if len(found) == count:
                return found
    raise AssertionError(f"{len(found)} of {first + 2000} networks move")


CASES = moving()


def test_what_fits_runs_layer_by_layer_and_moves_nothing():
    for case, _ in CASES:
        ordered = schedule(case.network, ROOMY)
        assert [step.layer for step in ordered] == list(range(len(case.network.layers)))
        assert all(isinstance(step, Band) for step in ordered)


def test_every_line_is_emitted_once_and_from_all_lines_that_it_is_made_of():
    several = 0
    for case, ordered in CASES:
        maps = case.network.maps()
        for index, its in enumerate(case.network.layers):
            bands = [step for step in ordered if isinstance(step, Band) and step.layer == index]
            several += len(bands) > 1
            assert [line for band in bands for line in band.lines] == list(range(maps[index + 1][1]))
            for band in bands:
                first = band.lines.start * its.pool * its.stride - its.padding
                last = (band.lines.stop * its.pool - 1) * its.stride - its.padding + its.kernel[0] - 1
                height = maps[case.network.sources[index]][1]
                assert {line for line in range(first, last + 1) if 0 <= line < height} <= set(band.reads)
    assert several > NETWORKS // 3


def follow(network, ordered, cfg):
    """See that every word that a band reads holds what it should."""
    store, states, memory = {}, {}, {}
    lines = {map: cfg.pixel_words(channels) * width for map, (channels, _, width) in enumerate(network.maps())}
    header = -(-96 // cfg.memory_width)
    if not any(isinstance(step, Move) and step.picture for step in ordered):
        store = {word: (0, word) for word in range(lines[0] * network.maps()[0][1])}
    for step in ordered:
        if isinstance(step, Move):
            each, words = moved_beats(cfg, step.states), states if step.states else store
            for n in range(step.words):
                if step.way == Way.PUT:
                    memory[step.beat + each * n] = words.get(step.word + n)
                else:
                    words[step.word + n] = ((0, (step.beat - header) // each + n) if step.picture
                                            else memory.get(step.beat + each * n))
            continue
        its, source = network.layers[step.layer], network.sources[step.layer]
        first = step.reads.start * lines[source]
        for n in range(len(step.reads) * lines[source]):
            assert store[step.input_word + n] == (source, first + n), step
        if not its.partial and not its.readout:
            first = step.lines.start * lines[step.layer + 1]
            store |= {step.output_word + n: (step.layer + 1, first + n)
                      for n in range(len(step.lines) * lines[step.layer + 1])}
            assert max(store) < cfg.spike_words


def test_what_is_read_was_brought_or_emitted_and_nothing_lies_over_it():
    for case, ordered in CASES:
        follow(case.network, ordered, TIGHT)


def test_the_map_of_a_shortcut_lives_until_the_last_band_of_a_sum():
    layers = (layer("a", out=16), layer("b", of=16, out=64),
              layer("short", of=16, out=16, kernel=3, padding=1, source=1, partial=True),
              layer("c", of=64, out=16, source=2), layer("readout", of=16, kernel=5, readout=True))
    network = Network(name="net", shape=(2, 5, 5), input_coding=Coding(), layers=layers)
    cfg = replace(TIGHT, spike_words=100, state_words=256)
    ordered = schedule(network, cfg)
    assert [step.layer for step in ordered if isinstance(step, Band) and step.layer in (2, 3)][:4] == [2, 3, 2, 3]
    follow(network, ordered, cfg)


def test_bands_compute_what_whole_layers_do():
    for case, _ in CASES:
        whole, banded = (trace(case.network, case.codes, cfg, keep_maps=True) for cfg in (ROOMY, TIGHT))
        assert torch.equal(whole.logits, banded.logits)
        assert all(torch.equal(one, other) for one, other in zip(whole.maps, banded.maps, strict=True))
        for name, counter in whole.counters.items():
            assert torch.equal(counter.sum(2), banded.counters[name].sum(2)), name


def test_moves_have_places_of_their_own_in_the_memory_behind_all_weights():
    for case, _ in CASES[:8]:
        image = compile(case.network, TIGHT)
        weights = sum(len(section.entries) for section in image.sections if section.target == 4)
        moved = image.moved(3 * BURST_BEATS)
        places = {}
        for fields, its in zip(image.descriptors, moved.descriptors):
            if fields["way"] and not fields["picture"]:
                assert its["weight_base"] == fields["weight_base"] + 3 * BURST_BEATS
                first, beats = fields["weight_base"], fields["group_rows"] * moved_beats(TIGHT, fields["states"])
                assert weights <= first and (first + beats) * TIGHT.beat_bytes <= len(image.memory())
                if fields["way"] == Way.PUT:
                    places[first] = range(first, first + beats)
        assert all(one.stop <= other.start or other.stop <= one.start
                   for one, other in combinations(places.values(), 2))
        batch = laid_out(image, case.codes.numpy())
        assert image.picture_stays == any(fields["picture"] for fields in image.descriptors)
        assert batch.picture_words == 3 or not image.picture_stays


def test_refuses_a_line_that_does_not_fit():
    case, _ = CASES[0]
    with pytest.raises(NetworkError, match=r"is too large: a line of layer \w+ and what it is made of need \d+ "
                                           r"spike_words and \d+ state_words beside what stays, the processor has 4"):
        schedule(case.network, replace(TIGHT, spike_words=4))


def test_without_a_memory_nothing_moves():
    case, _ = CASES[0]
    with pytest.raises(NetworkError, match="needs spike_words = "):
        schedule(case.network, replace(TIGHT, memory_width=0))
