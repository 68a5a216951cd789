"""The network as it trains: float neurons that compute what the hardware will."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..convert import fold
from ..encode import decode, encode
from ..network import Coding
from ..quantise import largest_magnitude, rounded
from ..trained import NORM_EPSILON, Header, LayerSpec, Trained
from .kernels import Clip, MaxPool, SmallConvolution, Staircase, Threshold
from .recipes import Recipe
from .winograd import TILE, WinogradConvolution

__all__ = ["Stage", "fire", "FloatLayer", "Ran", "held", "FloatNetwork"]

NORM_MOMENTUM = 0.1
# Whose statistics a batch norm has that was folded.
NORM_IMAGES = 1000
# Keeps the slope of the square root finite where a neuron is silent.
COUNT_EPSILON = 1e-4
# Channels on both sides of a convolution from which on fewer multiplications pay for the transforms.
WINOGRAD_CHANNELS = 64


@dataclass(frozen=True)
class Stage:
    """Which parts of the hardware take part in training.

    Parameters
    ----------
    clip, quantise, spike, freeze, unroll : bool
        See the fields ``clip_from`` ... ``unroll_from`` of the recipe.
    levels : int
        See the recipe.
    """

    clip: bool = True
    quantise: bool = True
    spike: bool = True
    freeze: bool = True
    unroll: bool = True
    levels: int = 0

    @classmethod
    def at(cls, recipe: Recipe, progress: float) -> "Stage":
        """The stage of ``recipe`` at ``progress``, from 0 to 1; beyond, to 2, in the second round."""
        if progress >= 1:
            # The last epoch at least.
            freeze_from = min(recipe.freeze_from, 1 - 1 / recipe.again)
            return cls(freeze=progress - 1 >= freeze_from, levels=recipe.levels)
        return cls(progress >= recipe.clip_from, progress >= recipe.quantise_from, progress >= recipe.spike_from,
                   progress >= recipe.freeze_from, progress >= recipe.unroll_from, recipe.levels)


def fire(potential: Tensor, coding: Coding, stage: Stage) -> Tensor:
    """The value of each neuron's spike, 0 where it is silent."""
    if not stage.spike:
        return Clip.apply(potential, 1 if stage.clip else torch.inf)
    if stage.levels:
        soft = Clip.apply(potential, 1)
        hard = (soft * stage.levels + 0.5).floor() / stage.levels
        return soft + (hard - soft).detach()
    return Threshold.apply(potential) if coding.window == 1 else Staircase.apply(potential, coding)


class FloatLayer(nn.Module):
    """A convolution with its batch norm, whose weights are rounded as folding leaves them.

    Parameters
    ----------
    spec : LayerSpec
    kernel : tuple of int
        Shape of the weight as a convolution.
    grain : int
    per_channel : bool
    """

    def __init__(self, spec: LayerSpec, kernel: tuple[int, int, int, int], grain: int, per_channel: bool):
        super().__init__()
        out = kernel[0]
        self.spec, self.grain, self.per_channel = spec, grain, per_channel
        # Whether steps are compiled, see FloatNetwork.compile_layers.
        self.compiled = False
        if spec.kind == "identity":
            self.register_buffer("weight", torch.eye(out)[..., None, None], persistent=False)
            self.register_buffer("bias", torch.zeros(out), persistent=False)
            return
        self.weight = nn.Parameter(torch.empty(kernel))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        if spec.batch_norm:
            self.norm_scale = nn.Parameter(torch.ones(out))
            self.norm_shift = nn.Parameter(torch.zeros(out))
            self.register_buffer("norm_mean", torch.zeros(out))
            self.register_buffer("norm_variance", torch.ones(out))
        else:
            self.bias = nn.Parameter(torch.zeros(out))

    def charge(self, spikes: Tensor, stage: Stage, largest: Tensor | None = None) -> Tensor:
        """What ``spikes``, (images, in, height, width), add to the potentials but for the bias, see :meth:`settle`.

        The scale of the weights goes by ``largest``, (out,), where it is given; see :meth:`largest`.
        """
        weight, (stride, padding) = self.step_weight(stage, largest), (self.spec.stride, self.spec.padding)
        if self.compiled and self._suits_winograd(spikes):
            return WinogradConvolution.apply(spikes, weight)
        height, width = (side + 2 * padding - taps + 1 for side, taps in zip(spikes.shape[2:], weight.shape[2:]))
        if spikes.is_cpu and stride == 1 and len(spikes) * height * width < weight[0].numel():
            dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else weight.dtype
            return SmallConvolution.apply(spikes.to(dtype), weight.to(dtype), padding)
        return functional.conv2d(spikes, weight, None, stride, padding)

    def _suits_winograd(self, spikes: Tensor) -> bool:
        """Whether Winograd's convolution does it, and is the faster one."""
        spec = self.spec
        return (spikes.is_cpu and spec.kind == "conv" and (spec.kernel, spec.stride, spec.padding) == (3, 1, 1)
                and min(spikes.shape[1], spec.channels) >= WINOGRAD_CHANNELS and min(spikes.shape[2:]) >= TILE
                and not torch.is_autocast_enabled("cpu"))

    def largest(self, stage: Stage) -> Tensor:
        """The weight that the scale of each channel would go by, were the layer no part of a sum: (out,)."""
        weight = self.weight * self._factor() if self._follows(stage) else self._folded()[0]
        return largest_magnitude(weight, self.per_channel)

    def step_weight(self, stage: Stage, largest: Tensor | None = None) -> Tensor:
        """The weight of one step.

        While batch norm follows the batch, one convolution has to be enough: weights are rounded as the running
        statistics fold them, and stay unfolded.
        """
        if not self._follows(stage):
            weight, _ = self._folded()
            return self._rounded(weight, largest=largest) if stage.quantise else weight
        if not stage.quantise:
            return self.weight
        return self._rounded(self.weight, self._factor(), largest)

    def _factor(self) -> Tensor:
        """By which batch norm will multiply the weights as it is folded, as far as is known."""
        factor = (self.norm_scale / (self.norm_variance + NORM_EPSILON).sqrt()).detach()[:, None, None, None]
        return torch.where(factor == 0, 1, factor)

    def settle(self, charge: Tensor, stage: Stage) -> Tensor:
        """``charge``, (images, height, width, channels), with its batch norm or bias."""
        if not self._follows(stage):
            return charge + self._folded()[1]
        flat = functional.batch_norm(charge.flatten(0, 2), self.norm_mean, self.norm_variance, self.norm_scale,
                                     self.norm_shift, True, NORM_MOMENTUM, NORM_EPSILON)
        return flat.reshape(charge.shape)

    def _follows(self, stage: Stage) -> bool:
        """Whether batch norm takes its statistics from the batch."""
        return self.spec.batch_norm and self.training and not stage.freeze

    def pooled(self, values: Tensor) -> Tensor:
        """The earliest spike, that is the largest value, of each pooling window of (images, height, width, channels).
        """
        return MaxPool.apply(values, self.spec.pool) if self.spec.pool > 1 else values

    def _rounded(self, weight: Tensor, factor: Tensor | None = None, largest: Tensor | None = None) -> Tensor:
        """``weight`` as its codes have it, with the gradient going straight through; ``factor`` is on it meanwhile."""
        scaled = weight if factor is None else weight * factor
        codes = rounded(scaled, self.grain, largest_magnitude(scaled, self.per_channel) if largest is None else largest)
        if factor is not None:
            codes = codes / factor
        return weight + (codes - weight).detach()

    def _folded(self) -> tuple[Tensor, Tensor]:
        if not self.spec.batch_norm:
            return self.weight, self.bias
        return fold(self.weight, self.norm_scale, self.norm_shift, self.norm_mean, self.norm_variance)


class Ran(NamedTuple):
    """What a float network did.

    Parameters
    ----------
    logits : Tensor, float32, (timesteps, images, classes)
        Of the readout's charges up to each timestep, the mean.
    maps : list of Tensor, float32, (timesteps, images, channels, height, width), or None
        What others read of each hidden layer; one timestep stands for all where they are the same. There is none of a
        layer that is added to the next one.
    neurons : int
        Of hidden layers, evaluated for each picture.
    """

    logits: Tensor
    maps: list[Tensor | None]
    neurons: int


def held(fired: Tensor, active: list[int], timesteps: int) -> Tensor:
    """What a layer shows in every timestep that fires in those of ``active``: its last spikes, at first none.

    Parameters
    ----------
    fired : Tensor, (active timesteps, ...)

    Returns
    -------
    Tensor, (timesteps, ...), or (1, ...) where all timesteps are the same
    """
    if len(active) == timesteps or active == [1]:
        return fired
    fired = torch.cat((torch.zeros_like(fired[:1]), fired))
    return fired[[sum(k <= timestep for k in active) for timestep in range(1, timesteps + 1)]]


class FloatNetwork(nn.Module):
    """All layers of ``header``, with random weights."""

    def __init__(self, header: Header):
        super().__init__()
        self.header = header
        self.layers = nn.ModuleDict({
            spec.name: FloatLayer(spec, kernel, header.weight_grain,
                                  per_channel=header.sum_of(spec)[-1] is not header.layers[-1])
            for spec, kernel in zip(header.layers, header.kernels())})
        self.sources = header.sources()

    @classmethod
    def of(cls, trained: Trained) -> "FloatNetwork":
        """``trained`` as it was when its training ended."""
        network = cls(trained.header)
        network.begin(trained)
        return network

    def begin(self, trained: Trained, images: Tensor | None = None) -> None:
        """Take over what ``trained`` computes.

        Where its batch norm is folded, there is one again that changes nothing; with ``images``, (images, channels,
        height, width), it has the statistics of the first of them, so that it can follow those of a batch. A readout of
        other classes stays as it is, and so does a layer that ``trained`` has not.
        """
        tensors, folded, readout = dict(trained.tensors), [], self.header.layers[-1]
        theirs = {spec.name for spec in trained.header.layers}
        if trained.header.layers[-1].channels != readout.channels:
            theirs.discard(readout.name)
        tensors |= {name.removeprefix("layers."): value for name, value in self.state_dict().items()
                    if name.split(".")[1] not in theirs}
        for name, layer in self.layers.items():
            bias = tensors.get(f"{name}.bias")
            if layer.spec.batch_norm and bias is not None:
                folded.append(layer)
                del tensors[f"{name}.bias"]
                tensors |= {f"{name}.norm_scale": torch.ones_like(bias), f"{name}.norm_shift": bias,
                            f"{name}.norm_mean": torch.zeros_like(bias),
                            f"{name}.norm_variance": torch.full_like(bias, 1 - NORM_EPSILON)}
        shapes = {name: value.shape for name, value in self.state_dict().items()}
        self.load_state_dict({f"layers.{name}": tensor.reshape(shapes[f"layers.{name}"])
                              for name, tensor in tensors.items()})
        if folded and images is not None:
            self._restore_norms(folded, images[:NORM_IMAGES])

    @torch.no_grad()
    def _restore_norms(self, folded: list[FloatLayer], images: Tensor) -> None:
        """Give the batch norms of ``folded`` the statistics of ``images``; they change nothing, as before."""
        stage = Stage()
        maps = [self._seen(images), *self(images, stage).maps]
        for layer, source in zip(self.layers.values(), self.sources):
            if layer in folded:
                variance, mean = torch.var_mean(layer.charge(maps[source].flatten(0, 1), stage), (0, 2, 3))
                layer.norm_scale.copy_((variance + NORM_EPSILON).sqrt())
                layer.norm_shift.add_(mean)
                layer.norm_mean.copy_(mean)
                layer.norm_variance.copy_(variance)

    def forward(self, images: Tensor, stage: Stage = Stage()) -> Ran:
        """Run all timesteps, one layer after the other.

        Parameters
        ----------
        images : Tensor, float32, (images, channels, height, width)
            Pixels between 0 and 1; in the memory of the CPU, wherever the network is.
        """
        neurons, timesteps = 0, self.header.timesteps if stage.unroll and not stage.levels else 1
        maps, meeting = [self._seen(images)], []
        *_, readout = self.layers.values()
        for layer, source in zip(self.layers.values(), self.sources):
            meeting.append((layer, maps[source]))
            if layer.spec.partial:
                maps.append(None)
                continue
            active = [k for k in self.header.active(layer.spec) if k <= timesteps]
            layers, charges = self._charge(meeting, active, stage)
            meeting = []
            if layer is not readout:
                neurons += len(active) * charges[0][0].numel()
                maps.append(self.respond(layers, charges, len(images), active, timesteps, stage))
        charge = self._settled(layers, charges, len(images), stage).flatten(2).expand(timesteps, -1, -1)
        count = torch.arange(1, timesteps + 1, device=charge.device)[:, None, None]
        return Ran(charge.cumsum(0) / count, maps[1:], neurons)

    def _seen(self, images: Tensor) -> Tensor:
        """The value of each pixel's spike, the same in all timesteps: (1, images, channels, height, width)."""
        coding, (weight, *_) = self.header.input_coding, self.parameters()
        return decode(encode(images, coding), coding)[None].to(weight.device)

    def respond(self, layers: tuple[FloatLayer, ...], charges: tuple[Tensor, ...], images: int, active: list[int],
                timesteps: int, stage: Stage) -> Tensor:
        """The map that the last of ``layers`` shows for the charges of all of them, see :meth:`_charge` and
        :class:`Ran`.

        Without memory, the largest potential of a window fires first: in a single timestep, only that one is asked.
        """
        layer, dtype, charge = layers[-1], charges[-1].dtype, self._settled(layers, charges, images, stage)
        if timesteps == 1:
            return self._neurons(layer, [layer.pooled(charge[0])], stage)[0].to(dtype).permute(0, 3, 1, 2)[None]
        charge = charge.expand(len(active), *charge.shape[1:])
        fired = self._neurons(layer, list(charge), stage)
        shown = torch.cat([layer.pooled(spikes.to(dtype)) for spikes in fired]).permute(0, 3, 1, 2)
        return held(shown.unflatten(0, (len(active), images)), active, timesteps)

    @staticmethod
    def fan_out(spec: LayerSpec) -> float:
        """Synapses of ``spec`` that a spike in its source reaches, away from the map's border."""
        return spec.channels * (spec.kernel / spec.stride) ** 2 if spec.kind == "conv" else spec.channels

    def operations(self, ran: Ran) -> Tensor:
        """The share of the synaptic operations of all layers but the first that ``ran`` took, smoothed for training.

        A spike in a map costs its fan-out, the taps that read it times the channels they lead to. In place of a count,
        which has no slope, stands the square root of the activation.
        """
        reads = [(self.fan_out(spec), ran.maps[source - 1])
                 for spec, source in zip(self.header.layers, self.sources) if source]
        dense = sum(cost * spikes[0, 0].numel() for cost, spikes in reads)
        return sum(cost * spikes[0, 0].numel() / dense * (spikes + COUNT_EPSILON).sqrt().mean()
                   for cost, spikes in reads)

    @staticmethod
    def _charge(meeting: list[tuple[FloatLayer, Tensor]], active: list[int],
                stage: Stage) -> tuple[tuple[FloatLayer, ...], tuple[Tensor, ...]]:
        """The layers of a sum, and what the map that each reads charges its neurons with: in the timesteps ``active``,
        one behind the other, (timesteps * images, channels, height, width); what is the same in all is charged once.
        """
        layers, charges, largest = tuple(layer for layer, _ in meeting), [], None
        if len(layers) > 1 and stage.quantise:
            largest = torch.stack([layer.largest(stage) for layer in layers]).amax(0)
        for layer, spikes in meeting:
            if len(spikes) > len(active):
                spikes = spikes[[k - 1 for k in active]]
            spikes = spikes.flatten(0, 1).contiguous(memory_format=torch.channels_last)
            charges.append(layer.charge(spikes, stage, largest))
        return layers, tuple(charges)

    @staticmethod
    def _settled(layers: tuple[FloatLayer, ...], charges: tuple[Tensor, ...], images: int, stage: Stage) -> Tensor:
        """``charges`` with their batch norms and biases, added up: (timesteps, images, height, width, channels)."""
        total = None
        for layer, charge in zip(layers, charges):
            # Compiled code is fast where the last axis is the dense one.
            settled = layer.settle(charge.permute(0, 2, 3, 1), stage).unflatten(0, (-1, images))
            total = settled if total is None else total + settled
        return total

    def compile_layers(self) -> None:
        """Compile what lies between the convolutions; each layer, in each stage, for itself."""
        torch._dynamo.config.recompile_limit = torch._dynamo.config.accumulated_recompile_limit = 1000
        self.respond = torch.compile(self.respond, dynamic=False)
        self.operations = torch.compile(self.operations, dynamic=False)
        for layer in self.layers.values():
            layer._rounded = torch.compile(layer._rounded, dynamic=False)
            layer.compiled = True

    def _neurons(self, layer: FloatLayer, charges: list[Tensor], stage: Stage) -> list[Tensor]:
        """Leak, charge, fire and reset in every timestep of ``charges``."""
        header, fired, coding = self.header, [], self.header.coding_of(layer.spec)
        # The levels of a converted network are rounded; its start is what rounds them.
        start = 0.0 if stage.levels else header.start
        if len(charges) == 1 and not start:
            return [fire(charges[0], coding, stage)]
        potential = torch.full_like(charges[0], start)
        for charge in charges:
            if header.leak_shift and fired:
                potential = potential * (1 - 2 ** -header.leak_shift)
            potential = potential + charge
            fired.append(fire(potential, coding, stage))
            if header.reset == "zero":
                potential = potential * (fired[-1].detach() == 0)
            elif header.reset == "subtract":
                potential = potential - fired[-1].detach()
        return fired
