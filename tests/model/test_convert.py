import pytest
import torch
from torch import nn

from model.config import NO_SYNAPSE, preset
from model.convert import UNFOLD_LIMIT, convert, fold, rounded, unfolded
from model.encode import encode, picture_codes
from model.network import Coding, Exit, NetworkError, Reset, Rule, Unfold
from model.processor import trace
from model.quantise import weight_values
from model.trained import ConvSpec, ExitSpec, IdentitySpec, LinearSpec, Trained
from tests.model.networks import random_trained


def test_a_folded_batch_norm_changes_nothing():
    torch.manual_seed(2)
    conv, norm = nn.Conv2d(3, 6, 3, bias=False).double(), nn.BatchNorm2d(6).double().eval()
    for tensor in (norm.weight.data, norm.bias.data, norm.running_mean):
        tensor.normal_()
    norm.running_var.uniform_(0.1, 3)
    weight, bias = fold(conv.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var)
    images = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(nn.functional.conv2d(images, weight, bias), norm(conv(images)), rtol=0, atol=1e-12)


def test_every_setting_reaches_its_layer():
    trained = random_trained(timesteps=4, coding=Coding(window=1), leak_shift=1, reset="zero", weight_grain=4,
                             exit=ExitSpec(rule="entropy", threshold=0.5))
    network = convert(trained)
    conv, hidden, readout = network.layers
    assert (network.name, network.shape, network.timesteps) == ("small", (18, 6, 4), 4)
    assert network.unfold == Unfold(kernel=3, stride=1, padding=1)
    assert network.exit == Exit(rule=Rule.ENTROPY, threshold=0.5)
    assert network.maps() == [(18, 6, 4), (5, 3, 2), (7, 1, 1), (4, 1, 1)]
    assert (conv.kernel, conv.padding, conv.pool) == ((1, 1), 0, 2)
    assert (hidden.kernel, hidden.padding, hidden.pool) == ((3, 2), 0, 1)
    for layer in (conv, hidden):
        assert (layer.leak_shift, layer.reset, layer.coding, layer.readout) == (1, Reset.ZERO, Coding(window=1), False)
    assert (readout.leak_shift, readout.reset, readout.readout) == (0, Reset.NONE, True)
    assert {layer.weight_grain for layer in network.layers} == {4}
    assert conv.gain.unique().numel() > 1
    # The picture is the same in all four timesteps.
    assert [layer.recall for layer in network.layers] == [True, False, False]
    assert not any(layer.recall for layer in convert(random_trained()).layers)


def test_layers_of_a_sum_have_the_scale_of_their_largest_weight():
    block = (ConvSpec(name="a", channels=4, kernel=3, padding=1, batch_norm=True),
             IdentitySpec(name="same", channels=4, source="a"),
             ConvSpec(name="other", channels=4, kernel=1, source="picture", partial=True, batch_norm=True),
             ConvSpec(name="b", channels=4, kernel=3, padding=1, batch_norm=True, pool=2, active=(1, 3)),
             ConvSpec(name="beside", channels=4, kernel=3, padding=1, source="a", partial=True, pool=1, stride=2),
             ConvSpec(name="c", channels=4, kernel=1), LinearSpec(name="left", channels=5, source="a", partial=True),
             LinearSpec(name="readout", channels=5))
    trained = random_trained(layers=block, timesteps=3, leak_shift=1, reset="zero", coding=Coding())
    network = convert(trained)
    layers = {layer.name: layer for layer in network.layers}
    # The picture is read twice, so that it is not unfolded.
    assert network.unfold is None and network.sources == (0, 1, 0, 1, 1, 4, 1, 6)
    assert [layer.partial for layer in network.layers] == [False, True, True, False, True, False, True, False]
    for name in ("same", "other"):
        assert layers[name].gain.equal(layers["b"].gain) and layers[name].pool == 2 and layers[name].mask == 0b101
    assert not layers["beside"].gain.equal(layers["b"].gain) and layers["left"].gain.equal(layers["readout"].gain)
    assert [layer.leak_shift for layer in network.layers] == [1, 1, 0, 0, 1, 0, 0, 0]
    assert [layer.reset for layer in network.layers] == [
        Reset.ZERO, Reset.NONE, Reset.NONE, Reset.ZERO, Reset.NONE, Reset.ZERO, Reset.NONE, Reset.NONE]
    # Each scale is that of the largest weight, to a quarter octave; the identity's weights are ones.
    largest = torch.stack([2 ** (layers[name].gain / 4 - (layers[name].weight % 16).flatten(1).amin(1) / 2)
                           for name in ("same", "other", "b")])
    assert (largest.amax(0) == 2 ** (layers["b"].gain / 4)).all()
    same = weight_values(layers["same"].weight, layers["same"].gain, 2)[..., 0, 0]
    assert (same.diag().log2().abs() <= 1 / 4).all() and (same - same.diag().diag() == 0).all()
    again = convert(rounded(trained))
    for one, other in zip(network.layers, again.layers):
        assert one.weight.equal(other.weight) and one.gain.equal(other.gain)
        assert (one.bias - other.bias).abs().max() < 2


def test_a_linear_layer_reads_its_map_channel_by_channel():
    trained = random_trained(layers=(LinearSpec(name="readout", channels=48),), shape=(2, 6, 4))
    trained.tensors.update({"readout.weight": torch.eye(48), "readout.bias": torch.arange(48) / 64})
    network = convert(trained)
    codes = torch.full((1, 2, 6, 4), 31, dtype=torch.uint8)
    codes[0, 1, 2, 3] = 4
    expected = (torch.arange(48) * 64).int()
    expected[1 * 24 + 2 * 4 + 3] += 2048
    assert trace(network, codes, preset("default")).logits[0, 0].equal(expected)


@pytest.mark.parametrize("kernel, stride, padding, pool", [(3, 1, 1, 2), (5, 1, 0, 1), (3, 2, 1, 1), (4, 3, 2, 1)])
def test_an_unfolded_picture_gives_the_same_spikes_from_fewer_fetches(kernel, stride, padding, pool):
    conv = ConvSpec(name="conv", channels=5, kernel=kernel, stride=stride, padding=padding, batch_norm=True, pool=pool)
    trained = random_trained(layers=(conv, LinearSpec(name="readout", channels=4)), shape=(3, 8, 6))
    images = torch.rand(3, 3, 8, 6, generator=torch.Generator().manual_seed(1))
    plain = convert(trained, unfold_limit=0)
    assert plain.unfold is None
    laid_out = unfolded(plain)
    assert laid_out.unfold == Unfold(kernel=kernel, stride=stride, padding=padding)
    one = trace(plain, encode(images, plain.input_coding), preset("default"))
    other = trace(laid_out, picture_codes(images, laid_out), preset("default"))
    assert one.signatures.equal(other.signatures) and one.logits.equal(other.logits)
    assert all(one.counters[name].equal(other.counters[name]) for name in one.counters)
    assert one.counters["spikes"].any()
    assert (other.cycles["empty_cycles"] <= one.cycles["empty_cycles"]).all()


def test_unfolds_a_first_layer_of_few_synapses_and_no_other():
    def first(channels, kernel):
        layers = (ConvSpec(name="conv", channels=5, kernel=kernel, padding=1), LinearSpec(name="readout", channels=4))
        return convert(random_trained(layers=layers, shape=(channels, 6, 4)))

    assert UNFOLD_LIMIT == 64
    assert first(7, 3).unfold is not None and first(16, 2).unfold is not None
    assert first(8, 3).unfold is None
    assert convert(random_trained(layers=(LinearSpec(name="readout", channels=4),), shape=(1, 2, 2))).unfold is None


def test_a_channel_that_batch_norm_switched_off_keeps_its_bias():
    trained = random_trained()
    trained.tensors["conv.norm_scale"][2] = 0
    trained.tensors["conv.norm_shift"][2] = 0.5
    conv = convert(trained).layers[0]
    assert (conv.weight[2] == NO_SYNAPSE).all() and conv.gain[2] == 0 and conv.bias[2] == 2048


def test_a_channel_whose_weights_are_nothing_beside_its_bias_has_none():
    trained = random_trained()
    trained.tensors["conv.norm_scale"][1:3] = 1e-4
    trained.tensors["conv.norm_shift"][1], trained.tensors["conv.norm_shift"][2] = -1, 1e-4
    conv = convert(trained).layers[0]
    assert (conv.weight[1] == NO_SYNAPSE).all() and conv.gain[1] == 0 and conv.bias[1] == -4096
    assert (conv.weight[2] != NO_SYNAPSE).any()
    again = convert(rounded(trained)).layers[0]
    assert again.weight.equal(conv.weight) and again.gain.equal(conv.gain) and again.bias.equal(conv.bias)


def test_refuses_a_large_kernel():
    trained = random_trained(layers=(ConvSpec(name="wide", channels=3, kernel=8),), shape=(1, 8, 8))
    with pytest.raises(NetworkError, match="^layer wide: a kernel is at most 7 x 7, found 8 x 8$"):
        convert(trained)


def test_refuses_a_bias_beyond_the_accumulator():
    trained = random_trained()
    trained.tensors["readout.weight"].fill_(1)
    trained.tensors["readout.bias"].fill_(0)[3] = -2049
    with pytest.raises(NetworkError, match="^layer readout: a bias fits 24 bits, -8388608 to 8388607, "
                                           "found -8392704 to 0$"):
        convert(trained)


def test_refuses_a_gain_out_of_range():
    trained = random_trained()
    trained.tensors["readout.weight"].fill_(2 ** -17)
    trained.tensors["readout.bias"].fill_(0)
    with pytest.raises(NetworkError, match="^layer readout: a gain lies between -64 and 63 quarter octaves, "
                                           "found -68 to -68$"):
        convert(trained)


def test_conversion_reads_float32_and_float64_alike():
    trained = random_trained()
    wide = Trained(trained.header, {name: tensor.double() for name, tensor in trained.tensors.items()})
    for narrow_layer, wide_layer in zip(convert(trained).layers, convert(wide).layers):
        for name in ("weight", "bias", "gain"):
            assert getattr(narrow_layer, name).equal(getattr(wide_layer, name))
