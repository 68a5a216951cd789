"""Which weights stay in the tiles, and which come from the memory while a network runs."""

from collections import Counter
from dataclasses import dataclass
from itertools import product

from .config import LANES, MEMORY_ADDRESS_WIDTH, ProcessorConfig
from .cycles import taps_inside
from .memory import ends
from .network import Layer, Network, NetworkError
from .schedule import Band, steps
from .tiling import Tiling, tilings

__all__ = ["Residence", "residences"]

# Of the neurons of a map, that are expected to spike.
SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class Residence:
    """Where the weights of one layer live.

    Parameters
    ----------
    streamed : bool
        In the memory, from where column groups come one after the other.
    row : int
        Of the tiles: that of the first column group; where streamed ones begin to take turns.
    beat : int
        Of the memory: that of the first column group.
    group_beats : int
        Beats of the memory that one column group takes, were it streamed.
    by_spikes : bool
        Only rows of channels that spiked are fetched, when the layer begins.
    """

    streamed: bool
    row: int
    beat: int
    group_beats: int
    by_spikes: bool


def residences(network: Network, cfg: ProcessorConfig) -> tuple[Residence, ...]:
    """Keep in the tiles what fits, and stream the rest through two places of equal size behind it.

    First stay the layers that could not be streamed, then those that would wait most for the memory: whose rows serve
    the fewest pixels, and would come the most often.

    Raises
    ------
    NetworkError
        If two column groups of a layer find no place in the tiles, or the memory ends before the weights.
    """
    layers, tiled = network.layers, tilings(network, cfg)
    rows = [len(tiling.groups) * layer.weight[0].numel() for layer, tiling in zip(layers, tiled)]
    blocks = [_block(layer, tiling, cfg) for layer, tiling in zip(layers, tiled)]
    bands = Counter(step.layer for step in steps(network, cfg) if isinstance(step, Band))
    resident = set(range(len(layers)))
    if cfg.memory_width and sum(rows) > cfg.rows:
        resident = {index for index, (high, _) in enumerate(blocks) if 2 * high > cfg.rows}
        turns = [_turns(network, index, tiling) / bands[index] for index, tiling in enumerate(tiled)]
        for index in sorted(set(range(len(layers))) - resident, key=turns.__getitem__):
            if _needed(resident | {index}, rows, blocks) <= cfg.rows:
                resident.add(index)
        needed = _needed(resident, rows, blocks)
        if needed > cfg.rows:
            raise NetworkError(f"network {network.name} is too large: with the memory it still needs rows = {needed}, "
                               f"the processor has {cfg.rows}")
    row = beat = 0
    places = []
    behind = sum(rows[index] for index in resident)
    for index, (tiling, (_, group_beats)) in enumerate(zip(tiled, blocks)):
        streamed = index not in resident
        # Which channels spiked is known of whole maps.
        whole = bands[index] == 1 and (network.sources[index] == 0 or bands[network.sources[index] - 1] == 1)
        by_spikes = streamed and whole and fetches_by_spikes(network, index, tiling, cfg)
        places.append(Residence(streamed=streamed, row=behind if streamed else row, beat=beat * streamed,
                                group_beats=group_beats, by_spikes=by_spikes))
        if streamed:
            beat += len(tiling.groups) * group_beats
        else:
            row += rows[index]
    weights, room = beat * cfg.beat_bytes, 1 << MEMORY_ADDRESS_WIDTH
    if weights > room:
        raise NetworkError(f"network {network.name} is too large: its weights take {weights} bytes of the memory, "
                           f"which has {room}")
    return tuple(places)


def fetches_by_spikes(network: Network, index: int, tiling: Tiling, cfg: ProcessorConfig) -> bool:
    """Whether a layer that is streamed is expected to be faster if only rows of channels are fetched that spiked.

    As if ``SHARE`` of its source's neurons spiked, each on its own. Fetched whole, groups come one behind the other
    from before the layer begins, while spikes are integrated; the slower of both sets the pace. By spikes it is the
    same but for the first group, of which nothing can come before the layer begins. A layer may be fetched by spikes if
    it reads another layer, and whole words of channels.
    """
    layer, source = network.layers[index], network.sources[index]
    channels, height, width = network.maps()[source]
    if source == 0 or channels % LANES:
        return False
    beats, together = cfg.granule(tiling.walkers)
    pace, groups = max(beats, together), len(tiling.groups)
    # How much of the map is looked at for each line and each column of taps.
    lines, columns = ([side if all(both) else max(side - 1, 1) for both in ends(taps, layer.padding)]
                      for side, taps in zip((height, width), layer.kernel))
    found = sum(1 - (1 - SHARE) ** (line * column * together) for line, column in product(lines, columns))
    whole, chosen = (taps * channels / together * pace for taps in (len(lines) * len(columns), found))
    work = SHARE * channels * int(taps_inside(layer, (height, width)).sum()) / tiling.walkers
    return groups * max(chosen, work) + chosen < groups * max(whole, work)


def _block(layer: Layer, tiling: Tiling, cfg: ProcessorConfig) -> tuple[int, int]:
    """Rows and beats of a column group in whole granules; none without a memory."""
    if not cfg.memory_width:
        return 0, 0
    beats, rows = cfg.granule(tiling.walkers)
    granules = -(-layer.weight[0].numel() // rows)
    return granules * rows, granules * beats


def _needed(resident: set[int], rows: list[int], blocks: list[tuple[int, int]]) -> int:
    """Rows of the tiles, if so many layers are resident and the others are streamed."""
    streamed = [high for index, (high, _) in enumerate(blocks) if index not in resident]
    return sum(rows[index] for index in resident) + 2 * max(streamed, default=0)


def _turns(network: Network, index: int, tiling: Tiling) -> float:
    """Pixels that a walker reads a row for; divided by how often the row would come in a run, as it is waited for then.
    """
    layer = network.layers[index]
    _, height, width = network.maps()[index + 1]
    fetches = sum(layer.fires(timestep) for timestep in range(1, network.timesteps + 1))
    return height * width * layer.pool ** 2 / tiling.walkers / (1 if layer.recall else max(fetches, 1))
