import pytest
import torch

from cosim.workloads import dense, fashion, plane, sources, spikes, vgg16
from model.config import SILENT
from model.convert import unfolded


@pytest.mark.parametrize("density, count", [(0, 0), (0.05, 4), (0.5, 36), (1, 72)])
def test_exactly_the_share_of_every_map_spikes(density, count):
    codes = spikes((8, 3, 3), density, images=5)
    assert codes.shape == (5, 8, 3, 3)
    assert ((codes != SILENT).sum((1, 2, 3)) == count).all()
    assert set(codes.unique().tolist()) <= {0, SILENT}


def test_maps_differ_from_each_other_and_from_seed_to_seed():
    codes, others = (spikes((8, 3, 3), 0.5, images=2, seed=seed) for seed in (1, 2))
    assert not torch.equal(codes[0], codes[1]) and not torch.equal(codes, others)
    assert torch.equal(codes, spikes((8, 3, 3), 0.5, images=2))


@pytest.mark.parametrize("network, maps", [
    (vgg16(), [(3, 32, 32), (64, 32, 32), (64, 16, 16), (128, 16, 16), (128, 8, 8), (256, 8, 8), (256, 8, 8),
               (256, 4, 4), (512, 4, 4), (512, 4, 4), (512, 2, 2), (512, 2, 2), (512, 2, 2), (512, 1, 1), (10, 1, 1)]),
    (fashion(), [(1, 28, 28), (32, 14, 14), (64, 7, 7), (10, 1, 1)]),
    (dense(), [(256, 1, 1), (256, 1, 1), (10, 1, 1)]),
    (plane(4, 8), [(32, 4, 8), (32, 4, 8), (2, 1, 1)])], ids=lambda value: getattr(value, "name", ""))
def test_networks_have_the_shapes_of_their_names(network, maps):
    assert network.maps() == maps


def test_an_unfolded_layer_reads_the_taps_of_a_picture_of_the_density():
    layer, taps = next(sources(unfolded(fashion()), 0.25, images=2))
    _, picture = next(sources(fashion(), 0.25, images=2))
    assert layer.weight.shape == (32, 9, 1, 1) and taps.shape == (2, 9, 28, 28)
    # The tap in the middle is the picture itself, the one to its left what lies left of it.
    assert torch.equal(taps[:, 4], picture[:, 0])
    assert torch.equal(taps[:, 3, :, 1:], picture[:, 0, :, :-1])
    assert (taps[:, 3, :, 0] == SILENT).all()
    assert ((picture != SILENT).sum((1, 2, 3)) == 196).all()


def test_every_layer_has_a_source():
    found = [(layer.name, tuple(codes.shape)) for layer, codes in sources(fashion(), 0.1, images=2)]
    assert found == [("conv1", (2, 1, 28, 28)), ("conv2", (2, 32, 14, 14)), ("readout", (2, 64, 7, 7))]
