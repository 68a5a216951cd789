"""How weights lie in the memory of a processor that streams them, and which are fetched. Twin of :mod:`rtl.rows` and
:mod:`rtl.prefetch`."""

import numpy as np
from torch import Tensor

from .config import CODE_WIDTH, NO_SYNAPSE, SILENT, ProcessorConfig

__all__ = ["block", "fetched", "seen"]


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


def fetched(seen: np.ndarray, taps: int, walkers: int, cfg: ProcessorConfig) -> np.ndarray:
    """The granules of a column group that have a row of a channel that spiked; the first one, if none has.

    Parameters
    ----------
    seen : ndarray, bool, (channels,)
        Channels of the source with a spike somewhere on the map; a multiple of 16.
    taps : int
        Of the kernel.

    Returns
    -------
    ndarray, int64, (granules,)
        In the order in which they lie.
    """
    _, rows = cfg.granule(walkers)
    found = np.flatnonzero(np.tile(seen, taps).reshape(-1, rows).any(1))
    return found if len(found) else np.zeros(1, np.int64)


def seen(codes: Tensor) -> Tensor:
    """Which channels of a map spiked.

    Parameters
    ----------
    codes : Tensor, uint8, (images, channels, height, width)

    Returns
    -------
    Tensor, bool, (images, channels)
    """
    return (codes != SILENT).any(3).any(2)
