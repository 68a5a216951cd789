"""How weights lie in the memory of a processor that streams them. Twin of :mod:`rtl.rows`."""

import numpy as np

from .config import CODE_WIDTH, NO_SYNAPSE, ProcessorConfig

__all__ = ["block"]


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
