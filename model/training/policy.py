"""A small network that names the timesteps of each picture before the run (SEENN-II: Li et al., NeurIPS 2023).

The network whose timesteps are chosen is not trained any more, and it says how sure the right answer is after every
timestep. So the reward of a choice is known, and the expected reward of a policy is exact: nothing is sampled.

A policy that is trained can be asked for fewer timesteps, or for more: its readout's biases have a price for each.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from ..config import PRESETS, ProcessorConfig
from ..convert import convert
from ..datasets import Split
from ..network import Exit, Network, NetworkError
from ..processor import Decision, Trace, decide
from ..quantise import bias_codes
from ..trained import Trained
from .calibrate import Point, loosened
from .layers import FloatNetwork, Stage
from .measure import accuracies, observe

__all__ = ["PRICE", "STEPS", "Task", "costs", "begin_as_margin", "Followed", "dearer", "priced", "validated"]

# The rule by which it names timesteps: what each of them costs it.
PRICE = "price"
# Of a price that is looked for, to a natural unit of the logits.
STEPS = 32
# What a class that is not beaten adds to the logit of a second timestep.
UNSURE = 4.0


class Task:
    """What a policy learns about a network that is trained: what each number of timesteps costs for a picture.

    The network answers the very pictures that the policy is shown, augmented as they are: which of those that never
    change are hard would be easier to remember than to understand. It answers in float.

    Parameters
    ----------
    trained : Trained
    penalty, weight : float
        See :func:`costs`.
    timesteps : int, optional
        That the policy can name: the first so many; all that ``trained`` runs if not given.
    device : str
        Where ``trained`` answers; labels and costs are there, too.
    """

    def __init__(self, trained: Trained, penalty: float, weight: float, timesteps: int | None = None,
                 device: str = "cpu"):
        self.network = FloatNetwork.of(trained).to(device, memory_format=torch.channels_last).eval()
        self.network.compile_layers()
        self.penalty, self.weight, self.timesteps = penalty, weight, timesteps or trained.header.timesteps

    @torch.no_grad()
    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """The :func:`costs` of pictures, (images, channels, height, width), of these classes.

        Returns
        -------
        Tensor, float32, (images, timesteps)
        """
        shares = self.network(images, Stage()).logits[:self.timesteps].float().softmax(2)
        right = shares.gather(2, labels.expand(len(shares), -1)[..., None])
        return costs(right[..., 0].T, self.penalty, self.weight)


def costs(right: Tensor, penalty: float, weight: float) -> Tensor:
    """What each number of timesteps costs: less than nothing where it is enough, the less the more it takes.

    A right answer after k timesteps is worth 2^-k, and a wrong one costs ``penalty``. Pictures that the first timestep
    gets wrong, which are few, count ``weight`` times.

    Parameters
    ----------
    right : Tensor, float, (images, timesteps)
        How sure the right answer is, from 0 to 1.

    Returns
    -------
    Tensor, float, as ``right``
    """
    worth = 2.0 ** -torch.arange(1, right.shape[1] + 1, device=right.device)
    hard = 1 + (weight - 1) * (1 - right[:, :1])
    return hard * ((1 - right) * penalty - right * worth)


@torch.no_grad()
def begin_as_margin(network: FloatNetwork, trained: Trained, lead: float) -> None:
    """Let a policy begin as the margin of the first timestep of ``trained``, whose layers it has up to the readout.

    Then come three layers. In the first, a neuron for every ordered pair of classes fires the earlier, the further the
    one lies behind the other; in the second, a neuron for every class is silenced by all that it lies behind. So one
    class fires at once, another one later if it is close, and the readout names a second timestep if more fired than
    one and a half. Only these three learn: of a layer before them, the slightest change makes other spikes, and what
    they say is then no more the margin of ``trained``.

    Parameters
    ----------
    network : FloatNetwork
    trained : Trained
    lead : float
        In natural units of a logit: a class that lies so far behind is silent.

    Raises
    ------
    NetworkError
        If the last three layers of ``network`` have other channels.
    """
    *_, logits = FloatNetwork.of(trained).layers.values()
    *before, pairs, unbeaten, readout = network.layers.values()
    classes = logits.spec.channels
    wanted, found = (classes * (classes - 1), classes, 2), tuple(
        layer.spec.channels for layer in (pairs, unbeaten, readout))
    if found != wanted:
        raise NetworkError(f"network {network.header.name} compares {classes} classes in layers of {wanted} channels, "
                           f"not {found}")
    for layer in before:
        layer.requires_grad_(False)
    behind, ahead = (~torch.eye(classes, dtype=bool)).nonzero().T
    weight = logits.step_weight(Stage())
    pairs.weight.copy_((weight[ahead] - weight[behind]) / lead)
    pairs.bias.copy_((logits.bias[ahead] - logits.bias[behind]) / lead)
    unbeaten.weight.copy_(-functional.one_hot(behind, classes).T[..., None, None])
    unbeaten.bias.fill_(1)
    readout.weight.copy_(torch.tensor([0, UNSURE])[:, None, None, None].expand_as(readout.weight))
    readout.bias.copy_(torch.tensor([0, -1.5 * UNSURE]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Followed:
    """What a policy and the network that follows it do on a split, as if nothing stopped them.

    Parameters
    ----------
    policy, network : Network
    named, observed : Trace
        Of the policy, and of the network.
    """

    policy: Network
    network: Network
    named: Trace
    observed: Trace

    @classmethod
    def on(cls, split: Split, policy: Trained, trained: Trained,
           cfg: ProcessorConfig = PRESETS["default"]) -> "Followed":
        """Run both.

        Raises
        ------
        NetworkError
            If ``policy`` is not one of ``trained``, or names more timesteps than that runs.
        """
        if policy.header.policy_of != trained.header.name:
            raise NetworkError(f"network {policy.header.name} names the timesteps of {policy.header.policy_of!r}, "
                               f"not of {trained.header.name!r}")
        first, network = convert(policy), convert(trained)
        if first.classes > network.timesteps:
            raise NetworkError(f"network {first.name} names up to {first.classes} timesteps, and {network.name} runs "
                               f"{network.timesteps}")
        return cls(policy=first, network=network, named=observe(first, split, cfg),
                   observed=observe(network, split, cfg))

    def at(self, price: float = 0.0) -> tuple[Decision, Decision]:
        """What the processor answers if every timestep costs the policy ``price`` more.

        Returns
        -------
        named : Decision
            Of the policy: classes are timesteps less one.
        decision : Decision
            Of the network, without the policy's work.
        """
        dearer = replace(self.named, logits=self.named.logits - prices(self.policy, price).int())
        named = decide(self.policy, dearer)
        return named, decide(self.network, self.observed, exit=Exit(), budget=named.classes + 1)

    def points(self, labels: Tensor) -> Iterator[Point]:
        """A :class:`Point` for every price, the lowest first: from all timesteps to one."""
        logits = self.named.logits[:, -1]
        right = self.observed.logits.argmax(2) == labels[:, None]
        limit = math.ceil(natural(self.policy, int(logits.max() - logits.min()))) * STEPS
        for price in (step / STEPS for step in range(-limit, limit + 1)):
            named = (logits - prices(self.policy, price)).argmax(1, keepdim=True)
            yield Point(threshold=price, accuracy=right.gather(1, named).double().mean().item(),
                        timesteps=(named + 1).double().mean().item())

    def calibrate(self, labels: Tensor, *, accuracy: float | None = None, timesteps: float | None = None) -> Point:
        """Raise the price as far as is wanted, see :func:`model.training.calibrate.calibrate`."""
        wanted = accuracies(self.observed, labels)[-1] if accuracy is None else accuracy
        return loosened(self.points(labels), f"network {self.policy.name}", wanted, timesteps)


def prices(policy: Network, price: float) -> Tensor:
    """What naming each number of timesteps costs, in the readout's units: the first nothing, each further one
    ``price`` in natural units of a logit.

    Returns
    -------
    Tensor, int64, (classes,)
    """
    return bias_codes(price * torch.arange(policy.classes), policy.layers[-1].gain, policy.numerics)


def natural(policy: Network, logit: Tensor | int) -> Tensor | float:
    """A logit of the readout in natural units."""
    return logit * 2.0 ** (policy.layers[-1].gain[0].item() / 4 - policy.numerics.fraction_width)


def dearer(policy: Trained, price: float) -> Trained:
    """``policy`` whose every timestep costs ``price`` more: it names fewer, and answers as :meth:`Followed.at` says."""
    network = convert(policy)
    bias = natural(network, network.layers[-1].bias - prices(network, price))
    return replace(policy, tensors=policy.tensors | {f"{policy.header.layers[-1].name}.bias": bias.float()})


def priced(policy: Trained, point: Point) -> Trained:
    """``policy`` that pays the price of ``point``, with the validation accuracy of the network that follows it."""
    header = policy.header.model_copy(update={"validation_accuracy": (point.accuracy,)})
    return replace(dearer(policy, point.threshold), header=header)


def validated(policy: Trained, trained: Trained, split: Split, timesteps: float | None = None) -> Trained:
    """``policy`` with the validation accuracy of the network that follows it; at the price of so many ``timesteps`` on
    average, if they are wanted."""
    followed = Followed.on(split, policy, trained)
    if timesteps is not None:
        return priced(policy, followed.calibrate(split.labels, timesteps=timesteps))
    _, decision = followed.at()
    accuracy = (decision.classes == split.labels).double().mean().item()
    return replace(policy, header=policy.header.model_copy(update={"validation_accuracy": (accuracy,)}))
