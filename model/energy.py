"""What a picture costs the digital processor: counts of the golden model times published energies of operations.

Horowitz's energies are of single operations in 45 nm at 0.9 V: an addition, a multiplication, an access to a memory on
chip, one to DRAM. Widths scale an addition evenly and a multiplication by their product, sizes a memory between the
published ones; a shift, a comparison and a selection of one of many count as additions of their width. Equations of
Stillmaker and Baas carry all of it to another node. Clock, registers, wires between blocks and leakage are not in it:
this is less than a chip takes, and says where it goes; :mod:`cosim.gates` measures the blocks that matter most.

:class:`~model.processor.Trace` counts events, synaptic operations and neurons. What reads and writes the stores
follows from shapes, tilings and masks alone.
"""

from collections import Counter
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from .config import CODE_WIDTH, GRANULE_WIDTH, LANES, WORD_WIDTH, ProcessorConfig, Rule, moved_beats
from .constant import Constant
from .cycles import taps_inside
from .memory import fetched, seen
from .network import Network
from .processor import Trace
from .residence import residences
from .schedule import Band, steps
from .tables import (
    DISTANCE_MAX,
    EXP_GUARD_WIDTH,
    EXP_WIDTH,
    LOG_WIDTH,
    SCALE_WIDTH,
    WEIGHT_FRACTION_WIDTH,
)
from .tiling import tilings

__all__ = ["BLOCKS", "ADDITION", "MULTIPLICATION", "MEMORIES", "DRAM", "NODES", "Node", "scale", "addition",
           "multiplication", "access", "accesses", "weighing", "energies", "energy_delay"]


def _horowitz(value: float, unit: str) -> Constant:
    return Constant(value, unit, "Horowitz, Computing's energy problem, ISSCC 2014, figure 1.1.9: 45 nm, 0.9 V")


ADDITION = _horowitz(0.1, "pJ for 32 bits")
MULTIPLICATION = _horowitz(3.1, "pJ for 32 x 32 bits")
# By bytes: pJ for 64 bits.
MEMORIES = {_horowitz(8 << 10, "bytes"): _horowitz(10, "pJ for 64 bits"),
            _horowitz(32 << 10, "bytes"): _horowitz(20, "pJ for 64 bits"),
            _horowitz(1 << 20, "bytes"): _horowitz(100, "pJ for 64 bits")}
# The lower end of his 1.3 to 2.6 nJ.
DRAM = _horowitz(1300, "pJ for 64 bits")
OPERAND, WORD = 32, 64


def _stillmaker(value: float, unit: str) -> Constant:
    return Constant(value, unit, "Stillmaker and Baas, Integration 58, 2017, energy polynomials, HP models; read in "
                                 " github.com/wromaszkan/nodeScale at a912c60")


@dataclass(frozen=True, kw_only=True)
class Node:
    """A process: the energy of an operation goes as ``square * voltage^2 + linear * voltage + constant``.

    Parameters
    ----------
    voltage : Constant
    square, linear, constant : Constant
    """

    voltage: Constant
    square: Constant
    linear: Constant
    constant: Constant

    @property
    def factor(self) -> float:
        return self.square * self.voltage ** 2 + self.linear * self.voltage + self.constant


def _node(voltage: Constant, *polynomial: float) -> Node:
    return Node(voltage=voltage, **{name: _stillmaker(value, "of an energy") for name, value in
                                    zip(("square", "linear", "constant"), polynomial)})


_PUBLISHED = _horowitz(0.9, "V")
# By nanometres. Each at the voltage it is used at.
NODES = {
    45: _node(_PUBLISHED, 1.018, -0.3107, 0.1539),
    # The polynomial and the voltage of the authors' own example, as their erratum prints it.
    32: _node(Constant(0.9, "V", "PTM 32 nm HP, nominal: ptm.asu.edu"), 0.8367, -0.4341, 0.1701),
    7: _node(Constant(0.7, "V", "PTM 7 nm HP and ASAP7, nominal"), 0.1776, -0.09097, 0.02447),
}
PUBLISHED = 45

BLOCKS = ("tile memory", "tile columns", "walker and picker", "spike store", "fire", "states", "exit", "memory")
# Additions of an address in a fetch: pixel, tap, word. And in an event: its row.
FETCH_ADDITIONS, EVENT_ADDITIONS = 3, 1


def scale(node: int) -> float:
    """What an energy of 45 nm is multiplied by in ``node`` nanometres.

    Raises
    ------
    ValueError
        If there is no such node.
    """
    if node not in NODES:
        raise ValueError(f"the node must be one of {', '.join(map(str, NODES))} nm, not {node}")
    return NODES[node].factor / NODES[PUBLISHED].factor


def addition(width: int) -> float:
    """Of two numbers of ``width`` bits, in pJ."""
    return ADDITION * width / OPERAND


def multiplication(left: int, right: int) -> float:
    """Of numbers of so many bits, in pJ."""
    return MULTIPLICATION * left * right / OPERAND ** 2


def access(width: int, bits: int) -> float:
    """To ``width`` bits of a memory of ``bits`` bits on the chip, in pJ: a power of its size between published ones.

    Beyond them, the nearest power goes on.
    """
    size, known = bits / 8, list(MEMORIES.items())
    (small, low), (large, high) = known[:2] if size <= known[1][0] else known[1:]
    power = log(high / low) / log(large / small)
    return low * (size / small) ** power * width / WORD


def weighing(classes: int, cfg: ProcessorConfig) -> float:
    """One evaluation of an exit rule by :mod:`model.exit`, in pJ."""
    width = cfg.numerics.accumulator_width
    weight, total = EXP_WIDTH + EXP_GUARD_WIDTH, WEIGHT_FRACTION_WIDTH + 1 + (classes - 1).bit_length()
    distance = DISTANCE_MAX.bit_length()
    octave, logits = LOG_WIDTH + total.bit_length(), cfg.classes * width
    each = [2 * access(width, logits),                                          # written, then read
            2 * addition(width),                                                # the best, the distance from it
            multiplication(width, SCALE_WIDTH), addition(width + SCALE_WIDTH),
            addition(EXP_WIDTH), addition(weight),                              # of a table; shifted
            multiplication(weight, distance), addition(total), addition(total + distance)]
    once = [2 * addition(total), addition(octave), multiplication(total, octave),
            multiplication(total, SCALE_WIDTH), addition(total + SCALE_WIDTH)]
    return classes * sum(each) + sum(once)


def accesses(network: Network, cfg: ProcessorConfig) -> dict[str, Tensor]:
    """What does not depend on spikes, in every timestep of every layer.

    Returns
    -------
    dict of Tensor, int64, (timesteps, layers)
        ``fetches`` of the walkers, ``words`` that are emitted, ``kept`` potentials that are read and written,
        ``charges`` that are written or recalled, ``groups`` of weights that come from the memory, once for each band;
        ``spikes`` and ``states`` of the stores that move to or from there, words of both.
    """
    counts = {name: torch.zeros(network.timesteps, len(network.layers), dtype=torch.int64)
              for name in ("fetches", "words", "kept", "charges", "groups", "spikes", "states")}
    maps, homes, tiled = network.maps(), residences(network, cfg), tilings(network, cfg)
    bands = Counter()
    for step in steps(network, cfg):
        if isinstance(step, Band):
            bands[step.layer] += 1
            continue
        active = torch.tensor([step.mask >> timestep & 1 for timestep in range(network.timesteps)])
        counts["states" if step.states else "spikes"][:, step.layer] += active * step.words
    fired, silent = [0] * len(network.layers), [False] + [True] * len(network.layers)
    for timestep in range(network.timesteps):
        for index, (layer, source) in enumerate(zip(network.layers, network.sources)):
            if not layer.fires(timestep + 1):
                silent[index + 1] |= not layer.hold
                continue
            channels, height, width = maps[index + 1]
            neurons = channels * height * width * layer.pool ** 2
            if layer.recall and fired[index]:
                counts["charges"][timestep, index] = neurons
            else:
                inside = int(taps_inside(layer, maps[source][1:]).sum())
                words = -(-layer.in_channels // cfg.span_lanes)
                counts["fetches"][timestep, index] = inside * words * len(tiled[index].groups) * (not silent[source])
                counts["charges"][timestep, index] = neurons * layer.recall
                counts["groups"][timestep, index] = (bands[index] * len(tiled[index].groups)
                                                    * homes[index].streamed)
            if not layer.partial and not layer.readout:
                words = sum(-(-columns // LANES) for columns in tiled[index].groups)
                counts["words"][timestep, index] = words * height * width
            if network.timesteps > 1 or layer.partial or network.adds(index):
                counts["kept"][timestep, index] = neurons
            fired[index] += 1
            silent[index + 1] = False
    return counts


def energies(network: Network, trace: Trace, cfg: ProcessorConfig) -> Tensor:
    """What every picture has taken after each timestep, in pJ at 45 nm: float64, (images, timesteps, blocks).

    Parameters
    ----------
    trace : Trace
        Of ``network`` on the processor ``cfg``; with its maps, if weights are fetched from a memory by spikes.
    """
    numerics, potential = cfg.numerics, cfg.numerics.accumulator_width
    counts, tiled = accesses(network, cfg), tilings(network, cfg)
    # Layers run in bands where their maps do not fit.
    layer_of = torch.tensor([step.layer for step in steps(network, cfg)])
    counters = {name: torch.zeros(*counter.shape[:2], len(network.layers), dtype=torch.float64)
                .index_add(2, layer_of, counter.double()) for name, counter in trace.counters.items()}

    # A column adds the levels of weight and spike, picks a mantissa and shifts it, and adds it.
    level = 2 * CODE_WIDTH
    synapse = addition(level) + 2 * addition(numerics.fraction_width + 1) + addition(potential)
    columns = torch.tensor([cfg.group_columns // tiling.walkers for tiling in tiled]).double()
    row = columns * access(CODE_WIDTH, cfg.rows * cfg.columns * CODE_WIDTH)
    # Bias and charge, leak, potential; a leading one and a shift; what the spike takes, and taking it; four thresholds,
    # levels; and its parameters.
    neuron = (3 + 2 + 2) * addition(potential) + 4 * addition(numerics.fraction_width) + 3 * addition(level)
    neuron += access(GRANULE_WIDTH, cfg.parameter_words * cfg.encoders * GRANULE_WIDTH)
    address = addition(OPERAND // 2)
    spike_bits = cfg.spike_words * WORD_WIDTH
    kept = 2 * access(potential, cfg.state_words * cfg.encoders * potential)
    charge = access(potential, cfg.charge_words * cfg.encoders * potential)
    weighed = torch.tensor([network.layers[-1].fires(k) and network.exit.rule != Rule.BUDGET
                            for k in range(1, network.timesteps + 1)]).double()

    def so_far(count: Tensor, each: float) -> Tensor:
        return (count.double().sum(-1) * each).cumsum(-1)

    blocks = {
        "tile memory": (counters["events"] * row).sum(2),
        "tile columns": counters["synaptic_operations"].sum(2) * synapse,
        "walker and picker": (counters["events"].sum(2) * EVENT_ADDITIONS * address
                              + so_far(counts["fetches"], FETCH_ADDITIONS * address)),
        "spike store": (so_far(counts["fetches"], access(cfg.span * WORD_WIDTH, spike_bits))
                        + so_far(counts["words"], access(WORD_WIDTH, spike_bits))),
        "fire": counters["neurons"].sum(2) * neuron,
        "states": so_far(counts["kept"], kept) + so_far(counts["charges"], charge),
        "exit": (weighed * weighing(network.classes, cfg)).cumsum(0),
        "memory": ((_memory_bits(network, trace, counts["groups"], cfg)
                    * (DRAM / WORD + access(1, cfg.rows * cfg.columns * CODE_WIDTH))).cumsum(-1)
                   + so_far(counts["spikes"], moved_beats(cfg, states=False) * cfg.memory_width * DRAM / WORD
                            + access(WORD_WIDTH, spike_bits))
                   + so_far(counts["states"], moved_beats(cfg, states=True) * cfg.memory_width * DRAM / WORD
                            + cfg.encoders * kept / 2)),
    }
    images = len(trace.logits)
    return torch.stack([blocks[name].expand(images, network.timesteps) for name in BLOCKS], dim=2)


def _memory_bits(network: Network, trace: Trace, groups: Tensor, cfg: ProcessorConfig) -> Tensor:
    """Bits of weights that come from the memory: float64, (images, timesteps)."""
    bits = torch.zeros(len(trace.logits), network.timesteps, dtype=torch.float64)
    homes, tiled = residences(network, cfg), tilings(network, cfg)
    for index, (layer, home) in enumerate(zip(network.layers, homes)):
        if not home.streamed:
            continue
        beats, _ = cfg.granule(tiled[index].walkers)
        granules = torch.full_like(bits, home.group_beats / beats)
        if home.by_spikes:
            # What it reads in a timestep: layers that come first have emitted it, if they do in this one.
            maps = trace.maps[network.sources[index] - 1]
            found = [fetched(seen(codes), layer.kernel, layer.padding, tiled[index].walkers, cfg).sum(1)
                     for codes in maps.unbind(1)]
            granules = torch.stack(found, dim=1).clamp(min=1)
        bits += granules * groups[:, index] * beats * cfg.memory_width
    return bits


def energy_delay(energies: Tensor, delays: Tensor, timesteps: Tensor) -> float:
    """The mean product of what every picture takes until it stops and how long that takes.

    Parameters
    ----------
    energies, delays : Tensor, float64, (images, timesteps)
        After each timestep.
    timesteps : Tensor, int64, (images,)
        After which each stops, counted from 1.
    """
    at = (torch.arange(len(timesteps)), timesteps - 1)
    return (energies[at] * delays[at]).mean().item()
