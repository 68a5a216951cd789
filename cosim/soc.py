"""A RISC-V core beside the processor, as one design, and what lies in its flash."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pythondata_cpu_picorv32
import torch

from model import processor
from model.compiler import compile
from model.config import ProcessorConfig
from model.datasets import test_slice
from model.encode import picture_codes
from model.image import Image
from model.network import Exit, Network
from model.processor import Decision

from .memory import BEATS, system

__all__ = ["SOC", "soc", "Batch", "batch", "flash"]

# The top module; its ports and its plusargs are described in the file.
SOC = "soc"
SOURCE = Path(__file__).with_name("soc.sv")
CORE = Path(pythondata_cpu_picorv32.data_location) / "picorv32.v"

# Words of the directory of the flash before its jobs, and of a job: see firmware/example/flash.h.
DIRECTORY_WORDS, JOB_WORDS = 2, 12

FLASH_BYTES = 1 << 20

# The largest pixel there is, where it is not 255.
WHITES = {"digits": 16}


def soc(cfg: ProcessorConfig) -> str:
    """SystemVerilog of the system with this processor, and with a memory if it has a bus to one; :data:`SOC` is the top
    module."""
    shared = bool(cfg.memory_width)
    define = "`define WITH_MEMORY\n" if shared else ""
    return define + "\n".join((system(cfg, shared=shared), CORE.read_text(), SOURCE.read_text()))


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Pictures that the program classifies with one network, and what the model says of them.

    Parameters
    ----------
    image : Image
        Of the network.
    policy : Image, optional
        Names the timesteps of every picture.
    pixels : ndarray, uint8, (images, channels, height, width)
    white : int
        The largest pixel there is.
    decision : Decision
    cycles : list of int
        Of every picture, the policy's included.
    """

    image: Image
    policy: Image | None
    pixels: np.ndarray
    white: int
    decision: Decision
    cycles: list[int]


def batch(network: Network, cfg: ProcessorConfig, images: int, policy: Network | None = None) -> Batch:
    """Pictures from all over the test split for ``network``, which may have a policy that reads the same pictures.

    Raises
    ------
    ValueError
        If there are not so many.
    """
    pictures, white = test_slice(network.dataset).images, WHITES.get(network.dataset, 255)
    if not 1 <= images <= len(pictures):
        raise ValueError(f"--images must be between 1 and {len(pictures)}, not {images}")
    # They lie sorted by class.
    pictures = pictures[::len(pictures) // images][:images]
    traced = processor.trace(network, picture_codes(pictures, network), cfg)
    if policy is None:
        decision = processor.decide(network, traced)
        cycles = decision.cycles["cycles"].sum(1)
    else:
        named = processor.run(policy, picture_codes(pictures, policy), cfg)
        decision = processor.decide(network, traced, exit=Exit(), budget=named.classes + 1)
        cycles = decision.cycles["cycles"].sum(1) + named.cycles["cycles"].sum(1)
    return Batch(image=compile(network, cfg), policy=policy and compile(policy, cfg), white=white,
                 pixels=(pictures * white).round().to(torch.uint8).numpy(), decision=decision, cycles=cycles.tolist())


def flash(batches: Iterable[Batch], cfg: ProcessorConfig) -> bytes:
    """The content of the flash: ``struct directory`` in ``firmware/example/flash.h``, and what it points to.

    Raises
    ------
    ValueError
        If it is more than the flash holds.
    """
    batches = list(batches)
    files, end = [], 4 * (DIRECTORY_WORDS + len(batches) * JOB_WORDS)

    def place(data: bytes) -> tuple[int, int]:
        """Where ``data`` will lie: offset and bytes."""
        nonlocal end
        files.append(data.ljust(-(-len(data) // 4) * 4, b"\0"))
        begin, end = end, end + len(files[-1])
        return begin, len(data)

    words = [BEATS * cfg.beat_bytes, len(batches)]
    for each in batches:
        policy = each.policy.to_bytes() if each.policy else b""
        known = b"" if each.policy else each.decision.signatures[0].numpy().astype("<u4").tobytes()
        for data in (each.image.to_bytes(), policy, known, each.pixels.tobytes()):
            words += place(data)
        words += [*each.pixels.shape[1:], each.white]
    if end > FLASH_BYTES:
        raise ValueError(f"images and pictures take {end} bytes, the simulated flash has {FLASH_BYTES}")
    return np.array(words, "<u4").tobytes() + b"".join(files)
