"""A trained network on devices that are not what they were told to be: Monte Carlo of :mod:`model.crossbar`'s array.

Every weight lies in pairs of devices, one for each sign, whose currents are subtracted. ``log``: one pair, whose levels
are the sixteen magnitudes of a weight code. ``linear``: the magnitude in eight bits, four of them in each of two pairs.
A device of conductance g (1 when it is on, 1 / ratio when off) has g (1 + sigma n) instead, n being normal, drawn once
when the array is written. Currents of 64 input channels meet in a converter, the kernel's taps added up; the neuron's
charge is their sum, and from there on everything is the golden model. Ideal devices and converters give its numbers.

Wires, if they count, stand in series with each device as if it were alone: one segment for every row and column on the
way. What currents share is not in it, so it is the least that wires do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .config import CODE_WIDTH, SIGN_BIT, SILENT, Numerics
from .crossbar import SIDE
from .fire import charge_up, fire
from .logarithm import synapse
from .network import Layer, Network
from .pool import earliest
from .walker import synapses

__all__ = ["CODINGS", "Devices", "written", "converted", "run", "accuracies"]

DEVICE_LEVELS = 1 << 4
CODINGS = ("log", "linear")
# Standard deviations that a converter may span; for each layer, those that lose least.
SPANS = (2, 3, 4, 6, 8, 12)
# Pictures that they are chosen with.
CHOOSERS = 8


@dataclass(frozen=True, kw_only=True)
class Devices:
    """What an array is made of.

    Parameters
    ----------
    coding : str
        ``log`` or ``linear``.
    sigma : float
        Relative standard deviation of a conductance.
    ratio : float
        Conductance of a device that is on over that of one that is off.
    converter_width : int
        Bits of a conversion, sign included; 0 for one without error.
    wire : float
        Resistance of a segment, in resistances of a device that is on.

    Raises
    ------
    ValueError
        If there is no such coding, or a number is outside its limits.
    """

    coding: str = "log"
    sigma: float = 0
    ratio: float = float("inf")
    converter_width: int = 0
    wire: float = 0

    def __post_init__(self):
        if self.coding not in CODINGS:
            raise ValueError(f"the coding must be one of {', '.join(CODINGS)}, not {self.coding!r}")
        if self.sigma < 0:
            raise ValueError(f"sigma must be at least 0, not {self.sigma}")
        if self.ratio <= 1:
            raise ValueError(f"the ratio of on to off must be more than 1, not {self.ratio}")
        if self.converter_width != 0 and self.converter_width < 2:
            raise ValueError(f"a converter has at least 2 bits, or 0 for no error, not {self.converter_width}")
        if self.wire < 0:
            raise ValueError(f"the resistance of wires must be at least 0, not {self.wire}")


def written(layer: Layer, devices: Devices, numerics: Numerics, generator: torch.Generator) -> Tensor:
    """The weights that an array has in place of those of ``layer``: float32, (out, in * kernel)."""
    codes = layer.weight.flatten(1)
    worth = synapse(codes, 0, layer.weight_grain, numerics).float() / (1 << numerics.fraction_width)
    sign, off = torch.where(codes >= SIGN_BIT, -1, 1), 1 / devices.ratio
    if devices.coding == "log":
        slices = [(worth.abs(), 1.0)]
    else:
        whole = DEVICE_LEVELS ** 2 - 1
        steps = (worth.abs() * whole).round()
        high, low = steps.div(DEVICE_LEVELS, rounding_mode="floor"), steps % DEVICE_LEVELS
        top = DEVICE_LEVELS - 1
        slices = [(high / top, top * DEVICE_LEVELS / whole), (low / top, top / whole)]
    # Where the devices of a weight are: its row in the array of its tap, and its column.
    taps = layer.weight[0, 0].numel()
    row = torch.arange(codes.shape[1]) // taps % SIDE
    total, count = torch.zeros_like(worth), 2 * len(slices)
    for number, (level, part) in enumerate(slices):
        for half, holds in enumerate((sign > 0, sign < 0)):
            conductance = off + (1 - off) * level * holds
            if devices.sigma:
                noise = torch.randn(conductance.shape, generator=generator)
                conductance = (conductance * (1 + devices.sigma * noise)).clamp(min=0)
            column = (torch.arange(len(codes)) * count + 2 * number + half) % SIDE
            conductance = conductance / (1 + conductance * devices.wire * (row + column[:, None] + 2))
            total += (1 - 2 * half) * part * conductance / (1 - off)
    return total


def converted(current: Tensor, width: int) -> Tensor:
    """What converters of ``width`` bits make of currents, the span chosen that loses least on the first pictures.

    Parameters
    ----------
    current : Tensor, float32, (images, out, pixels)
    """
    if not width:
        return current
    some, levels = current[:CHOOSERS], (1 << width - 1) - 1

    def rounded(values, span):
        step = (span * deviation / levels).clamp(min=torch.finfo(values.dtype).tiny)
        return (values / step).round().clamp(-levels, levels) * step

    deviation = some.std()
    best = min(SPANS, key=lambda span: float((rounded(some, span) - some).square().sum()))
    return rounded(current, best)


def _charge(taps: Tensor, weight: Tensor, layer: Layer, levels: Tensor, analog: bool, devices: Devices,
            numerics: Numerics) -> Tensor:
    """The charges of neurons: int32, (images, out, pixels).

    Parameters
    ----------
    taps : Tensor, uint8, (images, in * kernel, pixels)
        Spike codes.
    levels : Tensor, float32, (32,)
        What a spike of each code is worth; 0 for silence.
    analog : bool
        They come as currents, all at once: those of a picture.
    """
    together = SIDE * layer.weight[0, 0].numel()
    used = [None] if analog else [code for code in taps.unique().tolist() if code != SILENT]
    charge = torch.zeros(len(taps), len(weight), taps.shape[2])
    for code in used:
        reads = levels[taps.long()] if code is None else (taps == code).float()
        for rows, columns in zip(reads.split(together, dim=1), weight.split(together, dim=1)):
            current = converted(columns @ rows, devices.converter_width)
            charge += current if code is None else current * levels[code]
    return (charge * (1 << numerics.fraction_width)).round().int()


def run(network: Network, codes: Tensor, devices: Devices, seed: int = 0) -> Tensor:
    """The logits of pictures on one array: int32, (images, timesteps, classes).

    Parameters
    ----------
    codes : Tensor, uint8, (images, channels, height, width)
    seed : int
        Of the array; the same seed gives the same devices.
    """
    generator, numerics = torch.Generator().manual_seed(seed), network.numerics
    weights = [written(layer, devices, numerics, generator) for layer in network.layers]
    grains = [network.input_coding.grain] + [layer.coding.grain for layer in network.layers]
    maps = [codes] + [torch.full((len(codes), *each), SILENT, dtype=torch.uint8) for each in network.maps()[1:]]
    recalled: dict[int, Tensor] = {}
    states: dict[int, Tensor] = {}
    logits = []
    for timestep in range(1, network.timesteps + 1):
        for index, (layer, source) in enumerate(zip(network.layers, network.sources)):
            if not layer.fires(timestep):
                if not layer.hold:
                    maps[index + 1].fill_(SILENT)
                continue
            charge = recalled.get(index)
            if charge is None:
                charge = _charge(synapses(maps[source], layer), weights[index], layer, _levels(grains[source]),
                                 source == 0, devices, numerics)
            if layer.recall:
                recalled[index] = charge
            # The potentials of a sum are with the layer of it that was the last to run.
            before = states.get(network.sum_of(index)[0], torch.zeros_like(charge))
            fresh = layer.start is not None and not any(layer.fires(k) for k in range(1, timestep))
            bias = (layer.bias + layer.start if fresh else layer.bias)[:, None]
            if layer.partial or layer.readout:
                after = charge_up(before, charge, bias, 0 if layer.readout else layer.leak_shift)
            else:
                fired, _, after = fire(before, charge, bias, layer.gain[:, None], leak_shift=layer.leak_shift,
                                       reset=layer.reset, coding=layer.coding, numerics=numerics)
                sides = maps[index + 1].shape[3] * layer.pool
                maps[index + 1] = earliest(fired.unflatten(2, (-1, sides)), layer.pool)
            states[network.sum_of(index)[0]] = after
        logits.append(states[network.sum_of(len(network.layers) - 1)[0]][..., 0])
    return torch.stack(logits, dim=1)


def _levels(grain: int) -> Tensor:
    """What a spike of each code is worth: float32, (32,)."""
    return torch.tensor([2 ** (-slot * grain / 4) for slot in range(SILENT)] + [0.0] * ((1 << CODE_WIDTH) - SILENT))


def accuracies(network: Network, codes: Tensor, labels: Tensor, devices: Devices, trials: int) -> Iterator[float]:
    """The share of right answers after all timesteps, on one array after the other; seeds are 0, 1, ..."""
    for seed in range(trials):
        yield (run(network, codes, devices, seed)[:, -1].argmax(1) == labels).double().mean().item()
