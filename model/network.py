"""A network in the numbers of the hardware, independent of any processor's size."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .coding import Coding, NetworkError, Unfold
from .config import GRAINS, SIGN_BIT, Numerics, Reset, Rule

__all__ = ["NetworkError", "Coding", "Unfold", "Reset", "Rule", "Exit", "Layer", "Network", "nearest_map", "sums"]


def sums(partial: Sequence[bool]) -> list[range]:
    """For every layer, those whose potentials meet in the same neurons, counted from 0.

    Parameters
    ----------
    partial : sequence of bool
        Which layers leave their potentials to the next one; the last does not.
    """
    ranges, first = [], 0
    for index, leaves in enumerate(partial):
        if not leaves:
            ranges += [range(first, index + 1)] * (index + 1 - first)
            first = index + 1
    return ranges


def nearest_map(index: int, partial: Sequence[bool]) -> int:
    """The last map before layer ``index``: 0 is the picture, n that of the n-th layer; see :func:`sums`."""
    while index and partial[index - 1]:
        index -= 1
    return index


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
        For a first layer, whose source is the same in every timestep: integrate once, and fire from the same charge
        in all timesteps.
    readout : bool
        The last layer: it never fires, its potentials are the logits.
    source : int, optional
        The map that is read: 0 is the picture, n that of the n-th layer; the last one before where it is not given.
    partial : bool
        Leave the potentials to the next layer, which adds to them and fires. So a neuron integrates from several
        sources: a residual sum, or the channels of several maps side by side. All but the last of such layers emit
        nothing; the first one leaks.
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
    source: int | None = None
    partial: bool = False

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
        if self.partial and (self.readout or self.recall or self.reset != Reset.NONE):
            refuse("a layer that leaves its potentials to the next one neither recalls, resets nor is the readout")
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
    """Layers, from the spikes of a picture to the logits; each reads the picture or a layer before it.

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
        for layer in self.layers:
            if not any(layer.fires(k) for k in range(1, self.timesteps + 1)):
                raise NetworkError(f"layer {layer.name}: it is active in none of the {self.timesteps} timesteps")
        maps = self.maps()
        for index, (layer, source) in enumerate(zip(self.layers, self.sources)):
            if layer.in_channels != maps[source][0]:
                raise NetworkError(f"layer {layer.name}: expects {layer.in_channels} input channels, "
                                   f"its source has {maps[source][0]}")
            if layer.recall and (source or self.adds(index)):
                raise NetworkError(f"layer {layer.name}: only a layer that reads the picture, and nothing else, can "
                                   "recall its charge")
            if self.adds(index):
                self._check_sum(self.layers[index - 1], layer, maps[index], maps[index + 1])

    @staticmethod
    def _check_sum(left: Layer, layer: Layer, left_map: tuple[int, int, int], its_map: tuple[int, int, int]):
        """See that ``layer`` can add to the potentials that ``left``, the layer before it, leaves."""
        if (left_map, left.pool) != (its_map, layer.pool):
            raise NetworkError(f"layer {layer.name}: it has a map of {its_map} pooled by {layer.pool}, layer "
                               f"{left.name} leaves it potentials for one of {left_map} pooled by {left.pool}")
        if left.mask != layer.mask:
            raise NetworkError(f"layer {layer.name}: its mask is {layer.mask:#x}, that of layer {left.name}, which "
                               f"leaves it potentials, is {left.mask:#x}")
        if layer.leak_shift:
            raise NetworkError(f"layer {layer.name}: it does not leak, layer {left.name} before it does for both")

    @property
    def sources(self) -> tuple[int, ...]:
        """The map that each layer reads: 0 is the picture, n that of the n-th layer."""
        partial = [layer.partial for layer in self.layers]
        return tuple(nearest_map(index, partial) if layer.source is None else layer.source
                     for index, layer in enumerate(self.layers))

    def adds(self, index: int) -> bool:
        """Whether layer ``index``, counted from 0, adds to the potentials of the layer before it."""
        return index > 0 and self.layers[index - 1].partial

    def sum_of(self, index: int) -> range:
        """The layers whose potentials meet in the neurons of layer ``index``, itself among them, counted from 0."""
        return sums([layer.partial for layer in self.layers])[index]

    def maps(self) -> list[tuple[int, int, int]]:
        """Channels, height and width of the input and of every layer's map, in order.

        The map of a layer that leaves its potentials to the next one is that of the next one.
        """
        maps = [self.shape]
        for layer, source in zip(self.layers, self.sources):
            if not 0 <= source < len(maps):
                raise NetworkError(f"layer {layer.name}: there are {len(maps)} maps before it, it cannot read number "
                                   f"{source}")
            if source and self.layers[source - 1].partial:
                raise NetworkError(f"layer {layer.name}: it reads layer {self.layers[source - 1].name}, which emits "
                                   "nothing")
            sides = maps[source][1:]
            height, width = layer.pixels(sides)
            if min(height, width) < 1:
                raise NetworkError(f"layer {layer.name}: a kernel of {layer.kernel[0]} x {layer.kernel[1]} is larger "
                                   f"than the padded map of {sides[0]} x {sides[1]}")
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
