"""Buses on imitations: a file for the registers of a UIO device, a socket for its interrupts. PYNQ's is the fake."""

import os
import socket
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from firmware.buses import Pynq, Uart, Uio, uart_commands
from firmware.processor import Processor
from firmware.registers import ADDRESSES, SIZE
from model.compiler import compile
from model.config import preset
from model.convert import convert
from model.trained import load
from rtl.uart_bridge import Command

from .fake import Fake

CFG = preset("tiny")
NETWORKS = Path(__file__).parents[2] / "networks"


@pytest.fixture
def device(tmp_path):
    path = tmp_path / "uio0"
    path.write_bytes(struct.pack(f"<{SIZE // 4}I", *range(0x8000_0000, 0x8000_0000 + SIZE // 4)))
    return path


@pytest.fixture
def line(device):
    """A device, and the other end of its interrupts."""
    with Uio(device) as uio:
        kernel, driver = socket.socketpair()
        os.close(uio.file)
        uio.file = driver.detach()
        with kernel:
            kernel.settimeout(1)
            yield uio, kernel


def test_a_device_is_read_and_written_word_by_word(device):
    with Uio(device) as uio:
        assert uio.read(ADDRESSES["version"], 1) == [0x8000_0001]
        assert uio.read(ADDRESSES["signatures"], 3) == [0x8000_0c00, 0x8000_0c01, 0x8000_0c02]
        uio.write(ADDRESSES["load"], [1, 0xffff_ffff])
    words = struct.unpack(f"<{SIZE // 4}I", device.read_bytes())
    assert words[0x400:0x403] == (1, 0xffff_ffff, 0x8000_0402)
    assert sum(word != 0x8000_0000 + index for index, word in enumerate(words)) == 2


def test_a_device_is_given_back(device):
    uio = Uio(device)
    uio.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(uio.file)
    assert uio.map.closed


def test_a_device_that_is_none_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        Uio(tmp_path / "uio1")
    small = tmp_path / "uio2"
    small.write_bytes(b"small")
    open_files = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ValueError, match="mmap length is greater than file size"):
        Uio(small)
    assert len(os.listdir("/proc/self/fd")) == open_files


def test_sleeps_until_the_interrupt_which_it_has_asked_for(line):
    uio, kernel = line
    for count in (1, 2):
        kernel.send(struct.pack("i", count))
        uio.sleep(10)
        assert kernel.recv(100) == struct.pack("i", 1)


def test_sleeps_no_longer_than_it_may(line):
    uio, kernel = line
    began = time.monotonic()
    uio.sleep(0.05)
    assert time.monotonic() - began >= 0.05
    assert kernel.recv(100) == struct.pack("i", 1)


class Words:
    """The fake's registers in place of the mapping."""

    def __init__(self, fake):
        self.fake = fake

    def __getitem__(self, index):
        return self.fake.read(4 * index)

    def __setitem__(self, index, word):
        self.fake.write(4 * index, word)

    def release(self):
        pass


@pytest.fixture
def image():
    return compile(convert(load(NETWORKS / "digits-lif")), CFG)


def test_a_device_runs_pictures_and_its_driver_sleeps_meanwhile(line, image):
    uio, kernel = line
    fake, counts = Fake(CFG), iter(range(1, 10))
    uio.words.release()
    uio.words = Words(fake)
    fake.looks, fake.interrupted = 1, lambda: kernel.send(struct.pack("i", next(counts)))
    result = Processor(uio).load(image).run(np.zeros((3, 1, 8, 8)))
    assert result.cycles.tolist() == [100] * 3 and fake.quiet
    assert kernel.recv(100) == 3 * struct.pack("i", 1)


def test_an_overlay_is_looked_at_every_millisecond(image):
    fake = Fake(CFG)
    fake.looks = 5
    processor = Processor(Pynq(fake)).load(image)
    began = time.monotonic()
    processor.run(np.zeros((1, 1, 8, 8)))
    assert time.monotonic() - began >= 0.005


class Port:
    """A serial port with ``fake`` at its other end, which knows the commands of :class:`rtl.uart_bridge.UartBridge`."""

    def __init__(self, fake):
        self.fake, self.answer, self.commands = fake, b"", 0

    def write(self, data):
        code, count, word = struct.unpack_from(">BBI", data)
        addresses = [4 * (word + index) for index in range(count)]
        self.commands += 1
        if Command(code) == Command.WRITE:
            for address, value in zip(addresses, struct.unpack_from(f">{count}I", data, 6), strict=True):
                self.fake.write(address, value)
        else:
            self.answer += struct.pack(f">{count}I", *map(self.fake.read, addresses))

    def read(self, size):
        data, self.answer = self.answer[:size], self.answer[size:]
        return data


def test_a_serial_line_runs_pictures(image):
    fake = Fake(CFG)
    port = Port(fake)
    result = Processor(Uart(port)).load(image).run(np.zeros((3, 1, 8, 8)))
    assert result.cycles.tolist() == [100] * 3 and fake.quiet and not port.answer
    assert fake.loaded[:len(image.load_words())] == image.load_words().tolist()


def test_a_command_has_255_words_at_most_and_the_highest_byte_first():
    words = list(range(0x1020_3040, 0x1020_3040 + 300))
    (first, count), (second, rest) = uart_commands(0x1000, 300, words)
    assert (count, rest, len(first), len(second)) == (255, 45, 6 + 4 * 255, 6 + 4 * 45)
    assert first[:10] == bytes([1, 255, 0, 0, 4, 0, 0x10, 0x20, 0x30, 0x40])
    assert second[:10] == bytes([1, 45, 0, 0, 4, 255, 0x10, 0x20, 0x31, 0x3F])
    assert list(uart_commands(0x60, 2)) == [(bytes([2, 2, 0, 0, 0, 0x18]), 2)]


def test_a_serial_line_that_is_silent_is_told():
    port = Port(Fake(CFG))
    port.read = lambda size: b"\0" * 3
    with pytest.raises(TimeoutError, match="^the processor answered a read at 0x0 with 3 bytes of 4$"):
        Uart(port).read(0, 1)
