"""Devices that vary: ideal ones give the golden model's numbers, and each fault does what it says."""

from dataclasses import replace

import pytest
import torch

from model.coding import Coding
from model.config import PRESETS, SIGN_BIT, SILENT
from model.convert import convert
from model.datasets import test_slice as pictures_of
from model.encode import picture_codes
from model.processor import trace
from model.trained import load
from model.variation import Devices, accuracies, converted, run, written
from tests.model.networks import random_trained
from tests.model.test_crossbar import NETWORKS


@pytest.fixture(scope="module")
def network():
    one = Coding(window=1)
    return convert(random_trained(input_coding=one, coding=one, leak_shift=1, reset="zero", timesteps=3))


@pytest.fixture(scope="module")
def codes(network):
    torch.manual_seed(0)
    return torch.where(torch.rand(16, *network.shape) < 0.4, 0, SILENT).to(torch.uint8)


def layer_of(network, weight):
    """The hidden layer with other weights."""
    none = torch.zeros(len(weight), dtype=torch.int32)
    return replace(network.layers[1], weight=weight, bias=none, gain=none)


def generator():
    return torch.Generator().manual_seed(0)


def test_ideal_devices_give_the_logits_of_the_golden_model(network, codes):
    expected = trace(network, codes, PRESETS["tiny"]).logits
    assert expected.unique().numel() > 16
    assert torch.equal(run(network, codes, Devices()), expected)


def test_a_ratio_alone_loses_nothing(network, codes):
    assert torch.equal(run(network, codes, Devices(ratio=16)), run(network, codes, Devices()))


def test_layers_that_skip_timesteps_do_as_in_the_golden_model(network, codes):
    first, hidden, readout = network.layers
    for hold in (False, True):
        masked = replace(network, layers=(first, replace(hidden, mask=0b101, hold=hold), readout))
        assert torch.equal(run(masked, codes, Devices()), trace(masked, codes, PRESETS["tiny"]).logits)


def test_spikes_of_many_slots_are_right_as_often_as_in_the_golden_model():
    network, split = convert(load(NETWORKS / "digits-ttfs")), pictures_of("digits", 60)
    codes = picture_codes(split.images, network)
    expected = (trace(network, codes, PRESETS["tiny"]).logits[:, -1].argmax(1) == split.labels).double().mean()
    assert list(accuracies(network, codes, split.labels, Devices(), 1)) == [pytest.approx(float(expected), abs=0.02)]


def test_the_same_seed_gives_the_same_array_and_another_seed_another(network, codes):
    devices = Devices(sigma=0.2, ratio=16)
    first, again, other = (run(network, codes, devices, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_weight_varies_by_sigma_and_one_that_is_none_by_its_two_off_devices(network):
    layer = layer_of(network, torch.zeros(64, 64, 3, 3, dtype=torch.uint8))
    worth = written(layer, Devices(sigma=0.1), network.numerics, generator())
    assert float(worth.mean()) == pytest.approx(1, abs=0.01) and float(worth.std()) == pytest.approx(0.1, rel=0.05)
    none = replace(layer, weight=torch.full_like(layer.weight, 15))
    assert not written(none, Devices(sigma=0.1), network.numerics, generator()).any()
    off = written(none, Devices(sigma=0.1, ratio=11), network.numerics, generator())
    # Off devices have a tenth of the range between off and on, each of its own.
    assert float(off.std()) == pytest.approx(0.1 * 0.1 * 2 ** 0.5, rel=0.05)


def test_linear_devices_are_off_by_half_a_step_at_most(network):
    every = torch.arange(2 * SIGN_BIT, dtype=torch.uint8)[:, None, None, None]
    layer = layer_of(network, every)
    exact = written(layer, Devices(), network.numerics, generator())
    sliced = written(layer, Devices(coding="linear"), network.numerics, generator())
    assert 0 < float((sliced - exact).abs().max()) <= 0.5 / 255 + 1e-6


def test_wires_take_most_from_the_devices_that_are_farthest(network):
    layer = layer_of(network, torch.zeros(32, 64, 1, 1, dtype=torch.uint8))
    worth = written(layer, Devices(wire=0.001), network.numerics, generator())
    assert (worth.diff(dim=0) < 0).all() and (worth.diff(dim=1) < 0).all()
    assert float(worth[0, 0]) == pytest.approx(1 / 1.002, abs=1e-4)
    assert float(worth[31, 63]) == pytest.approx(1 / (1 + 0.001 * (63 + 62 + 2)), abs=1e-4)


def test_a_converter_has_as_many_levels_as_its_bits_say():
    torch.manual_seed(0)
    current = torch.randn(8, 16, 100)
    for width, lost in ((4, 0.15), (8, 0.02)):
        made = converted(current, width)
        assert made.unique().numel() <= 2 ** width - 1
        assert float((made - current).square().mean().sqrt()) < lost
    assert converted(current, 0) is current


@pytest.mark.parametrize("wrong, message", [
    ({"coding": "unary"}, "the coding must be one of log, linear, not 'unary'"),
    ({"sigma": -0.1}, "sigma must be at least 0, not -0.1"),
    ({"ratio": 1}, "the ratio of on to off must be more than 1, not 1"),
    ({"converter_width": 1}, "a converter has at least 2 bits, or 0 for no error, not 1"),
    ({"wire": -1}, "the resistance of wires must be at least 0, not -1"),
])
def test_what_no_array_is_made_of_is_refused(wrong, message):
    with pytest.raises(ValueError) as error:
        Devices(**wrong)
    assert str(error.value) == message
