import random
from functools import reduce
from operator import or_

import pytest
import torch

from model.config import CORNERS, LANES, ProcessorConfig
from model.memory import fetched
from rtl.prefetch import HALVES, Prefetch
from tests.streams import holds, put, simulate

ROW = 60


def layer(**fields):
    return {"base": 1000, "row": ROW, "rows": 144, "output_channels": 40, "input_channels": 16, "walker_shift": 0,
            "kernel_height": 3, "kernel_width": 3, "padding": 1, "by_spikes": 0, "seen": 0} | fields


def config(width=128):
    return ProcessorConfig(columns=16, tiles=2, walkers=2, encoders=2, rows=560, memory_width=width)


def expected(layers, seen, cfg):
    """(address, beats) of every run, and (row, walker_shift, last) of where it goes."""
    runs, to, half = [], [], 0
    for each in layers:
        walkers = 1 << each["walker_shift"]
        beats, rows = cfg.granule(walkers)
        whole = -(-each["rows"] // rows) * beats
        for group in range(-(-each["output_channels"] * walkers // cfg.group_columns)):
            base, first = each["base"] + group * whole, (each["row"], (each["row"] + cfg.rows) // 2)[half]
            if each["by_spikes"]:
                words = each["input_channels"] // LANES
                channels = [[seen[each["seen"] + word][corner] >> lane & 1 for word in range(words)
                             for lane in range(LANES)] for corner in range(CORNERS)]
                kernel = each["kernel_height"], each["kernel_width"]
                wanted = fetched(torch.tensor([channels], dtype=torch.bool), kernel, each["padding"], walkers, cfg)
                found = wanted[0].nonzero()[:, 0].tolist() or [0]
                runs += [(base + beats * granule, beats) for granule in found]
                to += [(first + rows * granule, each["walker_shift"], granule == found[-1]) for granule in found]
            else:
                runs.append((base, whole))
                to.append((first, each["walker_shift"], 1))
            half ^= 1
    return runs, to


def asked(layers, seen, cfg, *, stall=0, release=3):
    """What is asked for; a group is released ``release`` cycles after its last destination was given."""
    chosen = random.Random(stall)
    dut, runs, to, held = Prefetch(cfg), [], [], []

    async def give(ctx):
        for each in layers:
            await put(ctx, dut.i, each)
        await ctx.tick().repeat(300)

    async def look(ctx):
        async for address, corners in ctx.changed(dut.seen_address, dut.seen_corners):
            there = seen.get(address, [0] * CORNERS)
            chosen = (there[corner] for corner in range(CORNERS) if corners >> corner & 1)
            ctx.set(dut.seen_data, reduce(or_, chosen, 0))

    async def take(ctx):
        due, cycle, waiting = [], 0, 0
        async for _, _, valid, ready, run, to_valid, to_ready, where in ctx.tick().sample(
                dut.runs.valid, dut.runs.ready, dut.runs.payload, dut.to.valid, dut.to.ready, dut.to.payload):
            cycle += 1
            if valid and ready:
                runs.append((run["address"], run["beats"]))
            if to_valid and to_ready:
                to.append((where["row"], where["walker_shift"], where["last"]))
                if where["last"]:
                    due.append(cycle + release)
                    waiting += 1
                    held.append(waiting)
            released = bool(due) and due[0] <= cycle
            if released:
                due.pop(0)
                waiting -= 1
            ctx.set(dut.released, released)
            ctx.set(dut.runs.ready, chosen.random() < 1 / (1 + stall))
            ctx.set(dut.to.ready, chosen.random() < 1 / (1 + stall))

    simulate(dut, give, processes=[look, take, holds(dut.runs), holds(dut.to)])
    assert max(held) <= HALVES
    return runs, to


@pytest.mark.parametrize("width", [64, 128, 256])
@pytest.mark.parametrize("stall, release", [(0, 1), (0, 40), (2, 7)])
def test_asks_for_every_group_of_every_layer_in_turns_of_two_places(width, stall, release):
    cfg = config(width)
    layers = [layer(), layer(base=77, rows=27, output_channels=16, walker_shift=1),
              layer(base=5, output_channels=33, walker_shift=1), layer(output_channels=32)]
    runs, to = expected(layers, {}, cfg)
    assert len(runs) == 2 + 1 + 3 + 1
    assert asked(layers, {}, cfg, stall=stall, release=release) == (runs, to)


@pytest.mark.parametrize("width", [64, 128, 256])
@pytest.mark.parametrize("stall, release", [(0, 1), (1, 30)])
def test_asks_for_granules_of_channels_that_spiked_and_for_one_where_none_did(width, stall, release):
    cfg = config(width)
    seen = {3: [0x8001] * 4, 4: [0] * 4, 5: [0x0FF0, 0, 1, 0x8000], 9: [0] * 4, 20: [0xFFFF, 1, 0, 4],
            21: [1, 0, 0, 0]}
    layers = [layer(by_spikes=1, input_channels=48, kernel_height=1, seen=3), layer(by_spikes=1, seen=9),
              layer(), layer(by_spikes=1, seen=20, input_channels=32, rows=128, kernel_height=2, kernel_width=2,
                             padding=0, walker_shift=1, output_channels=16),
              layer(by_spikes=1, seen=20, kernel_height=5, kernel_width=1, rows=80, padding=2)]
    runs, to = expected(layers, seen, cfg)
    assert len(runs) > 30
    assert asked(layers, seen, cfg, stall=stall, release=release) == (runs, to)


def test_a_third_group_waits_until_the_first_is_released():
    cfg = config()
    dut, came = Prefetch(cfg), []

    async def drive(ctx):
        ctx.set(dut.runs.ready, 1)
        ctx.set(dut.to.ready, 1)
        await put(ctx, dut.i, layer(output_channels=96))
        await ctx.tick().repeat(50)
        assert len(came) == HALVES
        ctx.set(dut.released, 1)
        await ctx.tick()
        ctx.set(dut.released, 0)
        await ctx.tick().repeat(10)
        assert len(came) == HALVES + 1

    async def watch(ctx):
        async for _, _, valid in ctx.tick().sample(dut.runs.valid):
            if valid:
                came.append(valid)

    simulate(dut, drive, processes=[watch])
