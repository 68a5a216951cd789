"""Fetched spikes to events. Twin of :mod:`rtl.picker`."""

from torch import Tensor

from .config import SILENT

__all__ = ["pick"]


def pick(fetches: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The beats that leave the picker, one a cycle.

    A fetch yields its spikes from lane 0 upwards; a fetch without spikes yields one empty beat.

    Parameters
    ----------
    fetches : Tensor, uint8, (fetches, lanes)
        ``span`` words of 16 codes each.

    Returns
    -------
    fetch : Tensor, int64, (beats,)
        Index of the fetch a beat belongs to.
    lane : Tensor, int64, (beats,)
    code : Tensor, uint8, (beats,)
    spike : Tensor, bool, (beats,)
        False in the beat of a fetch without spikes.
    """
    spikes = fetches != SILENT
    beats = spikes.clone()
    beats[:, 0] |= ~spikes.any(1)
    fetch, lane = beats.nonzero(as_tuple=True)
    return fetch, lane, fetches[fetch, lane], spikes[fetch, lane]
