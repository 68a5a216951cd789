"""What a picture costs the digital processor, against its published numbers and the golden model's counts."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.coding import Coding
from model.config import PRESETS, SILENT
from model.convert import convert
from model.energy import (
    BLOCKS,
    DRAM,
    access,
    accesses,
    addition,
    energies,
    energy_delay,
    multiplication,
    scale,
    weighing,
)
from model.network import Exit, Rule
from model.processor import trace
from model.residence import residences
from model.schedule import Move, schedule
from model.trained import load
from tests.model.networks import random_trained

CFG = PRESETS["tiny"]
NETWORKS = Path(__file__).parents[2] / "networks"


@pytest.fixture(scope="module")
def network():
    lif = convert(random_trained(coding=Coding(window=1), leak_shift=1, reset="zero", timesteps=3))
    return replace(lif, exit=Exit(rule=Rule.ENTROPY, threshold=1.0))


def pictures(network, count=4):
    torch.manual_seed(0)
    return torch.where(torch.rand(count, *network.shape) < 0.3, 0, SILENT).to(torch.uint8)


def test_published_widths_and_sizes_take_what_is_published():
    assert addition(32) == pytest.approx(0.1)
    assert multiplication(32, 32) == pytest.approx(3.1)
    for size, energy in ((8 << 10, 10), (32 << 10, 20), (1 << 20, 100)):
        assert access(64, 8 * size) == pytest.approx(energy)
    # Of other widths the figure prints 8 bits: 0.03 pJ and 0.2 pJ.
    assert addition(8) == pytest.approx(0.03, abs=0.006) and multiplication(8, 8) == pytest.approx(0.2, abs=0.01)


def test_a_memory_between_two_published_ones_takes_an_energy_between_theirs():
    taken = [access(64, 8 * size) for size in (2 << 10, 8 << 10, 16 << 10, 32 << 10, 320 << 10, 1 << 20, 4 << 20)]
    assert taken == sorted(taken) and len(set(taken)) == len(taken)
    assert taken[0] == pytest.approx(5)


def test_another_node_takes_less_where_it_is_smaller():
    assert scale(45) == 1
    assert 1 > scale(32) > scale(7) > 0.05
    with pytest.raises(ValueError, match="^the node must be one of 45, 32, 7 nm, not 28$"):
        scale(28)


def test_fetches_are_those_that_take_a_cycle_each_where_nothing_spikes(network):
    silence = torch.full((1, *network.shape), SILENT, dtype=torch.uint8)
    once = replace(network, timesteps=1, layers=tuple(replace(layer, recall=False) for layer in network.layers))
    observed = trace(once, silence, CFG)
    assert int(observed.counters["events"][0, 0, 0]) == 0
    assert int(accesses(once, CFG)["fetches"][0, 0]) == int(observed.cycles["empty_cycles"][0, 0, 0]) > 0


def test_a_recalled_charge_is_written_once_and_read_instead_of_a_fetch(network):
    counts = accesses(network, CFG)
    neurons = network.layers[0].out_channels * network.layers[0].pool ** 2
    for side in network.maps()[1][1:]:
        neurons *= side
    assert counts["charges"][:, 0].tolist() == [neurons] * 3
    assert counts["fetches"][0, 0] > 0 == int(counts["fetches"][1:, 0].sum())
    assert int(counts["charges"][:, 1:].sum()) == 0 and int(counts["groups"].sum()) == 0


def test_a_layer_that_is_skipped_takes_nothing(network):
    masked = replace(network, layers=(network.layers[0], replace(network.layers[1], mask=0b101, hold=True),
                                      *network.layers[2:]))
    spared = accesses(network, CFG), accesses(masked, CFG)
    for name in ("fetches", "words", "kept"):
        before, after = (counts[name] for counts in spared)
        assert int(after[1, 1]) == 0 and (after[::2] == before[::2]).all()


def test_nothing_is_read_of_a_map_that_is_known_to_be_silent(network):
    late = replace(network, layers=(network.layers[0], replace(network.layers[1], mask=0b110), *network.layers[2:]))
    assert accesses(late, CFG)["fetches"][:, 2].tolist() == [0, *accesses(network, CFG)["fetches"][1:, 2].tolist()]


def test_blocks_take_what_the_golden_model_counts_times_an_operation(network):
    observed = trace(network, pictures(network), CFG)
    taken = dict(zip(BLOCKS, energies(network, observed, CFG).unbind(2)))
    assert all(each.shape == (4, 3) for each in taken.values())
    operations = observed.counters["synaptic_operations"].sum(2).double()
    numerics = CFG.numerics
    synapse = addition(10) + 2 * addition(numerics.fraction_width + 1) + addition(numerics.accumulator_width)
    assert torch.allclose(taken["tile columns"], operations * synapse)
    row = CFG.columns * access(5, CFG.rows * CFG.columns * 5)
    assert torch.allclose(taken["tile memory"], observed.counters["events"].sum(2).double() * row)
    assert taken["exit"][0].tolist() == pytest.approx([k * weighing(network.classes, CFG) for k in (1, 2, 3)])
    assert not taken["memory"].any()
    # Every block but the exit unit and the memory takes more with every timestep.
    assert all((taken[name].diff(dim=1) > 0).all() for name in BLOCKS[:-2])


def test_a_budget_does_not_weigh(network):
    observed = trace(network, pictures(network), CFG)
    assert not energies(replace(network, exit=Exit()), observed, CFG)[..., BLOCKS.index("exit")].any()


def test_weights_that_come_from_the_memory_are_paid_for_by_the_bit():
    network, cfg = convert(load(NETWORKS / "digits-lif")), PRESETS["tiny_stream"]
    observed = trace(network, pictures(network, 2), cfg, keep_maps=True)
    homes, groups = residences(network, cfg), accesses(network, cfg)["groups"]
    beats = sum(groups[:, index] * home.group_beats for index, home in enumerate(homes)).cumsum(0)
    most = beats * cfg.memory_width * (DRAM / 64 + access(1, cfg.rows * cfg.columns * 5))
    memory = energies(network, observed, cfg)[..., BLOCKS.index("memory")]
    assert (memory > 0).all()
    if any(home.by_spikes for home in homes):
        assert (memory <= most).all()
    else:
        assert torch.allclose(memory, most.double())


def test_words_that_move_are_paid_for_and_nothing_else_changes():
    network, roomy = convert(load(NETWORKS / "digits-lif")), PRESETS["tiny_stream"]
    tight = replace(roomy, spike_words=130, layers=64)
    moves = [step for step in schedule(network, tight) if isinstance(step, Move)]
    codes = pictures(network, 2)
    whole, banded = (dict(zip(BLOCKS, energies(network, trace(network, codes, cfg, keep_maps=True), cfg).unbind(2)))
                     for cfg in (roomy, tight))
    assert moves and (banded["memory"][:, 0] > whole["memory"][:, 0]).all()
    counts = accesses(network, tight)
    assert int((counts["spikes"] + counts["states"]).sum()) == sum(
        move.words * (move.mask & (1 << network.timesteps) - 1).bit_count() for move in moves)
    for name in ("tile memory", "tile columns", "fire", "exit"):
        assert torch.allclose(whole[name], banded[name])


def test_energy_times_delay_is_that_of_where_a_picture_stops():
    energy = torch.tensor([[1.0, 3.0], [2.0, 5.0]])
    delay = torch.tensor([[10.0, 20.0], [10.0, 20.0]])
    assert energy_delay(energy, delay, torch.tensor([1, 2])) == pytest.approx((1 * 10 + 5 * 20) / 2)
    assert energy_delay(energy, delay, torch.tensor([2, 2])) == pytest.approx((3 * 20 + 5 * 20) / 2)
