"""When column groups come from an ideal memory, which answers two cycles later and gives a beat a cycle.

The twin of :mod:`rtl.supply`. A group is asked for when the one before has been, and when the one before that has been
released. Its beats follow those of the one before, or its request after a latency:

    asked = max(asked of the group before, released of the one before that)
    come  = max(asked + latency, beats of the group before have come) + its beats
"""

import torch
from torch import Tensor

from .config import ProcessorConfig

__all__ = ["Supply"]

# Groups that the tiles hold at a time.
HALVES = 2
# From the begin of a run until the first layer is looked at; one is named in a cycle.
NAMED = 1
# From a layer's name to the request of its first group, from request to request, and from release to request.
SIZED, NEXT, RELEASED = 3, 2, 2
# From a request to the first beat of an ideal memory.
LATENCY = 4


class Supply:
    """The groups of the runs of several images.

    Parameters
    ----------
    images : int
    cfg : ProcessorConfig
        With a memory.
    """

    def __init__(self, images: int, cfg: ProcessorConfig):
        self.cfg = cfg
        nothing = torch.zeros(images, dtype=torch.int64)
        self.named, self.asked, self.last_beat = nothing + NAMED - 1, nothing, nothing
        # Of every group; there is room for the first two from the start.
        self.released = [nothing] * HALVES
        self.groups = self.rows = 0

    def skip(self):
        """A layer that needs no weights."""
        self.named = self.named + 1

    def enter(self):
        """A layer whose groups come next."""
        # It is taken when the last request of the layer before has been made.
        self.named = torch.maximum(self.named + 1, self.asked + 1)
        self.asked = self.named + SIZED - NEXT

    def come(self, rows: int, walkers: int) -> Tensor:
        """The cycle, from the begin of the run, in which the next group has come: int64, (images,)."""
        beats, together = self.cfg.granule(walkers)
        self.asked = torch.maximum(self.asked + NEXT, self.released[self.groups] + RELEASED)
        self.groups += 1
        pace = max(beats, together)
        first = torch.maximum(self.asked + LATENCY + beats - 1, self.last_beat + max(beats, self.rows))
        self.last_beat = first + (-(-rows // together) - 1) * pace
        self.rows = together
        return self.last_beat + together + 1

    def release(self, cycle: Tensor):
        """A group is not needed any more."""
        self.released.append(cycle)
