import re

import pytest
import torch

from cosim.random_networks import seeded
from model.network import Coding, Layer, Network, NetworkError, Reset


def layer(name="conv", out=3, channels=2, kernel=(3, 3), **settings):
    return Layer(name=name, **dict(weight=torch.zeros(out, channels, *kernel, dtype=torch.uint8),
                                   bias=torch.zeros(out, dtype=torch.int32), gain=torch.zeros(out, dtype=torch.int32))
                 | settings)


def network(*layers, **settings):
    return Network(name="net", layers=layers, **dict(shape=(2, 4, 5), input_coding=Coding()) | settings)


A_WEIGHT = "the weight must be a uint8 tensor (out, in, kernel_height, kernel_width)"
READOUT = dict(name="readout", kernel=(4, 5), readout=True)
DEEP = READOUT | dict(channels=3, kernel=(2, 3))


def test_a_slot_is_an_octave_over_tau():
    assert [Coding(tau=tau).grain for tau in (1, 2, 4)] == [4, 2, 1]


@pytest.mark.parametrize("kernel, stride, padding, expected", [
    ((3, 3), 1, 0, (6, 7)), ((3, 3), 1, 1, (8, 9)), ((3, 3), 2, 0, (3, 4)), ((2, 5), 3, 1, (3, 3)),
    ((8, 9), 1, 0, (1, 1)), ((1, 1), 15, 0, (1, 1))])
def test_pixels_before_pooling(kernel, stride, padding, expected):
    assert layer(kernel=kernel, stride=stride, padding=padding).pixels((8, 9)) == expected


def test_a_mask_has_one_bit_per_timestep_from_the_first():
    assert [layer(mask=0b1010).fires(timestep) for timestep in range(1, 6)] == [False, True, False, True, False]
    assert all(layer().fires(timestep) for timestep in range(1, 33))


def test_maps_follow_kernels_strides_and_pools():
    chain = network(layer(padding=1, pool=2), layer(name="deep", channels=3, out=7, kernel=(2, 1), stride=2),
                    layer(name="readout", channels=7, kernel=(1, 1), readout=True), shape=(2, 4, 5))
    assert chain.maps() == [(2, 4, 5), (3, 2, 2), (7, 1, 1), (3, 1, 1)]
    assert chain.classes == 3


def test_a_layer_reads_the_last_map_before_it_or_the_one_it_names():
    same = dict(out=2, padding=1)
    net = network(layer(**same), layer(**same, partial=True, source=0), layer(**same, partial=True), layer(**same),
                  layer(**READOUT))
    assert net.sources == (0, 0, 1, 1, 4)
    assert [net.adds(index) for index in range(5)] == [False, False, True, True, False]
    assert [net.sum_of(index) for index in range(5)] == [range(1), *[range(1, 4)] * 3, range(4, 5)]
    assert net.maps() == [(2, 4, 5)] * 5 + [(3, 1, 1)]


@pytest.mark.parametrize("settings, message", [
    (dict(window=0), "a window has 1 to 31 slots, not 0"),
    (dict(window=32), "a window has 1 to 31 slots, not 32"),
    (dict(tau=3), "tau must be 1, 2 or 4 slots an octave, not 3"),
])
def test_refuses_a_coding_that_does_not_fit_a_spike_code(settings, message):
    with pytest.raises(NetworkError, match=f"^{re.escape(message)}$"):
        Coding(**settings)


@pytest.mark.parametrize("settings, message", [
    (dict(weight=torch.zeros(3, 2, dtype=torch.uint8)),
     f"{A_WEIGHT}, not torch.uint8 of shape (3, 2)"),
    (dict(weight=torch.zeros(3, 2, 1, 1)),
     f"{A_WEIGHT}, not torch.float32 of shape (3, 2, 1, 1)"),
    (dict(weight=torch.full((3, 2, 1, 1), 32, dtype=torch.uint8)), "a weight code has 5 bits, found 32"),
    (dict(bias=torch.zeros(3)), "the bias must be an int32 tensor (3,), not torch.float32 of shape (3,)"),
    (dict(bias=torch.zeros(2, dtype=torch.int32)),
     "the bias must be an int32 tensor (3,), not torch.int32 of shape (2,)"),
    (dict(gain=torch.zeros(3, dtype=torch.int64)),
     "the gain must be an int32 tensor (3,), not torch.int64 of shape (3,)"),
    (dict(gain=torch.tensor([0, 64, 0], dtype=torch.int32)),
     "a gain lies between -64 and 63 quarter octaves, found 0 to 64"),
    (dict(gain=torch.tensor([0, -65, 9], dtype=torch.int32)),
     "a gain lies between -64 and 63 quarter octaves, found -65 to 9"),
    (dict(weight_grain=3), "the weight grain must be 1, 2 or 4 quarter octaves, not 3"),
    (dict(stride=0), "the stride must be between 1 and 15, not 0"),
    (dict(stride=16), "the stride must be between 1 and 15, not 16"),
    (dict(padding=-1), "the padding must be smaller than the kernel and at most 15, not -1"),
    (dict(padding=3), "the padding must be smaller than the kernel and at most 15, not 3"),
    (dict(kernel=(20, 20), padding=16), "the padding must be smaller than the kernel and at most 15, not 16"),
    (dict(pool=0), "the pooling window must be between 1 and 15, not 0"),
    (dict(pool=16), "the pooling window must be between 1 and 15, not 16"),
    (dict(leak_shift=-1), "the leak shift must be between 1 and 7, or 0 for none, not -1"),
    (dict(leak_shift=8), "the leak shift must be between 1 and 7, or 0 for none, not 8"),
    (dict(readout=True, pool=2), "a readout neither pools, leaks nor resets"),
    (dict(readout=True, leak_shift=1), "a readout neither pools, leaks nor resets"),
    (dict(readout=True, reset=Reset.ZERO), "a readout neither pools, leaks nor resets"),
    (dict(readout=True, recall=True), "a readout does not recall its charge"),
    (dict(partial=True, readout=True),
     "a layer that leaves its potentials to the next one neither recalls, resets nor is the readout"),
    (dict(partial=True, reset=Reset.ZERO),
     "a layer that leaves its potentials to the next one neither recalls, resets nor is the readout"),
    (dict(readout=True, gain=torch.tensor([0, 1, 0], dtype=torch.int32)), "all gains of a readout must be equal"),
])
def test_refuses_a_layer_the_processor_cannot_run(settings, message):
    with pytest.raises(NetworkError, match=f"^layer conv: {re.escape(message)}$"):
        layer(**settings)


def test_takes_every_setting_at_its_limits():
    gain = torch.tensor([-64, 0, 63], dtype=torch.int32)
    layer(gain=gain, weight=torch.full((3, 2, 16, 16), 31, dtype=torch.uint8), stride=15, padding=15, pool=15,
          leak_shift=7, coding=Coding(window=31))
    layer(stride=1, padding=0, pool=1, leak_shift=0, coding=Coding(window=1))


@pytest.mark.parametrize("layers, settings, message", [
    ([READOUT], dict(timesteps=0), "network net: timesteps must be between 1 and 32, not 0"),
    ([READOUT], dict(timesteps=33), "network net: timesteps must be between 1 and 32, not 33"),
    ([], {}, "network net: the last layer, and no other, must be the readout"),
    ([dict(kernel=(4, 5))], {}, "network net: the last layer, and no other, must be the readout"),
    ([READOUT, READOUT], {}, "network net: the last layer, and no other, must be the readout"),
    ([READOUT | dict(out=1)], {}, "network net: a readout has at least 2 classes, not 1"),
    ([READOUT | dict(mask=0b1000)], dict(timesteps=3), "layer readout: it is active in none of the 3 timesteps"),
    ([dict(mask=0), READOUT], {}, "layer conv: it is active in none of the 1 timesteps"),
    ([{}, dict(recall=True, channels=3, kernel=(1, 1)), DEEP], {},
     "layer conv: only a layer that reads the picture, and nothing else, can recall its charge"),
    ([dict(partial=True), dict(recall=True, source=0), DEEP], {},
     "layer conv: only a layer that reads the picture, and nothing else, can recall its charge"),
    ([dict(source=1), READOUT], {}, "layer conv: there are 1 maps before it, it cannot read number 1"),
    ([dict(partial=True), dict(source=1), READOUT], {}, "layer conv: it reads layer conv, which emits nothing"),
    ([dict(partial=True), dict(out=4, source=0), DEEP], {},
     "layer conv: it has a map of (4, 2, 3) pooled by 1, layer conv leaves "
     "it potentials for one of (3, 2, 3) pooled by 1"),
    ([dict(partial=True, pool=2), dict(source=0), DEEP], {},
     "layer conv: it has a map of (3, 2, 3) pooled by 1, layer conv leaves "
     "it potentials for one of (3, 1, 1) pooled by 2"),
    ([dict(partial=True, mask=0b1), dict(mask=0b11), DEEP], dict(timesteps=2),
     "layer conv: its mask is 0x3, that of layer conv, which leaves it potentials, is 0x1"),
    ([dict(partial=True, leak_shift=1), dict(leak_shift=1), DEEP], {},
     "layer conv: it does not leak, layer conv before it does for both"),
    ([READOUT | dict(channels=3)], {}, "layer readout: expects 3 input channels, its source has 2"),
    ([{}, READOUT | dict(kernel=(2, 3))], {}, "layer readout: expects 2 input channels, its source has 3"),
    ([READOUT | dict(kernel=(5, 5))], {}, "layer readout: a kernel of 5 x 5 is larger than the padded map of 4 x 5"),
    ([READOUT | dict(kernel=(9, 9), padding=2)], {},
     "layer readout: a kernel of 9 x 9 is larger than the padded map of 4 x 5"),
    ([dict(pool=3), READOUT], {}, "layer conv: a pooling window of 3 is larger than the map of 2 x 3"),
    ([READOUT | dict(kernel=(4, 4))], {}, "layer readout: a readout has one output pixel, not 1 x 2"),
])
def test_refuses_a_chain_whose_layers_do_not_fit(layers, settings, message):
    with pytest.raises(NetworkError, match=f"^{re.escape(message)}$"):
        network(*(layer(**settings) for settings in layers), **settings)


def test_the_random_networks_of_a_seed_are_always_the_same():
    for seed in range(20):
        first, again = seeded(seed), seeded(seed)
        assert torch.equal(first.codes, again.codes)
        assert first.network.maps() == again.network.maps()
        for one, other in zip(first.network.layers, again.network.layers, strict=True):
            assert all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("weight", "bias", "gain"))
            assert (one.coding, one.mask, one.stride) == (other.coding, other.mask, other.stride)
    assert len({seeded(seed).network.shape for seed in range(20)}) > 10
