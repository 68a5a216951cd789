"""A trained float network on disk: tensors as safetensors, everything else as JSON beside them."""

import hashlib
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from torch import Tensor

from .config import CODE_WIDTH, GRAINS
from .network import Coding, NetworkError, nearest_map, sums
from .quantise import largest_magnitude, pack, unpack, weight_codes, weight_values

__all__ = ["VERSION", "PICTURE", "NORM_EPSILON", "LayerSpec", "ConvSpec", "LinearSpec", "IdentitySpec", "AnySpec",
           "ExitSpec", "Header", "Trained", "save", "load"]

VERSION = 1

# As the name of a source.
PICTURE = "picture"

NORM_TENSORS = ("norm_scale", "norm_shift", "norm_mean", "norm_variance")

# Added to every variance, as in PyTorch.
NORM_EPSILON = 1e-5


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LayerSpec(_Strict):
    """What all layers have in common.

    Parameters
    ----------
    source : str
        The layer that is read, or ``picture``; the last one before that fires where none is named.
    partial : bool
        The charges are added to those of the next layer, instead of firing: a residual sum, or the channels of several
        maps side by side. They are pooled as it is, and fire as it does.
    coding : Coding, optional
        Of the layer's spikes, where it is not the network's.
    active : tuple of int
        The timesteps in which the layer integrates and fires, counted from 1; in the others it repeats its last
        spikes. All of them where none is given.
    """

    name: str
    channels: int = Field(ge=1)
    source: str = ""
    partial: bool = False
    coding: Coding | None = None
    active: tuple[Annotated[int, Field(ge=1, le=32)], ...] = ()


class ConvSpec(LayerSpec):
    """A convolution with a square kernel. Max pooling follows the activation."""

    kind: Literal["conv"] = "conv"
    kernel: int = Field(ge=1)
    stride: int = Field(default=1, ge=1)
    padding: int = Field(default=0, ge=0)
    batch_norm: bool = False
    pool: int = Field(default=1, ge=1)


class LinearSpec(LayerSpec):
    """A fully connected layer: a convolution whose kernel covers the map."""

    stride: ClassVar[int] = 1
    padding: ClassVar[int] = 0
    pool: ClassVar[int] = 1

    kind: Literal["linear"] = "linear"
    batch_norm: bool = False


class IdentitySpec(LayerSpec):
    """A residual shortcut: every neuron of the next layer is charged with the spike of its own place in the source."""

    kernel: ClassVar[int] = 1
    stride: ClassVar[int] = 1
    padding: ClassVar[int] = 0
    pool: ClassVar[int] = 1
    batch_norm: ClassVar[bool] = False

    kind: Literal["identity"] = "identity"
    partial: Literal[True] = True


AnySpec = Annotated[ConvSpec | LinearSpec | IdentitySpec, Field(discriminator="kind")]


class ExitSpec(_Strict):
    """See :class:`model.network.Exit`."""

    rule: Literal["budget", "entropy", "probability", "margin"] = "budget"
    threshold: float = 0.0


class Header(_Strict):
    """All of a trained network but its tensors.

    Parameters
    ----------
    dataset : str
        Of :data:`model.datasets.DATASETS`: what the network was trained on.
    shape : tuple of int
        Channels, height and width of the input.
    layers : tuple of ConvSpec, LinearSpec or IdentitySpec
        The last one is the readout.
    input_coding, coding : Coding
        Of the input spikes, and of the spikes of every hidden layer.
    weight_grain : int
        Quarter octaves per step of a weight's exponent.
    leak_shift, reset
        Of every hidden layer; see :class:`model.network.Layer`.
    start : float
        Potential of every hidden neuron before the first timestep, in thresholds.
    policy_of : str
        The network whose timesteps this one names: one more than its class (SEENN-II: Li et al., NeurIPS 2023).
    recipe : dict
        What the network was trained with.
    rounded : bool
        Weights are those that their codes stand for, and lie as codes in the file: of each layer, ``codes`` as
        :func:`model.quantise.pack` has them, and ``gain``, int8, ``(out,)``, in place of ``weight``.
    validation_accuracy : tuple of float
        After each timestep, on the pictures that also chose the exit threshold.
    sha256 : str
        Of the safetensors file.
    """

    version: Literal[VERSION]
    name: str
    dataset: str = "digits"
    shape: tuple[int, int, int]
    layers: tuple[AnySpec, ...] = Field(min_length=1)
    input_coding: Coding
    coding: Coding
    weight_grain: Literal[GRAINS] = 2
    timesteps: int = Field(default=1, ge=1, le=32)
    leak_shift: int = Field(default=0, ge=0, le=7)
    reset: Literal["none", "zero", "subtract"] = "none"
    start: float = Field(default=0.0, ge=-1.0, le=1.0)
    policy_of: str = ""
    exit: ExitSpec = ExitSpec()
    seed: int = 0
    recipe: dict[str, Any] = {}
    rounded: bool = False
    validation_accuracy: tuple[float, ...] = ()
    sha256: str = ""

    def sources(self) -> list[int]:
        """The map that each layer reads: 0 is the picture, n that of the n-th layer.

        Raises
        ------
        NetworkError
            If there is no such layer before it, or it does not fire.
        """
        sources, partial, numbers = [], [layer.partial for layer in self.layers], {PICTURE: 0}
        for index, layer in enumerate(self.layers):
            if layer.source and layer.source not in numbers:
                raise NetworkError(f"layer {layer.name}: it reads {layer.source!r}, before it there are "
                                   f"{', '.join(numbers)}")
            sources.append(numbers[layer.source] if layer.source else nearest_map(index, partial))
            if not layer.partial:
                numbers[layer.name] = index + 1
        return sources

    def sum_of(self, layer: LayerSpec) -> list[LayerSpec]:
        """The layers whose charges meet in the neurons of ``layer``, itself among them; they fire as the last one."""
        index = next(index for index, each in enumerate(self.layers) if each.name == layer.name)
        return [self.layers[each] for each in sums([each.partial for each in self.layers])[index]]

    def coding_of(self, layer: LayerSpec) -> Coding:
        """Of the spikes that ``layer`` emits."""
        return layer.coding or self.coding

    def active(self, layer: LayerSpec) -> list[int]:
        """The timesteps in which ``layer`` integrates and fires."""
        active = self.sum_of(layer)[-1].active
        return [k for k in range(1, self.timesteps + 1) if not active or k in active]

    def kernels(self) -> list[tuple[int, int, int, int]]:
        """Shape of every layer's weight as a convolution; a linear layer's kernel covers its map."""
        kernels, maps, left = [], [self.shape], None
        for layer, source in zip(self.layers, self.sources()):
            channels, *sides = maps[source]
            kernel = tuple(sides) if layer.kind == "linear" else (layer.kernel, layer.kernel)
            if layer.kind == "identity" and layer.channels != channels:
                raise NetworkError(f"layer {layer.name}: an identity has as many channels as its source, {channels}, "
                                   f"not {layer.channels}")
            kernels.append((layer.channels, channels, *kernel))
            height, width = ((side + 2 * layer.padding - extent) // layer.stride + 1
                             for side, extent in zip(sides, kernel))
            if min(height, width) < layer.pool:
                raise NetworkError(f"layer {layer.name}: nothing is left of its map")
            if left not in (None, (layer.channels, height, width)):
                raise NetworkError(f"layer {layer.name}: its map of {layer.channels} x {height} x {width} is to be "
                                   f"added to one of {' x '.join(map(str, left))}")
            left = (layer.channels, height, width) if layer.partial else None
            maps.append((layer.channels, height // layer.pool, width // layer.pool))
        return kernels

    def largest_magnitudes(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of each channel, the weight that its scale goes by, (out,): of its whole sum, in the readout of all channels.

        Parameters
        ----------
        weights : dict of Tensor, float, (out, ...)
            By layer, with the batch norm folded in.
        """
        found = {}
        for layer in self.layers:
            its = self.sum_of(layer)
            largest = [largest_magnitude(weights[each.name], its[-1] is not self.layers[-1]) for each in its]
            found[layer.name] = torch.stack(largest).amax(0)
        return found

    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor.

        A layer but an identity has a ``weight``, ``(out, in, kernel, kernel)`` or ``(out, in)``. With batch norm it
        also has ``norm_scale``, ``norm_shift``, ``norm_mean`` and ``norm_variance``, without it a ``bias``, all
        ``(out,)``.
        """
        shapes = {}
        for layer, (out, *kernel) in zip(self.layers, self.kernels()):
            if layer.kind == "identity":
                continue
            shapes[f"{layer.name}.weight"] = (out, math.prod(kernel)) if layer.kind == "linear" else (out, *kernel)
            for tensor in NORM_TENSORS if layer.batch_norm else ("bias",):
                shapes[f"{layer.name}.{tensor}"] = (out,)
        return shapes


@dataclass(frozen=True)
class Trained:
    """A trained float network.

    Raises
    ------
    NetworkError
        If the tensors are not those the header describes.
    """

    header: Header
    tensors: dict[str, Tensor]

    def __post_init__(self):
        name, shapes = self.header.name, self.header.tensor_shapes()
        if len({layer.name for layer in self.header.layers}) < len(self.header.layers):
            raise NetworkError(f"network {name}: two layers have the same name")
        for layer in self.header.layers:
            if layer.active and max(layer.active) > self.header.timesteps:
                raise NetworkError(f"layer {layer.name}: it is active in timestep {max(layer.active)}, "
                                   f"the network runs {self.header.timesteps}")
            if layer.partial and (layer.pool > 1 or layer.active or layer.coding):
                raise NetworkError(f"layer {layer.name}: it is added to the next one, and pools, fires and codes as "
                                   "that does")
        if self.header.layers[-1].partial:
            raise NetworkError(f"layer {self.header.layers[-1].name}: no layer is behind it that it could be added to")
        if self.header.layers[-1].active:
            raise NetworkError(f"layer {self.header.layers[-1].name}: a readout is active in all timesteps")
        for key, shape in shapes.items():
            if key not in self.tensors:
                raise NetworkError(f"network {name}: the tensor {key} is missing")
            if self.tensors[key].shape != shape:
                raise NetworkError(f"network {name}: the tensor {key} has shape {tuple(self.tensors[key].shape)}, "
                                   f"expected {shape}")
            if not self.tensors[key].isfinite().all():
                raise NetworkError(f"network {name}: the tensor {key} holds values that are not finite")
        for key in self.tensors:
            if key not in shapes:
                raise NetworkError(f"network {name}: no layer has a tensor {key}")

    def weight(self, layer: LayerSpec) -> Tensor:
        """Of ``layer``; that of an identity is made of ones."""
        if layer.kind == "identity":
            return torch.eye(layer.channels)[..., None, None]
        return self.tensors[f"{layer.name}.weight"]


def save(trained: Trained, path: str | Path) -> Path:
    """Write ``path.safetensors``, then ``path.json``; each replaces its predecessor at once.

    Returns
    -------
    Path
        Of the JSON file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = _to_codes(trained) if trained.header.rounded else trained.tensors
    tensors = safetensors.torch.save({key: value.contiguous() for key, value in stored.items()})
    header = trained.header.model_copy(update={"sha256": hashlib.sha256(tensors).hexdigest()})
    for suffix, data in ((".safetensors", tensors), (".json", (header.model_dump_json(indent=2) + "\n").encode())):
        unfinished = path.with_name(path.name + suffix + ".new")
        unfinished.write_bytes(data)
        os.replace(unfinished, path.with_name(path.name + suffix))
    return path.with_name(path.name + ".json")


def load(path: str | Path) -> Trained:
    """Read ``path.json`` and ``path.safetensors``.

    Raises
    ------
    NetworkError
        If a file is missing, damaged, of another version, or describes what cannot be converted.
    """
    path = Path(path)
    header_path, tensors_path = (path.with_name(path.name + suffix) for suffix in (".json", ".safetensors"))
    for file in (header_path, tensors_path):
        if not file.is_file():
            raise NetworkError(f"there is no file {file}")
    try:
        header = Header.model_validate_json(header_path.read_bytes())
    except ValidationError as error:
        raise NetworkError(_sentence(header_path, error.errors()[0])) from None
    data = tensors_path.read_bytes()
    if hashlib.sha256(data).hexdigest() != header.sha256:
        raise NetworkError(f"{tensors_path} is not the file {header_path.name} was written with: its SHA-256 differs")
    try:
        tensors = safetensors.torch.load(data)
    except SafetensorError as error:
        raise NetworkError(f"{tensors_path} is not a safetensors file: {error}") from None
    return Trained(header, _from_codes(header, tensors) if header.rounded else tensors)


def _to_codes(trained: Trained) -> dict[str, Tensor]:
    """The tensors of a rounded network as they lie in its file."""
    header, stored = trained.header, dict(trained.tensors)
    largest = header.largest_magnitudes({layer.name: trained.weight(layer).double() for layer in header.layers})
    for layer in header.layers:
        if layer.kind == "identity":
            continue
        weight = stored.pop(f"{layer.name}.weight")
        codes, gain = weight_codes(weight.double(), header.weight_grain, largest[layer.name])
        if not weight_values(codes, gain, header.weight_grain).float().equal(weight):
            raise NetworkError(f"network {header.name} is not rounded: layer {layer.name} has weights without a code")
        stored |= {f"{layer.name}.codes": pack(codes), f"{layer.name}.gain": gain.to(torch.int8)}
    return stored


def _from_codes(header: Header, stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a rounded network from those in its file."""
    tensors = dict(stored)
    for layer, kernel in zip(header.layers, header.kernels()):
        if layer.kind == "identity":
            continue
        missing = {f"{layer.name}.codes", f"{layer.name}.gain"} - tensors.keys()
        if missing:
            raise NetworkError(f"network {header.name}: the tensor {min(missing)} is missing")
        codes, gain = tensors.pop(f"{layer.name}.codes"), tensors.pop(f"{layer.name}.gain")
        size = -(-math.prod(kernel) * CODE_WIDTH // 8)
        if codes.shape != (size,) or gain.shape != kernel[:1]:
            raise NetworkError(f"network {header.name}: layer {layer.name} has {codes.numel()} bytes of codes and "
                               f"{gain.numel()} gains, expected {size} and {kernel[0]}")
        weight = weight_values(unpack(codes, kernel), gain.int(), header.weight_grain).float()
        tensors[f"{layer.name}.weight"] = weight.reshape(header.tensor_shapes()[f"{layer.name}.weight"])
    return tensors


def _sentence(path: Path, error: dict) -> str:
    """What is wrong with a header, for people."""
    if error["type"] == "union_tag_invalid":
        return (f"layer {error['input'].get('name')}: kind {error['ctx']['tag']!r} is not supported; "
                f"supported are conv, linear, identity")
    if error["loc"] == ("version",) and error["type"] != "missing":
        return f"{path}: version {error['input']!r} is not supported, expected {VERSION}"
    place = ".".join(str(part) for part in error["loc"])
    return f"{path}: {place}: {error['msg']}" if place else f"{path}: {error['msg']}"
