import pytest
import torch

from cosim import cycles
from cosim.compare import ROOT
from cosim.cycles import first_layer, measure, row, synthetic, yardstick
from cosim.pictures import test_pictures as pictures
from cosim.workloads import fashion, plane, spikes
from model.config import ProcessorConfig, preset
from model.convert import convert, unfolded
from model.cycles import CHECK, FILL, TAIL, VERDICT
from model.network import Layer
from model.processor import run
from model.tiling import Tiling, tilings
from model.trained import load

CFG = ProcessorConfig(columns=16, tiles=2, walkers=2, encoders=2, span=2)


def test_where_every_synapse_is_an_operation_all_but_the_ends_of_a_layer_is_busy():
    network = plane(4, 8)
    layer, tiling = network.layers[0], tilings(network, CFG)[0]
    assert tiling == Tiling(walkers=1, groups=(32,))
    found = measure(layer, spikes(network.shape, 1, images=2), tiling, CFG)
    # Of 4 x 8 pixels with nine taps each, those of the border have fewer inside.
    events = 32 * (3 * 4 - 2) * (3 * 8 - 2)
    total = CHECK + FILL + events + 16 + TAIL
    assert found == {"layer": "conv", "synapses": 288, "channels": 32, "columns": 32, "cycles": total,
                     "busy": round(events / total, 4), "empty": 0, "fire": 0, "rest": round(1 - events / total, 4),
                     "busy_columns": round(events / total, 4), "ratio": round(total / events, 4)}


@pytest.mark.parametrize("channels, tiling, columns, busy_columns, ratio", [
    # Two walkers, each with the 10 columns it uses of 16, of which one has nothing to do.
    (10, Tiling(walkers=2, groups=(10,)), 20, 0.5, 2.0),
    # A whole group and half of one: the second has half of its columns idle, and is walked all the same.
    (48, Tiling(walkers=1, groups=(32, 16)), 32, 0.75, 4 / 3)])
def test_busy_columns_and_bound_count_what_a_layer_could_use(channels, tiling, columns, busy_columns, ratio):
    layer = Layer(name="layer", weight=torch.zeros(channels, 32, 3, 3, dtype=torch.uint8),
                  bias=torch.zeros(channels, dtype=torch.int32), gain=torch.zeros(channels, dtype=torch.int32))
    events = 200
    found = row(layer, tiling, CFG, cycles=200 * len(tiling.groups), busy=events * len(tiling.groups), empty=0, fire=0,
                operations=events * channels)
    assert (found["columns"], found["busy_columns"]) == (columns, busy_columns)
    assert found["ratio"] == round(ratio, 4)
    assert found["busy"] + found["rest"] == 1


def test_causes_add_up_to_all_cycles():
    for density in (0.02, 0.3):
        for layer in synthetic(unfolded(fashion()), CFG, density)["layers"]:
            assert sum(layer[cause] for cause in ("busy", "empty", "fire", "rest")) == pytest.approx(1, abs=3e-4)
            assert all(layer[cause] >= 0 for cause in ("busy", "empty", "fire", "rest"))


def test_the_first_layer_alone_is_the_first_of_all():
    alone, first = first_layer(fashion(), CFG, 0.2), synthetic(fashion(), CFG, 0.2)["layers"][0]
    assert {name: alone[name] for name in first} == first


def test_digits_are_counted_as_the_model_runs_them():
    found = cycles.digits(ROOT / "networks" / "digits-ttfs", "tiny")
    network, cfg = convert(load(ROOT / "networks" / "digits-ttfs")), preset("tiny")
    decision = run(network, pictures(network)[0], cfg)
    operations = decision.counters["synaptic_operations"].sum().item()
    total = decision.cycles["cycles"].sum().item()
    assert found["cycles"] == round(total / 360)
    assert found["busy_columns"] == round(operations / (16 * total), 4)
    assert sum(layer["cycles"] for layer in found["layers"]) == pytest.approx(found["cycles"], abs=2)


@pytest.mark.parametrize("density, events, bound", [(1, 256, 2304), (0.1, 26, 234)])
def test_the_yardstick_is_the_whole_dense_network(density, events, bound):
    cfg = ProcessorConfig(rows=4096, encoders=8, span=8)
    found = yardstick(cfg, density)
    assert (found["events"], found["bound"]) == (events, bound)
    # 8 column groups of 32, 4 beats to drain the last; then 10 logits. A span of 8 words always finds spikes here.
    assert found["cycles_min"] == found["cycles_max"] == bound + 2 * (CHECK + FILL + TAIL) + VERDICT + 4 + 10
