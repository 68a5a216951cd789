"""Lockstep of the exported crossbar tile with :mod:`model.tile`."""

import cocotb
import torch
from cocotb.triggers import RisingEdge

from cosim.simulator import configuration
from cosim.streams import Sink, Source, packed, start, through
from model.config import GRAINS, SIGN_BIT, SILENT, ProcessorConfig
from model.tile import integrate
from rtl.layouts import Charges, Event
from rtl.tile import WeightRow

CFG = configuration(ProcessorConfig(columns=16, rows=64))
ROWS = 64


async def load(dut, weight):
    """Write the weight codes (columns, rows), one row a cycle."""
    dut.load__enable.value = 1
    for row, codes in enumerate(weight.T.tolist()):
        dut.load__address.value = row
        dut.load__data.value = packed(codes, WeightRow(CFG))
        await RisingEdge(dut.clk)
    dut.load__enable.value = 0


def events(pixel, grain):
    """The events of one pixel: its spikes, or one empty beat."""
    spikes = [{"row": row, "level": code * grain, "columns": CFG.columns, "spike": 1, "last": 0}
              for row, code in enumerate(pixel) if code != SILENT]
    return [*spikes[:-1], {**spikes[-1], "last": 1}] if spikes else [{"last": 1}]


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(grains=[(1, 1), (2, 1), (2, 4), (4, 2)], pauses=[(0, 0), (0.5, 0), (0, 0.97), (0.3, 0.9)])
async def every_charge_matches(dut, grains, pauses):
    weight_grain, input_grain = grains
    gap, stall = pauses
    source = Source(dut, "i", Event(CFG), gap=gap)
    sink = Sink(dut, "o", Charges(CFG, CFG.columns), stall=stall)
    dut.grain_shift.value = GRAINS.index(weight_grain)
    await start(dut)

    torch.manual_seed(cocotb.RANDOM_SEED % 2**63)
    pixels = 80
    weight = torch.randint(2 * SIGN_BIT, (CFG.columns, ROWS), dtype=torch.uint8)
    codes = torch.randint(SILENT, (ROWS, pixels), dtype=torch.uint8)
    # Pixels without spikes, with a few, with some, and with all.
    codes = codes.where(torch.rand(codes.shape) < torch.tensor([0, 0.03, 0.3, 1]).repeat(pixels // 4), SILENT)
    charge = integrate(codes[None], weight, weight_grain=weight_grain, input_grain=input_grain,
                       numerics=CFG.numerics)[0].T.tolist()
    await load(dut, weight)
    sent = [event for pixel in codes.T.tolist() for event in events(pixel, input_grain)]
    for pixel, charges in enumerate(await through(source, sink, sent, pixels)):
        for column, expected in enumerate(charge[pixel]):
            assert charges[column] == expected, f"pixel {pixel}, column {column}"
