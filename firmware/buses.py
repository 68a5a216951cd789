"""Ways to the registers of a processor that exists. All need hardware, and have been tried on imitations only."""

import mmap
import os
import select
import struct
import time
from collections.abc import Iterator, Sequence

from .registers import SIZE

__all__ = ["Uio", "Pynq", "Uart", "uart_commands"]

WORD_BYTES = 4

# Commands on a serial line, of so many words at most.
UART_WRITE, UART_READ = 1, 2
UART_WORDS = 255


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


class Uart:
    """A processor at the other end of a serial line, as ``python -m rtl board`` makes it.

    There is no line for the interrupt; we look every millisecond instead.

    Parameters
    ----------
    port : object
        With ``read(bytes)`` and ``write(data)``, such as ``serial.Serial("/dev/ttyUSB0", 1_000_000, timeout=1)``.
    """

    PAUSE = 0.001

    def __init__(self, port):
        self.port = port

    def read(self, address: int, words: int) -> list[int]:
        """Raises :exc:`TimeoutError` if the processor does not answer."""
        answer = []
        for command, count in uart_commands(address, words):
            self.port.write(command)
            data = self.port.read(WORD_BYTES * count)
            if len(data) < WORD_BYTES * count:
                raise TimeoutError(f"the processor answered a read at {address:#x} with {len(data)} bytes of "
                                   f"{WORD_BYTES * count}")
            answer += struct.unpack(f">{count}I", data)
        return answer

    def write(self, address: int, words: Sequence[int]):
        for command, _ in uart_commands(address, len(words), words):
            self.port.write(command)

    def sleep(self, seconds: float):
        time.sleep(min(seconds, self.PAUSE))


def uart_commands(address: int, count: int, words: Sequence[int] | None = None) -> Iterator[tuple[bytes, int]]:
    """The commands that write ``words``, or read ``count`` of them, from a byte address on; each with its own count."""
    for first in range(0, count, UART_WORDS):
        part = min(count - first, UART_WORDS)
        code, written = (UART_READ, ()) if words is None else (UART_WRITE, map(int, words[first:first + part]))
        head = struct.pack(">BBI", code, part, address // WORD_BYTES + first)
        yield head + b"".join(struct.pack(">I", word) for word in written), part
