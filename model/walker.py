"""Which spikes each output pixel reads. Twin of :mod:`rtl.walker`."""

import torch.nn.functional as F
from torch import Tensor

from .config import LANES, SILENT
from .network import Layer

__all__ = ["synapses", "words"]


def synapses(codes: Tensor, layer: Layer) -> Tensor:
    """The input codes of every synapse of every output pixel before pooling.

    Taps outside the map read silence; the gateware skips them. Pixels that no pooling window covers are
    not computed.

    Parameters
    ----------
    codes : Tensor, uint8, (images, in, height, width)

    Returns
    -------
    Tensor, float32, (images, in * kernel_height * kernel_width, pixels)
        Float, because the crossbar is a matrix product; codes are exact in it.
    """
    padded = F.pad(codes.float(), (layer.padding,) * 4, value=SILENT)
    height, width = layer.pixels(codes.shape[2:])
    taps = F.unfold(padded, layer.kernel, stride=layer.stride).unflatten(2, (-1, width))
    return taps[:, :, :height // layer.pool * layer.pool, :width // layer.pool * layer.pool].flatten(2)


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
