import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from model.__main__ import main
from model.convert import convert
from model.datasets import Split
from model.datasets import load as load_dataset
from model.network import Coding, NetworkError
from model.trained import load, save
from model.training import policy
from model.training.layers import FloatNetwork, Stage
from model.training.measure import observe
from model.training.recipes import CAT, Recipe, comparing, convolutions
from model.training.train import Run, network

NETWORKS = Path(__file__).parents[2] / "networks"
POLICY = Recipe(name="digits-policy", policy_of="digits-lif", layers=convolutions(4, "stride", 8, "stride", classes=4),
                epochs=4, smoothing=0.1, **CAT | {"shift": 0.0})


@pytest.fixture(scope="module")
def data():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def lif():
    return load(NETWORKS / "digits-lif")


@pytest.fixture(scope="module")
def named(data, lif, tmp_path_factory):
    """A policy of ``lif``."""
    return Run(POLICY, seed=1, task=policy.Task(lif, 1.0, 4.0)).finish(
        data.train, tmp_path_factory.mktemp("policy") / "checkpoint.pt", lambda epoch, loss: None)


def test_a_right_answer_is_worth_less_the_later_and_hard_pictures_count_more():
    right = torch.tensor([[1.0, 1, 0], [0, 1, 1], [0.5, 0.5, 1]])
    assert policy.costs(right, penalty=2.0, weight=3.0).tolist() == [
        [-0.5, -0.25, 2.0], [6.0, -0.75, -0.375], [2 * 0.75, 2 * 0.875, 2 * -0.125]]


def test_the_loss_is_the_cost_that_the_softmax_expects_less_a_bonus_for_its_entropy():
    run = Run(POLICY, seed=1)
    images, costs = torch.rand(5, 1, 8, 8), torch.randn(5, 4)
    stage = Stage()
    shares = run.network(images, stage).logits[0].softmax(1)
    expected = (shares * costs).sum(1).mean() - POLICY.smoothing * -(shares * shares.log()).sum(1).mean()
    torch.testing.assert_close(run._loss(images, costs, stage), expected, rtol=0.02, atol=0.02)


def test_costs_are_those_of_what_the_network_answers(data, lif):
    images, labels = data.validation.images, data.validation.labels
    costs = policy.Task(lif, 1.0, 1.0)(images, labels)
    compiled = convert(lif)
    # Natural units of the logits of the golden model, whose charges are truncated.
    logits = policy.natural(compiled, observe(compiled, data.validation).logits)
    sure = logits.softmax(2)[torch.arange(240), :, labels]
    assert costs.shape == (240, 4)
    assert (costs - policy.costs(sure, 1.0, 1.0)).abs().mean() < 0.02


def test_costs_of_the_timesteps_that_can_be_named(data, lif):
    images, labels = data.validation.images[:9], data.validation.labels[:9]
    two, four = (policy.Task(lif, 1.0, 2.0, timesteps)(images, labels) for timesteps in (2, None))
    torch.testing.assert_close(two, four[:, :2])


def test_begins_as_the_margin_of_the_first_timestep():
    """Of a network without hidden layers, unrounded: all that is not 1 behind the class that leads fires, too."""
    other = replace(POLICY, policy_of="", layers=convolutions(), timesteps=4)
    followed = network(Run(other, seed=2).network)
    followed.tensors["readout.bias"].copy_(torch.arange(10) / 8)
    run = Run(replace(POLICY, lead=1.0, layers=comparing(*other.layers)), seed=1, start=followed)
    images, stage = torch.rand(50, 1, 8, 8), Stage(quantise=False, spike=False)
    logits = FloatNetwork.of(followed)(images).logits[0]
    behind = (logits[:, None] - logits[..., None]).clamp(0, 1).sum(2)
    fired = (1 - behind).clamp(0, 1).sum(1)
    first, second = run.network(images, stage).logits[0].T
    torch.testing.assert_close(second, policy.UNSURE * (fired - 1.5), rtol=0, atol=1e-4)
    assert not first.any() and 0 < (second > 0).sum() < 50


def test_refuses_to_compare_in_layers_that_do_not_fit(lif):
    narrow = replace(POLICY, lead=1.0, layers=comparing(*convolutions(16, 16, "pool", 32, "pool"), classes=4))
    with pytest.raises(NetworkError, match=re.escape("network digits-policy compares 10 classes in layers of "
                                                     "(90, 10, 2) channels, not (12, 4, 2)")):
        Run(narrow, seed=1, start=lif)


def test_the_margin_of_a_policy_that_is_compiled_is_nearly_that_of_the_network(data, lif):
    """It names a second timestep where the first leaves the two best classes close."""
    layers = comparing(*convolutions(16, 16, "pool", 32, "pool"))
    run = Run(replace(POLICY, coding=Coding(window=1), lead=4.0, layers=layers), seed=1, start=lif)
    followed = policy.Followed.on(data.validation, network(run.network), lif)
    logits = policy.natural(followed.network, followed.observed.logits[:, 0])
    best, second = logits.topk(2).values.T
    close = best - second < 2
    named = followed.at()[0].classes == 1
    assert 0 < close.sum() < len(close) / 2 and (named == close).double().mean() > 0.98


def test_a_float_network_is_what_was_trained(lif):
    state = FloatNetwork.of(lif).state_dict()
    assert all(state[f"layers.{name}"].flatten().equal(tensor.flatten()) for name, tensor in lif.tensors.items())


def test_learns_to_name_the_timesteps_that_are_enough(data, tmp_path):
    """Where the second timestep is right for one half of the classes alone, and the first for the other."""
    late = functional.one_hot((data.train.labels >= 5).long(), 2).bool()
    right = torch.cat((~late[:, 1:], torch.ones_like(late[:, 1:]), torch.zeros_like(late)), 1).float()
    run = Run(replace(POLICY, epochs=20, batch=32), seed=1)
    trained = run.finish(Split(data.train.images, policy.costs(right, 0.5, 1.0)), tmp_path / "checkpoint.pt",
                         lambda epoch, loss: None)
    named = observe(convert(trained), data.validation).logits[:, -1].argmax(1)
    assert (named == (data.validation.labels >= 5)).double().mean() > 0.75


def test_the_network_follows_the_policy(data, lif, named):
    asked, decision = policy.Followed.on(data.validation, named, lif).at()
    assert asked.classes.equal(observe(convert(named), data.validation).logits[:, -1].argmax(1))
    assert decision.timesteps.equal(asked.classes + 1)
    accuracy = (decision.classes == data.validation.labels).double().mean().item()
    assert accuracy > 0.95
    assert policy.validated(named, lif, data.validation).header.validation_accuracy == (accuracy,)


def test_refuses_to_follow_a_policy_of_another_network(data, lif):
    with pytest.raises(NetworkError, match="network digits-lif names the timesteps of '', not of 'digits-lif'"):
        policy.Followed.on(data.validation, lif, lif)


def test_refuses_a_policy_that_names_more_timesteps_than_there_are(data, lif, named):
    short = replace(lif, header=lif.header.model_copy(update={"timesteps": 3}))
    with pytest.raises(NetworkError, match="digits-policy names up to 4 timesteps, and digits-lif runs 3"):
        policy.Followed.on(data.validation, named, short)


def test_a_price_buys_timesteps_from_all_to_one(data, lif, named):
    followed = policy.Followed.on(data.validation, named, lif)
    tried = list(followed.points(data.validation.labels))
    timesteps = [point.timesteps for point in tried]
    assert timesteps == sorted(timesteps, reverse=True) and timesteps[0] == 4 and timesteps[-1] == 1
    for point in tried[::len(tried) // 7]:
        asked, decision = followed.at(point.threshold)
        assert decision.timesteps.equal(asked.classes + 1)
        assert decision.timesteps.double().mean().item() == point.timesteps
        assert (decision.classes == data.validation.labels).double().mean().item() == point.accuracy


def test_the_price_lies_in_the_biases(data, lif, named):
    followed = policy.Followed.on(data.validation, named, lif)
    for price in (-0.4, 0.0, 0.35):
        expected, _ = followed.at(price)
        asked, _ = policy.Followed.on(data.validation, policy.dearer(named, price), lif).at()
        assert asked.logits.equal(expected.logits) and asked.classes.equal(expected.classes)


def test_the_command_asks_for_timesteps(data, lif, named, tmp_path, capsys):
    save(lif, tmp_path / "digits-lif")
    path = save(policy.validated(named, lif, data.validation), tmp_path / "digits-policy")
    before = path.read_bytes()
    assert main(["calibrate", str(tmp_path / "digits-policy"), "--target-timesteps", "1.2"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"price .* 1\.(1|2)\d\d ", shown) and path.read_bytes() == before
    assert main(["calibrate", str(tmp_path / "digits-policy"), "--target-timesteps", "1.2", "--rule", "price"]) == 0
    written = load(tmp_path / "digits-policy")
    _, decision = policy.Followed.on(data.validation, written, lif).at()
    assert 1.1 < decision.timesteps.double().mean().item() <= 1.2
    accuracy = (decision.classes == data.validation.labels).double().mean().item()
    assert written.header.validation_accuracy == (accuracy,) and f"{accuracy:.2%}" in capsys.readouterr().out
    # As it would be if its recipe asked for that.
    asked = policy.validated(named, lif, data.validation, 1.2)
    assert asked.header.validation_accuracy == (accuracy,)
    assert all(tensor.equal(written.tensors[name]) for name, tensor in asked.tensors.items())
    assert main(["calibrate", str(tmp_path / "digits-policy"), "--rule", "margin"]) == 1
    assert capsys.readouterr().err == "error: --rule of digits-policy must be one of price, not margin\n"
