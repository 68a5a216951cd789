"""Pixels to first-spike codes and back."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .config import SILENT
from .network import Coding, Network

__all__ = ["encode", "decode", "picture_codes"]


def encode(values: Tensor, coding: Coding) -> Tensor:
    """The first slot whose threshold each value reaches.

    Slot t is reached at ``2^(-t / tau)``, or half a slot below it where the coding rounds to the nearest
    (CAT, Lew et al., DAC 2022).

    Parameters
    ----------
    values : Tensor, float, (images, channels, height, width)
        Pixels or activations, between 0 and 1.
    coding : Coding

    Returns
    -------
    Tensor, uint8, as ``values``
        Slots, or ``SILENT`` below the threshold of the last slot.

    Raises
    ------
    ValueError
        If a value is not between 0 and 1.
    """
    low, high = values.aminmax()
    if not (low >= 0 and high <= 1):
        raise ValueError(f"values to encode lie between 0 and 1, found {low.item():g} to {high.item():g}")
    thresholds = [2 ** (-(slot + 0.5 * coding.nearest) / coding.tau) for slot in reversed(range(coding.window))]
    reached = torch.searchsorted(torch.tensor(thresholds, dtype=values.dtype), values.contiguous(), right=True)
    return torch.where(reached == 0, SILENT, coding.window - reached).to(torch.uint8)


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
    """Pictures as the spikes that ``network`` reads.

    Parameters
    ----------
    images : Tensor, float, (images, channels, height, width)
        Pixels between 0 and 1.

    Returns
    -------
    Tensor, uint8, (images, *network.shape)

    Raises
    ------
    ValueError
        If the network reads pictures of another size, or a pixel is not between 0 and 1.
    """
    codes = encode(images, network.input_coding)
    if unfold := network.unfold:
        padded = F.pad(codes.float(), (unfold.padding,) * 4, value=SILENT)
        taps = F.unfold(padded, unfold.kernel, stride=unfold.stride)
        width = (padded.shape[3] - unfold.kernel) // unfold.stride + 1
        codes = taps.unflatten(2, (-1, width)).to(torch.uint8)
    if codes.shape[1:] != network.shape:
        raise ValueError(f"network {network.name} reads maps of {_sizes(network.shape)}, and a picture of "
                         f"{_sizes(images.shape[1:])} gives one of {_sizes(codes.shape[1:])}")
    return codes


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
