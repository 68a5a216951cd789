from dataclasses import replace
from pathlib import Path

import pytest

from model.config import preset
from model.convert import convert
from model.datasets import Dataset, Split, load
from model.encode import picture_codes
from model.processor import run
from model.trained import load as load_trained
from model.training import policy
from model.training.evaluate import CONSTANT_ENERGY, TARGETS, Worth, evaluate, evaluate_layers, evaluate_policy
from model.training.recipes import CAT, Recipe, convolutions
from model.training.train import Run

NETWORKS = Path(__file__).parents[2] / "networks"
CFG = preset("tiny")


@pytest.fixture(scope="module")
def data():
    whole = load("digits")
    return Dataset(*(Split(split.images[::4], split.labels[::4]) for split in (
        whole.train, whole.validation, whole.test)))


def test_one_timestep_has_one_worth(data):
    trained = load_trained(NETWORKS / "digits-ttfs")
    figures = evaluate(trained, data, CFG)
    network = convert(trained)
    decision = run(network, picture_codes(data.test.images, network), CFG)
    assert figures["after"] == [figures["chosen"]] and figures["thresholds"] == {}
    assert figures["chosen"]["accuracy"] == (decision.classes == data.test.labels).double().mean().item()
    for name in ("events", "synaptic_operations", "spikes", "neurons"):
        assert figures["chosen"][name] == decision.counters[name].sum(1).double().mean().item()
    assert figures["chosen"]["cycles"] == decision.cycles["cycles"].sum(1).double().mean().item()
    assert figures["chosen"]["energy_delay"] == pytest.approx((CONSTANT_ENERGY + 1) * figures["chosen"]["cycles"])


def test_energy_and_delay_are_multiplied_picture_by_picture(data):
    trained = load_trained(NETWORKS / "digits-lif")
    figures = evaluate(trained, data, CFG)
    network = convert(trained)
    decision = run(network, picture_codes(data.test.images, network), CFG)
    pictures = [(CONSTANT_ENERGY + timesteps) * cycles for timesteps, cycles in zip(
        decision.timesteps.tolist(), decision.cycles["cycles"].sum(1).tolist())]
    assert figures["chosen"]["energy_delay"] == pytest.approx(sum(pictures) / len(pictures))
    assert figures["chosen"]["energy_delay"] < figures["after"][-1]["energy_delay"]
    assert figures["chosen"]["stopped"] == [int((decision.timesteps == k).sum()) for k in range(1, 5)]
    assert figures["after"][1]["stopped"] == [0, len(pictures), 0, 0]


def test_layers_with_fewer_timesteps_of_their_own_work_less(data):
    trained = load_trained(NETWORKS / "digits-lif")
    first, *others = trained.header.layers
    lazy = replace(trained, header=trained.header.model_copy(update={
        "layers": (first.model_copy(update={"active": (1, 3)}), *others)}))
    figures, whole = evaluate_layers(lazy, trained, data, CFG), evaluate(trained, data, CFG)["after"][-1]
    assert figures["timesteps"] == 4
    # Its positions are those of a map of 8 by 8, of 16 channels.
    assert figures["neurons"] == whole["neurons"] - 2 * 16 * 8 * 8


def test_thresholds_lie_between_one_timestep_and_all(data):
    figures = evaluate(load_trained(NETWORKS / "digits-lif"), data, CFG)
    assert [worth["timesteps"] for worth in figures["after"]] == [1, 2, 3, 4]
    assert figures["thresholds"].keys() == {"entropy", "probability", "margin"}
    for found in figures["thresholds"].values():
        # From the loosest to the strictest, none twice.
        assert 3 < len(found) <= len(TARGETS) and len({worth["threshold"] for worth in found}) == len(found)
        timesteps = [worth["timesteps"] for worth in found]
        assert timesteps == sorted(timesteps) and timesteps[0] < 1.2 and timesteps[-1] > 2
        cycles = [worth["cycles"] for worth in found]
        assert cycles == sorted(cycles)


def test_work_adds_up_and_answers_do_not():
    one = Worth(accuracy=0.5, timesteps=2.0, cycles=10, events=1, synaptic_operations=2, spikes=3, neurons=4)
    both = one.plus(Worth(accuracy=0.1, timesteps=1.0, cycles=5, events=6, synaptic_operations=7, spikes=8, neurons=9))
    assert both == Worth(accuracy=0.5, timesteps=2.0, cycles=15, events=7, synaptic_operations=9, spikes=11,
                         neurons=13)


def test_a_policy_and_its_network_work_one_after_the_other(data, tmp_path):
    lif = load_trained(NETWORKS / "digits-lif")
    chosen = Recipe(name="digits-policy", policy_of="digits-lif", epochs=1,
                    layers=convolutions(4, "stride", 4, "stride", classes=4), **CAT)
    named = Run(chosen, seed=1, task=policy.Task(lif, 1.0, 4.0)).finish(
        data.train, tmp_path / "checkpoint.pt", lambda epoch, loss: None)
    figures = evaluate_policy(named, lif, data, CFG)
    asked, decision = policy.Followed.on(data.test, named, lif, CFG).at()
    assert figures["chosen"]["accuracy"] == (decision.classes == data.test.labels).double().mean().item()
    assert figures["chosen"]["timesteps"] == (asked.classes + 1).double().mean().item()
    assert figures["chosen"]["cycles"] > figures["policy"]["cycles"] == asked.cycles["cycles"].sum(1).double().mean()
    assert figures["after"] == evaluate(lif, data, CFG)["after"]
    assert min(worth["timesteps"] for worth in figures["thresholds"]["price"]) == 1
    # With one timestep for every picture, the policy's cycles come on top.
    cheapest, one = figures["thresholds"]["price"][0], figures["after"][0]
    assert cheapest["accuracy"] == one["accuracy"]
    assert cheapest["cycles"] == pytest.approx(one["cycles"] + figures["policy"]["cycles"])
    assert cheapest["energy_delay"] > one["energy_delay"]
