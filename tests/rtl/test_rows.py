import numpy as np
import pytest

from model.config import ProcessorConfig
from model.memory import block
from rtl.rows import Rows
from tests.streams import holds, put, simulate

COLUMNS = {"columns": 16, "tiles": 4, "walkers": 4, "encoders": 2}


def rows_of(beats, width, row_width, first, count):
    """Cut by hand: so many rows from bit 0 of the beats."""
    bits = sum(beat << width * number for number, beat in enumerate(beats))
    return {first + number: bits >> row_width * number & (1 << row_width) - 1 for number in range(count)}


@pytest.mark.parametrize("width", [64, 128, 256])
@pytest.mark.parametrize("shift", [0, 1, 2])
@pytest.mark.parametrize("gap", [0, 2])
def test_runs_of_granules_become_rows_of_every_tile(width, shift, gap):
    cfg = ProcessorConfig(**COLUMNS, memory_width=width)
    beats, rows = cfg.granule(1 << shift)
    chosen = np.random.default_rng(shift)
    columns = cfg.group_columns >> shift
    expected, runs = {}, []
    for first, granules, last in ((3, 1, False), (100, 4, False), (200, 2, True), (20, 1, True)):
        codes = chosen.integers(32, size=(rows * granules, columns), dtype=np.uint8)
        packed = block(codes, 1 << shift, cfg).tobytes()
        runs.append((first, last, [int.from_bytes(packed[at:at + width // 8], "little")
                                   for at in range(0, len(packed), width // 8)]))
        assert len(runs[-1][2]) == beats * granules
        expected |= {first + number: codes[number].tolist() for number in range(len(codes))}
        cut = rows_of(runs[-1][2], width, 5 * columns, first, len(codes))
        assert all(sum(code << 5 * column for column, code in enumerate(expected[row])) == cut[row] for row in cut)
    dut, written, complete = Rows(cfg), [{} for _ in range(cfg.tiles)], []

    async def destinations(ctx):
        for first, last, _ in runs:
            await put(ctx, dut.to, {"row": first, "walker_shift": shift, "last": last})

    async def arrive(ctx):
        for _, _, its in runs:
            for number, beat in enumerate(its):
                for _ in range(gap):
                    await ctx.tick()
                await put(ctx, dut.i, {"data": beat, "last": number == len(its) - 1})
        for _ in range(20):
            await ctx.tick()

    async def watch(ctx):
        tiles = [signal for write in dut.writes for signal in (write.enable, write.address, write.data)]
        async for _, _, done, *found in ctx.tick().sample(dut.complete, *tiles):
            for tile, (enable, address, data) in enumerate(zip(found[::3], found[1::3], found[2::3])):
                if enable:
                    assert address not in written[tile]
                    written[tile][address] = [data[column] for column in range(cfg.columns)]
            if done:
                complete.append(address)

    simulate(dut, destinations, arrive, processes=[holds(dut.to), watch])
    for tile, its in enumerate(written):
        part = tile % (cfg.tiles >> shift) * cfg.columns
        assert its == {row: codes[part:part + cfg.columns] for row, codes in expected.items()}
    assert complete == [200 + 2 * rows - 1, 20 + rows - 1]


@pytest.mark.parametrize("width", [64, 128, 256])
def test_a_beat_is_taken_every_cycle_where_rows_are_no_shorter_than_beats(width):
    cfg = ProcessorConfig(**COLUMNS, memory_width=width)
    beats, rows = cfg.granule(1)
    assert rows <= beats
    dut, taken = Rows(cfg), []

    async def stream(ctx):
        ctx.set(dut.to.valid, 1)
        ctx.set(dut.to.payload, {"row": 0, "walker_shift": 0, "last": 0})
        ctx.set(dut.i.valid, 1)
        for number in range(8 * beats):
            ctx.set(dut.i.payload, {"data": 0, "last": number % beats == beats - 1})
            *_, ready = await ctx.tick().sample(dut.i.ready)
            taken.append(ready)

    simulate(dut, stream)
    assert all(taken) and len(taken) == 8 * beats
