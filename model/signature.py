"""The CRC that stands for everything a layer emitted. Twin of :mod:`rtl.signature`.

A CRC is linear over bits: the CRC of a sequence is the XOR of what each word contributes, moved on by
the words after it. So pairs of words are merged, then pairs of pairs, for all images at once.
"""

from functools import cache

import torch
from torch import Tensor

from .config import CODE_WIDTH, LANES, WORD_WIDTH, Numerics
from .tables import CRC_INITIAL, CRC_WIDTH, crc_step

__all__ = ["INITIAL", "sign_words", "sign_logits"]

INITIAL = CRC_INITIAL


@cache
def _contributions() -> Tensor:
    """What a code in a lane contributes: int64, (16, 32)."""
    return torch.tensor([[crc_step(0, code << CODE_WIDTH * lane, WORD_WIDTH) for code in range(1 << CODE_WIDTH)]
                         for lane in range(LANES)])


@cache
def _moved_on(words: int) -> Tensor:
    """Where each byte of a CRC goes while ``words`` words of zeros pass: int64, (4, 256)."""
    if words == 1:
        return torch.tensor([[crc_step(byte << shift, 0, WORD_WIDTH) for byte in range(256)]
                             for shift in range(0, CRC_WIDTH, 8)])
    return _move_on(_moved_on(words // 2), words - words // 2)


def _move_on(crc: Tensor, words: int) -> Tensor:
    result = torch.zeros_like(crc)
    for byte, table in enumerate(_moved_on(words)):
        result ^= table[crc >> 8 * byte & 255]
    return result


def _sign(crc: Tensor, contributions: Tensor) -> Tensor:
    """Continue ``crc`` (images,) by ``contributions`` (images, words)."""
    count = contributions.shape[1]
    crc = _move_on(crc, count)
    # Zeros in front contribute nothing.
    contributions = torch.nn.functional.pad(contributions, ((1 << (count - 1).bit_length()) - count, 0))
    span = 1
    while contributions.shape[1] > 1:
        contributions = _move_on(contributions[:, 0::2], span) ^ contributions[:, 1::2]
        span *= 2
    return crc ^ contributions[:, 0]


def sign_words(crc: Tensor, words: Tensor) -> Tensor:
    """The CRC after a layer has emitted ``words``.

    Parameters
    ----------
    crc : Tensor, int64, (images,)
    words : Tensor, uint8, (images, words, 16)
        Spike words in the order in which they were emitted.

    Returns
    -------
    Tensor, int64, (images,)
    """
    parts = torch.zeros(words.shape[:2], dtype=torch.int64)
    for lane, table in enumerate(_contributions()):
        parts ^= table[words[..., lane].int()]
    return _sign(crc, parts)


def sign_logits(crc: Tensor, logits: Tensor, numerics: Numerics) -> Tensor:
    """The CRC after a readout has emitted ``logits``, one word per class.

    Parameters
    ----------
    crc : Tensor, int64, (images,)
    logits : Tensor, int32, (images, classes)

    Returns
    -------
    Tensor, int64, (images,)
    """
    bits = logits.long()[..., None] & (1 << numerics.accumulator_width) - 1
    lanes = (torch.arange(LANES) * CODE_WIDTH).clamp(max=numerics.accumulator_width)
    return sign_words(crc, (bits >> lanes & (1 << CODE_WIDTH) - 1).to(torch.uint8))
