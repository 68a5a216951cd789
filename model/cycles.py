"""How long a layer takes, to the cycle: the pipeline of :mod:`rtl.core` in closed form.

Every stage of the pipeline moves in step with the one after it, so the time of a layer needs no simulation. An output
pixel brings ``work`` beats to the tiles: one for each spike, and one for each fetch without spikes. Its charges
then drain in ``beats``, while the next pixel integrates. The slower of the two sets the pace:

    time between two pixels = max(work of the second, beats of the first)

What comes before the first pixel and after the last does not overlap with anything, and is constant.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .config import SILENT, ProcessorConfig
from .network import Layer

__all__ = ["CHECK", "Cycles", "layer_cycles", "weighing_cycles"]

# The check of a descriptor, in which a layer is skipped or starts.
CHECK = 1
# From the start of a layer to the addition of the first pixel's first event: walker, picker, tile.
FILL = 7
# Beats that the tiles hold behind the one they add.
QUEUE = 2
# Stages of the fire unit, up to the spikes.
FIRE = 4
# From a pixel's last addition to its first word in the spike store, beats apart, or to the verdict of a budget,
# logits apart: tile, drain, fire, and pool or exit unit.
TAIL = FIRE + 2
# Until a rule that weighs the logits has its verdict, classes apart.
WEIGHING = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class Cycles:
    """Clock cycles of one layer in one timestep; all tensors int64, (images,).

    Parameters
    ----------
    total : Tensor
        From the check of the descriptor to the last word, or to the verdict of a budget.
    busy : Tensor
        An event opened a row.
    empty : Tensor
        A fetch without spikes passed.
    fire : Tensor
        The tiles waited for the fire unit.
    """

    total: Tensor
    busy: Tensor
    empty: Tensor
    fire: Tensor


def layer_cycles(synapses: Tensor, layer: Layer, source: tuple[int, int], silent: bool, cfg: ProcessorConfig) -> Cycles:
    """The cycles of one active layer in one timestep.

    Parameters
    ----------
    synapses : Tensor, float32, (images, in * kernel_height * kernel_width, pixels)
        From :func:`model.walker.synapses`.
    source : tuple of int
        Height and width of the source.
    silent : bool
        The source is known to be silent, and is not read.
    """
    work, events = pixel_work(synapses, layer, source, silent, cfg)
    groups = [min(cfg.group_columns, layer.out_channels - first)
              for first in range(0, layer.out_channels, cfg.group_columns)]
    beats = [-(-columns // cfg.encoders) for columns in groups]

    # What each pixel waits for the one before it to drain; the first of a group follows the last of the group before.
    waits = torch.cat([part for before, beat in zip([0, *beats], beats)
                       for part in ((before - work[:, :1]).clamp(min=0), (beat - work[:, 1:]).clamp(min=0))], dim=1)
    integrated = FILL + work.sum(1) * len(groups) + waits.sum(1)
    ended = integrated + TAIL + (groups[-1] if layer.readout else beats[-1])
    if layer.readout and len(groups) > 1:
        waits, ended = serialised(work[:, 0], groups, cfg)

    # A wait is counted while the picker offers a beat: as long as some are left behind those in the tiles.
    arrivals = work.repeat(1, len(groups))
    behind = arrivals.sum(1, keepdim=True) - arrivals.cumsum(1)
    busy = events * len(groups)
    return Cycles(total=CHECK + ended, busy=busy, empty=work.sum(1) * len(groups) - busy,
                  fire=(waits * (behind > QUEUE)).sum(1))


def serialised(work: Tensor, groups: list[int], cfg: ProcessorConfig) -> tuple[Tensor, Tensor]:
    """A readout of several column groups, cycle by cycle: logits leave one by one and hold up the beats behind them.

    Parameters
    ----------
    work : Tensor, int64, (images,)
        Beats that each group brings to the tiles.
    groups : list of int
        Classes of each column group.

    Returns
    -------
    waits : Tensor, int64, (images, groups)
        What each group waits for the one before it to drain.
    ended : Tensor, int64, (images,)
        When the last logit has left, and the verdict of a budget is there.
    """
    lanes, lasts = [0], []
    for columns in groups:
        lanes += [min(cfg.encoders, columns - first) for first in range(0, columns, cfg.encoders)]
        lasts.append(len(lanes) - 1)
    lanes, lasts = torch.tensor(lanes), torch.tensor([*lasts, 0])
    # Beats in the drain's register and in the fire unit's stages; 0 is none.
    slots = [torch.zeros_like(work) for _ in range(FIRE + 1)]
    integrated, group, beat = FILL + work, torch.zeros_like(work), torch.ones_like(work)
    lane, left, ended = torch.zeros_like(work), torch.full_like(work, sum(groups)), torch.zeros_like(work)
    waits = torch.zeros(len(work), len(groups), dtype=torch.int64)
    now = 0
    while left.any():
        leaving = slots[-1] > 0
        left = left - leaving.long()
        ended = torch.where(leaving, now + 1, ended)
        popped = leaving & (lane + 1 == lanes[slots[-1]])
        lane = torch.where(popped, 0, lane + leaving)
        step = ~leaving | popped
        taken = (integrated < now) & (group < len(groups)) & ((slots[0] == 0) | step)
        entering = torch.where((slots[0] == 0) | step, beat * taken, slots[0])
        slots = [entering] + [torch.where(step, before, slot) for before, slot in zip(slots, slots[1:])]
        drained = taken & (beat == lasts[group])
        following = drained & (group + 1 < len(groups))
        wait = (now - integrated - work).clamp(min=0) * following
        waits.scatter_add_(1, (group + 1).clamp(max=len(groups) - 1)[:, None], wait[:, None])
        integrated = torch.where(following, integrated + work + wait, integrated)
        group, beat, now = group + drained.long(), beat + taken.long(), now + 1
    return waits, ended


def weighing_cycles(classes: int) -> int:
    """What an exit rule other than the budget adds to a readout."""
    return classes + WEIGHING


def pixel_work(synapses: Tensor, layer: Layer, source: tuple[int, int], silent: bool,
               cfg: ProcessorConfig) -> tuple[Tensor, Tensor]:
    """Beats that each output pixel brings to the tiles, and spikes of all pixels.

    Returns
    -------
    work : Tensor, int64, (images, pixels)
    events : Tensor, int64, (images,)
    """
    images, _, pixels = synapses.shape
    if silent:
        return torch.ones(images, pixels, dtype=torch.int64), torch.zeros(images, dtype=torch.int64)
    spikes = (synapses != SILENT).unflatten(1, (layer.in_channels, -1))
    lanes = cfg.span_lanes
    spikes = F.pad(spikes, (0, 0, 0, 0, 0, -layer.in_channels % lanes)).unflatten(1, (-1, lanes)).sum(2)
    inside = taps_inside(layer, source)
    # A pixel whose taps all lie outside the map fetches silence once.
    work = (spikes.clamp(min=1) * inside).sum((1, 2)).clamp(min=1)
    return work, spikes.sum((1, 2, 3))


def taps_inside(layer: Layer, source: tuple[int, int]) -> Tensor:
    """Which taps of each output pixel lie inside the map: bool, (taps, pixels)."""
    padded = F.pad(torch.ones(1, 1, *source), (layer.padding,) * 4)
    height, width = layer.pixels(source)
    taps = F.unfold(padded, layer.kernel, stride=layer.stride).unflatten(2, (-1, width))[0]
    return taps[:, :height // layer.pool * layer.pool, :width // layer.pool * layer.pool].flatten(1).bool()
