"""Networks of which only the shape matters, and spikes at random: what the cycle model is measured on."""

from collections.abc import Iterator

import torch
from torch import Tensor

from model.config import SILENT
from model.encode import picture_codes
from model.network import Coding, Layer, Network

__all__ = ["vgg16", "fashion", "dense", "plane", "spikes", "sources"]


def vgg16() -> Network:
    """The thirteen convolutions of VGG-16 on a picture of CIFAR-10's size, and a readout."""
    channels = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
    pools = (1, 2, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1, 2)
    return _network("VGG-16", (3, 32, 32), *(
        _layer(f"conv{number}", before, after, padding=1, pool=pool)
        for number, (before, after, pool) in enumerate(zip(channels, channels[1:], pools), start=1)),
        _layer("readout", channels[-1], 10, kernel=1, readout=True))


def fashion() -> Network:
    """Two convolutions, each pooled, and a readout, on a picture of Fashion-MNIST's size."""
    return _network("28 x 28", (1, 28, 28), _layer("conv1", 1, 32, padding=1, pool=2),
                    _layer("conv2", 32, 64, padding=1, pool=2), _layer("readout", 64, 10, kernel=7, readout=True))


def dense() -> Network:
    """256 inputs, 256 hidden neurons, 10 classes: the yardstick of the open spiking processors."""
    return _network("256-256-10", (256, 1, 1), _layer("hidden", 256, 256, kernel=1),
                    _layer("readout", 256, 10, kernel=1, readout=True))


def plane(height: int, width: int) -> Network:
    """A 3 x 3 convolution of 32 channels to 32, and whatever readout, on a map of any size."""
    return _network(f"{height} x {width}", (32, height, width), _layer("conv", 32, 32, padding=1),
                    _layer("readout", 32, 2, kernel=(height, width), readout=True))


def spikes(shape: tuple[int, ...], density: float, images: int, seed: int = 1) -> Tensor:
    """Maps in which a share of the neurons spikes, any of them as likely as any other.

    Parameters
    ----------
    shape : tuple of int
        Channels, height and width.
    density : float
        The share, between 0 and 1: of each map, rounded to a whole neuron.

    Returns
    -------
    Tensor, uint8, (images, channels, height, width)
        Slot 0, or silence.
    """
    neurons = torch.Size(shape).numel()
    shuffled = torch.rand(images, neurons, generator=torch.Generator().manual_seed(seed)).argsort(1)
    return torch.where(shuffled < round(density * neurons), 0, SILENT).to(torch.uint8).unflatten(1, shape)


def sources(network: Network, density: float, images: int) -> Iterator[tuple[Layer, Tensor]]:
    """Every layer with spikes to read; of a network that unfolds its picture, the picture has this density."""
    for index, (layer, shape) in enumerate(zip(network.layers, network.maps())):
        if index == 0 and network.unfold is not None:
            unfold = network.unfold
            sides = ((side - 1) * unfold.stride + unfold.kernel - 2 * unfold.padding for side in shape[1:])
            codes = spikes((shape[0] // unfold.kernel ** 2, *sides), density, images)
            yield layer, picture_codes((codes != SILENT).float(), network)
        else:
            yield layer, spikes(shape, density, images)


def _network(name: str, shape: tuple[int, int, int], *layers: Layer) -> Network:
    return Network(name=name, shape=shape, input_coding=Coding(), layers=layers)


def _layer(name: str, channels: int, out: int, kernel: int | tuple[int, int] = 3, **settings) -> Layer:
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    return Layer(name=name, weight=torch.zeros(out, channels, *sides, dtype=torch.uint8),
                 bias=torch.zeros(out, dtype=torch.int32), gain=torch.zeros(out, dtype=torch.int32), **settings)
