import torch

from model.config import LANES, SILENT
from model.picker import pick


def beats(words):
    """What leaves the picker, beat by beat."""
    return [tuple(beat) for beat in zip(*(field.tolist() for field in pick(torch.tensor(words, dtype=torch.uint8))))]


def test_a_word_yields_its_spikes_from_lane_0_upwards():
    word = [SILENT] * LANES
    word[0], word[3], word[15] = 7, 0, 30
    assert beats([word]) == [(0, 0, 7, True), (0, 3, 0, True), (0, 15, 30, True)]


def test_a_silent_word_costs_one_empty_beat():
    silent, full = [SILENT] * LANES, list(range(LANES))
    got = beats([silent, full, silent, silent])
    assert [beat[0] for beat in got] == [0] + [1] * LANES + [2, 3]
    assert [beat[3] for beat in got] == [False] + [True] * LANES + [False] * 2


def test_a_word_of_n_spikes_yields_n_beats_in_order():
    generator = torch.Generator().manual_seed(1)
    share = torch.rand(300, 1, generator=generator) ** 3
    words = torch.randint(31, (300, LANES), dtype=torch.uint8, generator=generator)
    words = words.where(torch.rand(words.shape, generator=generator) < share, SILENT).tolist()
    expected, empty = [], 0
    for index, word in enumerate(words):
        spikes = [(index, lane, code, True) for lane, code in enumerate(word) if code != SILENT]
        expected += spikes or [(index, 0, SILENT, False)]
        empty += not spikes
    assert beats(words) == expected
    assert empty > 30 and len(expected) > 1000
