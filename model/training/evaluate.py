"""What a trained network is worth on a whole test set: accuracy, timesteps and work, in the golden model."""

from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from ..config import ProcessorConfig
from ..convert import convert
from ..datasets import Dataset
from ..network import Exit
from ..processor import Decision, decide
from ..trained import Trained
from .calibrate import RULES, points
from .measure import observe
from .policy import follow

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


def energy_delay(decision: Decision) -> float:
    """Mean product of a picture's energy, in timesteps, and its cycles."""
    return ((CONSTANT_ENERGY + decision.timesteps) * decision.cycles["cycles"].sum(1)).double().mean().item()


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
        decision = decide(network, observed, **options)
        stopped = torch.bincount(decision.timesteps - 1, minlength=network.timesteps).tolist()
        return asdict(Worth.of(decision, data.test.labels)) | {"energy_delay": energy_delay(decision),
                                                               "stopped": stopped}

    figures = {"chosen": worth(), "after": [worth(exit=Exit(), budget=k) for k in range(1, network.timesteps + 1)],
               "thresholds": {}}
    if network.timesteps == 1:
        return figures
    validation = observe(network, data.validation, cfg)
    for rule in RULES:
        swept = list(points(network, validation, data.validation.labels, rule))
        found = (next((point for point in swept if point.timesteps <= 1 + target * (network.timesteps - 1)), None)
                 for target in TARGETS)
        chosen = {point.exit.threshold: point for point in found if point}
        figures["thresholds"][rule.name.lower()] = [
            worth(exit=point.exit) | {"threshold": threshold, "validation": point.accuracy}
            for threshold, point in chosen.items()]
    return figures


def evaluate_policy(policy: Trained, trained: Trained, data: Dataset, cfg: ProcessorConfig) -> dict:
    """The worth of ``trained`` on the test split if ``policy`` names its timesteps.

    Returns
    -------
    dict
        ``chosen``: a Worth of both; ``policy``: a Worth of the policy alone, whose accuracy says nothing.
    """
    labels = data.test.labels
    named, decision = (Worth.of(each, labels) for each in follow(policy, trained, data.test, cfg))
    return {"chosen": asdict(decision.plus(named)), "policy": asdict(named)}


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
