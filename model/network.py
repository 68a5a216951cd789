"""A network in the numbers of the hardware, independent of any processor's size."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .config import GRAINS, SIGN_BIT, Numerics, Reset, Rule

__all__ = ["NetworkError", "Coding", "Unfold", "Reset", "Rule", "Exit", "Layer", "Network"]


class NetworkError(ValueError):
    """A network that cannot run; the message names the layer, the limit and the value found."""


@dataclass(frozen=True, kw_only=True)
class Coding:
    """How a spike map codes values: slot t of ``window`` is worth 2^(-t / tau).

    Parameters
    ----------
    window : int
        Slots of the window, 1 to 31.
    tau : int
        Slots per octave: 1, 2 or 4.
    nearest : bool
        Round to the nearest spike time instead of down to the next later one.
    """

    window: int = 1
    tau: int = 4
    nearest: bool = False

    def __post_init__(self):
        if not 1 <= self.window <= 31:
            raise NetworkError(f"a window has 1 to 31 slots, not {self.window}")
        if self.tau not in GRAINS:
            raise NetworkError(f"tau must be 1, 2 or 4 slots an octave, not {self.tau}")

    @property
    def grain(self) -> int:
        """Quarter octaves per slot."""
        return 4 // self.tau


@dataclass(frozen=True, kw_only=True)
class Unfold:
    """The picture laid out once for each output pixel of the first layer: the taps become channels.

    A convolution over a few channels reads a few codes here and a few there; unfolded, all the taps of an output pixel
    lie in one place, and the convolution's kernel is 1.

    Parameters
    ----------
    kernel : int
    stride, padding : int
        Of the convolution that was unfolded.
    """

    kernel: int
    stride: int = 1
    padding: int = 0


@dataclass(frozen=True, kw_only=True)
class Exit:
    """When the answer is sure.

    Parameters
    ----------
    rule : Rule
    threshold : float
        ENTROPY: bits, exit below. PROBABILITY: the largest softmax probability, exit above.
        MARGIN: bits between the two best classes, exit above. BUDGET: not used.
    """

    rule: Rule = Rule.BUDGET
    threshold: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One layer: integrate, fire, pool.

    A fully connected layer is a convolution whose kernel covers the map.

    Parameters
    ----------
    name : str
    weight : Tensor, uint8, (out, in, kernel_height, kernel_width)
        Weight codes: exponent 0..14 plus 16 where negative, or 15 for no synapse.
    bias : Tensor, int32, (out,)
        Added once per timestep, in units of 2^-fraction_width of the column's own scale.
    start : Tensor, int32, (out,), optional
        Potential with which the first active timestep begins, in the units of the bias; 0 where it is not given.
    gain : Tensor, int32, (out,)
        Scale of the column in quarter octaves: a neuron fires in slot t at
        ``potential >= 2^fraction_width * 2^(-(gain + t * coding.grain) / 4)``.
        In the readout all gains are equal, and a logit is ``potential * 2^(gain / 4 - fraction_width)``.
    weight_grain : int
        Quarter octaves per step of the weight exponent: 1, 2 or 4.
    stride, padding : int
    pool : int
        Side of the max-pooling window, which is also its stride; 1 for none.
    coding : Coding
        Of the spikes this layer emits.
    leak_shift : int
        Every timestep after the first takes off ``potential >> leak_shift``; 0 for no leak.
    reset : Reset
    mask : int
        Bit k - 1 is set when the layer integrates and fires in timestep k.
    hold : bool
        In the other timesteps the layer repeats its last spikes (True) or is silent (False).
    recall : bool
        For the first layer, whose source is the same in every timestep: integrate once, and fire from the same charge
        in all timesteps.
    readout : bool
        The last layer: it never fires, its potentials are the logits.
    """

    name: str
    weight: Tensor
    bias: Tensor
    gain: Tensor
    start: Tensor | None = None
    weight_grain: int = 2
    stride: int = 1
    padding: int = 0
    pool: int = 1
    coding: Coding = Coding()
    leak_shift: int = 0
    reset: Reset = Reset.NONE
    mask: int = (1 << 32) - 1
    hold: bool = False
    recall: bool = False
    readout: bool = False

    def __post_init__(self):
        def refuse(what):
            raise NetworkError(f"layer {self.name}: {what}")

        if self.weight.ndim != 4 or self.weight.dtype != torch.uint8:
            refuse("the weight must be a uint8 tensor (out, in, kernel_height, kernel_width), "
                   f"not {self.weight.dtype} of shape {tuple(self.weight.shape)}")
        if int(self.weight.max()) >= 2 * SIGN_BIT:
            refuse(f"a weight code has 5 bits, found {int(self.weight.max())}")
        for name in ("bias", "gain", "start"):
            value = getattr(self, name)
            if name == "start" and value is None:
                continue
            if value.dtype != torch.int32 or value.shape != (self.out_channels,):
                refuse(f"the {name} must be an int32 tensor ({self.out_channels},), "
                       f"not {value.dtype} of shape {tuple(value.shape)}")
        if int(self.gain.min()) < -64 or int(self.gain.max()) > 63:
            refuse(f"a gain lies between -64 and 63 quarter octaves, "
                   f"found {int(self.gain.min())} to {int(self.gain.max())}")
        if self.weight_grain not in GRAINS:
            refuse(f"the weight grain must be 1, 2 or 4 quarter octaves, not {self.weight_grain}")
        if not 1 <= self.stride <= 15:
            refuse(f"the stride must be between 1 and 15, not {self.stride}")
        if not 0 <= self.padding < min(16, *self.kernel):
            refuse(f"the padding must be smaller than the kernel and at most 15, not {self.padding}")
        if not 1 <= self.pool <= 15:
            refuse(f"the pooling window must be between 1 and 15, not {self.pool}")
        if not 0 <= self.leak_shift <= 7:
            refuse(f"the leak shift must be between 1 and 7, or 0 for none, not {self.leak_shift}")
        if self.readout and (self.pool != 1 or self.leak_shift or self.reset != Reset.NONE):
            refuse("a readout neither pools, leaks nor resets")
        if self.readout and self.recall:
            refuse("a readout does not recall its charge")
        if self.readout and self.gain.unique().numel() != 1:
            refuse("all gains of a readout must be equal")

    @property
    def out_channels(self) -> int:
        return self.weight.shape[0]

    @property
    def in_channels(self) -> int:
        return self.weight.shape[1]

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of the kernel."""
        return self.weight.shape[2], self.weight.shape[3]

    def pixels(self, source: tuple[int, int]) -> tuple[int, int]:
        """Height and width before pooling, for a source of this height and width."""
        return tuple((side + 2 * self.padding - kernel) // self.stride + 1
                     for side, kernel in zip(source, self.kernel))

    def fires(self, timestep: int) -> bool:
        """Whether the layer integrates and fires in ``timestep`` (counted from 1)."""
        return bool(self.mask >> (timestep - 1) & 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A chain of layers, from the spikes of a picture to the logits.

    Parameters
    ----------
    name : str
    dataset : str
        Of :data:`model.datasets.DATASETS`: where its pictures come from.
    shape : tuple of int
        Channels, height and width of the input map, unfolded if it is.
    input_coding : Coding
        Of the input spikes, which are the same in every timestep.
    layers : tuple of Layer
        The last one is the readout.
    timesteps : int
        Longest run, 1 to 32.
    exit : Exit
    unfold : Unfold, optional
        How :func:`model.encode.picture_codes` lays out a picture.
    numerics : Numerics

    Raises
    ------
    NetworkError
        If shapes do not fit each other, or anything lies outside what the processor can do.
    """

    name: str
    dataset: str = "digits"
    shape: tuple[int, int, int]
    input_coding: Coding
    layers: tuple[Layer, ...]
    timesteps: int = 1
    exit: Exit = Exit()
    unfold: Unfold | None = None
    numerics: Numerics = Numerics()

    def __post_init__(self):
        if not 1 <= self.timesteps <= 32:
            raise NetworkError(f"network {self.name}: timesteps must be between 1 and 32, not {self.timesteps}")
        if not self.layers or not self.layers[-1].readout or any(layer.readout for layer in self.layers[:-1]):
            raise NetworkError(f"network {self.name}: the last layer, and no other, must be the readout")
        if self.classes < 2:
            raise NetworkError(f"network {self.name}: a readout has at least 2 classes, not {self.classes}")
        for layer in self.layers[1:]:
            if layer.recall:
                raise NetworkError(f"layer {layer.name}: only the first layer can recall its charge, "
                                   "its source alone is the same in every timestep")
        for layer in self.layers:
            if not any(layer.fires(k) for k in range(1, self.timesteps + 1)):
                raise NetworkError(f"layer {layer.name}: it is active in none of the {self.timesteps} timesteps")
        for layer, (channels, *_) in zip(self.layers, self.maps()):
            if layer.in_channels != channels:
                raise NetworkError(f"layer {layer.name}: expects {layer.in_channels} input channels, "
                                   f"its source has {channels}")

    def maps(self) -> list[tuple[int, int, int]]:
        """Channels, height and width of the input and of every layer's emitted map, in order."""
        maps = [self.shape]
        for layer in self.layers:
            height, width = layer.pixels(maps[-1][1:])
            if min(height, width) < 1:
                raise NetworkError(f"layer {layer.name}: a kernel of {layer.kernel[0]} x {layer.kernel[1]} is larger "
                                   f"than the padded map of {maps[-1][1]} x {maps[-1][2]}")
            if min(height, width) < layer.pool:
                raise NetworkError(f"layer {layer.name}: a pooling window of {layer.pool} is larger than "
                                   f"the map of {height} x {width}")
            maps.append((layer.out_channels, height // layer.pool, width // layer.pool))
        if maps[-1][1:] != (1, 1):
            raise NetworkError(f"layer {self.layers[-1].name}: a readout has one output pixel, "
                               f"not {maps[-1][1]} x {maps[-1][2]}")
        return maps

    @property
    def classes(self) -> int:
        return self.layers[-1].out_channels
