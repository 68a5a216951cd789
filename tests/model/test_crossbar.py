"""The analog array, against figures that its sources print."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.__main__ import main
from model.coding import Coding
from model.constant import Constant
from model.convert import convert
from model.crossbar import AREA, READ_ENERGY, READ_TIME, Placement, area, energies, latencies, place
from model.training.recipes import recipe
from tests.model.networks import random_trained

SINGLE = 1
NETWORKS = Path(__file__).parents[2] / "networks"


def vgg16(timesteps=8):
    """VGG-16 for CIFAR-10 with spikes of one slot; what its weights are does not matter."""
    made = recipe("cifar10-vgg16-lif")
    return convert(random_trained(layers=made.layers, shape=made.shape, coding=Coding(window=1), leak_shift=1,
                                  reset="zero", timesteps=timesteps))


@pytest.fixture(scope="module")
def network():
    return vgg16()


def test_every_number_says_where_it_is_from():
    for name, (each, count) in [*READ_ENERGY.items(), *AREA.items()]:
        assert isinstance(each, Constant) and each.source and each.unit, name
        assert count(9) >= 1


def test_a_read_takes_what_the_source_prints():
    taken = Placement(name="3x3", taps=9, elements=1, pixels=1, slots=1, used=1).energy()
    total = sum(taken.values())
    assert total == pytest.approx(828.5, abs=0.1)
    shares = {name: round(100 * each / total) for name, each in taken.items()}
    assert (shares["tile buffer"], shares["H-tree"], shares["converters"], shares["crossbars"]) == (48, 19, 16, 15)
    assert pytest.approx(104) == READ_TIME


def test_places_vgg_16_on_as_many_elements_as_its_channels_need(network):
    placed = place(network, SINGLE)
    assert [layer.elements for layer in placed] == [1, 1, 2, 4, 8, 16, 16, 32, 64, 64, 64, 64, 64, 8]
    assert [layer.pixels for layer in placed] == [1024, 1024, 256, 256, 64, 64, 64, 16, 16, 16, 4, 4, 4, 1]
    # The first layer is unfolded: what were nine taps of 3 channels is one of 27.
    assert [layer.taps for layer in placed] == [1, *[9] * 12, 1]
    assert placed[0].used == pytest.approx(27 / 64) and placed[1].used == 1
    assert placed[-1].used == pytest.approx(10 / 64)
    pairs = place(network)
    assert [layer.elements for layer in pairs] == [2, 2, 4, 8, 16, 32, 32, 64, 128, 128, 128, 128, 128, 8]


def test_energy_and_latency_of_timesteps_add_up(network):
    taken, took = energies(network, SINGLE), latencies(network, SINGLE)
    assert taken.shape == took.shape == (8,)
    assert (taken == taken[0]).all() and (took == took[0]).all()
    reads = [1024, 512, 1024, 512, 1024, 1024, 512, 1024, 1024, 256, 256, 256]
    one_tap = sum(Placement(name="", taps=1, elements=1, pixels=1, slots=1, used=1).energy().values())
    nine_taps = sum(Placement(name="", taps=9, elements=1, pixels=1, slots=1, used=1).energy().values())
    assert float(taken[0]) == pytest.approx(sum(reads) * nine_taps + (1024 + 8) * one_tap)
    assert float(took[0]) == pytest.approx(2813 * 104)


def test_a_layer_that_does_not_fire_takes_nothing():
    network = vgg16(timesteps=2)
    masked = replace(network, layers=(network.layers[0], replace(network.layers[1], mask=1), *network.layers[2:]))
    spared = energies(network) - energies(masked)
    assert spared[0] == 0
    assert float(spared[1]) == pytest.approx(sum(place(network)[1].energy().values()))


def test_slots_are_read_one_after_the_other():
    network = convert(random_trained(coding=Coding(window=24, nearest=True)))
    assert [layer.slots for layer in place(network)] == [1, 24, 24]


def test_tiles_have_elements_of_one_kernel(network):
    # 399 elements of nine taps, and 9 of one.
    total = area(network, SINGLE)
    assert total["H-tree"] == pytest.approx((50 + 2) * 433660)
    assert total["crossbars"] == pytest.approx(8 * 26.2144 * (50 * 9 + 2))
    assert torch.tensor(list(total.values())).isfinite().all()


def test_the_command_shows_a_network(capsys):
    assert main(["crossbars", str(NETWORKS / "digits-lif")]) == 0
    shown = capsys.readouterr().out
    assert "digits-lif on crossbars of 64 x 64" in shown and "timestep" in shown and "tile buffer 51%" in shown


def test_a_weight_without_a_device_is_refused(capsys):
    assert main(["crossbars", str(NETWORKS / "digits-lif"), "--devices", "0"]) == 1
    assert capsys.readouterr().err == "error: a weight takes at least 1 device, not 0\n"
