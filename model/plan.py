"""What the compiler decided for each layer, and what comes of it on pictures: where it lives, and what bounds it."""

from dataclasses import dataclass, replace

import torch
from rich.box import SIMPLE_HEAD
from rich.table import Table
from torch import Tensor

from .compiler import compile
from .config import ProcessorConfig, Way, moved_beats
from .memory import fetched, seen
from .network import Layer, Network
from .page import number
from .processor import decide, trace
from .residence import residences
from .schedule import Band, steps
from .tiling import Tiling, tilings

__all__ = ["LayerPlan", "plan", "table"]


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """One layer; what counts cycles or bytes is a mean over pictures, all timesteps of a run together.

    Parameters
    ----------
    name : str
    map : tuple of int
        Channels, height and width of the map that the layer emits.
    words : range
        Of the spike store, where it lies; empty for a readout, and for a map in the memory.
    spilled : bool
        The map lies in the memory.
    bands : int
        In which the layer runs.
    rows : range
        Of the tiles, that its weights have for themselves, or take turns in.
    streamed, by_spikes : bool
        See :class:`model.residence.Residence`.
    tiling : Tiling
    cycles : float
        How long the layer takes.
    spikes, fire, memory : float
        What each of these would take alone: a walker's fetches and their spikes, the fire unit's beats, and the beats
        of the memory.
    waits : float
        Of ``cycles``, those that would not pass if all weights were in the tiles.
    moved : float
        Bytes that come from the memory, or go there.
    """

    name: str
    map: tuple[int, int, int]
    words: range
    spilled: bool
    bands: int
    rows: range
    streamed: bool
    by_spikes: bool
    tiling: Tiling
    cycles: float
    spikes: float
    fire: float
    memory: float
    waits: float
    moved: float

    @property
    def bound(self) -> str:
        """What takes longest."""
        return max(("spikes", "fire", "memory"), key=lambda cause: getattr(self, cause))


def plan(network: Network, cfg: ProcessorConfig, codes: Tensor) -> tuple[LayerPlan, ...]:
    """Every layer of ``network`` on a processor.

    Parameters
    ----------
    codes : Tensor, uint8, (images, channels, height, width)
        Pictures, as :func:`model.processor.trace` takes them.

    Raises
    ------
    NetworkError
        If the network does not fit.
    """
    image = compile(network, cfg)
    golden = trace(network, codes, cfg, keep_maps=True)
    decision = decide(network, golden)
    resident = decide(network, trace(network, codes, _roomy(network, cfg))) if image.memory() else decision
    runs = torch.arange(1, network.timesteps + 1) <= decision.timesteps[:, None]
    maps, plans = network.maps(), []
    homes, tiled = residences(network, cfg), tilings(network, cfg)
    ordered = steps(network, cfg)
    for index, (layer, home, tiling) in enumerate(zip(network.layers, homes, tiled)):
        its = [number for number, step in enumerate(ordered) if step.layer == index]
        bands = [number for number in its if isinstance(ordered[number], Band)]
        moves = [ordered[number] for number in its if number not in bands]
        fields = image.descriptors[bands[0]]
        spilled = any(move.way == Way.PUT and not move.states for move in moves)
        active = runs & torch.tensor([layer.fires(timestep) for timestep in range(1, network.timesteps + 1)])
        pixels = maps[index + 1][1] * maps[index + 1][2]
        drained = sum(-(-columns // (1 if layer.readout else cfg.encoders)) for columns in tiling.groups)
        # A layer that recalls its charge needs weights once.
        needed = active & (active.cumsum(1) == 1) if layer.recall else active
        beats, rows = needed * home.group_beats * home.streamed, layer.weight[0].numel() * len(tiling.groups)
        if home.by_spikes:
            beats = needed * torch.stack([_beats(source, layer, tiling, cfg)
                                          for source in golden.maps[network.sources[index] - 1].unbind(1)], dim=1)
        comes = len(bands) * len(tiling.groups) * beats.sum(1).double().mean().item()
        walked = sum(decision.cycles[name][:, bands].sum(1) for name in ("busy_cycles", "empty_cycles"))
        cycles, without = (each.cycles["cycles"][:, its].sum(1).double().mean().item() for each in (decision, resident))
        carried = sum(move.words * moved_beats(cfg, move.states) * (runs & torch.tensor(
            [move.mask >> timestep & 1 for timestep in range(network.timesteps)]).bool()).sum(1).double().mean().item()
            for move in moves)
        first = fields["output_base"]
        beats_of, rows_of = cfg.granule(tiling.walkers) if cfg.memory_width else (1, 1)
        plans.append(LayerPlan(
            name=layer.name, map=maps[index + 1], tiling=tiling, streamed=home.streamed, by_spikes=home.by_spikes,
            words=range(first, first + (not layer.readout and not layer.partial and not spilled)
                        * pixels * fields["output_words"]),
            spilled=spilled, bands=len(bands),
            rows=range(home.row, cfg.rows if home.streamed else home.row + rows),
            cycles=cycles, waits=cycles - without,
            spikes=walked.double().mean().item() / tiling.walkers,
            fire=active.sum(1).double().mean().item() * drained * pixels * layer.pool ** 2,
            memory=comes * max(rows_of / beats_of, 1) + carried, moved=(comes + carried) * cfg.beat_bytes))
    return tuple(plans)


def _roomy(network: Network, cfg: ProcessorConfig) -> ProcessorConfig:
    """The same processor with rows for all weights of ``network``."""
    rows = sum(layer.weight[0].numel() * len(tiling.groups)
               for layer, tiling in zip(network.layers, tilings(network, cfg)))
    return replace(cfg, rows=max(cfg.rows, rows))


def _beats(source: Tensor, layer: Layer, tiling: Tiling, cfg: ProcessorConfig) -> Tensor:
    """Of the memory, for one column group that is fetched by spikes: int64, (images,)."""
    granules = fetched(seen(source), layer.kernel, layer.padding, tiling.walkers, cfg)
    return granules.sum(1).clamp(min=1) * cfg.granule(tiling.walkers)[0]


def table(plans: tuple[LayerPlan, ...], title: str) -> Table:
    """The plan as people read it."""
    shown = Table(box=SIMPLE_HEAD, title=title, title_justify="left")
    for heading in ("layer", "map", "its words", "weights", "tile rows"):
        shown.add_column(heading, no_wrap=True)
    for heading in ("groups", "columns", "walkers", "cycles", "waits", "bytes moved"):
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("bound by", no_wrap=True)
    for each in plans:
        weights = "by spikes" if each.by_spikes else "memory" if each.streamed else "tiles"
        words = f"memory, {each.bands} bands" if each.spilled else _span(each.words)
        shown.add_row(each.name, "x".join(map(str, each.map)), words, weights, _span(each.rows),
                      str(len(each.tiling.groups)), str(each.tiling.columns), str(each.tiling.walkers),
                      number(each.cycles), number(each.waits), number(each.moved), each.bound)
    shown.add_section()
    sums = (number(sum(getattr(each, name) for each in plans)) for name in ("cycles", "waits", "moved"))
    shown.add_row("run", *[""] * 7, *sums)
    return shown


def _span(places: range) -> str:
    return f"{places.start}-{places.stop - 1}" if places else ""
