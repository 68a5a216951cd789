"""Ways to the registers of a processor that exists. Both need hardware, and have been tried on imitations only."""

import mmap
import os
import select
import struct
import time
from collections.abc import Sequence

from .registers import SIZE

__all__ = ["Uio", "Pynq"]

WORD_BYTES = 4


class Uio:
    """A device of Linux' userspace I/O, whose first mapping is the registers, such as ``uio_pdrv_genirq`` makes it.

    Parameters
    ----------
    path : str

    Raises
    ------
    OSError
        If there is none, or it cannot be mapped.
    """

    def __init__(self, path: str = "/dev/uio0"):
        self.file = os.open(path, os.O_RDWR | os.O_SYNC)
        try:
            self.map = mmap.mmap(self.file, SIZE)
        except BaseException:
            os.close(self.file)
            raise
        # Each access to an item is one access of 32 bits; a slice would be copied in whatever sizes.
        self.words = memoryview(self.map).cast("I")

    def __enter__(self) -> "Uio":
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Give the device back."""
        self.words.release()
        self.map.close()
        os.close(self.file)

    def read(self, address: int, words: int) -> list[int]:
        first = address // WORD_BYTES
        return [self.words[index] for index in range(first, first + words)]

    def write(self, address: int, words: Sequence[int]):
        for index, word in enumerate(words, start=address // WORD_BYTES):
            self.words[index] = word

    def sleep(self, seconds: float):
        # The kernel has masked the line when it counted an interrupt; a line that is still high counts at once.
        os.write(self.file, struct.pack("I", 1))
        if select.select([self.file], [], [], seconds)[0]:
            os.read(self.file, WORD_BYTES)


class Pynq:
    """An IP of a PYNQ overlay, such as ``Overlay("firstlight.bit").firstlight_0``, or a ``pynq.MMIO``.

    Its interrupt would be a coroutine in an event loop of its own; we look every millisecond instead.

    Parameters
    ----------
    ip : object
        With ``read(address)`` and ``write(address, word)``.
    """

    PAUSE = 0.001

    def __init__(self, ip):
        self.ip = ip

    def read(self, address: int, words: int) -> list[int]:
        return [int(self.ip.read(address + WORD_BYTES * index)) for index in range(words)]

    def write(self, address: int, words: Sequence[int]):
        for index, word in enumerate(words):
            # It takes an int, not one of numpy's.
            self.ip.write(address + WORD_BYTES * index, int(word))

    def sleep(self, seconds: float):
        time.sleep(min(seconds, self.PAUSE))
