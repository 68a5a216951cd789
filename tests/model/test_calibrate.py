import re
import shutil
from pathlib import Path

import pytest
import torch

from model.__main__ import main
from model.datasets import load as load_dataset
from model.network import Coding, Layer, Network, NetworkError, Rule
from model.processor import COUNTERS, CYCLES, Trace
from model.trained import load
from model.training.calibrate import RULES, calibrate, points, validated
from model.training.measure import accuracies

NETWORKS = Path(__file__).parents[2] / "networks"


def two_classes():
    """A network that only lends its readout's scale, and its two timesteps."""
    readout = Layer(name="readout", readout=True, weight=torch.zeros(2, 1, 1, 1, dtype=torch.uint8),
                    bias=torch.zeros(2, dtype=torch.int32), gain=torch.zeros(2, dtype=torch.int32))
    return Network(name="two", shape=(1, 1, 1), input_coding=Coding(), layers=(readout,), timesteps=2)


def observed(*logits):
    """A trace whose images have these logits after each of two timesteps, in natural units."""
    logits = (torch.tensor(logits) * 4096).int()
    nothing = torch.zeros(len(logits), 2, 1, dtype=torch.int64)
    return Trace(logits=logits, counters=dict.fromkeys(COUNTERS, nothing), cycles=dict.fromkeys(CYCLES, nothing),
                 signatures=nothing)


# The first image is sure and right at once, entropy 0.13 bits; the second is wrong at first, with 0.84 bits.
HISTORY = observed([[4.0, 0], [8.0, 0]], [[0, 1.0], [3.0, 0]])
LABELS = torch.tensor([0, 0])


def test_loosens_entropy_as_far_as_nothing_is_lost():
    assert accuracies(HISTORY, LABELS) == [0.5, 1.0]
    chosen = calibrate(two_classes(), HISTORY, LABELS, Rule.ENTROPY)
    assert (chosen.threshold, chosen.accuracy, chosen.timesteps) == (26 / 32, 1.0, 1.5)


@pytest.mark.parametrize("rule, stops", [
    (Rule.PROBABILITY, (0.731, 0.982)), (Rule.MARGIN, (1.0 * 1.4427 - 1 / 64, 4.0 * 1.4427))])
def test_loosens_the_other_rules_to_between_the_two_images(rule, stops):
    chosen = calibrate(two_classes(), HISTORY, LABELS, rule)
    assert (chosen.accuracy, chosen.timesteps) == (1.0, 1.5)
    assert stops[0] < chosen.threshold < stops[1]
    # As loose as can be: the next threshold stops the second image too.
    tried = [point.threshold for point in points(two_classes(), HISTORY, LABELS, rule)]
    following = tried[tried.index(chosen.threshold) + 1]
    assert following <= stops[0]


def test_as_loose_as_can_be_where_one_timestep_is_enough():
    history = observed([[4.0, 0], [8.0, 0]], [[1.0, 0], [3.0, 0]])
    assert calibrate(two_classes(), history, LABELS, Rule.ENTROPY).threshold == 1.0


@pytest.mark.parametrize("rule", RULES)
def test_a_wanted_accuracy_may_be_less_than_that_of_all_timesteps(rule):
    chosen = calibrate(two_classes(), HISTORY, LABELS, rule, accuracy=0.5)
    assert (chosen.accuracy, chosen.timesteps) == (0.5, 1.0)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("wanted, expected", [(2.0, 2.0), (1.9, 1.5), (1.5, 1.5), (1.2, 1.0), (1.0, 1.0)])
def test_takes_no_more_timesteps_than_wanted_and_is_no_looser_than_that_needs(rule, wanted, expected):
    chosen = calibrate(two_classes(), HISTORY, LABELS, rule, timesteps=wanted)
    assert chosen.timesteps == expected
    tried = list(points(two_classes(), HISTORY, LABELS, rule))
    assert all(point.timesteps > wanted for point in tried[:tried.index(chosen)])


@pytest.mark.parametrize("rule", RULES)
def test_every_step_of_a_rule_is_looser_than_the_one_before(rule):
    timesteps = [point.timesteps for point in points(two_classes(), HISTORY, LABELS, rule)]
    assert timesteps == sorted(timesteps, reverse=True) and timesteps[0] == 2 and timesteps[-1] == 1


def test_names_what_cannot_be_had():
    wrong = torch.tensor([0, 1])
    with pytest.raises(NetworkError, match=re.escape(
            "network two: the rule entropy is right in at most 50.00% of the validation split, 99.00% are wanted")):
        calibrate(two_classes(), HISTORY, wrong, Rule.ENTROPY, accuracy=0.99)
    with pytest.raises(NetworkError, match="network two: the rule margin takes at least 1.000 timesteps, 0.5 are"):
        calibrate(two_classes(), HISTORY, LABELS, Rule.MARGIN, timesteps=0.5)
    with pytest.raises(NetworkError, match="a budget has no threshold"):
        calibrate(two_classes(), HISTORY, LABELS, Rule.BUDGET)


@pytest.fixture
def lif(tmp_path):
    for suffix in (".json", ".safetensors"):
        shutil.copy(NETWORKS / f"digits-lif{suffix}", tmp_path)
    return tmp_path / "digits-lif"


def test_the_command_shows_every_rule_and_writes_one(lif, capsys):
    before = lif.with_suffix(".json").read_bytes()
    assert main(["calibrate", str(lif), "--target-timesteps", "1.2"]) == 0
    shown = capsys.readouterr().out
    assert all(re.search(rf"{rule.name.lower()} .* 1\.(1|2)\d\d ", shown) for rule in RULES)
    assert lif.with_suffix(".json").read_bytes() == before
    assert main(["calibrate", str(lif), "--target-timesteps", "1.2", "--rule", "margin"]) == 0
    written = load(lif).header
    assert written.exit.rule == "margin" and f"{written.exit.threshold:.5g}" in capsys.readouterr().out
    committed = load(NETWORKS / "digits-lif")
    assert written.exit != committed.header.exit
    # As it would be if its recipe asked for that.
    assert validated(committed, load_dataset("digits").validation, "margin", 1.2).header.exit == written.exit


def test_the_committed_threshold_is_the_one_the_command_chooses(lif):
    committed = load(lif).header.exit
    assert main(["calibrate", str(lif), "--rule", "entropy"]) == 0
    assert load(lif).header.exit == committed


@pytest.mark.parametrize("arguments, message", [
    (["--target-accuracy", "99.9"], "error: network digits-lif: the rule entropy is right in at most"),
    (["--target-accuracy", "97", "--target-timesteps", "2"], "error: --target-accuracy and --target-timesteps exclude"),
    (["--rule", "price"], "error: --rule of digits-lif must be one of entropy, probability, margin, not price"),
])
def test_the_command_refuses_in_one_sentence(lif, arguments, message, capsys):
    assert main(["calibrate", str(lif), *arguments]) == 1
    assert capsys.readouterr().err.startswith(message)


def test_the_command_refuses_a_network_of_one_timestep(capsys):
    assert main(["calibrate", str(NETWORKS / "digits-ttfs")]) == 1
    assert capsys.readouterr().err == ("error: network digits-ttfs runs one timestep: there is nothing to stop early\n")
