"""The processor's arithmetic in plain integers and loops, written from its definitions and not from the model.

Nothing is vectorised, tabulated or clever: a spike time is found by sweeping the slots, a signature bit by bit.
Maps are lists ``[channel][row][column]`` of spike codes.
"""

import math
from dataclasses import dataclass, field
from functools import cache

from model.config import LANES, SILENT, WORD_WIDTH
from model.network import Reset, Rule

__all__ = ["COUNTERS", "Step", "magnitude", "synapse", "reached", "spike_time", "leak", "keep", "crc", "run",
           "lowest_best", "softmax", "entropy", "probability", "margin", "stops"]

COUNTERS = ("events", "synaptic_operations", "spikes", "neurons")


def magnitude(level, fraction_width):
    """2^(-level / 4), truncated from the rounded mantissa of its octave."""
    mantissa = round(2 ** (fraction_width - level % 4 / 4))
    octave = level // 4
    return mantissa >> octave if octave >= 0 else mantissa << -octave


@cache
def synapse(weight, level, weight_grain, fraction_width):
    """What a spike at ``level`` quarter octaves adds through a weight code."""
    negative, exponent = divmod(weight, 16)
    if exponent == 15:
        return 0
    size = magnitude(exponent * weight_grain + level, fraction_width)
    return -size if negative else size


def reached(potential, level, coding, fraction_width):
    """Whether ``potential`` has reached the threshold at ``level``, or half a slot below where ``coding`` rounds."""
    eighths = 2 * level + (4 // coding.tau if coding.nearest else 0)
    mantissa = round(2 ** (fraction_width - eighths % 8 / 8))
    octave = eighths // 8
    return potential << octave >= mantissa if octave >= 0 else potential >= mantissa << -octave


def spike_time(potential, gain, coding, fraction_width):
    """The first slot of the window whose threshold ``potential`` has reached, or SILENT."""
    for slot in range(coding.window):
        if reached(potential, gain + slot * 4 // coding.tau, coding, fraction_width):
            return slot
    return SILENT


def leak(potential, shift):
    """What is left of ``potential`` after the leak: a floor division, of negative potentials too."""
    return potential - potential // 2 ** shift if shift else potential


def keep(potential, code, gain, coding, reset, fraction_width):
    """What a neuron keeps of ``potential`` after it has emitted ``code``."""
    if code == SILENT or reset == Reset.NONE:
        return potential
    if reset == Reset.ZERO:
        return 0
    return potential - magnitude(gain + code * 4 // coding.tau, fraction_width)


def crc(register, word, width=WORD_WIDTH):
    """CRC-32/MPEG-2 after one more word, most significant bit first."""
    for position in reversed(range(width)):
        out = register >> 31 ^ word >> position & 1
        register = register << 1 & 0xFFFFFFFF
        if out:
            register ^= 0x04C11DB7
    return register


@dataclass
class Step:
    """What one timestep leaves behind, of every layer. Counters and signatures run from the start."""

    maps: list = field(default_factory=list)
    logits: list = field(default_factory=list)
    counters: dict = field(default_factory=lambda: {name: [] for name in COUNTERS})
    signatures: list = field(default_factory=list)


class Neurons:
    """One layer and what it carries from timestep to timestep."""

    def __init__(self, layer, source, source_coding, numerics, cfg):
        self.layer, self.source_coding, self.numerics, self.cfg = layer, source_coding, numerics, cfg
        self.weight, self.bias, self.gain = layer.weight.tolist(), layer.bias.tolist(), layer.gain.tolist()
        self.out_channels, self.in_channels = len(self.weight), len(self.weight[0])
        self.kernel = len(self.weight[0][0]), len(self.weight[0][0][0])
        self.source = source
        # Rows and columns that no pooling window covers are never computed.
        self.emits = tuple(((side + 2 * layer.padding - kernel) // layer.stride + 1) // layer.pool
                           for side, kernel in zip(source, self.kernel))
        self.height, self.width = (side * layer.pool for side in self.emits)
        self.group_columns = self.widest_groups()
        self.groups = -(-self.out_channels // self.group_columns)
        # What is recalled: the charges of every pixel.
        self.charges = {}
        self.start = [0] * len(self.weight) if layer.start is None else layer.start.tolist()
        self.fresh = True
        self.potential = [[[0] * self.width for _ in range(self.height)] for _ in self.weight]
        self.codes = self.silence()
        self.signature = 0xFFFFFFFF
        self.counters = dict.fromkeys(COUNTERS, 0)

    def widest_groups(self):
        """Columns of a group where the walkers share the tiles so that windows are walked least often in a row."""
        def walks(columns):
            walkers = self.cfg.columns * self.cfg.tiles // columns
            return math.ceil(self.emits[0] * self.emits[1] / walkers) * math.ceil(self.out_channels / columns)

        walkers, columns = 1, [self.cfg.columns * self.cfg.tiles]
        while 2 * walkers <= min(self.cfg.walkers, self.emits[1]):
            walkers *= 2
            columns.append(columns[0] // walkers)
        return min(columns, key=walks)

    def silence(self):
        return [[[SILENT] * self.emits[1] for _ in range(self.emits[0])] for _ in self.weight]

    def charge(self, spikes, y, x):
        """What the spikes in sight of one output pixel add to each of its neurons."""
        if self.layer.recall and (y, x) in self.charges:
            return self.charges[y, x]
        charge = self.charges[y, x] = [0] * self.out_channels
        for tap_y in range(self.kernel[0]):
            for tap_x in range(self.kernel[1]):
                row = y * self.layer.stride + tap_y - self.layer.padding
                column = x * self.layer.stride + tap_x - self.layer.padding
                if not (0 <= row < self.source[0] and 0 <= column < self.source[1]):
                    continue
                for channel in range(self.in_channels):
                    code = spikes[channel][row][column]
                    if code == SILENT:
                        continue
                    self.counters["events"] += self.groups
                    self.counters["synaptic_operations"] += self.out_channels
                    for out in range(self.out_channels):
                        charge[out] += synapse(self.weight[out][channel][tap_y][tap_x],
                                               code * 4 // self.source_coding.tau, self.layer.weight_grain,
                                               self.numerics.fraction_width)
        return charge

    def step(self, spikes, timestep):
        """Integrate and fire in ``timestep``, if this is one of the layer's own; otherwise hold or fall silent."""
        if not self.layer.mask >> timestep - 1 & 1:
            if not self.layer.hold:
                self.codes = self.silence()
            return
        fired = [[[SILENT] * self.width for _ in range(self.height)] for _ in self.weight]
        for y in range(self.height):
            for x in range(self.width):
                charge = self.charge(spikes, y, x)
                for out in range(self.out_channels):
                    fired[out][y][x] = self.fire(out, y, x, charge[out])
        self.fresh = False
        if self.layer.readout:
            for potentials in self.potential:
                self.signature = crc(self.signature, potentials[0][0] % 2 ** self.numerics.accumulator_width)
        elif not self.layer.partial:
            self.codes = self.pooled(fired)
            self.sign()

    def fire(self, out, y, x, charge):
        """Leak, bias, charge, fire, reset: one neuron."""
        layer, fraction_width = self.layer, self.numerics.fraction_width
        kept = leak(self.potential[out][y][x], layer.leak_shift) + self.start[out] * self.fresh
        potential = kept + self.bias[out] + charge
        assert abs(potential) < 2 ** (self.numerics.accumulator_width - 1), "the network overflows"
        self.counters["neurons"] += not layer.partial
        if layer.readout or layer.partial:
            self.potential[out][y][x] = potential
            return SILENT
        code = spike_time(potential, self.gain[out], layer.coding, fraction_width)
        self.counters["spikes"] += code != SILENT
        self.potential[out][y][x] = keep(potential, code, self.gain[out], layer.coding, layer.reset, fraction_width)
        return code

    def pooled(self, fired):
        """The earliest spike of each pooling window."""
        side = range(self.layer.pool)
        return [[[min(channel[y * len(side) + dy][x * len(side) + dx] for dy in side for dx in side)
                  for x in range(self.emits[1])] for y in range(self.emits[0])] for channel in fired]

    def sign(self):
        """Sign the map word by word: column groups, then pixels, then the words of a group."""
        for group in range(self.groups):
            channels = range(group * self.group_columns, min((group + 1) * self.group_columns, self.out_channels))
            for y in range(self.emits[0]):
                for x in range(self.emits[1]):
                    for first in channels[::LANES]:
                        word = 0
                        for lane in range(LANES):
                            code = self.codes[first + lane][y][x] if first + lane in channels else SILENT
                            word += code * 32 ** lane
                        self.signature = crc(self.signature, word)


def run(network, spikes, cfg):
    """All timesteps of ``network`` on one picture.

    Parameters
    ----------
    spikes : list, [channel][row][column]
        Input codes, the same in every timestep.

    Returns
    -------
    list of Step
    """
    layers = []
    for index, layer in enumerate(network.layers):
        source = index if layer.source is None else layer.source
        read = layers[source - 1] if source else None
        layers.append(Neurons(layer, read.emits if read else network.shape[1:],
                              read.layer.coding if read else network.input_coding, network.numerics, cfg))
        layers[-1].read = read
        if index and layers[-2].layer.partial:
            layers[-1].potential = layers[-2].potential
    steps = []
    for timestep in range(1, network.timesteps + 1):
        step = Step()
        for layer in layers:
            layer.step(layer.read.codes if layer.read else spikes, timestep)
            codes = layer.codes
            step.signatures.append(layer.signature)
            for name in COUNTERS:
                step.counters[name].append(layer.counters[name])
            if not layer.layer.readout:
                step.maps.append(codes)
        step.logits = [potentials[0][0] for potentials in layers[-1].potential]
        steps.append(step)
    return steps


def lowest_best(logits):
    """The class of the largest logit, the lowest of equals."""
    return logits.index(max(logits))


def softmax(logits):
    """Probabilities of natural logits, in float64."""
    largest = max(logits)
    shares = [math.exp(logit - largest) for logit in logits]
    total = sum(shares)
    return [share / total for share in shares]


def entropy(logits):
    """Bits."""
    return -sum(p * math.log2(p) for p in softmax(logits) if p)


def probability(logits):
    """The largest softmax probability."""
    return max(softmax(logits))


def margin(logits):
    """Bits between the two best classes."""
    second, first = sorted(logits)[-2:]
    return (first - second) / math.log(2)


def sureness(logits, rule, threshold):
    """How far ``logits`` are beyond the threshold of ``rule``, in its own unit: positive is sure."""
    if rule == Rule.ENTROPY:
        return threshold - entropy(logits)
    return {Rule.PROBABILITY: probability, Rule.MARGIN: margin}[rule](logits) - threshold


def stops(network, steps, tolerance):
    """The first and the last timestep in which a run of ``steps`` may stop.

    They differ where float64 softmax is within ``tolerance`` of the threshold.
    """
    readout = network.layers[-1]
    first = last = network.timesteps
    integrated = 0
    for timestep, step in enumerate(steps, start=1):
        if network.exit.rule == Rule.BUDGET or not readout.mask >> timestep - 1 & 1:
            continue
        integrated += 1
        unit = 2 ** (readout.gain.tolist()[0] / 4 - network.numerics.fraction_width) / integrated
        beyond = sureness([logit * unit for logit in step.logits], network.exit.rule, network.exit.threshold)
        if beyond > -tolerance:
            first = min(first, timestep)
        if beyond > tolerance:
            last = min(last, timestep)
    return first, last
