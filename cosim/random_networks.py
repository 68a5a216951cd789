"""Small random networks with pictures.

Every network is valid, cannot overflow, is small enough for plain Python loops, and is scaled so that some of its
neurons spike and some do not.
"""

import math
import random
from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor

from model.config import NO_SYNAPSE, SIGN_BIT, SILENT, Numerics
from model.network import Coding, Exit, Layer, Network, Reset, Rule

__all__ = ["Case", "seeded", "build", "random_codes", "random_weight"]

# Output channels on both sides of the ends of a word and of a column group.
CHANNELS = (1, 2, 3, 5, 10, 15, 16, 17, 31, 32, 33, 40)
# Synaptic operations of a layer in one timestep: at most 50 ms of Python loops.
OPERATIONS = 200_000


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network and pictures for it.

    Parameters
    ----------
    network : Network
    codes : Tensor, uint8, (images, channels, height, width)
        Input spikes.
    """

    network: Network
    codes: Tensor


def seeded(seed, **limits):
    """The case of ``seed``; ``limits`` as of :func:`build`."""
    return build(random.Random(seed).choice, **limits)


def build(choose, *, images=2, channels=CHANNELS, classes=range(2, 24), layers=range(1, 4), timesteps=range(1, 5),
          numerics=None):
    """One case.

    Parameters
    ----------
    choose : callable
        Picks one of a sequence.
    channels, classes, layers, timesteps : sequence of int
        What to choose from.
    numerics : Numerics, optional
        The default number format, where not given.
    """
    numerics = numerics or Numerics()
    layer_count, timesteps = choose(layers), choose(timesteps)
    # With one timestep's worth left for the biases, no potential can leave the accumulator.
    rows = numerics.potential_max // (timesteps + 1 << numerics.fraction_width)
    generator = torch.Generator().manual_seed(choose(range(1 << 16)))
    shape = choose([c for c in channels if c <= rows]), choose(range(1, 10)), choose(range(1, 10))
    input_coding = choose_coding(choose)
    codes = random_codes((images, *shape), input_coding, choose((0.2, 0.5, 0.9)), generator)

    chain, source, coding = [], shape, input_coding
    for n in range(layer_count):
        readout = n == layer_count - 1
        layer = choose_layer(choose, generator, f"layer{n}", source, coding, rows, timesteps, numerics,
                             classes if readout else [c for c in channels if c <= rows], readout)
        chain.append(layer)
        source = layer.out_channels, *(side // layer.pool for side in layer.pixels(source[1:]))
        coding = layer.coding
    exit = choose_exit(choose, chain[-1].out_channels)
    if layer_count > 1:
        chain[0] = replace(chain[0], recall=choose((False, True)))
    chain = with_sums(choose, generator, chain, shape, rows)
    network = Network(name="random", shape=shape, input_coding=input_coding, layers=tuple(chain),
                      timesteps=timesteps, exit=exit, numerics=numerics)
    return Case(network=network, codes=codes)


def with_sums(choose, generator, chain, shape, rows):
    """``chain`` with layers before some of its own that leave them potentials, from any map before them."""
    made, maps, number = [], {0: shape}, 0
    for layer in chain:
        source, room = max(maps), rows - layer.weight[0].numel()
        wanted = [side // layer.pool for side in layer.pixels(maps[source][1:])]
        leak = layer.leak_shift
        while made and not layer.recall and choose((False, False, True)):
            read = choose(sorted(maps))
            extra = choose_addend(choose, generator, f"addend{number}", maps[read], wanted, layer, room)
            if extra is None:
                break
            number, room = number + 1, room - extra.weight[0].numel()
            made.append(replace(extra, source=read, leak_shift=leak))
            leak = 0
        made.append(replace(layer, source=source, leak_shift=leak))
        maps[len(made)] = layer.out_channels, *wanted
    return made


def choose_addend(choose, generator, name, source, wanted, layer, room):
    """A layer that leaves potentials to ``layer``, whose map is ``wanted``; none if there is no such."""
    channels, *sides = source
    shapes = [(kernel, stride, padding) for kernel in product(range(1, 4), repeat=2) for stride in (1, 2, 3)
              for padding in range(min(kernel)) if math.prod(kernel) * channels <= room
              and all(side + 2 * padding >= taps and ((side + 2 * padding - taps) // stride + 1) // layer.pool == want
                      for side, taps, want in zip(sides, kernel, wanted))]
    if not shapes:
        return None
    kernel, stride, padding = choose(shapes)
    weight = random_weight((layer.out_channels, channels, *kernel), 0.5, choose((0.5, 1.0)), generator)
    return Layer(name=name, weight=weight, weight_grain=choose((1, 2, 4)), stride=stride, padding=padding,
                 bias=layer.bias // 4, gain=layer.gain, start=choose((None, layer.bias // 8)), mask=layer.mask,
                 pool=layer.pool, partial=True)


def choose_coding(choose):
    return Coding(window=choose((1, 2, 4, 8, 16, 24, 30, 31)), tau=choose((1, 2, 4)), nearest=choose((False, True)))


def choose_exit(choose, classes):
    rule = choose(tuple(Rule))
    share = choose((0.1, 0.3, 0.5, 0.7, 0.9))
    threshold = {Rule.BUDGET: 0.0, Rule.ENTROPY: share * math.log2(classes),
                 Rule.PROBABILITY: (1 + share * (classes - 1)) / classes, Rule.MARGIN: 4 * share}[rule]
    return Exit(rule=rule, threshold=threshold)


def random_codes(shape, coding, share, generator):
    """A map in which ``share`` of the neurons spike."""
    codes = torch.randint(coding.window, shape, dtype=torch.uint8, generator=generator)
    return codes.where(torch.rand(shape, generator=generator) < share, SILENT)


def random_weight(shape, sign_share, connected, generator):
    """Weight codes: ``sign_share`` of them negative, ``connected`` of them a synapse."""
    exponent = torch.randint(NO_SYNAPSE, shape, dtype=torch.uint8, generator=generator)
    exponent = exponent.where(torch.rand(shape, generator=generator) < connected, NO_SYNAPSE)
    return exponent + SIGN_BIT * (torch.rand(shape, generator=generator) < sign_share).byte()


def choose_layer(choose, generator, name, source, source_coding, rows, timesteps, numerics, outs, readout):
    """A layer that fits its source; a readout whose only output pixel may still see less than the whole map."""
    channels, *sides = source
    taps = rows // channels
    height = choose(range(1, min(7, sides[0], taps) + 1))
    widths = range(1, min(7, sides[1], taps // height) + 1)
    width = choose((min(height, widths[-1]), choose(widths)))
    padding = choose(range(min(height, width)))
    spans = [side + 2 * padding - kernel for side, kernel in zip(sides, (height, width))]
    stride = choose(range(max(spans) + 1, max(spans) + 2) if readout else (1, 1, 2, 3))
    pixels = [span // stride + 1 for span in spans]
    reads = math.prod(pixels) * height * width * channels
    outs = [out for out in outs if out == min(outs) or out * reads <= OPERATIONS]
    weight = random_weight((choose(outs), channels, height, width), choose((0.3, 0.5)), choose((0.5, 1.0)), generator)

    grain = choose((1, 2, 4))
    exponent = weight.int() % SIGN_BIT
    values = 2 ** (-exponent * grain / 4) * (exponent != NO_SYNAPSE)
    slots = 2 ** (-torch.arange(source_coding.window) / source_coding.tau)
    # Half of the inputs taken to spike, anywhere in the window: the spread of a column's charge, in synapses.
    spread = (values.square().sum((1, 2, 3)) * slots.square().mean() / 2).sqrt().clamp(min=1 / 16)
    gain = -4 * spread.log2() + (0 if readout else 3 * torch.randn(spread.shape, generator=generator))
    if readout:
        # Logits a few octaves apart, so that every exit rule has something to decide.
        gain = gain.mean().expand(gain.shape) + choose((0, 4, 8))
    bias = spread * torch.randn(spread.shape, generator=generator) / 2
    limit = (rows << numerics.fraction_width) // (timesteps + 1)
    start = (spread * torch.randn(spread.shape, generator=generator) * (1 << numerics.fraction_width))
    integrating = dict(
        name=name, weight=weight, weight_grain=grain, stride=stride, padding=padding, readout=readout,
        bias=(bias * (1 << numerics.fraction_width)).clamp(-limit, limit).int(),
        start=choose((None, start.clamp(-limit, limit).int())),
        gain=gain.round().clamp(-64, 63).int(),
        mask=choose(((1 << timesteps) - 1, choose(range(1, 1 << timesteps)))), hold=choose((False, True)))
    if readout:
        return Layer(**integrating)
    return Layer(**integrating, pool=choose(range(1, min(3, *pixels) + 1)), coding=choose_coding(choose),
                 leak_shift=choose(range(8)), reset=choose(tuple(Reset)))
