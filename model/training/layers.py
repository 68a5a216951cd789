"""The network as it trains: float neurons that compute what the hardware will."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..convert import fold
from ..encode import decode, encode
from ..network import Coding
from ..quantise import weight_codes, weight_values
from ..trained import NORM_EPSILON, ConvSpec, Header, LinearSpec
from .recipes import Recipe

__all__ = ["Stage", "fire", "FloatLayer", "Ran", "FloatNetwork"]

NORM_MOMENTUM = 0.1

# Width of the surrogate gradient around the threshold (Fang et al., ICCV 2021).
SURROGATE_SLOPE = 2.0


# Keeps the slope of the square root finite where a neuron is silent.
COUNT_EPSILON = 1e-4


@dataclass(frozen=True)
class Stage:
    """Which parts of the hardware take part in training.

    Parameters
    ----------
    clip, quantise, spike, freeze : bool
        See the fields ``clip_from`` ... ``freeze_from`` of the recipe.
    fast : bool
        See the recipe.
    """

    clip: bool = True
    quantise: bool = True
    spike: bool = True
    freeze: bool = True
    fast: bool = False

    @classmethod
    def at(cls, recipe: Recipe, progress: float) -> "Stage":
        """The stage of ``recipe`` at ``progress``, from 0 to 1."""
        return cls(progress >= recipe.clip_from, progress >= recipe.quantise_from, progress >= recipe.spike_from,
                   progress >= recipe.freeze_from, recipe.fast)


def fire(potential: Tensor, coding: Coding, stage: Stage) -> Tensor:
    """The value of each neuron's spike, 0 where it is silent.

    The gradient goes straight through the staircase of a window, and is that of an arc tangent for a single slot.
    """
    if not stage.spike:
        return potential.clamp(0, 1) if stage.clip else potential.relu()
    if coding.window > 1 and stage.fast:
        return Staircase.apply(potential, coding)
    if coding.window == 1:
        soft = (torch.pi / 2 * SURROGATE_SLOPE * (potential - 1)).atan() / torch.pi
        hard = (potential >= 1).float()
    else:
        soft = potential.clamp(0, 1)
        hard = decode(encode(soft.detach(), coding), coding)
    return soft + (hard - soft).detach()


class Staircase(torch.autograd.Function):
    """``decode(encode(potential))`` of :mod:`model.encode` in a few passes, as good as float32 allows."""

    @staticmethod
    def forward(ctx, potential: Tensor, coding: Coding) -> Tensor:
        ctx.save_for_backward((potential >= 0) & (potential <= 1))
        # The last slot but one, and a slot too many for what is silent.
        slot = potential.clamp(2 ** (-coding.window / coding.tau - 1), 1).log2_().mul_(-coding.tau)
        slot = slot.sub_(0.5 * coding.nearest).ceil_().clamp_(min=0)
        return slot.div(-coding.tau).exp2_().masked_fill_(slot >= coding.window, 0)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        inside, = ctx.saved_tensors
        return gradient * inside, None


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
        if stage.fast and self.spec.batch_norm and self.training and not (stage.quantise or stage.freeze):
            # Nothing is rounded after folding yet, so one convolution is enough.
            return functional.batch_norm(self._convolve(spikes, self.weight), self.norm_mean, self.norm_variance,
                                         self.norm_scale, self.norm_shift, True, NORM_MOMENTUM, NORM_EPSILON)
        weight, bias = self._folded(spikes, stage)
        if stage.quantise:
            dtype = torch.float32 if stage.fast else torch.float64
            codes, gain = weight_codes(weight.to(dtype), self.grain, self.per_channel)
            rounded = weight_values(codes, gain, self.grain, dtype)
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
            mean, variance = self._statistics(self._convolve(spikes, self.weight))
        return fold(self.weight, self.norm_scale, self.norm_shift, mean, variance)

    def _statistics(self, charge: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each channel of a batch, which the running ones follow."""
        variance, mean = torch.var_mean(charge, (0, 2, 3), correction=0)
        self.norm_mean.lerp_(mean.detach(), NORM_MOMENTUM)
        self.norm_variance.lerp_(variance.detach(), NORM_MOMENTUM)
        return mean, variance

    def _convolve(self, spikes: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return functional.conv2d(spikes, weight, bias, self.spec.stride, self.spec.padding).float()


class Ran(NamedTuple):
    """What a float network did.

    Parameters
    ----------
    logits : Tensor, float32, (timesteps, images, classes)
        Of the readout's charges up to each timestep, the mean.
    activations : list of Tensor, float32, (timesteps, images, channels, height, width)
        Of each hidden layer, before pooling; none in a fast run of one timestep.
    maps : list of Tensor, float32, (timesteps, images, channels, height, width)
        What the next layer reads of these.
    """

    logits: Tensor
    activations: list[Tensor]
    maps: list[Tensor]


class FloatNetwork(nn.Module):
    """All layers of ``header``, with random weights."""

    def __init__(self, header: Header):
        super().__init__()
        self.header = header
        self.layers = nn.ModuleDict({
            spec.name: FloatLayer(spec, kernel, header.weight_grain, per_channel=spec is not header.layers[-1])
            for spec, kernel in zip(header.layers, header.kernels())})

    def forward(self, images: Tensor, stage: Stage = Stage()) -> Ran:
        """Run all timesteps, one layer after the other.

        Parameters
        ----------
        images : Tensor, float32, (images, channels, height, width)
            Pixels between 0 and 1.

        Without memory, the largest potential of a window fires first: in a fast run, only that one fires.
        """
        coding, activations, maps = self.header.input_coding, [], []
        spikes = decode(encode(images, coding), coding).expand(self.header.timesteps, *images.shape)
        *hidden, readout = self.layers.values()
        for layer in hidden:
            charges = self._charges(layer, spikes, stage)
            if stage.fast and len(charges) == 1:
                spikes = self._neurons(layer.pooled(charges[0])[None], stage)
            else:
                fired = self._neurons(charges, stage)
                activations.append(fired)
                spikes = layer.pooled(fired.flatten(0, 1)).unflatten(0, fired.shape[:2])
            maps.append(spikes)
        charges = self._charges(readout, spikes, stage).flatten(2)
        count = torch.arange(1, len(charges) + 1).reshape(-1, 1, 1)
        return Ran(charges.cumsum(0) / count, activations, maps)

    def operations(self, ran: Ran) -> Tensor:
        """The share of the synaptic operations of all layers but the first that ``ran`` took, smoothed for training.

        A spike in a map costs its fan-out, the taps that read it times the channels they lead to. In place of a count,
        which has no slope, stands the square root of the activation.
        """
        costs = [spec.channels * (spec.kernel / spec.stride) ** 2 if spec.kind == "conv" else spec.channels
                 for spec in self.header.layers[1:]]
        dense = sum(cost * spikes[0, 0].numel() for cost, spikes in zip(costs, ran.maps))
        return sum(cost * spikes[0, 0].numel() / dense * (spikes + COUNT_EPSILON).sqrt().mean()
                   for cost, spikes in zip(costs, ran.maps))

    @staticmethod
    def _charges(layer: FloatLayer, spikes: Tensor, stage: Stage) -> Tensor:
        return layer.charge(spikes.flatten(0, 1), stage).unflatten(0, spikes.shape[:2])

    def _neurons(self, charges: Tensor, stage: Stage) -> Tensor:
        """Leak, charge, fire and reset in every timestep of ``charges``, (timesteps, images, ...)."""
        header, fired, potential = self.header, [], torch.zeros_like(charges[0])
        if len(charges) == 1:
            return fire(charges, header.coding, stage)
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
