"""Which spikes each output pixel reads. Twin of :mod:`rtl.walker`."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .config import LANES, SILENT
from .network import Layer

__all__ = ["synapses", "words", "spike_count"]


def synapses(codes: Tensor, layer: Layer, lines: range | None = None) -> Tensor:
    """The input codes of every synapse of every output pixel before pooling.

    Taps outside the map read silence; the gateware skips them. Pixels that no pooling window covers are
    not computed.

    Parameters
    ----------
    codes : Tensor, uint8, (images, in, height, width)
    lines : range, optional
        Of the pooled map, whose pixels are wanted; all where it is not given.

    Returns
    -------
    Tensor, uint8, (images, in * kernel_height * kernel_width, pixels)
    """
    padded = F.pad(codes, (layer.padding,) * 4, value=SILENT)
    height, width = layer.pixels(codes.shape[2:])
    taps = padded.unfold(2, layer.kernel[0], layer.stride).unfold(3, layer.kernel[1], layer.stride)
    lines = lines or range(height // layer.pool)
    taps = taps[:, :, lines.start * layer.pool:lines.stop * layer.pool, :width // layer.pool * layer.pool]
    return taps.permute(0, 1, 4, 5, 2, 3).flatten(1, 3).flatten(2)


def words(codes: Tensor) -> Tensor:
    """A map as the spike store holds it: channels of a pixel side by side, filled up with silence.

    Parameters
    ----------
    codes : Tensor, uint8, (images, channels, height, width)

    Returns
    -------
    Tensor, uint8, (images, height, width, words, 16)
    """
    filled = F.pad(codes.permute(0, 2, 3, 1), (0, -codes.shape[1] % LANES), value=SILENT)
    return filled.unflatten(-1, (-1, LANES))


def spike_count(codes: Tensor) -> Tensor:
    """How many codes of each image are spikes.

    Parameters
    ----------
    codes : Tensor, uint8, (images, ...)

    Returns
    -------
    Tensor, int64, (images,)
    """
    # Torch widens truth values before it adds them up; to count those of a single image it does not.
    return torch.stack([spikes.count_nonzero() for spikes in codes != SILENT])
