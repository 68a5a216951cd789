"""A trained float network becomes an integer one."""

from dataclasses import replace

import torch
from torch import Tensor

from .config import Numerics
from .network import Exit, Layer, Network, NetworkError, Reset, Rule, Unfold
from .quantise import bias_codes, weight_codes, weight_values
from .trained import NORM_EPSILON, Header, LayerSpec, Trained

__all__ = ["KERNEL_LIMIT", "UNFOLD_LIMIT", "fold", "convert", "rounded", "mean", "unfolded"]

# Of a convolution; the kernel of a linear layer covers its map, however large.
KERNEL_LIMIT = 7
# Four spike words: up to here an unfolded picture costs little room and saves most of its fetches.
UNFOLD_LIMIT = 64
# Times that a bias must exceed all weights of its channel together for them to count as none.
FAINT = 64


def fold(weight: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Fold a batch norm into the convolution before it.

    Parameters
    ----------
    weight : Tensor, float, (out, ...)
    scale, shift, mean, variance : Tensor, float, (out,)

    Returns
    -------
    weight : Tensor, float, (out, ...)
    bias : Tensor, float, (out,)
    """
    factor = scale / (variance + NORM_EPSILON).sqrt()
    return weight * factor.reshape(-1, *[1] * (weight.ndim - 1)), shift - mean * factor


def convert(trained: Trained, numerics: Numerics | None = None, unfold_limit: int = UNFOLD_LIMIT) -> Network:
    """The network in the numbers of the hardware.

    Batch norm is folded in float64, then weights are rounded to codes: each output channel under its own scale,
    the readout under one. A linear layer becomes a convolution whose kernel covers the map. A first layer with few
    synapses is unfolded; over several timesteps, it recalls its charge.

    Parameters
    ----------
    trained : Trained
    numerics : Numerics, optional
    unfold_limit : int
        Synapses of a neuron of the first layer up to which the picture is unfolded.

    Raises
    ------
    NetworkError
        If a layer is beyond what the processor can do.
    """
    header, numerics = trained.header, numerics or Numerics()
    folded = _all_folded(trained)
    layers = tuple(_layer(header, spec, source, *folded[spec.name], numerics)
                   for spec, source in zip(header.layers, header.sources()))
    network = Network(
        name=header.name, dataset=header.dataset, shape=header.shape, input_coding=header.input_coding, layers=layers,
        timesteps=header.timesteps, exit=Exit(rule=Rule[header.exit.rule.upper()], threshold=header.exit.threshold),
        numerics=numerics)
    if network.timesteps > 1 and not layers[0].readout and not layers[0].partial:
        network = replace(network, layers=(replace(layers[0], recall=True), *layers[1:]))
    few = layers[0].weight[0].numel() <= unfold_limit and network.sources.count(0) == 1
    return unfolded(network) if few and header.layers[0].kind == "conv" else network


def rounded(trained: Trained) -> Trained:
    """``trained`` with its batch norms folded and its weights rounded: it converts to the same network, and lies in a
    sixth of the space."""
    folded, tensors = _all_folded(trained), {}
    for name, (weight, bias, largest) in folded.items():
        codes, gain = weight_codes(weight, trained.header.weight_grain, largest)
        tensors[name] = weight_values(codes, gain, trained.header.weight_grain), bias
    made = _without_norms(trained.header, tensors)
    return replace(made, header=made.header.model_copy(update={"rounded": True}))


def mean(one: Trained, other: Trained) -> Trained:
    """The header of ``other``, and of both, with their batch norms folded, the mean of all weights and biases.

    The ends of two rounds of training lie on the rim of a basin, and their mean lies in it (Izmailov et al., UAI 2018).
    """
    these, those = _all_folded(one), _all_folded(other)
    tensors = {name: ((weight + those[name][0]) / 2, (bias + those[name][1]) / 2)
               for name, (weight, bias, _) in these.items()}
    return _without_norms(other.header, tensors)


def unfolded(network: Network) -> Network:
    """``network`` with the taps of its first layer laid out by whoever brings the picture; it answers the same."""
    first = network.layers[0]
    unfold = Unfold(kernel=first.kernel[0], stride=first.stride, padding=first.padding)
    height, width = first.pixels(network.shape[1:])
    taps = first.weight.flatten(1)[..., None, None]
    return replace(network, shape=(taps.shape[1], height, width), unfold=unfold,
                   layers=(replace(first, weight=taps, stride=1, padding=0), *network.layers[1:]))


def _without_norms(header: Header, folded: dict[str, tuple[Tensor, Tensor]]) -> Trained:
    """A network of these weights and biases, by layer."""
    layers, tensors = [], {}
    for spec in header.layers:
        if spec.kind != "identity":
            spec, (weight, bias) = spec.model_copy(update={"batch_norm": False}), folded[spec.name]
            tensors[f"{spec.name}.weight"] = (weight.flatten(1) if spec.kind == "linear" else weight).float()
            tensors[f"{spec.name}.bias"] = bias.float()
        layers.append(spec)
    return Trained(header.model_copy(update={"layers": tuple(layers), "rounded": False}), tensors)


def _all_folded(trained: Trained) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """By layer: its weight, its bias, see :func:`_folded`, and what the scale of its channels goes by."""
    header = trained.header
    folded = {spec.name: _folded(trained, spec, kernel) for spec, kernel in zip(header.layers, header.kernels())}
    largest = header.largest_magnitudes({name: weight for name, (weight, _) in folded.items()})
    return {name: (*its, largest[name]) for name, its in folded.items()}


def _folded(trained: Trained, spec: LayerSpec, kernel: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Weight as a convolution and bias of a layer in float64, with its batch norm folded in.

    A channel that training gave up can have weights that are next to nothing beside its bias, which no accumulator
    holds under their scale: it has none.
    """
    def tensor(name):
        return trained.tensors[f"{spec.name}.{name}"].double()

    weight = trained.weight(spec).double().reshape(kernel)
    if spec.kind == "identity":
        return weight, torch.zeros(spec.channels).double()
    if spec.batch_norm:
        weight, bias = fold(weight, *(tensor(f"norm_{name}") for name in ("scale", "shift", "mean", "variance")))
    else:
        bias = tensor("bias")
    most = weight.abs().flatten(1).sum(1)
    return torch.where((most < bias.abs() / FAINT).reshape(-1, 1, 1, 1), 0, weight), bias


def _layer(header: Header, spec: LayerSpec, source: int, weight: Tensor, bias: Tensor, largest: Tensor,
           numerics: Numerics) -> Layer:
    """One layer, with what :func:`_all_folded` has of it."""
    if spec.kind == "conv" and spec.kernel > KERNEL_LIMIT:
        raise NetworkError(f"layer {spec.name}: a kernel is at most {KERNEL_LIMIT} x {KERNEL_LIMIT}, "
                           f"found {spec.kernel} x {spec.kernel}")

    codes, gain = weight_codes(weight, header.weight_grain, largest)
    bias = bias_codes(bias, gain, numerics)
    low, high = int(bias.min()), int(bias.max())
    if low < numerics.potential_min or high > numerics.potential_max:
        raise NetworkError(f"layer {spec.name}: a bias fits {numerics.accumulator_width} bits, "
                           f"{numerics.potential_min} to {numerics.potential_max}, found {low} to {high}")

    meeting = header.sum_of(spec)
    first, last = meeting[0], meeting[-1]
    neuron = {"mask": sum(1 << k - 1 for k in header.active(spec)), "hold": bool(last.active)}
    fires = last is not header.layers[-1]
    if fires and spec is first:
        neuron["leak_shift"] = header.leak_shift
    if fires and spec is last:
        neuron |= {"coding": header.coding_of(spec), "reset": Reset[header.reset.upper()]}
        if header.start:
            neuron["start"] = bias_codes(torch.full(bias.shape, header.start), gain, numerics).int()
    return Layer(name=spec.name, weight=codes, bias=bias.int(), gain=gain, weight_grain=header.weight_grain,
                 stride=spec.stride, padding=spec.padding, pool=last.pool, source=source, partial=spec.partial,
                 readout=spec is header.layers[-1], **neuron)
