"""Lockstep of the exported picker with :mod:`model.picker`."""

import cocotb
import torch

from cosim.streams import Sink, Source, start, through
from model.config import GRAINS, LANES, SILENT, ProcessorConfig
from model.picker import pick
from rtl.layouts import Event, WalkedWord

CFG = ProcessorConfig(columns=16, rows=1024)


def words(count):
    """Words of every density, from empty to full: codes (words, 16), rows and which of them end a pixel."""
    codes = torch.randint(SILENT, (count, LANES), dtype=torch.uint8)
    density = torch.linspace(0, 1, count)[torch.randperm(count)]
    return (codes.where(torch.rand(codes.shape) < density[:, None], SILENT),
            torch.randint(CFG.rows - LANES, (count,)).tolist(), torch.randint(2, (count,)).tolist())


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(grain_shift=[0, 1, 2], pauses=[(0, 0), (0.5, 0), (0, 0.5), (0.3, 0.3)])
async def every_event_matches(dut, grain_shift, pauses):
    gap, stall = pauses
    source, sink = Source(dut, "i", WalkedWord(CFG), gap=gap), Sink(dut, "o", Event(CFG), stall=stall)
    dut.grain_shift.value = grain_shift
    await start(dut)

    torch.manual_seed(cocotb.RANDOM_SEED % 2**63)
    codes, rows, last = words(300)
    word, lane, code, spike = (part.tolist() for part in pick(codes))
    walked = [{"codes": codes[n].tolist(), "row": rows[n], "columns": n % 17, "last": last[n]} for n in range(300)]
    events = await through(source, sink, walked, len(word))
    for n, event in enumerate(events):
        final = word[n] not in word[n + 1:n + 2]
        place = f"event {n}, word {word[n]}, lane {lane[n]}"
        assert (event.spike, event.columns) == (spike[n], word[n] % 17), place
        assert event.last == (last[word[n]] and final), place
        if spike[n]:
            assert (event.row, event.level) == (rows[word[n]] + lane[n], code[n] * GRAINS[grain_shift]), place
