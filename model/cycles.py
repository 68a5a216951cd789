"""How long a layer takes, to the cycle: the pipeline of :mod:`rtl.core` as a recurrence over output pixels.

Every stage of the pipeline moves in step with the one after it, so the time of a layer needs no simulation. An output
pixel brings ``work`` beats to its walker's tiles: one for each spike, and one for each fetch without spikes. Its
charges drain in ``beats``, in the order of the pixels, while the walker's next pixel integrates:

    integrated = max(integrated of the walker's pixel before + work, drained of the walker's pixel before)
    drained    = max(integrated, drained of the pixel before) + beats

What comes before the first pixel and after the last does not overlap with anything, and is constant.

Where weights come from a memory, the first event of a column group waits until it has come, see :mod:`model.supply`.
"""

from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from .config import BURST_BEATS, SILENT, ProcessorConfig, Way, moved_beats
from .network import Layer
from .schedule import Move
from .supply import Pace, Supply
from .tiling import Tiling

__all__ = ["CHECK", "Cycles", "layer_cycles", "recall_cycles", "move_cycles", "weighing_cycles"]

# The check of a descriptor, in which a layer is skipped or starts.
CHECK = 1
# From the start of a layer to the addition of the first pixel's first event: walker, picker, tile.
FILL = 8
# Beats that follow a waiting pixel into the tile, the last of them into its buffer; the one behind is seen to wait.
BEHIND = 3
# From the cycle in which a column group has come to the addition of its first event.
PASS = 3
# Stages of the fire unit, up to the spikes.
FIRE = 5
# From a pixel's last addition to the spikes of its first beat: tile, drain, fire.
TAIL = FIRE + 1
# From the last logit to the verdict of a budget.
VERDICT = 1
# From the start of a move to the first beat of an ideal memory, and behind it.
ASK = 6
# From the start of a move to the address of its first burst; the address, the response and what lies between them.
OFFER, BURST = 1, 4
# Until a rule that weighs the logits has its verdict, classes apart.
WEIGHING = 13


@dataclass(frozen=True, kw_only=True, eq=False)
class Cycles:
    """Clock cycles of one layer in one timestep; all tensors int64, (images,).

    Parameters
    ----------
    total : Tensor
        From the check of the descriptor to the last spikes, or to the verdict of a budget.
    busy : Tensor
        An event opened a row; so all that follows, added up over the walkers.
    empty : Tensor
        A fetch without spikes passed.
    fire : Tensor
        The tiles waited for the fire unit.
    """

    total: Tensor
    busy: Tensor
    empty: Tensor
    fire: Tensor


def layer_cycles(synapses: Tensor, layer: Layer, source: tuple[int, int], silent: bool, tiling: Tiling,
                 cfg: ProcessorConfig, supply: Supply | None = None, begin: Tensor | int = 0,
                 fetched: Tensor | None = None, lines: range | None = None) -> Cycles:
    """The cycles of one active layer in one timestep.

    Parameters
    ----------
    synapses : Tensor, uint8, (images, in * kernel_height * kernel_width, pixels)
        From :func:`model.walker.synapses`.
    source : tuple of int
        Height and width of the source.
    silent : bool
        The source is known to be silent, and is not read.
    supply : Supply, optional
        Where the layer's weights come from, if they do not stay in the tiles.
    begin : Tensor, int64, (images,)
        Cycle of the check, from the begin of the run.
    fetched : Tensor, bool, (images, granules), optional
        What is fetched of every column group, if that goes by spikes; from :func:`model.memory.fetched`.
    lines : range, optional
        Of the layer's map, which are emitted; all where it is not given.
    """
    work, events = pixel_work(synapses, layer, source, silent, cfg, lines)
    fire, drained = pipelined(work, drain_order(layer, source, tiling.walkers, lines), layer.readout, tiling, cfg,
                              supply, begin, layer.weight[0].numel(), fetched)
    busy = events * len(tiling.groups)
    total = CHECK + drained + TAIL + VERDICT * layer.readout
    return Cycles(total=total, busy=busy, empty=work.sum(1) * len(tiling.groups) - busy, fire=fire)


def recall_cycles(charge: Tensor, tiling: Tiling, cfg: ProcessorConfig) -> Cycles:
    """The cycles of a layer in a timestep in which it recalls its charge: nothing is walked, and every beat drained.

    Parameters
    ----------
    charge : Tensor, int32, (images, out, pixels)
    """
    images, _, pixels = charge.shape
    beats = sum(-(-columns // cfg.encoders) for columns in tiling.groups)
    none = torch.zeros(images, dtype=torch.int64)
    return Cycles(total=none + CHECK + pixels * beats + TAIL, busy=none, empty=none, fire=none)


def move_cycles(move: Move, cfg: ProcessorConfig, memory: Pace) -> int:
    """The cycles in which words move, the check of their descriptor included.

    What is brought comes beat by beat. What is put goes burst by burst, each when the one before has been answered.
    """
    beats = move.words * moved_beats(cfg, move.states)
    if move.way == Way.BRING:
        return CHECK + ASK + memory.latency + (beats - 1) * (1 + memory.pause)
    bursts = (move.beat + beats - 1) // BURST_BEATS - move.beat // BURST_BEATS + 1
    return CHECK + OFFER + beats + bursts * BURST


def drain_order(layer: Layer, source: tuple[int, int], walkers: int,
                lines: range | None = None) -> list[tuple[int, int]]:
    """Every output pixel and its walker: as many pooling windows as there are walkers, their first pixels first."""
    height, width = (side // layer.pool for side in layer.pixels(source))
    height = height if lines is None else len(lines)
    order = []
    for first in range(0, height * width, walkers):
        windows = [divmod(window, width) for window in range(first, min(first + walkers, height * width))]
        for (py, px), (walker, (oy, ox)) in product(product(range(layer.pool), repeat=2), enumerate(windows)):
            order.append(((oy * layer.pool + py) * width * layer.pool + ox * layer.pool + px, walker))
    return order


def pipelined(work: Tensor, order: list[tuple[int, int]], readout: bool, tiling: Tiling, cfg: ProcessorConfig,
              supply: Supply | None = None, begin: Tensor | int = 0, rows: int = 0,
              fetched: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The recurrence.

    Parameters
    ----------
    work : Tensor, int64, (images, pixels)
    order : list of tuple of int
        From :func:`drain_order`.
    readout : bool
        Charges drain as slowly as logits leave, one by one.
    supply, begin, fetched
        See :func:`layer_cycles`.
    rows : int
        Of a column group that is streamed.

    Returns
    -------
    fire : Tensor, int64, (images,)
        Cycles in which walkers wait for the fire unit.
    drained : Tensor, int64, (images,)
        When the last pixel is drained.
    """
    images = len(work)
    integrated = [torch.full((images,), FILL) for _ in range(tiling.walkers)]
    drained, taken = torch.zeros(images, dtype=torch.int64), [torch.zeros(images, dtype=torch.int64)] * tiling.walkers
    fire = torch.zeros(images, dtype=torch.int64)
    # Beats of a column group.
    whole = [work[:, [pixel for pixel, its in order if its == walker]].sum(1) for walker in range(tiling.walkers)]
    pixels = work.unbind(1)

    def next_come():
        return [supply.come(rows, tiling.walkers, fetched) - begin + PASS] * tiling.walkers

    come = next_come() if supply else None
    for group, columns in enumerate(tiling.groups):
        # Events that wait for their group hold up only what is behind them.
        if supply:
            integrated = [torch.maximum(before, its) for before, its in zip(integrated, come)]
            come = next_come() if group + 1 < len(tiling.groups) else None
        beats = columns if readout else -(-columns // cfg.encoders)
        left, following = list(whole), len(tiling.groups) - 1 - group
        # The last beat of a readout is taken when it begins to leave.
        leaving = (columns - 1) % cfg.encoders if readout else 0
        for pixel, walker in order:
            complete = integrated[walker] + pixels[pixel]
            integrated[walker] = torch.maximum(complete, taken[walker])
            left[walker] = left[walker] - pixels[pixel]
            waited = integrated[walker] - complete
            if supply and come:
                late = come[walker] - complete
                fire += _seen_waiting(waited, left[walker], late, whole[walker])
                # Behind the pixel there is room for a few events, or for none where none had come.
                come[walker] = torch.where(waited > 0, torch.maximum(come[walker], integrated[walker]
                                                                     + late.clamp(max=BEHIND - 1)), come[walker])
            else:
                fire += waited * (left[walker] + following * whole[walker] > BEHIND)
            drained = torch.maximum(integrated[walker], drained) + beats
            taken[walker] = drained - leaving
        if supply:
            supply.release(begin + drained - leaving)
    return fire, drained


def _seen_waiting(waited: Tensor, left: Tensor, late: Tensor, following: Tensor) -> Tensor:
    """Cycles in which a walker waits behind a pixel, where the next column group may still have to come.

    Parameters
    ----------
    waited : Tensor, int64, (images,)
        How long the pixel waits.
    left, following : Tensor, int64, (images,)
        Beats of its column group that are behind it, and of the next one.
    late : Tensor, int64, (images,)
        From the pixel's last addition until the next column group has come.
    """
    # Cycles of the waiting until the next group's first beat would enter the tile, and until the buffer takes one.
    first = torch.maximum(left, late) - (BEHIND - 1)
    buffered = torch.where(left == BEHIND, 0, first.clamp(min=0))
    entered = torch.where(left == BEHIND, 0, buffered - first + 1)
    behind = (waited - torch.maximum(buffered, first - 1)).clamp(min=0) * (following > entered)
    return torch.where(left > BEHIND, waited, behind)


def weighing_cycles(classes: int) -> int:
    """What an exit rule other than the budget adds to a readout."""
    return classes + WEIGHING


def pixel_work(synapses: Tensor, layer: Layer, source: tuple[int, int], silent: bool, cfg: ProcessorConfig,
               lines: range | None = None) -> tuple[Tensor, Tensor]:
    """Beats that each output pixel brings to the tiles, and spikes of all pixels.

    Returns
    -------
    work : Tensor, int64, (images, pixels)
    events : Tensor, int64, (images,)
    """
    images, _, pixels = synapses.shape
    if silent:
        return torch.ones(images, pixels, dtype=torch.int64), torch.zeros(images, dtype=torch.int64)
    spikes = (synapses != SILENT).view(torch.uint8).unflatten(1, (layer.in_channels, -1))
    lanes = cfg.span_lanes
    spikes = F.pad(spikes, (0, 0, 0, 0, 0, -layer.in_channels % lanes)).unflatten(1, (-1, lanes))
    # Bytes hold the spikes of a fetch; to widen them before they are added up takes four times as long.
    spikes = spikes.sum(2, dtype=torch.uint8).int()
    inside = taps_inside(layer, source, lines)
    # A pixel whose taps all lie outside the map fetches silence once.
    work = (spikes.clamp(min=1) * inside).sum((1, 2)).clamp(min=1)
    return work, spikes.sum((1, 2, 3))


def taps_inside(layer: Layer, source: tuple[int, int], lines: range | None = None) -> Tensor:
    """Which taps of each output pixel, of ``lines`` or of all, lie inside the map: bool, (taps, pixels)."""
    padded = F.pad(torch.ones(1, 1, *source), (layer.padding,) * 4)
    height, width = layer.pixels(source)
    taps = F.unfold(padded, layer.kernel, stride=layer.stride).unflatten(2, (-1, width))[0]
    lines = lines or range(height // layer.pool)
    taps = taps[:, lines.start * layer.pool:lines.stop * layer.pool, :width // layer.pool * layer.pool]
    return taps.flatten(1).bool()
