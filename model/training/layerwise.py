"""Timesteps, or windows, of every layer for itself (LD-SNN: Nallathambi et al., ISLPED 2022).

From a trained network, a greedy search on the validation split: again and again, that layer gives up a timestep, or
slots of its window, where it loses least for the work it saves. In a timestep that it gave up, a layer repeats its
last spikes. The search is lazy (Minoux, 1978): of the moves, only those are tried again that looked best before.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from ..datasets import Split
from ..trained import Header, LayerSpec, Trained
from .layers import FloatNetwork, Stage

__all__ = ["SLOTS", "Score", "score", "moves", "search"]

# Slots that a window gives up at a time.
SLOTS = 2
# What a move costs: loss for the work it saves; of two that cost the same, the one that saves more is better.
UNTRIED, REFUSED = (-math.inf, 0.0), (math.inf, 0.0)
BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a network does to a split, in float.

    Parameters
    ----------
    accuracy : float
        After all timesteps.
    loss : float
        Cross-entropy after all timesteps.
    operations, neurons : float
        Synaptic operations of all layers but the first, and neurons evaluated, of a picture.
    """

    accuracy: float
    loss: float
    operations: float
    neurons: float

    def work(self, whole: "Score") -> float:
        """Its operations and neurons as shares of those of ``whole``."""
        return (self.operations / whole.operations + self.neurons / whole.neurons) / 2


def score(trained: Trained, split: Split) -> Score:
    """Run ``split`` through the network as it trains."""
    network, header = FloatNetwork.of(trained).eval(), trained.header
    right = loss = operations = neurons = 0.0
    with torch.no_grad():
        for images, labels in zip(split.images.split(BATCH), split.labels.split(BATCH)):
            ran = network(images, Stage())
            right += (ran.logits[-1].argmax(1) == labels).sum().item()
            loss += functional.cross_entropy(ran.logits[-1], labels, reduction="sum").item()
            for spec, source in zip(header.layers, header.sources()):
                if source == 0:
                    continue
                map = ran.maps[source - 1]
                shown = map.expand(header.timesteps, *map.shape[1:])[[k - 1 for k in header.active(spec)]]
                operations += network.fan_out(spec) * (shown > 0).sum().item()
            neurons += ran.neurons * len(images)
    return Score(accuracy=right / len(split), loss=loss / len(split), operations=operations / len(split),
                 neurons=neurons / len(split))


def moves(header: Header) -> Iterator[tuple[str, Header]]:
    """What ``header`` can be made to save next, in words, and the header that does.

    Over several timesteps, a layer gives up one of its own, but never the first; within one, the last slots of its
    window.
    """
    for spec in header.layers[:-1]:
        if spec.partial:
            continue
        if header.timesteps > 1:
            for k in header.active(spec)[1:]:
                active = tuple(j for j in header.active(spec) if j != k)
                yield f"{spec.name} without timestep {k}", _changed(header, spec, active=active)
        elif header.coding_of(spec).window > SLOTS:
            coding = replace(header.coding_of(spec), window=header.coding_of(spec).window - SLOTS)
            yield f"{spec.name} with {coding.window} slots", _changed(header, spec, coding=coding)


def search(trained: Trained, split: Split, lost: float,
           report: Callable[[str, Score], None] = lambda move, made: None) -> Trained:
    """Give up timesteps, or slots, as long as accuracy on ``split`` allows.

    Parameters
    ----------
    lost : float
        Share of right answers that may be lost.
    report : callable
        Called with every move that is made, in words, and its score.
    """
    whole = made = score(trained, split)
    # By move: what it cost when it was last tried.
    prices: dict[str, tuple[float, float]] = {}
    while True:
        left, least, best = dict(moves(trained.header)), REFUSED, None
        while left:
            words = min(left, key=lambda move: prices.get(move, UNTRIED))
            if best and prices.get(words, UNTRIED) >= least:
                break
            candidate = replace(trained, header=left.pop(words))
            tried = score(candidate, split)
            saved, price = made.work(whole) - tried.work(whole), max(tried.loss - made.loss, 0)
            refused = saved <= 0 or tried.accuracy < whole.accuracy - lost
            prices[words] = REFUSED if refused else (price / saved, -saved)
            if prices[words] < least:
                least, best = prices[words], (words, candidate, tried)
        if best is None:
            return trained
        words, trained, made = best
        report(words, made)


def _changed(header: Header, spec: LayerSpec, **fields) -> Header:
    layers = tuple(each.model_copy(update=fields) if each is spec else each for each in header.layers)
    return header.model_copy(update={"layers": layers})
