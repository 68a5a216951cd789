"""When the answer is sure. Twin of :mod:`rtl.exit`.

A logit's distance from the largest is measured in octaves of their softmax: d = (largest - logit) * log2(e),
averaged over the timesteps, with 6 bits of fraction. With S = sum 2^(-d) and U = sum d 2^(-d), the largest
probability is 1 / S and the entropy log2 S + U / S; multiplied by S, no rule needs a division.
"""

from dataclasses import dataclass
from math import e, log2

import torch
from torch import Tensor

from .logarithm import leading_one
from .network import Network, Rule
from .tables import (
    DISTANCE_MAX,
    EXP_GUARD_WIDTH,
    EXP_INDEX_WIDTH,
    EXP_TABLE,
    LOG_INDEX_WIDTH,
    LOG_TABLE,
    LOG_WIDTH,
    SCALE_WIDTH,
    SHIFT_MAX,
    WEIGHT_FRACTION_WIDTH,
    threshold_code,
)

__all__ = ["Settings", "settings", "Evidence", "best", "weigh", "sure"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the exit unit is told.

    Parameters
    ----------
    rule : Rule
    threshold : int
        See :func:`model.tables.threshold_code`.
    shift : int
        ``distance = ((largest - logit) * scale) >> shift``, rounded to nearest.
    scales : tuple of int
        The scale after timestep 1, 2, ...: 16 bits each.
    """

    rule: Rule
    threshold: int
    shift: int
    scales: tuple[int, ...]


def settings(network: Network) -> Settings:
    """The exit unit's settings for ``network``; a scale folds log2 e, the readout's scale and the mean."""
    readout = network.layers[-1]
    octaves = log2(e) * 2 ** (int(readout.gain[0]) / 4 - network.numerics.fraction_width + EXP_INDEX_WIDTH)
    shift = SHIFT_MAX
    while shift and round(octaves * 2 ** shift) >= 1 << SCALE_WIDTH:
        shift -= 1
    if round(octaves * 2 ** shift) >= 1 << SCALE_WIDTH:
        raise ValueError(f"layer {readout.name}: a readout gain of {int(readout.gain[0])} quarter octaves is too large "
                         f"for the exit unit's {SCALE_WIDTH}-bit scale")
    counts = [max(1, sum(readout.fires(j) for j in range(1, k + 1))) for k in range(1, network.timesteps + 1)]
    return Settings(rule=network.exit.rule, threshold=threshold_code(network.exit.rule, network.exit.threshold),
                    shift=shift, scales=tuple(round(octaves * 2 ** shift / count) for count in counts))


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What the exit unit knows after a timestep. All tensors have shape (images,).

    Parameters
    ----------
    margin : Tensor, int64
        Bits between the two best, 6 fraction bits, saturated.
    total : Tensor, int64
        S, 21 fraction bits.
    weighted : Tensor, int64
        U, 27 fraction bits.
    """

    margin: Tensor
    total: Tensor
    weighted: Tensor

    @property
    def log_total(self) -> Tensor:
        """log2 S, 10 fraction bits."""
        octave = leading_one(self.total)
        index = (self.total >> (octave - LOG_INDEX_WIDTH)) & ((1 << LOG_INDEX_WIDTH) - 1)
        return ((octave - WEIGHT_FRACTION_WIDTH) << LOG_WIDTH) + torch.tensor(LOG_TABLE)[index]

    @property
    def entropy(self) -> Tensor:
        """Bits, float64: for people, the hardware never divides."""
        return self.log_total / (1 << LOG_WIDTH) + self.weighted / (self.total << EXP_INDEX_WIDTH)

    @property
    def probability(self) -> Tensor:
        """The largest softmax probability, float64: for people."""
        return (1 << WEIGHT_FRACTION_WIDTH) / self.total


def best(logits: Tensor) -> Tensor:
    """The class of the largest of ``logits`` (images, classes), the lowest of equals: int64, (images,)."""
    return ((logits == logits.amax(1, keepdim=True)).cumsum(1) == 0).sum(1)


def weigh(logits: Tensor, scale: int, shift: int) -> Evidence:
    """Look at the logits of one timestep.

    Parameters
    ----------
    logits : Tensor, int32, (images, classes)
    scale, shift : int
        From :class:`Settings`.
    """
    half = (1 << shift) >> 1
    behind = (logits.amax(1, keepdim=True) - logits).long()
    distance = ((behind * scale + half) >> shift).clamp(max=DISTANCE_MAX)
    exponential = torch.tensor(EXP_TABLE)[distance & ((1 << EXP_INDEX_WIDTH) - 1)]
    weight = (exponential << EXP_GUARD_WIDTH) >> (distance >> EXP_INDEX_WIDTH)
    # The smallest distance is the best class's own, zero; the next is the runner-up's.
    margin = distance.topk(2, dim=1, largest=False).values[:, 1]
    return Evidence(margin=margin, total=weight.sum(1), weighted=(distance * weight).sum(1))


def sure(evidence: Evidence, rule: Rule, threshold: int) -> Tensor:
    """Whether the rule stops the run here: bool, (images,)."""
    if rule == Rule.ENTROPY:
        # (log2 S + U / S) * S < threshold * S
        unsure = evidence.total * evidence.log_total + (evidence.weighted << LOG_WIDTH - EXP_INDEX_WIDTH)
        return unsure < threshold * evidence.total
    if rule == Rule.PROBABILITY:
        return evidence.total < threshold
    if rule == Rule.MARGIN:
        return evidence.margin > threshold
    return torch.zeros_like(evidence.margin, dtype=torch.bool)
