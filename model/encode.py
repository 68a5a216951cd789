"""Pixels to first-spike codes and back, as tensors; :mod:`model.coding` has the rule."""

import torch
from torch import Tensor

from . import coding as codings
from .config import SILENT
from .network import Coding, Network

__all__ = ["encode", "decode", "picture_codes"]


def encode(values: Tensor, coding: Coding) -> Tensor:
    """The first slot whose threshold each value reaches: :func:`model.coding.encode`.

    Parameters
    ----------
    values : Tensor, float, (images, channels, height, width)
        Pixels or activations, between 0 and 1.
    coding : Coding

    Returns
    -------
    Tensor, uint8, as ``values``
    """
    return torch.from_numpy(codings.encode(values.numpy(), coding))


def decode(codes: Tensor, coding: Coding) -> Tensor:
    """The value each spike stands for, ``2^(-t / tau)``, and 0 for silence.

    Parameters
    ----------
    codes : Tensor, uint8
    coding : Coding

    Returns
    -------
    Tensor, float32, as ``codes``
    """
    worth = [2 ** (-slot / coding.tau) for slot in range(SILENT)] + [0]
    return torch.tensor(worth, dtype=torch.float32)[codes.long()]


def picture_codes(images: Tensor, network: Network) -> Tensor:
    """Pictures as the spikes that ``network`` reads: :func:`model.coding.picture_codes`.

    Parameters
    ----------
    images : Tensor, float, (images, channels, height, width)
        Pixels between 0 and 1.

    Returns
    -------
    Tensor, uint8, (images, *network.shape)
    """
    return torch.from_numpy(codings.picture_codes(images.numpy(), network.name, network.shape, network.input_coding,
                                                  network.unfold))
