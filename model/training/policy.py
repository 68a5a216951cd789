"""A small network that names the timesteps of each picture before the run (SEENN-II: Li et al., NeurIPS 2023).

The network whose timesteps are chosen is not trained any more, and what it answers after every timestep is known.
So the reward of a choice is known too, and the expected reward of a policy is exact: nothing is sampled.
"""

from dataclasses import replace

import torch
from torch import Tensor

from ..config import PRESETS, ProcessorConfig
from ..convert import convert
from ..datasets import Split
from ..network import Exit, NetworkError
from ..processor import Decision, decide
from ..trained import Trained
from .layers import FloatNetwork, Stage
from .measure import observe

__all__ = ["BATCH", "answers", "costs", "task", "follow", "validated"]

BATCH = 128


def answers(trained: Trained, images: Tensor) -> Tensor:
    """Which class a trained network names after each timestep, as it trains: with float charges.

    Parameters
    ----------
    images : Tensor, float32, (images, channels, height, width)

    Returns
    -------
    Tensor, int64, (images, timesteps)
    """
    network = FloatNetwork.of(trained).eval()
    with torch.no_grad():
        named = [network(batch, Stage()).logits.argmax(2).T for batch in images.split(BATCH)]
    return torch.cat(named)


def costs(right: Tensor, penalty: float, weight: float) -> Tensor:
    """What each number of timesteps costs: less than nothing where it is enough, the less the more it takes.

    A right answer after k timesteps is worth 2^-k, and a wrong one costs ``penalty``. Pictures that the first timestep
    gets wrong, which are few, count ``weight`` times.

    Parameters
    ----------
    right : Tensor, bool, (images, timesteps)

    Returns
    -------
    Tensor, float32, as ``right``
    """
    worth = 2.0 ** -torch.arange(1, right.shape[1] + 1)
    hard = torch.where(right[:, :1], 1.0, weight)
    return hard * torch.where(right, -worth, penalty)


def task(trained: Trained, split: Split, penalty: float, weight: float) -> Split:
    """The pictures of ``split`` with the :func:`costs` of each number of timesteps of ``trained`` for labels."""
    right = answers(trained, split.images) == split.labels[:, None]
    return Split(split.images, costs(right, penalty, weight))


def follow(policy: Trained, trained: Trained, split: Split,
           cfg: ProcessorConfig = PRESETS["default"]) -> tuple[Decision, Decision]:
    """What the processor answers if ``policy`` names the timesteps of every picture.

    Returns
    -------
    named : Decision
        Of the policy: classes are timesteps less one.
    decision : Decision
        Of the network that follows it, without the policy's work.

    Raises
    ------
    NetworkError
        If ``policy`` is not one of ``trained``, or names more timesteps than that runs.
    """
    if policy.header.policy_of != trained.header.name:
        raise NetworkError(f"network {policy.header.name} names the timesteps of {policy.header.policy_of!r}, "
                           f"not of {trained.header.name!r}")
    first, network = convert(policy), convert(trained)
    named = decide(first, observe(first, split, cfg))
    return named, decide(network, observe(network, split, cfg), exit=Exit(), budget=named.classes + 1)


def validated(policy: Trained, trained: Trained, split: Split) -> Trained:
    """``policy`` with the validation accuracy of the network that follows it."""
    _, decision = follow(policy, trained, split)
    accuracy = (decision.classes == split.labels).double().mean().item()
    return replace(policy, header=policy.header.model_copy(update={"validation_accuracy": (accuracy,)}))
