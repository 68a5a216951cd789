import hashlib
import json
import math
import re

import pytest
import safetensors.torch
import torch

from model.convert import convert, rounded
from model.network import NetworkError
from model.trained import ConvSpec, IdentitySpec, LinearSpec, Trained, load, save
from tests.model.networks import random_trained


@pytest.fixture
def path(tmp_path):
    """A saved network, without suffix."""
    save(random_trained(), tmp_path / "small")
    return tmp_path / "small"


def edit(path, **changes):
    """Change fields of the JSON file."""
    file = path.with_suffix(".json")
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def refuses(message):
    return pytest.raises(NetworkError, match=f"^{re.escape(message)}$")


def test_reads_what_it_wrote(path):
    saved, read = random_trained(), load(path)
    assert read.header.model_copy(update={"sha256": ""}) == saved.header
    assert read.tensors.keys() == saved.tensors.keys()
    assert all(read.tensors[name].equal(saved.tensors[name]) for name in saved.tensors)


def test_writes_the_same_bytes_twice_and_leaves_nothing_else(path):
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    save(load(path), path)
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before
    assert sorted(before) == ["small.json", "small.safetensors"]


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_names_a_missing_file(path, suffix):
    path.with_suffix(suffix).unlink()
    with refuses(f"there is no file {path}{suffix}"):
        load(path)


def test_refuses_another_version(path):
    edit(path, version=2)
    with refuses(f"{path}.json: version 2 is not supported, expected 1"):
        load(path)


def test_refuses_a_file_without_a_version(path):
    file = path.with_suffix(".json")
    file.write_text(json.dumps({key: value for key, value in json.loads(file.read_text()).items() if key != "version"}))
    with refuses(f"{file}: version: Field required"):
        load(path)


def test_refuses_changed_tensors(path):
    file = path.with_suffix(".safetensors")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with refuses(f"{file} is not the file small.json was written with: its SHA-256 differs"):
        load(path)


@pytest.mark.parametrize("kind", ["avgpool", "softmax", "conv_transpose"])
def test_refuses_a_kind_of_layer_it_does_not_know(path, kind):
    edit(path, layers=[{"kind": kind, "name": "third", "size": 2}])
    with refuses(f"layer third: kind '{kind}' is not supported; supported are conv, linear, identity"):
        load(path)


def test_refuses_a_field_it_does_not_know(path):
    edit(path, colour="red")
    with refuses(f"{path}.json: colour: Extra inputs are not permitted"):
        load(path)


def test_refuses_a_coding_that_does_not_exist(path):
    edit(path, coding={"window": 32})
    with refuses(f"{path}.json: coding: Value error, a window has 1 to 31 slots, not 32"):
        load(path)


def test_refuses_what_is_not_json(path):
    path.with_suffix(".json").write_text("{")
    with pytest.raises(NetworkError, match="small.json: Invalid JSON: EOF while parsing"):
        load(path)


def test_refuses_a_missing_tensor():
    small = random_trained()
    del small.tensors["readout.bias"]
    with refuses("network small: the tensor readout.bias is missing"):
        Trained(small.header, small.tensors)


def test_refuses_a_tensor_of_the_wrong_shape():
    small = random_trained()
    small.tensors["hidden.weight"] = torch.zeros(7, 29)
    with refuses("network small: the tensor hidden.weight has shape (7, 29), expected (7, 30)"):
        Trained(small.header, small.tensors)


def test_refuses_a_tensor_without_a_layer():
    small = random_trained()
    small.tensors["readout.norm_mean"] = torch.zeros(4)
    with refuses("network small: no layer has a tensor readout.norm_mean"):
        Trained(small.header, small.tensors)


def test_refuses_values_that_are_not_finite():
    small = random_trained()
    small.tensors["readout.bias"][1] = torch.nan
    with refuses("network small: the tensor readout.bias holds values that are not finite"):
        Trained(small.header, small.tensors)


def test_refuses_two_layers_of_one_name():
    with refuses("network small: two layers have the same name"):
        random_trained(layers=(LinearSpec(name="a", channels=4),) * 2)


def test_refuses_a_layer_that_leaves_nothing():
    with refuses("layer conv: nothing is left of its map"):
        random_trained(layers=(ConvSpec(name="conv", channels=2, kernel=3, pool=3), LinearSpec(name="r", channels=2)))


@pytest.mark.parametrize("layers, message", [
    ([dict(source="b"), dict(name="b")], "layer a: it reads 'b', before it there are picture"),
    ([{}, dict(name="b", partial=True), dict(name="c", source="b")],
     "layer c: it reads 'b', before it there are picture, a"),
    ([dict(partial=True, kernel=3), dict(name="b")],
     "layer b: its map of 2 x 6 x 4 is to be added to one of 2 x 4 x 2"),
    ([dict(partial=True, pool=2), dict(name="b")],
     "layer a: it is added to the next one, and pools, fires and codes as that does"),
    ([dict(partial=True, active=(1,)), dict(name="b")],
     "layer a: it is added to the next one, and pools, fires and codes as that does"),
    ([{}, dict(name="b", partial=True)], "layer b: no layer is behind it that it could be added to"),
])
def test_refuses_sources_and_sums_that_do_not_fit(layers, message):
    with refuses(message):
        random_trained(layers=tuple(ConvSpec(**{"name": "a", "channels": 2, "kernel": 1} | each) for each in layers))


def test_refuses_an_identity_of_other_channels():
    with refuses("layer same: an identity has as many channels as its source, 2, not 3"):
        random_trained(layers=(IdentitySpec(name="same", channels=3), ConvSpec(name="a", channels=3, kernel=1)))


def same_network(one, other):
    return all(a.weight.equal(b.weight) and a.gain.equal(b.gain) and a.bias.equal(b.bias)
               for a, b in zip(convert(one).layers, convert(other).layers, strict=True))


def test_a_rounded_network_converts_to_the_same_and_needs_five_bits_a_weight(tmp_path):
    trained = random_trained()
    folded = rounded(trained)
    assert same_network(folded, trained) and not any(layer.batch_norm for layer in folded.header.layers)
    save(folded, tmp_path / "rounded")
    again = load(tmp_path / "rounded")
    assert same_network(again, trained)
    assert all(again.tensors[name].equal(tensor) for name, tensor in folded.tensors.items())
    stored = safetensors.torch.load_file(tmp_path / "rounded.safetensors")
    for layer, kernel in zip(folded.header.layers, folded.header.kernels()):
        assert stored[f"{layer.name}.codes"].shape == (-(-math.prod(kernel) * 5 // 8),)
        assert f"{layer.name}.weight" not in stored


def test_refuses_to_save_as_rounded_what_is_not(tmp_path):
    trained = rounded(random_trained())
    trained.tensors["hidden.weight"][0, 0] += 0.001
    with pytest.raises(NetworkError, match="network small is not rounded: layer hidden has weights without a code"):
        save(trained, tmp_path / "rounded")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change, message", [
    (lambda stored: stored.pop("hidden.gain"), "network small: the tensor hidden.gain is missing"),
    (lambda stored: stored.update({"hidden.codes": stored["hidden.codes"][:-1]}),
     r"network small: layer hidden has \d+ bytes of codes and 7 gains, expected \d+ and 7"),
])
def test_refuses_a_rounded_network_without_its_codes(tmp_path, change, message):
    path = save(rounded(random_trained()), tmp_path / "rounded")
    tensors = path.with_suffix(".safetensors")
    stored = safetensors.torch.load_file(tensors)
    change(stored)
    tensors.write_bytes(safetensors.torch.save(stored))
    header = json.loads(path.read_text())
    path.write_text(json.dumps(header | {"sha256": hashlib.sha256(tensors.read_bytes()).hexdigest()}))
    with pytest.raises(NetworkError, match=message):
        load(tmp_path / "rounded")
