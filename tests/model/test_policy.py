from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from model.convert import convert
from model.datasets import Split
from model.datasets import load as load_dataset
from model.network import NetworkError
from model.trained import load
from model.training import policy
from model.training.layers import FloatNetwork
from model.training.measure import observe
from model.training.recipes import CAT, Recipe, convolutions
from model.training.train import Run

NETWORKS = Path(__file__).parents[2] / "networks"
POLICY = Recipe(name="digits-policy", policy_of="digits-lif", layers=convolutions(4, "stride", 8, "stride", classes=4),
                epochs=4, smoothing=0.1, **CAT | {"shift": 0.0})


@pytest.fixture(scope="module")
def data():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def lif():
    return load(NETWORKS / "digits-lif")


def test_a_right_answer_is_worth_less_the_later_and_hard_pictures_count_more():
    right = torch.tensor([[True, True, False], [False, True, True]])
    assert policy.costs(right, penalty=2.0, weight=3.0).tolist() == [[-0.5, -0.25, 2.0], [6.0, -0.75, -0.375]]


def test_the_loss_is_the_cost_that_the_softmax_expects_less_a_bonus_for_its_entropy():
    run = Run(POLICY, seed=1)
    images, costs = torch.rand(5, 1, 8, 8), torch.randn(5, 4)
    stage = policy.Stage()
    shares = run.network(images, stage).logits[0].softmax(1)
    expected = (shares * costs).sum(1).mean() - POLICY.smoothing * -(shares * shares.log()).sum(1).mean()
    torch.testing.assert_close(run._loss(images, costs, stage), expected, rtol=0.02, atol=0.02)


def test_knows_what_the_network_answers_after_every_timestep(data, lif):
    named = policy.answers(lif, data.validation.images)
    golden = observe(convert(lif), data.validation).logits.argmax(2)
    assert named.shape == golden.shape == (240, 4)
    # Float charges are not truncated: once in a while, close logits change places.
    assert (named == golden).double().mean() > 0.98


def test_a_float_network_is_what_was_trained(lif):
    state = FloatNetwork.of(lif).state_dict()
    assert all(state[f"layers.{name}"].flatten().equal(tensor.flatten()) for name, tensor in lif.tensors.items())


def test_learns_to_name_the_timesteps_that_are_enough(data, tmp_path):
    """Where the second timestep is right for one half of the classes alone, and the first for the other."""
    late = functional.one_hot((data.train.labels >= 5).long(), 2).bool()
    right = torch.cat((~late[:, 1:], torch.ones_like(late[:, 1:]), torch.zeros_like(late)), 1)
    run = Run(replace(POLICY, epochs=20, batch=32), seed=1)
    trained = run.finish(Split(data.train.images, policy.costs(right, 0.5, 1.0)), tmp_path / "checkpoint.pt",
                         lambda epoch, loss: None)
    named = observe(convert(trained), data.validation).logits[:, -1].argmax(1)
    assert (named == (data.validation.labels >= 5)).double().mean() > 0.75


def test_the_network_follows_the_policy(data, lif, tmp_path):
    named = Run(POLICY, seed=1).finish(policy.task(lif, data.train, 1.0, 4.0),
                                                       tmp_path / "checkpoint.pt", lambda epoch, loss: None)
    asked, decision = policy.follow(named, lif, data.validation)
    assert asked.classes.equal(observe(convert(named), data.validation).logits[:, -1].argmax(1))
    assert decision.timesteps.equal(asked.classes + 1)
    accuracy = (decision.classes == data.validation.labels).double().mean().item()
    assert accuracy > 0.95
    assert policy.validated(named, lif, data.validation).header.validation_accuracy == (accuracy,)


def test_refuses_to_follow_a_policy_of_another_network(data, lif):
    with pytest.raises(NetworkError, match="network digits-lif names the timesteps of '', not of 'digits-lif'"):
        policy.follow(lif, lif, data.validation)
