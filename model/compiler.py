"""From a network to the image of one processor: the overflow proof, the memory layout, the descriptors."""

import numpy as np
import torch

from . import exit as exit_unit
from .config import CODE_WIDTH, GRANULE_WIDTH, LANES, NO_SYNAPSE, ProcessorConfig, Target
from .descriptor import pack
from .image import Image, Section, granules
from .memory import block
from .network import Layer, Network, NetworkError
from .residence import Residence, residences
from .tile import charge_bound
from .tiling import Tiling, tilings

__all__ = ["compile", "prove_no_overflow"]


def prove_no_overflow(network: Network):
    """Bound every potential by its bias and the sum of its column's largest magnitudes.

    Raises
    ------
    NetworkError
        If a potential could leave the accumulator.
    """
    for index, layer in enumerate(network.layers):
        bound = sum(_potential_bound(network.layers[each], network) for each in network.sum_of(index))
        column = int(bound.argmax())
        if int(bound[column]) > network.numerics.potential_max:
            raise NetworkError(f"layer {layer.name}, column {column}: the potential could reach {int(bound[column])}, "
                               f"the {network.numerics.accumulator_width}-bit accumulator holds "
                               f"{network.numerics.potential_max}")


def _potential_bound(layer: Layer, network: Network) -> torch.Tensor:
    """What ``layer`` could add to its potentials in a run: int64, (out,)."""
    bound = charge_bound(layer.weight.flatten(1), weight_grain=layer.weight_grain, numerics=network.numerics)
    bound = (bound + layer.bias.abs()) * _integrations(layer, network)
    return bound if layer.start is None else bound + layer.start.abs()


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
    _fit(network, "layers", len(network.layers), cfg.layers)
    _fit(network, "classes", network.classes, cfg.classes)
    _fit(network, "timesteps", network.timesteps, cfg.timesteps)
    settings = exit_unit.settings(network)
    maps = network.maps()
    places = _place_maps(network, cfg)
    states = _place_states(network, cfg)
    homes = residences(network, cfg)
    noted = _note_channels(network, homes, cfg)

    descriptors, parameters, blocks, tiles = [], [], [], [[] for _ in range(cfg.tiles)]
    rows = parameter_words = 0
    grains = [network.input_coding.grain] + [layer.coding.grain for layer in network.layers]
    for index, (layer, source, tiling, home) in enumerate(zip(network.layers, network.sources,
                                                              tilings(network, cfg), homes)):
        rows_each = layer.weight[0].numel()
        pixels = maps[index + 1][1] * maps[index + 1][2]
        hop = tiling.walkers * layer.pool * layer.stride
        start_words = 0 if layer.start is None else _beats(layer, cfg)
        descriptors.append(pack({
            "readout": layer.readout, "stateful": states[index] is not None, "reset": layer.reset,
            "leak_shift": layer.leak_shift, "weight_shift": _log2(layer.weight_grain),
            "input_shift": _log2(grains[source]), "output_shift": _log2(layer.coding.grain),
            "nearest": layer.coding.nearest, "window": layer.coding.window, "hold": layer.hold,
            "recall": layer.recall, "source": source, "partial": layer.partial, "adds": network.adds(index),
            "input_height": maps[source][1], "input_width": maps[source][2],
            "input_channels": layer.in_channels, "input_words": cfg.pixel_words(layer.in_channels),
            "kernel_height": layer.kernel[0], "kernel_width": layer.kernel[1],
            "stride": layer.stride, "padding": layer.padding, "pool": layer.pool,
            "output_height": maps[index + 1][1], "output_width": maps[index + 1][2],
            "output_channels": layer.out_channels, "output_words": cfg.pixel_words(layer.out_channels),
            "output_pixels": pixels, "pool_area": layer.pool ** 2, "walker_shift": _log2(tiling.walkers),
            "window_hop": hop, "line_back": maps[index + 1][2] * layer.pool * layer.stride - hop,
            "input_base": places[source], "output_base": places[index + 1],
            "row_base": home.row, "group_rows": rows_each, "state_base": states[index] or 0,
            "parameter_base": parameter_words, "start_base": parameter_words + start_words,
            "mask": layer.mask & (1 << network.timesteps) - 1,
            "streamed": home.streamed, "by_spikes": home.by_spikes, "input_seen": noted[source],
            "output_seen": noted[index + 1], "weight_base": home.beat,
        }))
        if home.streamed:
            blocks += _blocks(layer, tiling, cfg)
        else:
            rows += rows_each * len(tiling.groups)
            for tile, codes in zip(tiles, _tile_rows(layer, tiling, cfg)):
                tile.append(codes)
        parameters.append(_parameter_words(layer, layer.bias, cfg))
        if layer.start is not None:
            parameters.append(_parameter_words(layer, layer.bias + layer.start, cfg))
        parameter_words = sum(map(len, parameters))
    _fit(network, "rows", rows, cfg.rows)
    _fit(network, "parameter_words", parameter_words, cfg.parameter_words)

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
    return Image(name=network.name, columns=cfg.columns, tiles=cfg.tiles, walkers=cfg.walkers, encoders=cfg.encoders,
                 span=cfg.span, memory_width=cfg.memory_width, numerics=cfg.numerics, timesteps=network.timesteps,
                 classes=network.classes, rule=settings.rule, shift=settings.shift, threshold=settings.threshold,
                 shape=network.shape, coding=network.input_coding, unfold=network.unfold, sections=tuple(sections))


def _fit(network: Network, name: str, needed: int, available: int):
    if needed > available:
        raise NetworkError(f"network {network.name} is too large: it needs {name} = {needed}, "
                           f"the processor has {available}")


def _log2(power: int) -> int:
    return power.bit_length() - 1


def _beats(layer: Layer, cfg: ProcessorConfig) -> int:
    """Beats of the fire unit for one pixel of all column groups."""
    return -(-layer.out_channels // cfg.encoders)


def _integrations(layer: Layer, network: Network) -> int:
    """Timesteps whose charges meet in one potential."""
    return sum(layer.fires(timestep) for timestep in range(1, network.timesteps + 1))


def _place_states(network: Network, cfg: ProcessorConfig) -> list[int | None]:
    """First state word of every layer that keeps its potentials, and, where it recalls them, its charges.

    Layers of a sum share one. Sums that end with their timestep have theirs in one place, behind all others.
    """
    words = [_beats(layer, cfg) * height * width * layer.pool ** 2
             for layer, (_, height, width) in zip(network.layers, network.maps()[1:])]
    kept = [_integrations(layer, network) > 1 for layer in network.layers]
    summed = [len(network.sum_of(index)) > 1 for index in range(len(network.layers))]
    bases, free = [None] * len(words), 0
    for index, (size, layer) in enumerate(zip(words, network.layers)):
        if kept[index]:
            bases[index] = bases[index - 1] if network.adds(index) else free
            free = bases[index] + size
            if layer.recall:
                _fit(network, "charge_words", free, cfg.charge_words)
    behind = max((size for size, stays, its in zip(words, kept, summed) if its and not stays), default=0)
    _fit(network, "state_words", free + behind, cfg.state_words)
    return [free if base is None and its else base for base, its in zip(bases, summed)]


def _place_maps(network: Network, cfg: ProcessorConfig) -> list[int]:
    """First spike word of the picture and of every layer's map.

    The picture, and maps that are held over timesteps, keep their place. All others live until their last reader has
    run. Each goes to the other end of what is free from that of the map it was made of, so that two that follow each
    other grow towards each other, and leave the middle to those that live longer.
    """
    # Whole rows of the store, so that every map begins with one.
    sizes = [-(-cfg.pixel_words(channels) * height * width // cfg.span) * cfg.span
             for channels, height, width in network.maps()]
    for index, layer in enumerate(network.layers, start=1):
        if layer.partial or layer.readout:
            sizes[index] = 0
    stays = [True] + [layer.hold and _integrations(layer, network) < network.timesteps for layer in network.layers]
    # The layers, counted from 1, that run while a map is written or read.
    lives = [range(index, 1 + max((reader for reader, source in enumerate(network.sources, start=1) if source == index),
                                  default=index)) for index in range(len(sizes))]
    bases, free = [0] * len(sizes), 0
    for index, size in enumerate(sizes):
        if stays[index]:
            bases[index], free = free, free + size
    alive = [sum(size for size, its, life in zip(sizes, stays, lives) if not its and index in life)
             for index in range(len(sizes))]
    _fit(network, "spike_words", free + max(alive), cfg.spike_words)

    low = [False] * len(sizes)
    for index, (size, source) in enumerate(zip(sizes[1:], network.sources), start=1):
        if size == 0 or stays[index]:
            continue
        taken = sorted((bases[other], bases[other] + sizes[other]) for other in range(1, index)
                       if sizes[other] and not stays[other] and index in lives[other])
        begins, ends = [free, *(end for _, end in taken)], [*(begin for begin, _ in taken), cfg.spike_words]
        gaps = [(begin, end) for begin, end in zip(begins, ends) if end - begin >= size]
        if not gaps:
            raise NetworkError(f"network {network.name} is too large: layer {network.layers[index - 1].name} needs "
                               f"{size} spike_words side by side, the maps alive with it leave none so long of "
                               f"{cfg.spike_words}")
        low[index] = not low[source]
        bases[index] = gaps[0][0] if low[index] else gaps[-1][1] - size
    return bases


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
        _fit(network, "seen_words", free, cfg.seen_words)
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
