"""A whole run: layers inside timesteps, until the answer is sure. Twin of :mod:`rtl.processor`."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from . import exit as exit_unit
from .config import SILENT, ProcessorConfig, Way
from .cycles import CHECK, layer_cycles, move_cycles, recall_cycles, weighing_cycles
from .fire import charge_up, fire
from .memory import fetched, seen
from .network import Exit, Layer, Network, NetworkError, Rule
from .pool import earliest
from .residence import residences
from .schedule import Band, Move, steps
from .signature import INITIAL, sign_logits, sign_words
from .supply import IDEAL, Pace, Supply
from .tile import integrate
from .tiling import Tiling, tilings
from .walker import spike_count, synapses, words

__all__ = ["COUNTERS", "CYCLES", "Trace", "Decision", "LayerState", "emitted", "step", "trace", "decide", "run"]

# Events opened rows, synaptic operations are rows times columns in use, spikes left neurons (before
# pooling), neurons were evaluated.
COUNTERS = ("events", "synaptic_operations", "spikes", "neurons")
# Clock cycles in all; and, added up over the walkers, those in which the tiles took an event, passed a fetch without
# spikes, or waited for the fire unit.
CYCLES = ("cycles", "busy_cycles", "empty_cycles", "fire_cycles")


# Of the counters of a layer.
CYCLE = len(COUNTERS) + CYCLES.index("cycles")


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """Everything a network does in all its timesteps, as if it never stopped.

    Parameters
    ----------
    logits : Tensor, int32, (images, timesteps, classes)
        The readout's potentials after each timestep.
    counters : dict of Tensor, int64, (images, timesteps, steps)
        One per name in COUNTERS, counted from the start of the run up to and including the timestep. Steps are those of
        :func:`model.schedule.schedule`: the layers, if all maps fit.
    cycles : dict of Tensor, int64, (images, timesteps, steps)
        One per name in CYCLES, likewise; without what the exit rule takes.
    signatures : Tensor, int64, (images, timesteps, steps)
    maps : tuple of Tensor, uint8, (images, timesteps, channels, height, width)
        The spikes of every layer but the readout, where asked for.
    """

    logits: Tensor
    counters: dict[str, Tensor]
    cycles: dict[str, Tensor]
    signatures: Tensor
    maps: tuple[Tensor, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Decision:
    """What the processor answers.

    Parameters
    ----------
    classes : Tensor, int64, (images,)
    timesteps : Tensor, int64, (images,)
        The timestep in which the run stopped, counted from 1.
    logits : Tensor, int32, (images, classes)
        When the run stopped; so all that follows.
    counters, cycles : dict of Tensor, int64, (images, steps)
    visits : Tensor, int64, (images, timesteps, steps)
        Cycles of every step in every timestep; none after the run has stopped.
    signatures : Tensor, int64, (images, steps)
    """

    classes: Tensor
    timesteps: Tensor
    logits: Tensor
    counters: dict[str, Tensor]
    cycles: dict[str, Tensor]
    visits: Tensor
    signatures: Tensor


def emitted(codes: Tensor, tiling: Tiling) -> Tensor:
    """A map's words in the order in which they are emitted: column group by column group.

    Parameters
    ----------
    codes : Tensor, uint8, (images, channels, height, width)

    Returns
    -------
    Tensor, uint8, (images, words, 16)
    """
    return torch.cat([words(group).flatten(1, 3) for group in codes.split(tiling.groups, dim=1)], dim=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerState:
    """What a layer carries from timestep to timestep.

    Parameters
    ----------
    potential : Tensor, int32, (images, out, pixels)
        Those of a sum are with the layer of it that was the last to run.
    charge : Tensor, int32, (images, out, pixels), or None
        What it integrated last, if it recalls that.
    codes : Tensor, uint8, (images, out, height, width)
        The map it emitted last; silent before.
    signature : Tensor, int64, (images,)
    counters : Tensor, int64, (images, counters)
        In the order of COUNTERS, then of CYCLES.
    silent : bool
        Nothing was emitted since the start of the run, or since the mask left a timestep out.
    fresh : bool
        Nothing was integrated yet.
    """

    potential: Tensor
    charge: Tensor | None
    codes: Tensor
    signature: Tensor
    counters: Tensor
    silent: bool
    fresh: bool


def start(images: int, layer: Layer, emits: tuple[int, int, int]) -> LayerState:
    """The state of ``layer``, or of a band of it, which emits a map of shape ``emits``, before the first timestep."""
    pixels = emits[1] * emits[2] * layer.pool ** 2
    return LayerState(potential=torch.zeros(images, layer.out_channels, pixels, dtype=torch.int32),
                      charge=None, codes=torch.full((images, *emits), SILENT, dtype=torch.uint8),
                      signature=torch.full((images,), INITIAL),
                      counters=torch.zeros(images, len(COUNTERS + CYCLES), dtype=torch.int64), silent=True, fresh=True)


def skip(layer: Layer, state: LayerState) -> LayerState:
    """Leave out a timestep: hold the spikes, or be silent."""
    counters = state.counters.clone()
    counters[:, CYCLE] += CHECK
    if layer.hold:
        return replace(state, counters=counters)
    return replace(state, counters=counters, codes=torch.full_like(state.codes, SILENT), silent=True)


def move(step: Move, state: LayerState, active: bool, cfg: ProcessorConfig, memory: Pace) -> LayerState:
    """Move words, which takes time and changes nothing, or leave it out."""
    counters = state.counters.clone()
    counters[:, CYCLE] += move_cycles(step, cfg, memory) if active else CHECK
    return replace(state, counters=counters)


def step(layer: Layer, lines: range, state: LayerState, codes: Tensor, silent: bool, input_grain: int, tiling: Tiling,
         cfg: ProcessorConfig, supply: Supply | None = None, begin: Tensor | int = 0,
         by_spikes: bool = False) -> LayerState:
    """Integrate and fire once.

    Parameters
    ----------
    lines : range
        Of the layer's map, which are emitted.
    codes : Tensor, uint8, (images, in, height, width)
        The spikes of the source.
    silent : bool
        The source is known to be silent, and is not read.
    input_grain : int
        Quarter octaves per slot of the source.
    supply, begin
        See :func:`model.cycles.layer_cycles`.
    by_spikes : bool
        Of weights that are supplied, only rows of channels that spiked are fetched.
    """
    if state.charge is None:
        taps = synapses(codes, layer, lines)
        charge = integrate(taps, layer.weight.flatten(1), weight_grain=layer.weight_grain, input_grain=input_grain,
                           numerics=cfg.numerics)
        events = spike_count(taps)
        rows = None
        if by_spikes:
            rows = fetched(seen(codes) & (not silent), layer.kernel, layer.padding, tiling.walkers, cfg)
        cycles = layer_cycles(taps, layer, codes.shape[2:], silent, tiling, cfg, supply, begin, rows, lines)
    else:
        charge, events = state.charge, torch.zeros(len(codes), dtype=torch.int64)
        cycles = recall_cycles(charge, tiling, cfg)
    bias = layer.bias + layer.start if state.fresh and layer.start is not None else layer.bias
    bias, gain = bias[:, None], layer.gain[:, None]
    neurons = charge[0].numel()
    if layer.partial:
        potential = charge_up(state.potential, charge, bias, layer.leak_shift)
        emits, signature, spikes, neurons = state.codes, state.signature, torch.zeros_like(events), 0
    elif layer.readout:
        potential = charge_up(state.potential, charge, bias, leak_shift=0)
        signature = sign_logits(state.signature, potential[..., 0], cfg.numerics)
        emits, spikes = state.codes, torch.zeros_like(events)
    else:
        fired, _, potential = fire(state.potential, charge, bias, gain, leak_shift=layer.leak_shift,
                                   reset=layer.reset, coding=layer.coding, numerics=cfg.numerics)
        spikes = spike_count(fired)
        emits = earliest(fired.unflatten(2, (-1, state.codes.shape[3] * layer.pool)), layer.pool)
        signature = sign_words(state.signature, emitted(emits, tiling))
    counted = torch.stack([events * len(tiling.groups), events * layer.out_channels, spikes,
                           torch.full_like(events, neurons),
                           cycles.total, cycles.busy, cycles.empty, cycles.fire], dim=1)
    return LayerState(potential=potential, charge=charge if layer.recall else None, codes=emits, signature=signature,
                      counters=state.counters + counted, silent=False, fresh=False)


def trace(network: Network, codes: Tensor, cfg: ProcessorConfig, *, memory: Pace = IDEAL, keep_maps: bool = False,
          batch: int = 128) -> Trace:
    """Run all timesteps of ``network``.

    Parameters
    ----------
    codes : Tensor, uint8, (images, channels, height, width)
        Input spikes, the same in every timestep.
    cfg : ProcessorConfig
        Decides how the tiles share a layer, and with that counters, cycles and signatures.
    memory : Pace
        Of the memory that weights come from, if they do not fit in the tiles.
    keep_maps : bool
        Return the spikes of every layer.
    batch : int
        Images computed together; bounds the memory and changes nothing else.

    Raises
    ------
    NetworkError
        If the pictures do not have the shape or the codes of the network's input, or the processor other numerics.
    """
    if network.numerics != cfg.numerics:
        raise NetworkError(f"network {network.name} uses {network.numerics}, the processor {cfg.numerics}")
    if codes.dtype != torch.uint8 or codes.shape[1:] != network.shape:
        raise NetworkError(f"network {network.name} reads spike codes of shape {network.shape} in uint8, "
                           f"not {tuple(codes.shape[1:])} in {codes.dtype}")
    window = network.input_coding.window
    outside = codes[(codes >= window) & (codes != SILENT)]
    if len(outside):
        raise NetworkError(f"network {network.name} reads slots below {window}, or {SILENT} for silence, "
                           f"found {int(outside[0])}")
    parts = [_trace(network, part, cfg, memory, keep_maps) for part in codes.split(batch)]
    return Trace(logits=torch.cat([part.logits for part in parts]),
                 counters={name: torch.cat([part.counters[name] for part in parts]) for name in COUNTERS},
                 cycles={name: torch.cat([part.cycles[name] for part in parts]) for name in CYCLES},
                 signatures=torch.cat([part.signatures for part in parts]),
                 maps=tuple(torch.cat(maps) for maps in zip(*(part.maps for part in parts))))


def _trace(network: Network, codes: Tensor, cfg: ProcessorConfig, memory: Pace, keep_maps: bool) -> Trace:
    layers, maps = network.layers, network.maps()
    ordered = steps(network, cfg)
    bands = {(each.layer, each.lines): number for number, each in enumerate(ordered) if isinstance(each, Band)}
    emitters = [[number for (layer, _), number in bands.items() if layer == index] for index in range(len(layers))]
    states = []
    for each in ordered:
        channels, height, width = maps[each.layer + 1]
        height = len(each.lines) if isinstance(each, Band) else 0
        states.append(start(len(codes), layers[each.layer], (channels, height, width)))
    tiled = tilings(network, cfg)
    grains = [network.input_coding.grain] + [layer.coding.grain for layer in layers]
    # The layer that ran before with the potentials of each: itself, or another of its sum.
    before = [index - 1 if network.adds(index) else network.sum_of(index)[-1] for index in range(len(layers))]
    history = []
    homes = residences(network, cfg)
    supply = Supply(len(codes), cfg, memory) if any(home.streamed for home in homes) else None
    weighing = 0 if network.exit.rule == Rule.BUDGET else weighing_cycles(network.classes)

    def map_of(index):
        """What a layer emitted, and whether it is known to be silent."""
        its = [states[number] for number in emitters[index]]
        return torch.cat([state.codes for state in its], dim=2) if len(its) > 1 else its[0].codes, its[-1].silent

    for timestep in range(1, network.timesteps + 1):
        for number, each in enumerate(ordered):
            index, layer, source = each.layer, layers[each.layer], network.sources[each.layer]
            begin = 1 + sum(state.counters[:, CYCLE] for state in states)
            begin += weighing * sum(layers[-1].fires(k) for k in range(1, timestep))
            if isinstance(each, Move):
                active = bool(each.mask >> timestep - 1 & 1)
                states[number] = move(each, states[number], active, cfg, memory)
                if supply:
                    supply.skip()
                    if active and each.way == Way.BRING:
                        supply.wait(begin + move_cycles(each, cfg, memory) - 1)
                continue
            if supply:
                home = homes[index]
                comes = home.streamed and layer.fires(timestep) and states[number].charge is None
                if comes:
                    supply.enter(begin if home.by_spikes else None)
                else:
                    supply.skip()
            if layer.fires(timestep):
                reads, silent = map_of(source - 1) if source else (codes, False)
                state = replace(states[number], potential=states[bands[before[index], each.lines]].potential)
                states[number] = step(layer, each.lines, state, reads, silent, grains[source], tiled[index], cfg,
                                      *((supply, begin, home.by_spikes) if supply and comes else ()))
            else:
                states[number] = skip(layer, states[number])
        shown = tuple(map_of(index)[0] for index in range(len(layers) - 1)) if keep_maps else ()
        history.append((tuple(states), shown))

    def over_time(value):
        return torch.stack([value(states) for states, _ in history], dim=1)

    def over_steps(value):
        return over_time(lambda states: torch.stack([value(state) for state in states], dim=1))

    counters = over_steps(lambda state: state.counters)
    return Trace(logits=over_time(lambda states: states[-1].potential[..., 0]),
                 counters=dict(zip(COUNTERS, counters.unbind(-1))),
                 cycles=dict(zip(CYCLES, counters[..., len(COUNTERS):].unbind(-1))),
                 signatures=over_steps(lambda state: state.signature),
                 maps=tuple(torch.stack(its, dim=1) for its in zip(*(emits for _, emits in history))))


def decide(network: Network, trace: Trace, exit: Exit | None = None, budget: Tensor | int | None = None) -> Decision:
    """Stop every image where its answer is sure.

    Parameters
    ----------
    exit : Exit, optional
        In place of the network's own rule.
    budget : int or Tensor, int64, (images,), optional
        The last timestep, in place of the network's.

    Raises
    ------
    NetworkError
        If a budget lies outside the network's timesteps.
    """
    network = replace(network, exit=exit or network.exit)
    settings = exit_unit.settings(network)
    images = len(trace.logits)
    budget = torch.as_tensor(network.timesteps if budget is None else budget).expand(images)
    if not 1 <= int(budget.min()) <= int(budget.max()) <= network.timesteps:
        raise NetworkError(f"network {network.name}: a budget must be between 1 and {network.timesteps} timesteps, "
                           f"found {int(budget.min())} to {int(budget.max())}")
    stopped = torch.zeros(images, dtype=torch.int64)
    for timestep, scale in enumerate(settings.scales, start=1):
        last = budget == timestep
        if network.layers[-1].fires(timestep):
            evidence = exit_unit.weigh(trace.logits[:, timestep - 1], scale, settings.shift)
            last = last | exit_unit.sure(evidence, settings.rule, settings.threshold)
        stopped = torch.where((stopped == 0) & last, timestep, stopped)

    def when_stopped(history):
        return history[torch.arange(images), stopped - 1]

    logits = when_stopped(trace.logits)
    cycles = {name: when_stopped(history) for name, history in trace.cycles.items()}
    visits = trace.cycles["cycles"].diff(dim=1, prepend=torch.zeros_like(trace.cycles["cycles"][:, :1]))
    timesteps = range(1, network.timesteps + 1)
    if settings.rule != Rule.BUDGET:
        readout = network.layers[-1]
        visits[..., -1] += weighing_cycles(readout.out_channels) * torch.tensor([readout.fires(k) for k in timesteps])
    visits *= torch.tensor(timesteps)[:, None] <= stopped[:, None, None]
    cycles["cycles"] = visits.sum(1)
    return Decision(classes=exit_unit.best(logits), timesteps=stopped, logits=logits,
                    counters={name: when_stopped(history) for name, history in trace.counters.items()},
                    cycles=cycles, visits=visits,
                    signatures=when_stopped(trace.signatures))


def run(network: Network, codes: Tensor, cfg: ProcessorConfig, **options) -> Decision:
    """What the processor answers to ``codes``: :func:`trace`, then :func:`decide`."""
    return decide(network, trace(network, codes, cfg, **options))
