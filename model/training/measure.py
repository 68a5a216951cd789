"""What a trained network is worth, measured with the golden model."""

from torch import Tensor

from ..config import PRESETS, ProcessorConfig
from ..datasets import Split
from ..encode import picture_codes
from ..network import Network
from ..processor import Trace, trace

__all__ = ["observe", "accuracies"]


def observe(network: Network, split: Split, cfg: ProcessorConfig = PRESETS["default"]) -> Trace:
    """All timesteps of ``network`` on ``split``; cycles, but no logit, depend on the processor's size."""
    return trace(network, picture_codes(split.images, network), cfg)


def accuracies(observed: Trace, labels: Tensor) -> list[float]:
    """The share of right answers after each timestep."""
    return [(logits.argmax(1) == labels).double().mean().item() for logits in observed.logits.unbind(1)]
