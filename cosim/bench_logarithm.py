"""Lockstep of the exported arithmetic with :mod:`model.logarithm`, in the columns of a tile."""

import cocotb
import torch

from cosim.bench_tile import CFG, load
from cosim.streams import Sink, Source, start, through
from model.config import GRAINS, NO_SYNAPSE, SIGN_BIT, SILENT
from model.logarithm import synapse
from rtl.layouts import Charges, Event

# Up to a spike in the last slot at the largest grain.
LEVELS = range((SILENT - 1) * max(GRAINS) + 1)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(grain=list(GRAINS))
async def every_synapse_matches(dut, grain):
    source, sink = Source(dut, "i", Event(CFG)), Sink(dut, "o", Charges(CFG, CFG.columns))
    dut.grain_shift.value = GRAINS.index(grain)
    await start(dut)

    # All weight codes, in two rows; every event is a pixel of its own.
    rows = torch.arange(2 * SIGN_BIT, dtype=torch.uint8).reshape(2, CFG.columns)
    weight = torch.full((CFG.rows, CFG.columns), NO_SYNAPSE, dtype=torch.uint8)
    weight[:2] = rows
    await load(dut, weight.T)
    synapses = [(level, row) for level in LEVELS for row in range(2)]
    events = [{"row": row, "level": level, "columns": CFG.columns, "spike": 1, "last": 1} for level, row in synapses]
    for (level, row), charges in zip(synapses, await through(source, sink, events, len(events)), strict=True):
        for column, expected in enumerate(synapse(rows[row], level, grain, CFG.numerics).tolist()):
            assert charges[column] == expected, f"weight code {int(rows[row, column])}, level {level}"
