"""The network as it trains: float neurons that compute what the hardware will."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..convert import fold
from ..encode import decode, encode
from ..network import Coding
from ..quantise import weight_codes, weight_values
from ..trained import ConvSpec, Header, LinearSpec
from .recipes import Recipe

__all__ = ["Stage", "fire", "FloatLayer", "FloatNetwork"]

NORM_MOMENTUM = 0.1

# Width of the surrogate gradient around the threshold (Fang et al., ICCV 2021).
SURROGATE_SLOPE = 2.0


@dataclass(frozen=True)
class Stage:
    """Which parts of the hardware take part in training.

    Parameters
    ----------
    clip, quantise, spike, freeze : bool
        See the fields ``clip_from`` ... ``freeze_from`` of the recipe.
    """

    clip: bool = True
    quantise: bool = True
    spike: bool = True
    freeze: bool = True

    @classmethod
    def at(cls, recipe: Recipe, progress: float) -> "Stage":
        """The stage of ``recipe`` at ``progress``, from 0 to 1."""
        return cls(progress >= recipe.clip_from, progress >= recipe.quantise_from, progress >= recipe.spike_from,
                   progress >= recipe.freeze_from)


def fire(potential: Tensor, coding: Coding, stage: Stage) -> Tensor:
    """The value of each neuron's spike, 0 where it is silent.

    The gradient goes straight through the staircase of a window, and is that of an arc tangent for a single slot.
    """
    if not stage.spike:
        return potential.clamp(0, 1) if stage.clip else potential.relu()
    if coding.window == 1:
        soft = (torch.pi / 2 * SURROGATE_SLOPE * (potential - 1)).atan() / torch.pi
        hard = (potential >= 1).float()
    else:
        soft = potential.clamp(0, 1)
        hard = decode(encode(soft.detach(), coding), coding)
    return soft + (hard - soft).detach()


class FloatLayer(nn.Module):
    """A convolution with its batch norm, whose weights are rounded after folding.

    Parameters
    ----------
    spec : ConvSpec or LinearSpec
    kernel : tuple of int
        Shape of the weight as a convolution.
    grain : int
    per_channel : bool
    """

    def __init__(self, spec: ConvSpec | LinearSpec, kernel: tuple[int, int, int, int], grain: int, per_channel: bool):
        super().__init__()
        out = kernel[0]
        self.spec, self.grain, self.per_channel = spec, grain, per_channel
        self.weight = nn.Parameter(torch.empty(kernel))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        if spec.batch_norm:
            self.norm_scale = nn.Parameter(torch.ones(out))
            self.norm_shift = nn.Parameter(torch.zeros(out))
            self.register_buffer("norm_mean", torch.zeros(out))
            self.register_buffer("norm_variance", torch.ones(out))
        else:
            self.bias = nn.Parameter(torch.zeros(out))

    def charge(self, spikes: Tensor, stage: Stage) -> Tensor:
        """What ``spikes``, (images, in, height, width), add to the potentials, bias included."""
        weight, bias = self._folded(spikes, stage)
        if stage.quantise:
            rounded = weight_values(*weight_codes(weight.double(), self.grain, self.per_channel), self.grain)
            weight = weight + (rounded.float() - weight).detach()
        return self._convolve(spikes, weight, bias)

    def pooled(self, spikes: Tensor) -> Tensor:
        """The earliest spike, that is the largest value, of each pooling window."""
        return functional.max_pool2d(spikes, self.spec.pool)

    def _folded(self, spikes: Tensor, stage: Stage) -> tuple[Tensor, Tensor]:
        if not self.spec.batch_norm:
            return self.weight, self.bias
        mean, variance = self.norm_mean, self.norm_variance
        if self.training and not stage.freeze:
            charge = self._convolve(spikes, self.weight)
            variance, mean = torch.var_mean(charge, (0, 2, 3), correction=0)
            self.norm_mean.lerp_(mean.detach(), NORM_MOMENTUM)
            self.norm_variance.lerp_(variance.detach(), NORM_MOMENTUM)
        return fold(self.weight, self.norm_scale, self.norm_shift, mean, variance)

    def _convolve(self, spikes: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return functional.conv2d(spikes, weight, bias, self.spec.stride, self.spec.padding)


class FloatNetwork(nn.Module):
    """All layers of ``header``, with random weights."""

    def __init__(self, header: Header):
        super().__init__()
        self.header = header
        self.layers = nn.ModuleDict({
            spec.name: FloatLayer(spec, kernel, header.weight_grain, per_channel=spec is not header.layers[-1])
            for spec, kernel in zip(header.layers, header.kernels())})

    def forward(self, images: Tensor, stage: Stage = Stage()) -> tuple[Tensor, list[Tensor]]:
        """Run all timesteps, one layer after the other.

        Parameters
        ----------
        images : Tensor, float32, (images, channels, height, width)
            Pixels between 0 and 1.

        Returns
        -------
        logits : Tensor, float32, (timesteps, images, classes)
            Of the readout's charges up to each timestep, the mean.
        activations : list of Tensor, float32, (timesteps, images, channels, height, width)
            Of each hidden layer, before pooling.
        """
        coding, activations = self.header.input_coding, []
        spikes = decode(encode(images, coding), coding).expand(self.header.timesteps, *images.shape)
        *hidden, readout = self.layers.values()
        for layer in hidden:
            fired = self._neurons(self._charges(layer, spikes, stage), stage)
            activations.append(fired)
            spikes = layer.pooled(fired.flatten(0, 1)).unflatten(0, fired.shape[:2])
        charges = self._charges(readout, spikes, stage).flatten(2)
        count = torch.arange(1, len(charges) + 1).reshape(-1, 1, 1)
        return charges.cumsum(0) / count, activations

    @staticmethod
    def _charges(layer: FloatLayer, spikes: Tensor, stage: Stage) -> Tensor:
        return layer.charge(spikes.flatten(0, 1), stage).unflatten(0, spikes.shape[:2])

    def _neurons(self, charges: Tensor, stage: Stage) -> Tensor:
        """Leak, charge, fire and reset in every timestep of ``charges``, (timesteps, images, ...)."""
        header, fired, potential = self.header, [], torch.zeros_like(charges[0])
        for charge in charges:
            if header.leak_shift:
                potential = potential * (1 - 2 ** -header.leak_shift)
            potential = potential + charge
            fired.append(fire(potential, header.coding, stage))
            if header.reset == "zero":
                potential = potential * (fired[-1].detach() == 0)
            elif header.reset == "subtract":
                potential = potential - fired[-1].detach()
        return torch.stack(fired)
