"""Lockstep of the exported picker with :mod:`model.picker`. Parameter: ``cfg``, the fields of the configuration."""

import cocotb
import torch

from cosim.simulator import parameters
from cosim.streams import Sink, Source, start, through
from model.config import GRAINS, SILENT, ProcessorConfig
from model.picker import pick
from rtl.layouts import Event, Fetch

# Enough for every density.
FETCHES = 120


def fetches(count, cfg):
    """Fetches of every density, from empty to full: codes (fetches, lanes), rows and which of them end a pixel."""
    codes = torch.randint(SILENT, (count, cfg.span_lanes), dtype=torch.uint8)
    density = torch.linspace(0, 1, count)[torch.randperm(count)]
    return (codes.where(torch.rand(codes.shape) < density[:, None], SILENT),
            torch.randint(cfg.rows - cfg.span_lanes, (count,)).tolist(), torch.randint(2, (count,)).tolist())


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(grain_shift=[0, 1, 2], pauses=[(0, 0), (0.5, 0), (0, 0.5), (0.3, 0.3)])
async def every_event_matches(dut, grain_shift, pauses):
    gap, stall = pauses
    cfg = ProcessorConfig(**parameters()["cfg"])
    source, sink = Source(dut, "i", Fetch(cfg), gap=gap), Sink(dut, "o", Event(cfg), stall=stall)
    dut.grain_shift.value = grain_shift
    await start(dut)

    torch.manual_seed(cocotb.RANDOM_SEED % 2**63)
    codes, rows, last = fetches(FETCHES, cfg)
    fetch, lane, code, spike = (part.tolist() for part in pick(codes))
    fetched = [{"codes": codes[n].tolist(), "row": rows[n], "columns": n % 17, "last": last[n]} for n in range(FETCHES)]
    events = await through(source, sink, fetched, len(fetch))
    for n, event in enumerate(events):
        final = fetch[n] not in fetch[n + 1:n + 2]
        place = f"event {n}, fetch {fetch[n]}, lane {lane[n]}"
        assert (event.spike, event.columns) == (spike[n], fetch[n] % 17), place
        assert event.last == (last[fetch[n]] and final), place
        if spike[n]:
            assert (event.row, event.level) == (rows[fetch[n]] + lane[n], code[n] * GRAINS[grain_shift]), place
