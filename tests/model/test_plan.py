import re
from dataclasses import replace

import pytest
import torch

from model.__main__ import main
from model.compiler import compile
from model.config import SILENT, ProcessorConfig, preset
from model.convert import convert
from model.datasets import test_slice as pictures
from model.encode import picture_codes
from model.memory import fetched, seen
from model.plan import plan
from model.processor import run, trace
from model.trained import load
from tests.model.test_residence import DEEP


def test_a_network_that_fits_moves_nothing_and_takes_the_cycles_of_the_model():
    network, cfg = convert(load("networks/digits-lif")), preset("tiny")
    codes = picture_codes(pictures("digits", 4).images, network)
    plans, decision = plan(network, cfg, codes), run(network, codes, cfg)
    assert [each.name for each in plans] == [layer.name for layer in network.layers]
    assert [each.cycles for each in plans] == decision.cycles["cycles"].double().mean(0).tolist()
    assert [each.moved for each in plans] == [each.waits for each in plans] == [0] * 4
    assert [each.rows.start for each in plans] == [each["row_base"] for each in compile(network, cfg).descriptors]
    # The fire unit is as slow as the spikes of nine synapses; the others have many more.
    assert [each.bound for each in plans] == ["fire", "spikes", "spikes", "spikes"]


def test_bytes_are_those_of_whole_groups_or_of_channels_that_spiked():
    cfg = ProcessorConfig(columns=32, tiles=1, encoders=4, rows=2000, memory_width=64)
    generator = torch.Generator().manual_seed(1)
    codes = torch.randint(4, (2, *DEEP.shape), generator=generator, dtype=torch.uint8)
    codes = codes.where(torch.rand(codes.shape, generator=generator) < 0.2, SILENT)
    # Thresholds so high that few channels spike.
    network = replace(DEEP, layers=tuple(replace(layer, bias=layer.bias - (bias << 12)) for layer, bias
                                         in zip(DEEP.layers, (0, 12, 6, 0, 0))))
    plans, maps = plan(network, cfg, codes), trace(network, codes, cfg, keep_maps=True).maps
    assert [(each.streamed, each.by_spikes) for each in plans] == [
        (False, False), (True, False), (True, True), (True, True), (False, False)]
    # Two column groups of 32 columns, 20 bytes a row.
    assert [each.moved for each in plans[:2]] == [0, 2 * 20 * 576]
    for index in (2, 3):
        granules = fetched(seen(maps[index - 1][:, 0]), (3, 3), 1, 1, cfg).sum(1).double().mean().item()
        assert plans[index].moved == 2 * 40 * granules < 2 * 20 * 576
    assert plans[4].moved == 0
    assert plans[2].bound == plans[3].bound == "memory"
    # With all weights in the tiles, each layer takes what it waits less.
    resident = plan(network, replace(cfg, rows=8000), codes)
    assert not any(each.streamed for each in resident)
    assert [each.cycles - each.waits for each in plans] == [each.cycles for each in resident]
    assert plans[2].waits > 0 == plans[0].waits


def test_the_plan_is_printed_layer_by_layer(capsys):
    assert main(["compile", "networks/digits-ttfs", "--config", "tiny", "--plan"]) == 0
    lines = capsys.readouterr().out.splitlines()
    row, = (line for line in lines if "conv3" in line)
    assert re.search(r"conv3 +32x2x2 +\d+-\d+ +tiles +\d+-\d+ +2 +16 +1 +\d+ +0 +0 +spikes", row)
    assert len([line for line in lines if re.search(r" (spikes|fire|memory) *$", line)]) == 4


@pytest.mark.parametrize("option", ["huge"])
def test_a_configuration_that_does_not_exist_has_no_plan(option, capsys):
    assert main(["compile", "networks/digits-ttfs", "--config", option, "--plan"]) == 1
    assert "there is no configuration called 'huge'" in capsys.readouterr().err
