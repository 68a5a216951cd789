"""How weights lie in the memory of a processor that streams them, and which are fetched. Twin of :mod:`rtl.rows` and
:mod:`rtl.prefetch`."""

from itertools import product

import numpy as np
import torch
from torch import Tensor

from .config import CODE_WIDTH, NO_SYNAPSE, SILENT, ProcessorConfig

__all__ = ["block", "seen", "fetched", "ends"]


def block(codes: np.ndarray, walkers: int, cfg: ProcessorConfig) -> np.ndarray:
    """A column group as it lies in the memory: five bits a code, column by column, row by row, without a gap.

    Parameters
    ----------
    codes : ndarray, uint8, (rows, columns)
        Weight codes of the columns that a walker has of the tiles, or of fewer.
    walkers : int
        That share the layer.

    Returns
    -------
    ndarray, uint8, (bytes,)
        A whole number of granules, see :meth:`~model.config.ProcessorConfig.granule`; what is left over is no synapse.
    """
    _, rows = cfg.granule(walkers)
    columns = cfg.group_columns // walkers
    filled = np.pad(codes, ((0, -len(codes) % rows), (0, columns - codes.shape[1])), constant_values=NO_SYNAPSE)
    bits = filled[..., None] >> np.arange(CODE_WIDTH, dtype=np.uint8) & 1
    return np.packbits(bits, bitorder="little")


def seen(codes: Tensor) -> Tensor:
    """Which channels of a map spiked, in which of its corners.

    The corners overlap: top left is all of the map but its last line and its last column, then come top right, bottom
    left and bottom right. A map of one line has it at the top and at the bottom; so for columns.

    Parameters
    ----------
    codes : Tensor, uint8, (images, channels, height, width)

    Returns
    -------
    Tensor, bool, (images, 4, channels)
    """
    spiked = codes != SILENT
    height, width = codes.shape[2:]
    lines = spiked[:, :, :max(height - 1, 1)], spiked[:, :, min(1, height - 1):]
    corners = [corner for line in lines for corner in (line[..., :max(width - 1, 1)], line[..., min(1, width - 1):])]
    return torch.stack([corner.any(3).any(2) for corner in corners], dim=1)


def fetched(seen: Tensor, kernel: tuple[int, int], padding: int, walkers: int, cfg: ProcessorConfig) -> Tensor:
    """The granules of a column group that have a row of a channel that spiked where its tap reads.

    A tap before the padding never reads the last line of a map, and one behind it never the first; so for columns.
    Where it could be less than the map on both sides, it is looked for at the top, and on the left.

    Parameters
    ----------
    seen : Tensor, bool, (images, 4, channels)
        A multiple of 16 channels.
    kernel : tuple of int
        Height and width.

    Returns
    -------
    Tensor, bool, (images, granules)
        In the order in which they lie. Where there is none, the first one is fetched all the same.
    """
    rows = []
    for lines, columns in product(*(ends(taps, padding) for taps in kernel)):
        corners = [line and column for line, column in product(lines, columns)]
        rows.append(seen[:, corners].any(1))
    _, together = cfg.granule(walkers)
    return torch.cat(rows, dim=1).unflatten(1, (-1, together)).any(2)


def ends(taps: int, padding: int) -> list[tuple[bool, bool]]:
    """Where every tap of a kernel, from above or from the left, looks for spikes: in the first corners, in the last."""
    before = [tap + padding + 1 < taps for tap in range(taps)]
    return [(first or tap <= padding, not first) for tap, first in enumerate(before)]
