"""Tables of fields in 32-bit words, shared by what the processor reads and what it writes. Imports nothing.

A table has one dictionary per word: field name and width, from bit 0 upwards. Bits left over are zero.
"""

from collections.abc import Sequence

__all__ = ["Table", "pack", "unpack"]

Table = Sequence[dict[str, int]]


def pack(table: Table, values: dict[str, int], whole: str) -> list[int]:
    """The words of ``values``, the fields of ``whole``.

    Raises
    ------
    ValueError
        If a value does not fit its field.
    """
    words = []
    for fields in table:
        word, offset = 0, 0
        for name, width in fields.items():
            if not 0 <= values[name] < 1 << width:
                raise ValueError(f"{name} has {width} bits in {whole}, {values[name]} does not fit")
            word |= values[name] << offset
            offset += width
        words.append(word)
    return words


def unpack(table: Table, words: Sequence[int]) -> dict[str, int]:
    """The fields of as many words as ``table`` has."""
    values = {}
    for fields, word in zip(table, words, strict=True):
        for name, width in fields.items():
            values[name] = word & (1 << width) - 1
            word >>= width
    return values
