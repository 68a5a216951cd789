"""What a trained network is worth, measured with the golden model."""

import torch
from torch import Tensor

from ..config import PRESETS, SILENT, ProcessorConfig
from ..datasets import Split
from ..encode import picture_codes
from ..network import Network
from ..processor import Trace, trace
from ..walker import synapses

__all__ = ["observe", "accuracies", "dense_operations"]


def observe(network: Network, split: Split, cfg: ProcessorConfig = PRESETS["default"]) -> Trace:
    """All timesteps of ``network`` on ``split``; cycles, but no logit, depend on the processor's size."""
    return trace(network, picture_codes(split.images, network), cfg)


def accuracies(observed: Trace, labels: Tensor) -> list[float]:
    """The share of right answers after each timestep."""
    return [(logits.argmax(1) == labels).double().mean().item() for logits in observed.logits.unbind(1)]


def dense_operations(network: Network) -> int:
    """Synaptic operations of a picture in all timesteps if every neuron spiked in each of them, and every pixel."""
    total, maps = 0, network.maps()
    for layer, source in zip(network.layers, network.sources):
        taps = synapses(torch.zeros(1, *maps[source], dtype=torch.uint8), layer)
        active = 1 if layer.recall else sum(map(layer.fires, range(1, network.timesteps + 1)))
        total += active * layer.out_channels * int((taps != SILENT).sum())
    return total
