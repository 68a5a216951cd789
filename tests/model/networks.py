"""Small trained networks to test with."""

import torch

from model.network import Coding
from model.trained import VERSION, ConvSpec, Header, LinearSpec, Trained

__all__ = ["random_trained"]

LAYERS = (ConvSpec(name="conv", channels=5, kernel=3, padding=1, batch_norm=True, pool=2),
          LinearSpec(name="hidden", channels=7, batch_norm=True),
          LinearSpec(name="readout", channels=4))


def random_trained(seed=0, layers=LAYERS, **settings):
    """A network with random tensors; ``settings`` go to its header."""
    generator = torch.Generator().manual_seed(seed)
    described = {"name": "small", "shape": (2, 6, 4), "input_coding": Coding(window=24, nearest=True),
                 "coding": Coding(window=24, nearest=True), **settings}
    header = Header(version=VERSION, layers=layers, **described)
    tensors = {name: torch.randn(shape, generator=generator) * 0.3 for name, shape in header.tensor_shapes().items()}
    for name in tensors:
        if name.endswith("norm_variance"):
            tensors[name] = tensors[name].abs() + 0.1
    return Trained(header, tensors)
