"""Thresholds of the exit rules, chosen on the validation split for a wanted accuracy or wanted timesteps."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import log2

from torch import Tensor

from ..convert import convert
from ..datasets import Split
from ..network import Exit, Network, NetworkError, Rule
from ..processor import Trace, decide
from ..trained import ExitSpec, Trained
from .measure import accuracies, observe

__all__ = ["RULES", "Point", "points", "loosened", "calibrate", "validated"]

RULES = (Rule.ENTROPY, Rule.PROBABILITY, Rule.MARGIN)
# Steps to a bit of entropy, to an octave of doubt, to a bit of margin.
ENTROPY_STEPS, DOUBT_STEPS, MARGIN_STEPS = 32, 8, 16
# Octaves of doubt, and bits of margin, beyond which no exit rule is asked for certainty.
DOUBT_OCTAVES, MARGIN_BITS = 12, 15


@dataclass(frozen=True, kw_only=True)
class Point:
    """What an exit rule, or a policy, does to a split.

    Parameters
    ----------
    threshold : float
        Of the rule; or what a policy pays for a timestep, see :mod:`model.training.policy`.
    accuracy : float
        Share of right answers.
    timesteps : float
        Their average.
    """

    threshold: float
    accuracy: float
    timesteps: float


def thresholds(rule: Rule, classes: int) -> list[float]:
    """What to try, from the threshold that hardly ever stops to the one that always does."""
    if rule == Rule.ENTROPY:
        return [step / ENTROPY_STEPS for step in range(int(log2(classes) * ENTROPY_STEPS) + 1)]
    if rule == Rule.PROBABILITY:
        doubts = (2 ** (-step / DOUBT_STEPS) for step in range(DOUBT_OCTAVES * DOUBT_STEPS, 0, -1))
        return [1 - doubt for doubt in doubts if doubt < 1 - 1 / classes]
    if rule == Rule.MARGIN:
        return [step / MARGIN_STEPS for step in range(MARGIN_BITS * MARGIN_STEPS, -1, -1)]
    raise NetworkError("a budget has no threshold to calibrate")


def points(network: Network, observed: Trace, labels: Tensor, rule: Rule) -> Iterator[Point]:
    """A :class:`Point` for every threshold of ``rule``, the strictest first."""
    for threshold in thresholds(rule, network.classes):
        decision = decide(network, observed, exit=Exit(rule=rule, threshold=threshold))
        yield Point(threshold=threshold, accuracy=(decision.classes == labels).double().mean().item(),
                    timesteps=decision.timesteps.double().mean().item())


def calibrate(network: Network, observed: Trace, labels: Tensor, rule: Rule, *, accuracy: float | None = None,
              timesteps: float | None = None) -> Point:
    """Loosen the threshold of ``rule`` as far as is wanted, from the strictest on.

    Parameters
    ----------
    observed : Trace
        All timesteps of the validation split.
    labels : Tensor, int64, (images,)
    accuracy : float, optional
        Loosen while no threshold falls below this share of right answers: by default that of all timesteps.
    timesteps : float, optional
        Loosen until the average timesteps are no more than this, instead.

    Raises
    ------
    NetworkError
        If no threshold does what is wanted; the message says what can be had.
    """
    return loosened(points(network, observed, labels, rule), f"network {network.name}: the rule {rule.name.lower()}",
                    accuracies(observed, labels)[-1] if accuracy is None else accuracy, timesteps)


def loosened(tried: Iterable[Point], who: str, accuracy: float, timesteps: float | None = None) -> Point:
    """The last of some points, the strictest first, before the first that is right too rarely; or, if ``timesteps`` are
    wanted, the first that takes no more of them. ``who`` has the points, in the words of :func:`calibrate`'s errors."""
    chosen = None
    for point in tried:
        if timesteps is not None and point.timesteps <= timesteps:
            return point
        if timesteps is None and point.accuracy < accuracy:
            break
        chosen = point
    if timesteps is not None:
        raise NetworkError(f"{who} takes at least {point.timesteps:.3f} timesteps, {timesteps:g} are wanted")
    if chosen is None:
        raise NetworkError(f"{who} is right in at most {point.accuracy:.2%} of the validation split, "
                           f"{accuracy:.2%} are wanted")
    return chosen


def validated(trained: Trained, split: Split, exit_rule: str, timesteps: float | None = None) -> Trained:
    """``trained`` with its accuracy on the validation split, and with an exit that loses none of it, or one that takes
    so many ``timesteps`` on average."""
    network, rule = convert(trained), Rule[exit_rule.upper()]
    observed = observe(network, split)
    threshold = 0.0
    if rule != Rule.BUDGET:
        threshold = calibrate(network, observed, split.labels, rule, timesteps=timesteps).threshold
    return replace(trained, header=trained.header.model_copy(update={
        "validation_accuracy": tuple(accuracies(observed, split.labels)),
        "exit": ExitSpec(rule=exit_rule, threshold=threshold)}))
