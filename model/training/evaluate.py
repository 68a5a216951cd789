"""What a trained network is worth on a whole test set: accuracy, timesteps and work, in the golden model."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from ..config import ProcessorConfig
from ..convert import convert
from ..datasets import Dataset
from ..network import Exit
from ..processor import Decision, decide
from ..trained import Trained
from .calibrate import RULES, Point, points
from .measure import observe
from .policy import PRICE, Followed

__all__ = ["TARGETS", "CONSTANT_ENERGY", "Worth", "energy_delay", "evaluate", "evaluate_policy", "evaluate_layers"]

# Average timesteps that thresholds are calibrated for, as shares of the way from one to all of them.
TARGETS = (0.0, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1.0)
# What a picture costs before its first timestep, in the energy of a timestep (fits DT-SNN: Li et al., DAC 2023).
CONSTANT_ENERGY = 0.795


@dataclass(frozen=True, kw_only=True)
class Worth:
    """Means over the pictures of a split.

    Parameters
    ----------
    accuracy : float
        Share of right answers.
    timesteps, cycles, events, synaptic_operations, spikes, neurons : float
        Of a picture.
    """

    accuracy: float
    timesteps: float
    cycles: float
    events: float
    synaptic_operations: float
    spikes: float
    neurons: float

    @classmethod
    def of(cls, decision: Decision, labels: Tensor) -> "Worth":
        """What ``decision`` is worth."""
        return cls(accuracy=_mean(decision.classes == labels), timesteps=_mean(decision.timesteps),
                   cycles=_mean(decision.cycles["cycles"].sum(1)),
                   **{name: _mean(counter.sum(1)) for name, counter in decision.counters.items()})

    def plus(self, other: "Worth") -> "Worth":
        """With the work of ``other``, which ran before."""
        work = {name: value + getattr(other, name) for name, value in asdict(self).items()
                if name not in ("accuracy", "timesteps")}
        return Worth(accuracy=self.accuracy, timesteps=self.timesteps, **work)


def energy_delay(decision: Decision, before: Decision | None = None) -> float:
    """Mean product of a picture's energy, in timesteps, and its cycles; those of what ran ``before`` it count, too, and
    take as much energy each."""
    energy, cycles = CONSTANT_ENERGY + decision.timesteps, decision.cycles["cycles"].sum(1)
    if before:
        whole = cycles + before.cycles["cycles"].sum(1)
        energy, cycles = CONSTANT_ENERGY + decision.timesteps * whole / cycles, whole
    return (energy * cycles).double().mean().item()


def evaluate(trained: Trained, data: Dataset, cfg: ProcessorConfig) -> dict:
    """The worth of ``trained`` on the test split: as it stops, after every timestep, and with other thresholds.

    Thresholds are chosen on the validation split, for average timesteps between one and all of them.

    Returns
    -------
    dict
        ``chosen``: a Worth. ``after``: a list of Worth, one for each timestep at which all pictures stop.
        ``thresholds``: by rule, a list of Worth with the ``threshold`` and the ``validation`` accuracy. All as plain
        JSON values, and each with its ``energy_delay`` and with how many pictures ``stopped`` after each timestep.
    """
    network = convert(trained)
    observed = observe(network, data.test, cfg)

    def worth(**options) -> dict:
        return _worth(decide(network, observed, **options), data.test.labels)

    figures = {"chosen": worth(), "after": [worth(exit=Exit(), budget=k) for k in range(1, network.timesteps + 1)],
               "thresholds": {}}
    if network.timesteps == 1:
        return figures
    validation = observe(network, data.validation, cfg)
    for rule in RULES:
        tried = points(network, validation, data.validation.labels, rule)
        figures["thresholds"][rule.name.lower()] = [
            worth(exit=Exit(rule=rule, threshold=point.threshold)) | _of(point)
            for point in _spread(tried, network.timesteps)]
    return figures


def evaluate_policy(policy: Trained, trained: Trained, data: Dataset, cfg: ProcessorConfig) -> dict:
    """The worth of ``trained`` on the test split if ``policy`` names its timesteps.

    Returns
    -------
    dict
        As that of :func:`evaluate`; the policy's work counts in ``chosen`` and ``thresholds``, which has the rule
        ``price``, and not in ``after``. ``policy``: a Worth of the policy alone, whose accuracy says nothing.
    """
    labels, both = data.test.labels, Followed.on(data.test, policy, trained, cfg)
    validation = Followed.on(data.validation, policy, trained, cfg)

    def worth(price: float) -> dict:
        named, decision = both.at(price)
        return _worth(decision, labels, named)

    timesteps = both.network.timesteps
    return {"chosen": worth(0.0), "policy": asdict(Worth.of(both.at()[0], labels)),
            "after": [_worth(decide(both.network, both.observed, exit=Exit(), budget=k), labels)
                      for k in range(1, timesteps + 1)],
            "thresholds": {PRICE: [worth(point.threshold) | _of(point) for point in _spread(
                validation.points(data.validation.labels), timesteps)]}}


def _worth(decision: Decision, labels: Tensor, before: Decision | None = None) -> dict:
    """A Worth of ``decision``, and of the policy that ran ``before`` it, with what it is worth in other ways."""
    stopped = torch.bincount(decision.timesteps - 1, minlength=decision.visits.shape[1]).tolist()
    worth = Worth.of(decision, labels)
    worth = worth.plus(Worth.of(before, labels)) if before else worth
    return asdict(worth) | {"energy_delay": energy_delay(decision, before), "stopped": stopped}


def _spread(tried: Iterable[Point], timesteps: int) -> list[Point]:
    """Of points on the validation split, the strictest first: those that first take no more than each target."""
    tried = list(tried)
    found = (next((point for point in tried if point.timesteps <= 1 + target * (timesteps - 1)), None)
             for target in TARGETS)
    return list({point.threshold: point for point in found if point}.values())


def _of(point: Point) -> dict:
    return {"threshold": point.threshold, "validation": point.accuracy}


def evaluate_layers(trained: Trained, of: Trained, data: Dataset, cfg: ProcessorConfig) -> dict:
    """The worth of ``of`` in all timesteps of the test split, if its layers run as those of ``trained``, untuned.

    Returns
    -------
    dict
        A Worth, as plain JSON values.
    """
    network = convert(replace(of, header=of.header.model_copy(update={"layers": trained.header.layers})))
    return asdict(Worth.of(decide(network, observe(network, data.test, cfg), exit=Exit()), data.test.labels))


def _mean(values: Tensor) -> float:
    return values.double().mean().item()
