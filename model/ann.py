"""A plain PyTorch network with ReLUs becomes a network of first spikes, without retraining.

Every activation is divided by its largest value, but for a few outliers that are clipped, so that it becomes the value
of a spike; the weights behind it make up for that (data-based normalisation: Diehl et al., IJCNN 2015).
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .network import Coding, NetworkError
from .trained import VERSION, ConvSpec, Header, LinearSpec, Trained

__all__ = ["CODING", "from_torch"]

CODING = Coding(window=24, tau=4, nearest=True)
# Share of a layer's activations that are not clipped.
KEPT = 0.9995
BATCH = 256

IGNORED = (nn.Identity, nn.Flatten, nn.Dropout, nn.Dropout2d)
SUPPORTED = "Conv2d, BatchNorm1d, BatchNorm2d, ReLU, MaxPool2d, Flatten, Dropout, Identity, Linear"


def from_torch(module: nn.Sequential, images: Tensor, *, name: str, dataset: str, coding: Coding = CODING,
               kept: float = KEPT) -> Trained:
    """Convert ``module``.

    Parameters
    ----------
    module : nn.Sequential
        Convolutions and fully connected layers, each followed by a ReLU but the last; batch norm before the ReLU and
        max pooling behind it, if any. It reads pixels between 0 and 1.
    images : Tensor, float32, (images, channels, height, width)
        Training pictures that show how large activations are; a thousand are enough.
    name, dataset : str
        Of the network; see :class:`model.trained.Header`.
    coding : Coding
        Of all spikes.
    kept : float
        Share of each layer's activations that are not clipped.

    Raises
    ------
    NetworkError
        If ``module`` has a layer that has no counterpart, or layers in an order that has none.
    """
    if not 0 < kept <= 1:
        raise NetworkError(f"the share of activations that are kept lies between 0 and 1, not {kept}")
    specs, tensors, values, scale = [], {}, images.float(), 1.0
    blocks = list(_blocks(name, module))
    for number, (layer, norm, fires, pool) in enumerate(blocks):
        if fires == (number + 1 == len(blocks)):
            raise NetworkError(f"network {name}: {_called(layer)} number {number + 1} must be followed by a ReLU"
                               if not fires else f"network {name}: its last layer has a ReLU behind it")
        weight, bias = _folded(layer, norm)
        values = _run(layer, norm, fires, values)
        # What the next layer reads is a share of the largest activation.
        largest = _largest(values, kept) if fires else 1.0
        spec = _spec(name, layer, f"layer{number + 1}", pool)
        specs.append(spec)
        tensors[f"{spec.name}.weight"] = (weight * scale / largest).float()
        tensors[f"{spec.name}.bias"] = (bias / largest).float()
        scale = largest
        if pool > 1:
            values = nn.functional.max_pool2d(values, pool)
    header = Header(version=VERSION, name=name, dataset=dataset, shape=tuple(images.shape[1:]), layers=tuple(specs),
                    input_coding=coding, coding=coding, recipe={"from": "a PyTorch module", "kept": kept})
    return Trained(header, tensors)


def _blocks(name: str, module: nn.Sequential) -> Iterator[tuple[nn.Module, nn.Module | None, bool, int]]:
    """Each layer, its batch norm, whether a ReLU follows, and the side of the pooling window behind it."""
    block = None
    for each in _flat(module):
        if isinstance(each, nn.Conv2d | nn.Linear):
            if block is not None:
                yield tuple(block)
            block = [each, None, False, 1]
        elif isinstance(each, IGNORED):
            continue
        elif block is None:
            raise NetworkError(f"network {name}: {_called(each)} stands before the first layer")
        elif isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d) and block[1] is None and not block[2] and block[3] == 1:
            block[1] = each
        elif isinstance(each, nn.ReLU) and not block[2] and block[3] == 1:
            block[2] = True
        elif isinstance(each, nn.MaxPool2d) and block[2] and block[3] == 1:
            block[3] = _pool(name, each)
        elif isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d | nn.ReLU | nn.MaxPool2d):
            raise NetworkError(f"network {name}: {_called(each)} stands where there is no counterpart; a layer is "
                               "followed by batch norm, ReLU and max pooling, in this order")
        else:
            raise NetworkError(f"network {name}: {_called(each)} is not supported; supported are {SUPPORTED}")
    if block is None:
        raise NetworkError(f"network {name}: there is no layer in it")
    yield tuple(block)


def _folded(layer: nn.Module, norm: nn.Module | None) -> tuple[Tensor, Tensor]:
    """Weight and bias of a layer in float64, with its batch norm folded in."""
    weight = layer.weight.detach().double()
    bias = torch.zeros(len(weight)).double() if layer.bias is None else layer.bias.detach().double()
    if norm is None:
        return weight, bias
    factor = (norm.running_var.double() + norm.eps).rsqrt()
    shift = -norm.running_mean.double() * factor
    if norm.affine:
        scale = norm.weight.detach().double()
        factor, shift = factor * scale, shift * scale + norm.bias.detach().double()
    return weight * factor.reshape(-1, *[1] * (weight.ndim - 1)), bias * factor + shift


def _flat(module: nn.Module) -> Iterator[nn.Module]:
    if isinstance(module, nn.Sequential):
        for each in module:
            yield from _flat(each)
    else:
        yield module


def _called(module: nn.Module) -> str:
    return type(module).__name__


def _pool(name: str, module: nn.MaxPool2d) -> int:
    sides = {module.kernel_size, module.stride} if isinstance(module.kernel_size, int) else {None, 0}
    if len(sides) > 1 or module.padding or module.dilation != 1 or module.ceil_mode:
        raise NetworkError(f"network {name}: {module} is not supported; a pooling window is square and its own stride")
    return module.kernel_size


def _spec(network: str, layer: nn.Module, name: str, pool: int) -> ConvSpec | LinearSpec:
    if isinstance(layer, nn.Linear):
        return LinearSpec(name=name, channels=layer.out_features)
    sides = [set(sides) for sides in (layer.kernel_size, layer.stride)]
    padding = {layer.padding} if isinstance(layer.padding, str) else set(layer.padding)
    if (any(len(side) > 1 for side in (*sides, padding)) or isinstance(layer.padding, str) or layer.groups != 1
            or set(layer.dilation) != {1} or layer.padding_mode != "zeros"):
        raise NetworkError(f"network {network}: {layer} is not supported; kernel, stride and padding are square "
                           "numbers of pixels, without groups or dilation")
    (kernel,), (stride,), (padding,) = *sides, padding
    return ConvSpec(name=name, channels=layer.out_channels, kernel=kernel, stride=stride, padding=padding, pool=pool)


def _run(layer: nn.Module, norm: nn.Module | None, fires: bool, values: Tensor) -> Tensor:
    """``values`` through one layer, in evaluation mode."""
    values = values.flatten(1) if isinstance(layer, nn.Linear) else values
    done = []
    with torch.no_grad():
        for part in values.split(BATCH):
            part = layer(part)
            if norm is not None:
                part = nn.functional.batch_norm(part, norm.running_mean, norm.running_var, norm.weight, norm.bias,
                                                eps=norm.eps)
            done.append(part.relu() if fires else part)
    return torch.cat(done)


def _largest(values: Tensor, kept: float) -> float:
    """The activation that all but a share of those above zero stay below."""
    above = values[values > 0]
    if not len(above):
        return 1.0
    return above.kthvalue(max(round(kept * len(above)), 1)).values.item()
