"""Buses on imitations: a file for the registers of a UIO device, a socket for its interrupts. PYNQ's is the fake."""

import os
import socket
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from firmware.buses import Pynq, Uio
from firmware.processor import Processor
from firmware.registers import ADDRESSES, SIZE
from model.compiler import compile
from model.config import preset
from model.convert import convert
from model.trained import load

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
