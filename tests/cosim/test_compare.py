import json
import re
from dataclasses import replace

import numpy as np
import pytest

from cosim.__main__ import main
from cosim.compare import ROOT
from cosim.pictures import test_pictures as pictures
from cosim.soak import STREAMING
from model import record
from model.compiler import compile
from model.config import CODE_WIDTH, GRANULE_WIDTH, PRESETS, SIGN_BIT, SILENT, ProcessorConfig, Target, preset
from model.convert import convert
from model.datasets import Split
from model.datasets import load as load_dataset
from model.image import Image
from model.network import NetworkError
from model.processor import trace
from model.trained import load, save
from model.training import policy
from model.training.recipes import CAT, Recipe, convolutions
from model.training.train import Run

NETWORK = "digits-ttfs"
LAYER = "conv2"


@pytest.fixture(scope="module")
def network():
    return convert(load(ROOT / "networks" / NETWORK))


def flipped(image, row, column):
    """``image`` with the sign of one weight flipped in tile memory, and a CRC that says all is well."""
    tile, = (section for section in image.sections if section.target == Target.TILES)
    entries = tile.entries.copy()
    bit = column * CODE_WIDTH + SIGN_BIT.bit_length() - 1
    entries[row, bit // GRANULE_WIDTH] ^= np.uint32(1 << bit % GRANULE_WIDTH)
    sections = tuple(replace(tile, entries=entries) if section is tile else section for section in image.sections)
    return replace(image, sections=sections)


def test_points_at_a_flipped_weight(network, tmp_path, capsys):
    cfg = preset("tiny")
    image = compile(network, cfg)
    index = [layer.name for layer in network.layers].index(LAYER)
    layer = network.layers[index]
    column = 5
    # A large weight of the middle tap, so that the first pictures notice.
    channel = int((layer.weight[column, :, 1, 1].int() & 15).argmin())
    tap = layer.kernel[1] + 1
    row = image.descriptors[index]["row_base"] + tap * layer.in_channels + channel
    file = tmp_path / "flipped.image"
    file.write_bytes(flipped(image, row, column).to_bytes())

    # The model with the same fault says where the first picture that notices differs first.
    weight = layer.weight.clone()
    weight[column, channel, 1, 1] ^= SIGN_BIT
    faulty = replace(network, layers=tuple(replace(each, weight=weight) if each is layer else each
                                           for each in network.layers))
    codes, _ = pictures(network)
    maps, faulty_maps = (trace(net, codes[:20], cfg, keep_maps=True).maps[index][:, 0].permute(0, 2, 3, 1)
                         for net in (network, faulty))
    picture, y, x, differs = (maps != faulty_maps).nonzero()[0].tolist()
    assert differs == column

    assert main(["compare", NETWORK, "--config", "tiny", "--images", "20", "--image", f"{NETWORK}={file}",
                 "--out", str(tmp_path)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    expected, got = (int(each[picture, y, x, column]) for each in (maps, faulty_maps))
    names = [f"slot {code}" if code != SILENT else "silence" for code in (expected, got)]
    assert (f"network {NETWORK}, image {picture}, timestep 1, layer {LAYER}, pixel ({y}, {x}), column {column}: "
            f"expected {names[0]}, got {names[1]}") in said


def test_agrees_and_writes_results(tmp_path, capsys):
    assert main(["compare", "digits-lif", NETWORK, "--config", "tiny", "--images", "3", "--out", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert [network["network"] for network in results["networks"]] == ["digits-lif", NETWORK]
    for network in results["networks"]:
        assert all(agreement == {"equal": 3, "of": 3} for agreement in network["agreement"].values())
        assert len(network["pictures"]) == 3
    assert (tmp_path / "index.html").exists()
    assert "digits-lif" in capsys.readouterr().out


def test_weights_that_do_not_fit_come_from_the_memory(tmp_path, monkeypatch):
    # A configuration that is built for other tests already.
    cfg = ProcessorConfig(**STREAMING["128 bits"])
    monkeypatch.setitem(PRESETS, "small", cfg)
    assert main(["compare", NETWORK, "--config", "small", "--images", "3", "--jobs", "1", "--out", str(tmp_path)]) == 0
    network, = json.loads((tmp_path / "results.json").read_text())["networks"]
    assert network["agreement"]["cycles"] == {"equal": 3, "of": 3}
    folder = tmp_path / NETWORK / "0-2"
    image = Image.from_bytes((folder / "image").read_bytes())
    assert any(fields["streamed"] for fields in image.descriptors)
    assert (folder / "memory").read_bytes() == image.memory() != b""
    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    assert main(["compare", NETWORK, "--config", "small", "--images", "3", "--latency", "50", "--pause", "1",
                 "--record", "--out", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    late, = results["networks"]
    assert late["agreement"]["cycles, within 1 %"] == {"equal": 3, "of": 3} and results["latency"] == 50
    assert late["cycles_min"] > network["cycles_max"]
    assert record.read(f"compare-{NETWORK}-small-50-1")["latency"] == 50


def test_a_policy_runs_first_and_names_the_timesteps(tmp_path, monkeypatch):
    layers = convolutions(4, "stride", 4, "stride", classes=4)
    chosen = Recipe(name="digits-policy", policy_of="digits-lif", layers=layers, epochs=3, smoothing=0.3,
                    **CAT)
    digits, lif = load_dataset("digits"), load(ROOT / "networks" / "digits-lif")
    named = Run(chosen, seed=1, task=policy.Task(lif, 1.0, 4.0)).finish(
        digits.train, tmp_path / "checkpoint.pt", lambda epoch, loss: None)
    for trained in (lif, named):
        save(trained, tmp_path / trained.header.name)
    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    assert main(["compare", str(tmp_path / "digits-policy"), "--config", "tiny", "--images", "12", "--record",
                 "--out", str(tmp_path)]) == 0

    network, = json.loads((tmp_path / "results.json").read_text())["networks"]
    assert all(agreement == {"equal": 12, "of": 12} for agreement in network["agreement"].values())
    first = Split(digits.test.images[:12], digits.test.labels[:12])
    decisions = policy.Followed.on(first, named, lif, preset("tiny")).at()
    assert [picture["timesteps"] for picture in network["pictures"]] == decisions[1].timesteps.tolist()
    assert [picture["cycles"] for picture in network["pictures"]] == (
        sum(decision.cycles["cycles"].sum(1) for decision in decisions).tolist())
    assert (network["network"], network["exit_rule"]) == ("digits-policy", "policy")
    kept = record.read("compare-digits-policy-tiny")
    assert kept["agreement"]["cycles"] == {"equal": 12, "of": 12} and "pictures" not in kept


@pytest.mark.parametrize("arguments, message", [
    (["compare", "digits-nothing"], r"digits-nothing"),
    (["compare", "--images", "0"], r"--images must be at least 1, not 0"),
    (["compare", "--images", "361"], r"the test split of digits has 360 pictures, 361 were asked for"),
    (["compare", "--waves", "-1"], r"--waves must be at least 0, not -1"),
    (["compare", "--waves", "360"], r"the test split of digits has 360 pictures, 361 were asked for"),
    (["compare", "--config", "huge"], r"there is no configuration called 'huge'; there are tiny, default, large"),
    (["compare", "--config", "stream", "--latency", "-1"], r"--latency must be at least 0, not -1"),
    (["compare", "--pause", "1"],
     r"--latency and --pause are those of a memory, which configuration default does without"),
    (["compare", "--image", "digits-ttfs"], r"--image takes NETWORK=FILE, not 'digits-ttfs'"),
    (["compare", "--image", "digits-ttfs=/nowhere/x.image"], r"/nowhere/x.image"),
    (["compare", NETWORK, NETWORK], r"each network can be compared once"),
])
def test_a_mistake_is_one_sentence(arguments, message, tmp_path, capsys):
    assert main([*arguments, "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert re.fullmatch(r"error: .*\n", said), said
    assert re.search(message, said), said


def test_refuses_a_truncated_image(network, tmp_path, capsys):
    file = tmp_path / "short.image"
    file.write_bytes(compile(network, preset("tiny")).to_bytes()[:-40])
    assert main(["compare", NETWORK, "--config", "tiny", "--image", f"{NETWORK}={file}", "--out", str(tmp_path)]) == 1
    assert "truncated" in capsys.readouterr().err


def test_refuses_a_network_too_large_for_the_configuration(network):
    with pytest.raises(NetworkError, match="too large: it needs rows = [0-9]+, the processor has 100"):
        compile(network, replace(preset("tiny"), rows=100))
