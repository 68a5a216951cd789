"""Spike words to events. Twin of :mod:`rtl.picker`."""

from torch import Tensor

from .config import SILENT

__all__ = ["pick"]


def pick(words: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The beats that leave the picker, one a cycle.

    A word yields its spikes from lane 0 upwards; a word without spikes yields one empty beat.

    Parameters
    ----------
    words : Tensor, uint8, (words, 16)

    Returns
    -------
    word : Tensor, int64, (beats,)
        Index of the word a beat belongs to.
    lane : Tensor, int64, (beats,)
    code : Tensor, uint8, (beats,)
    spike : Tensor, bool, (beats,)
        False in the beat of an empty word.
    """
    spikes = words != SILENT
    beats = spikes.clone()
    beats[:, 0] |= ~spikes.any(1)
    word, lane = beats.nonzero(as_tuple=True)
    return word, lane, words[word, lane], spikes[word, lane]
