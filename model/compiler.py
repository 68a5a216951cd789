"""From a network to the image of one processor: the overflow proof, the memory layout, the descriptors."""

import numpy as np
import torch

from . import exit as exit_unit
from .config import CODE_WIDTH, GRANULE_WIDTH, LANES, NO_SYNAPSE, ProcessorConfig, Target, moved_beats, whole_bursts
from .descriptor import DESCRIPTOR, pack
from .fire import charge_up
from .image import Image, Section, granules
from .memory import block
from .network import Layer, Network, NetworkError, Reset
from .residence import Residence, residences
from .schedule import Band, Move, fit, integrations, pixel_beats, schedule
from .tile import both_ways, charge_bound
from .tiling import Tiling, tilings

__all__ = ["compile", "prove_no_overflow"]


def prove_no_overflow(network: Network):
    """Bound every potential by its column's biases and largest magnitudes: those of one sign, in whatever order they
    come, or all of them where a neuron subtracts its spikes, which can leave it below zero. What a timestep leaves to
    the next one leaks before more is added.

    Raises
    ------
    NetworkError
        If a potential could leave the accumulator.
    """
    for index, layer in enumerate(network.layers):
        bound = _potential_bounds([network.layers[each] for each in network.sum_of(index)], network)
        column = int(bound.argmax())
        if int(bound[column]) > network.numerics.potential_max:
            raise NetworkError(f"layer {layer.name}, column {column}: the potential could reach {int(bound[column])}, "
                               f"the {network.numerics.accumulator_width}-bit accumulator holds "
                               f"{network.numerics.potential_max}")


def _potential_bounds(layers: list[Layer], network: Network) -> torch.Tensor:
    """How far from zero ``layers``, whose potentials meet, could bring these in a run: int64, (out,)."""
    added = sum(charge_bound(layer.weight.flatten(1), weight_grain=layer.weight_grain, numerics=network.numerics)
                + both_ways(layer.bias.long()) for layer in layers)
    bounds = added + sum(both_ways(layer.start.long()) for layer in layers if layer.start is not None)
    if layers[-1].reset == Reset.SUBTRACT:
        added, bounds = added.sum(0, keepdim=True), bounds.sum(0, keepdim=True)
    for _ in range(1, integrations(layers[-1], network)):
        bounds = charge_up(bounds, added, bias=0, leak_shift=layers[0].leak_shift)
    return bounds.amax(0)


def compile(network: Network, cfg: ProcessorConfig) -> Image:
    """Lay ``network`` out in the memories of a processor.

    Raises
    ------
    NetworkError
        If a potential could overflow, or the network is too large; the message names the memory, its
        size and what is needed.
    """
    if network.numerics != cfg.numerics:
        raise NetworkError(f"network {network.name} uses {network.numerics}, the processor {cfg.numerics}")
    prove_no_overflow(network)
    fit(network, "layers", len(network.layers), cfg.layers)
    fit(network, "classes", network.classes, cfg.classes)
    fit(network, "timesteps", network.timesteps, cfg.timesteps)
    settings = exit_unit.settings(network)
    steps = schedule(network, cfg)
    fit(network, "layers", len(steps), cfg.layers)
    tiled, homes = tilings(network, cfg), residences(network, cfg)

    parameters, bases, blocks, tiles = [], [0], [], [[] for _ in range(cfg.tiles)]
    rows = 0
    for layer, tiling, home in zip(network.layers, tiled, homes):
        if home.streamed:
            blocks += _blocks(layer, tiling, cfg)
        else:
            rows += layer.weight[0].numel() * len(tiling.groups)
            for tile, codes in zip(tiles, _tile_rows(layer, tiling, cfg)):
                tile.append(codes)
        parameters.append(_parameter_words(layer, layer.bias, cfg))
        if layer.start is not None:
            parameters.append(_parameter_words(layer, layer.bias + layer.start, cfg))
        bases.append(sum(map(len, parameters)))
    fit(network, "rows", rows, cfg.rows)
    fit(network, "parameter_words", bases[-1], cfg.parameter_words)

    noted = _note_channels(network, homes, cfg)
    # How many bursts move depends on where they begin.
    weights = whole_bursts(sum(home.group_beats * len(tiling.groups) for home, tiling in zip(homes, tiled)
                               if home.streamed))
    descriptors = [pack(_move(network, step, weights, cfg) if isinstance(step, Move)
                        else _layer(network, step, tiled, homes, bases, noted, cfg)) for step in steps]

    sections = [
        Section(target=Target.DESCRIPTORS, address=0, entries=np.array(descriptors, np.uint32).reshape(-1, 1)),
        Section(target=Target.SCALES, address=0, entries=np.array(settings.scales, np.uint32).reshape(-1, 1)),
        Section(target=Target.PARAMETERS, address=0, entries=np.concatenate(parameters)),
    ]
    for index, codes in enumerate(tiles if rows else ()):
        entries = granules(np.concatenate(codes), CODE_WIDTH)
        sections.append(Section(target=Target.TILES + index, address=0, entries=entries))
    if blocks:
        beats = np.concatenate(blocks).view("<u4").astype(np.uint32).reshape(-1, cfg.memory_width // GRANULE_WIDTH)
        sections.append(Section(target=Target.MEMORY, address=0, entries=beats))
    ends = [step.beat + step.words * moved_beats(cfg, step.states)
            for step in steps if isinstance(step, Move) and not step.picture]
    if ends:
        nothing = np.zeros((0, cfg.memory_width // GRANULE_WIDTH), np.uint32)
        sections.append(Section(target=Target.MEMORY, address=weights + max(ends), entries=nothing))
    return Image(name=network.name, columns=cfg.columns, tiles=cfg.tiles, walkers=cfg.walkers, encoders=cfg.encoders,
                 span=cfg.span, memory_width=cfg.memory_width, numerics=cfg.numerics, timesteps=network.timesteps,
                 classes=network.classes, rule=settings.rule, shift=settings.shift, threshold=settings.threshold,
                 shape=network.shape, coding=network.input_coding, unfold=network.unfold, sections=tuple(sections))


def _layer(network: Network, band: Band, tiled: tuple[Tiling, ...], homes: tuple[Residence, ...], parameters: list[int],
           noted: list[int], cfg: ProcessorConfig) -> dict[str, int]:
    """The descriptor of a layer, or of a band of it.

    Parameters
    ----------
    parameters : list of int
        First word of the parameter store, of each layer.
    noted : list of int
        From :func:`_note_channels`.
    """
    index = band.layer
    layer, source, tiling, home = network.layers[index], network.sources[index], tiled[index], homes[index]
    maps, lines = network.maps(), len(band.lines)
    hop, width = tiling.walkers * layer.pool * layer.stride, maps[index + 1][2]
    input_coding = network.layers[source - 1].coding if source else network.input_coding
    return _NOTHING | {
        "readout": layer.readout, "stateful": band.state_word is not None, "reset": layer.reset,
        "leak_shift": layer.leak_shift, "weight_shift": _log2(layer.weight_grain),
        "input_shift": _log2(input_coding.grain), "output_shift": _log2(layer.coding.grain),
        "nearest": layer.coding.nearest, "window": layer.coding.window, "hold": layer.hold,
        # What is never recalled need not be kept.
        "recall": layer.recall and integrations(layer, network) > 1,
        "source": band.source, "partial": layer.partial, "adds": network.adds(index),
        "input_height": len(band.reads), "input_width": maps[source][2],
        "input_channels": layer.in_channels, "input_words": cfg.pixel_words(layer.in_channels),
        "kernel_height": layer.kernel[0], "kernel_width": layer.kernel[1],
        "stride": layer.stride, "padding": layer.padding, "pool": layer.pool,
        "padding_above": max(layer.padding - band.lines.start * layer.pool * layer.stride, 0),
        "output_height": lines, "output_width": width,
        "output_channels": layer.out_channels, "output_words": cfg.pixel_words(layer.out_channels),
        "output_pixels": lines * width, "pool_area": layer.pool ** 2, "walker_shift": _log2(tiling.walkers),
        "window_hop": hop, "line_back": width * layer.pool * layer.stride - hop,
        "input_base": band.input_word, "output_base": band.output_word,
        "row_base": home.row, "group_rows": layer.weight[0].numel(), "state_base": band.state_word or 0,
        "parameter_base": parameters[index],
        "start_base": parameters[index] + (0 if layer.start is None else pixel_beats(layer, cfg)),
        "mask": layer.mask & (1 << network.timesteps) - 1,
        "streamed": home.streamed, "by_spikes": home.by_spikes, "input_seen": noted[source],
        "output_seen": noted[index + 1], "weight_base": home.beat,
    }


def _move(network: Network, move: Move, weights: int, cfg: ProcessorConfig) -> dict[str, int]:
    """The descriptor of a move; so many beats of weights lie before what is not the picture."""
    return _NOTHING | {
        "way": move.way, "states": move.states, "picture": move.picture, "mask": move.mask,
        "input_base": move.word, "group_rows": move.words, "weight_base": move.beat + weights * (not move.picture),
        # Of the picture: whoever loads one asks the first descriptor.
        "input_words": cfg.pixel_words(network.shape[0])}


_NOTHING = dict.fromkeys((name for word in DESCRIPTOR for name in word), 0)


def _log2(power: int) -> int:
    return power.bit_length() - 1


def _note_channels(network: Network, homes: tuple[Residence, ...], cfg: ProcessorConfig) -> list[int]:
    """Where it is noted which channels of each map spiked, the picture's included, and of the readout's.

    Maps by which weights are fetched have places of their own; all others share the first.
    """
    words = [-(-channels // LANES) for channels, _, _ in network.maps()]
    used = [any(home.by_spikes for home, source in zip(homes, network.sources) if source == map)
            for map in range(len(words))]
    free = max(each for each, its in zip(words, used) if not its)
    bases = []
    for each, its in zip(words, used):
        bases.append(free if its else 0)
        free += each * its
    if any(used):
        fit(network, "seen_words", free, cfg.seen_words)
    return bases


def _tile_rows(layer: Layer, tiling: Tiling, cfg: ProcessorConfig) -> np.ndarray:
    """Weight codes as the tiles hold them: (tiles, rows of all groups, columns).

    The row of a synapse is its tap times the input channels plus its channel. The tiles of every walker hold the same.
    """
    groups, tiles = len(tiling.groups), cfg.tiles // tiling.walkers
    codes = layer.weight.permute(2, 3, 1, 0).flatten(0, 2)
    codes = torch.nn.functional.pad(codes, (0, groups * tiles * cfg.columns - layer.out_channels), value=NO_SYNAPSE)
    codes = codes.unflatten(1, (groups, tiles, cfg.columns)).permute(2, 1, 0, 3).flatten(1, 2)
    return codes.repeat(tiling.walkers, 1, 1).numpy()


def _blocks(layer: Layer, tiling: Tiling, cfg: ProcessorConfig) -> list[np.ndarray]:
    """The column groups as they lie in the memory; their rows are those of the tiles."""
    codes = layer.weight.permute(2, 3, 1, 0).flatten(0, 2)
    return [block(group.numpy(), tiling.walkers, cfg) for group in codes.split(tiling.groups, dim=1)]


def _parameter_words(layer: Layer, bias: torch.Tensor, cfg: ProcessorConfig) -> np.ndarray:
    """Bias [23:0] and gain [31:24] of each column, ``encoders`` to an entry: (entries, encoders)."""
    words = (bias.numpy() & 0xff_ffff) | (layer.gain.numpy() << 24)
    words = words.view(np.uint32)
    return np.pad(words, (0, -len(words) % cfg.encoders)).reshape(-1, cfg.encoders)
