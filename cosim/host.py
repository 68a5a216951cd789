"""The host of a processor in simulation: images, pictures, runs and results over the real bus."""

from collections.abc import Sequence
from dataclasses import dataclass

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, select
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from model.answer import HARDWARE_COUNTERS, Answer
from model.batch import Batch
from model.config import ProcessorConfig
from model.image import Image, picture
from rtl.registers import description, enumeration

__all__ = ["CLOCK_PERIOD_NS", "START", "ABORT", "LOAD", "BATCH", "HostError", "Result", "batch_registers", "Host"]

CLOCK_PERIOD_NS = 10
# No run of a network that fits takes longer; what does, hangs.
CYCLE_LIMIT = 50_000_000

# Commands: bits of the ``control`` register.
START, ABORT, LOAD, BATCH = 1, 2, 4, 8

ErrorCode = enumeration("ErrorCode")


class HostError(Exception):
    """The processor reported an error or refused an access."""


@dataclass(frozen=True, kw_only=True)
class Result(Answer):
    """What the processor says of one picture, and how long its layers took.

    Parameters
    ----------
    visits : list of list of int
        Cycles of every layer in every timestep, as seen on the ports.
    """

    visits: list[list[int]]


def batch_registers(batch: Batch) -> dict[str, int]:
    """What the registers of a batch hold, by their names."""
    return {"source_address": batch.picture_address, "source_words": batch.picture_words,
            "batch_pictures": batch.pictures, "batch_distance": batch.distance, "batch_answers": batch.answer_address}


def axi_master(dut) -> AxiLiteMaster:
    """The master on the ``s_axil_*`` ports of ``dut``, which says nothing of single accesses."""
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
    master.write_if.log.setLevel("WARNING")
    master.read_if.log.setLevel("WARNING")
    return master


class Host:
    """Drives the ports of ``dut``; the clock runs and the processor is in reset until :meth:`reset`.

    Parameters
    ----------
    dut : SimHandle
    cfg : ProcessorConfig
    bus : object, optional
        ``write`` and ``read`` as :class:`AxiLiteMaster` has them; by default, one on the ``s_axil_*`` ports.
    """

    def __init__(self, dut, cfg: ProcessorConfig, bus=None):
        self.dut = dut
        self.cfg = cfg
        self.bus = bus or axi_master(dut)
        self.classes = self.layers = self.picture_words = 0
        self.visits = []
        Clock(dut.clk, CLOCK_PERIOD_NS, unit="ns").start()
        cocotb.start_soon(self.watch())

    async def reset(self):
        """Hold the reset for four cycles, see that this is the processor we expect, then ask for interrupts.

        Raises
        ------
        HostError
            If a capability register differs from the configuration.
        """
        self.dut.rst.value = 1
        await ClockCycles(self.dut.clk, 4)
        self.dut.rst.value = 0
        await ClockCycles(self.dut.clk, 2)
        await self.identify()
        await self.write("interrupt_enable", 3)
        await self.write("cycle_limit", CYCLE_LIMIT)

    async def identify(self):
        cfg = self.cfg
        capabilities = {
            "columns": cfg.columns | cfg.tiles << 16 | cfg.encoders << 24,
            "tiles": cfg.rows | cfg.walkers << 24,
            "spikes": cfg.spike_words | cfg.span << 24,
            "state_words": cfg.state_words,
            "charge_words": cfg.charge_words,
            "parameter_words": cfg.parameter_words,
            "memory": cfg.memory_width,
            "limits": cfg.layers | cfg.timesteps << 8 | cfg.classes << 16,
        }
        for name, expected in capabilities.items():
            got, = await self.read(f"capability_{name}")
            if got != expected:
                raise HostError(f"the processor's capability_{name} is {got:#x}, expected {expected:#x}")

    async def watch(self):
        """Time the layers of every run, by the ports that say which one it is."""
        dut = self.dut
        while True:
            await RisingEdge(dut.busy)
            self.visits, since = [], get_sim_time("ns")
            while dut.busy.value:
                timestep = dut.trace_timestep.value.to_unsigned()
                await select(dut.busy.value_change, dut.trace_timestep.value_change, dut.trace_layer.value_change)
                # Ports that change together wake us one by one.
                if (now := get_sim_time("ns")) > since:
                    self.visits += [[] for _ in range(len(self.visits), timestep)]
                    self.visits[-1].append(round((now - since) / CLOCK_PERIOD_NS))
                    since = now

    def address(self, name: str) -> int:
        """Byte address of a register or window."""
        return description().find_by_path(name).absolute_address

    async def write(self, name: str, value: int):
        """Write a register."""
        await self.write_at(self.address(name), [value])

    async def read(self, name: str, words: int = 1) -> list[int]:
        """Read ``words`` words from a register on, or from a window."""
        return await self.read_at(self.address(name), words)

    async def load(self, words: np.ndarray):
        """Write words to the load window, in bursts as long as the window."""
        size = description().find_by_path("load").get_property("mementries")
        for start in range(0, len(words), size):
            await self.write_at(self.address("load"), words[start:start + size])

    async def write_at(self, address: int, words: Sequence[int]):
        """Write words from a byte address on."""
        response = await self.bus.write(address, np.array(words, "<u4").tobytes())
        if response.resp != AxiResp.OKAY:
            raise HostError(f"the processor refuses a write at {address:#x}: {response.resp.name}")

    async def read_at(self, address: int, words: int) -> list[int]:
        """Read ``words`` words from a byte address on."""
        response = await self.bus.read(address, 4 * words)
        if response.resp != AxiResp.OKAY:
            raise HostError(f"the processor refuses a read at {address:#x}: {response.resp.name}")
        return np.frombuffer(response.data, "<u4").tolist()

    async def load_image(self, image: Image):
        """Bring a network onto the processor."""
        await self.configure(image)
        await self.load(image.load_words())

    async def load_batch(self, batch: Batch):
        """Bring a network onto the processor from its memory, where it lies as ``batch`` says.

        Raises
        ------
        HostError
            If the load ended with an error.
        """
        await self.configure(batch.image)
        await self.write("source_address", batch.image_address)
        await self.write("source_words", batch.image_words)
        await self.write("control", LOAD)
        await self.finish()

    async def configure(self, image: Image):
        """Write the settings of a network."""
        image.check(self.cfg)
        self.classes, self.layers = image.classes, len(image.descriptors)
        self.picture_words = image.descriptors[0]["input_words"]
        await self.write("network", image.network_register)
        await self.write("exit", image.exit_register)
        await self.write("exit_threshold", image.threshold)

    async def load_picture(self, codes: np.ndarray):
        """Bring the spike codes (channels, height, width) of a picture into the spike store."""
        await self.load(picture(codes, self.picture_words).words())

    async def start(self):
        """Begin a run."""
        await self.write("control", START)

    async def start_batch(self, batch: Batch):
        """Begin to answer all pictures of a batch, whose network is on the processor."""
        for name, value in batch_registers(batch).items():
            await self.write(name, value)
        await self.write("control", BATCH)

    async def finish(self):
        """Sleep until the interrupt.

        Raises
        ------
        HostError
            If the run ended with an error.
        """
        if not self.dut.interrupt.value:
            await RisingEdge(self.dut.interrupt)
        causes, = await self.read("interrupt")
        await self.write("interrupt", causes)
        if causes & 2:
            raise HostError(await self.error())

    async def error(self) -> str:
        """The error registers in words."""
        code, detail = await self.read("error", 2)
        return f"the processor reports {ErrorCode(code & 0xff).name} in layer {code >> 8 & 0xff}, detail {detail:#x}"

    async def run(self, codes: np.ndarray) -> Result:
        """Classify one picture."""
        await self.load_picture(codes)
        await self.start()
        await self.finish()
        return await self.result()

    async def run_loaded(self, batch: Batch, number: int) -> Result:
        """Classify a picture of a batch, whose network is on the processor, and which comes from its memory."""
        await self.write("source_address", batch.picture_address + number * batch.distance)
        await self.write("source_words", batch.picture_words)
        await self.write("control", LOAD)
        await self.finish()
        await self.start()
        await self.finish()
        return await self.result()

    async def result(self) -> Result:
        """What the last run left behind."""
        answer, = await self.read("result")
        counters = await self.read(HARDWARE_COUNTERS[0], len(HARDWARE_COUNTERS))
        logits = np.array(await self.read("logits", self.classes), np.uint32).view(np.int32).tolist()
        return Result(class_index=answer & 0xffff, timestep=answer >> 16, logits=logits,
                      signatures=await self.read("signatures", self.layers),
                      counters=dict(zip(HARDWARE_COUNTERS, counters)), visits=self.visits)
