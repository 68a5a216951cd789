"""When column groups come from a memory; from an ideal one, the first beat comes two cycles later, and one a cycle.

The twin of :mod:`rtl.supply`. A group is asked for when the one before has been, and when the one before that has been
released. Its beats follow those of the one before, or its request after a latency:

    asked = max(asked of the group before, released of the one before that)
    come  = max(asked + latency, beats of the group before have come) + its beats

A group that is fetched by spikes is asked for granule by granule, each when :mod:`rtl.prefetch` has found the next, and
no more than ``PLACES`` of them before they come:

    asked = max(asked of the granule before + 1 + words looked at until the next, granule PLACES before begins to come)
    come  = max(asked + latency, come of the granule before) + its beats
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .config import LANES, ProcessorConfig

__all__ = ["Pace", "IDEAL", "Supply"]

# Groups that the tiles hold at a time.
HALVES = 2
# From the begin of a run until the first layer is looked at; one is named in a cycle.
NAMED = 1
# From a layer's name to the request of its first group, from request to request, and from release to request.
SIZED, NEXT, RELEASED = 3, 2, 2
# From a request to the first beat of an ideal memory.
LATENCY = 6
# From the first look at a word to the request of its first granule, were it followed by another.
FOUND = 2
# Granules that have been asked for and of which nothing has come.
PLACES = 16


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a memory is.

    Parameters
    ----------
    latency : int
        Cycles that an answer takes longer than that of an ideal memory. As long as sixteen bursts of sixteen beats
        hide it, the prediction is exact.
    pause : int
        Cycles between two beats.
    """

    latency: int = 0
    pause: int = 0


IDEAL = Pace()


class Supply:
    """The groups of the runs of several images.

    Parameters
    ----------
    images : int
    cfg : ProcessorConfig
        With a memory.
    pace : Pace
    """

    def __init__(self, images: int, cfg: ProcessorConfig, pace: Pace = IDEAL):
        self.cfg = cfg
        self.latency, self.every = LATENCY + pace.latency, 1 + pace.pause
        nothing = torch.zeros(images, dtype=torch.int64)
        self.named, self.asked, self.last_beat = nothing + NAMED - 1, nothing, nothing
        # Of every group; there is room for the first two from the start.
        self.released = [nothing] * HALVES
        self.groups = self.rows = 0
        # Of the last granules of a layer that is fetched by spikes.
        self.begun = nothing[:, None].expand(-1, PLACES)

    def skip(self):
        """A layer that needs no weights."""
        self.named = self.named + 1

    def wait(self, cycle: Tensor):
        """Nothing more is named before ``cycle``, the last one in which the reader brings words, has passed."""
        self.named = torch.maximum(self.named, cycle)

    def enter(self, begin: Tensor | None = None):
        """A layer whose groups come next.

        Parameters
        ----------
        begin : Tensor, int64, (images,), optional
            Cycle of its check, if it is fetched by spikes: it waits until then.
        """
        # It is taken when the last request of the layer before has been made.
        self.named = torch.maximum(self.named + 1, self.asked + 1)
        if begin is not None:
            self.named = torch.maximum(self.named, begin)
            self.begun = torch.zeros_like(self.begun)
        self.asked = self.named + SIZED - NEXT

    def come(self, rows: int, walkers: int, fetched: Tensor | None = None) -> Tensor:
        """The cycle, from the begin of the run, in which the next group has come: int64, (images,).

        Parameters
        ----------
        rows : int
            Of the group.
        fetched : Tensor, bool, (images, granules), optional
            By spikes, only these; from :func:`model.memory.fetched`.
        """
        beats, together = self.cfg.granule(walkers)
        self.asked = torch.maximum(self.asked + NEXT, self.released[self.groups] + RELEASED)
        self.groups += 1
        free = self.last_beat + max(beats * self.every, self.rows)
        if fetched is None:
            first = torch.maximum(self.asked + self.latency + (beats - 1) * self.every, free)
            self.last_beat = first + (-(-rows // together) - 1) * max(beats * self.every, together)
        else:
            self._fetch(fetched, free, beats, together)
        self.rows = together
        return self.last_beat + together + 1

    def _fetch(self, fetched: Tensor, free: Tensor, beats: int, together: int):
        """Granule by granule; ``free`` is when the last beat of the first could come."""
        count = fetched.sum(1, keepdim=True)
        last = (count - 1).clamp(min=0)
        most = int(last.max()) + 1
        number, pace = torch.arange(most), max(beats * self.every, together)
        words = fetched.shape[1] * together // LANES
        word = fetched.byte().argsort(dim=1, descending=True, stable=True)[:, :most] * together // LANES
        # Words that are looked at from one granule to the next, or to the end.
        looks = torch.where(number < last, word.roll(-1, 1), words - 1) - word
        steps = (1 + looks).cumsum(1)
        # Where there is none, nothing holds the first granule up.
        begin = self.asked + word[:, 0] + FOUND + looks[:, 0] - (count[:, 0] == 0).long()
        asked = None
        room = torch.zeros_like(steps)
        while True:
            # Each bound of a granule is one of all behind it.
            room[:, 0] = torch.maximum(room[:, 0], begin)
            before, asked = asked, (room - steps).cummax(1).values + steps
            come = asked + self.latency + (beats - 1) * self.every
            come[:, 0] = torch.maximum(come[:, 0], free)
            come = (come - number * pace).cummax(1).values + number * pace
            before_come = torch.cat([self.last_beat[:, None], come[:, :-1]], dim=1)
            begun = torch.maximum(asked + self.latency, before_come + self.every)
            if before is not None and torch.equal(before, asked):
                break
            taken = torch.cat([self.begun, begun], dim=1)
            room = taken[:, :most] + 1
        self.asked, self.last_beat = asked.gather(1, last)[:, 0], come.gather(1, last)[:, 0]
        self.begun = taken.gather(1, last + 1 + torch.arange(PLACES))

    def release(self, cycle: Tensor):
        """A group is not needed any more."""
        self.released.append(cycle)
