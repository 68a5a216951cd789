"""What a trained network is worth, measured with the golden model."""

from dataclasses import replace
from math import log2

from torch import Tensor

from ..config import preset
from ..convert import convert
from ..datasets import Split
from ..encode import picture_codes
from ..network import Exit, Network, Rule
from ..processor import Trace, decide, trace
from ..trained import ExitSpec, Trained

__all__ = ["observe", "accuracies", "exit_threshold", "validated"]

# Bits between the thresholds that are tried.
THRESHOLD_STEP = 1 / 32


def observe(network: Network, split: Split) -> Trace:
    """All timesteps of ``network`` on ``split``; no logit depends on the processor's size."""
    return trace(network, picture_codes(split.images, network), preset("default"))


def accuracies(observed: Trace, labels: Tensor) -> list[float]:
    """The share of right answers after each timestep."""
    return [(logits.argmax(1) == labels).double().mean().item() for logits in observed.logits.unbind(1)]


def exit_threshold(network: Network, observed: Trace, labels: Tensor) -> float:
    """The entropy threshold in bits that takes the fewest timesteps and loses no accuracy.

    It is the largest of those up to which no threshold has fewer right answers than all timesteps have.
    """
    target, chosen = accuracies(observed, labels)[-1], 0.0
    for step in range(1, int(log2(network.classes) / THRESHOLD_STEP) + 1):
        rule = Exit(rule=Rule.ENTROPY, threshold=step * THRESHOLD_STEP)
        if (decide(network, observed, exit=rule).classes == labels).double().mean().item() < target:
            break
        chosen = rule.threshold
    return chosen


def validated(trained: Trained, split: Split, exit_rule: str) -> Trained:
    """``trained`` with its accuracy on the validation split, and with the exit threshold that it chose."""
    network = convert(trained)
    observed = observe(network, split)
    threshold = exit_threshold(network, observed, split.labels) if exit_rule == "entropy" else 0.0
    return replace(trained, header=trained.header.model_copy(update={
        "validation_accuracy": tuple(accuracies(observed, split.labels)),
        "exit": ExitSpec(rule=exit_rule, threshold=threshold)}))
