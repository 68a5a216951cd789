import random
from dataclasses import dataclass, replace

import pytest
import torch
from amaranth.utils import exact_log2

from model.config import LANES, SILENT, ProcessorConfig
from model.network import Layer
from model.walker import synapses, words
from rtl.layouts import row_width
from rtl.walker import Walker
from tests.streams import expect_nothing, holds, simulate, take_all

SPANS = (1, 2, 4, 8)
CFGS = {(tiles, span): ProcessorConfig(columns=16, tiles=tiles, rows=4096, span=span)
        for tiles in (1, 2) for span in SPANS}
CFG = CFGS[1, 1]
# The first word of a row of the store, whatever the span.
INPUT_BASE = 72
ROW_BASE = 33


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A layer, as far as the walker knows it."""

    cfg: ProcessorConfig = CFG
    channels: int = 3
    height: int = 4
    width: int = 4
    kernel_height: int = 3
    kernel_width: int = 3
    stride: int = 1
    padding: int = 1
    # Lines of padding above that a band further down does not have.
    skipped: int = 0
    pool: int = 1
    out: int = 5
    walkers: int = 1

    @property
    def words(self):
        return self.cfg.pixel_words(self.channels)

    @property
    def output_height(self):
        padded = self.height + 2 * self.padding - self.skipped
        return ((padded - self.kernel_height) // self.stride + 1) // self.pool

    @property
    def output_width(self):
        return ((self.width + 2 * self.padding - self.kernel_width) // self.stride + 1) // self.pool

    @property
    def group_rows(self):
        return self.kernel_height * self.kernel_width * self.channels

    def descriptor(self):
        step = self.pool * self.stride
        return {"walker_shift": exact_log2(self.walkers), "window_hop": self.walkers * step,
                "line_back": (self.output_width - self.walkers) * step,
                "output_pixels": self.output_height * self.output_width,
                "input_height": self.height, "input_width": self.width, "input_channels": self.channels,
                "input_words": self.words, "kernel_height": self.kernel_height, "kernel_width": self.kernel_width,
                "stride": self.stride, "padding": self.padding, "pool": self.pool,
                "padding_above": self.padding - self.skipped,
                "output_height": self.output_height, "output_width": self.output_width, "output_channels": self.out,
                "input_base": INPUT_BASE, "row_base": ROW_BASE, "group_rows": self.group_rows}


def random_shape(seed):
    choose = random.Random(seed)
    cfg = [*CFGS.values()][seed % len(CFGS)]
    height, width = choose.randint(3, 7), choose.randint(3, 7)
    kernel_height, kernel_width = choose.randint(1, 3), choose.randint(1, 3)
    shape = dict(cfg=cfg, channels=choose.choice([1, 3, 16, 17, 33]), height=height, width=width,
                 kernel_height=kernel_height, kernel_width=kernel_width, stride=choose.randint(1, 3),
                 out=choose.choice([1, 16, 17, 32, 33, 50]),
                 padding=choose.randrange(min(kernel_height, kernel_width)))
    shape["skipped"] = choose.randint(0, shape["padding"])
    return Shape(**shape, pool=choose.randint(1, min(3, Shape(**shape).output_height, Shape(**shape).output_width)))


def random_map(shape, seed):
    """A map (1, channels, height, width) and the rows of the spike store, full of spikes that are not the map's."""
    cfg = shape.cfg
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(SILENT + 1, (1, shape.channels, shape.height, shape.width), dtype=torch.uint8,
                          generator=generator)
    count = -(-shape.height * shape.width * shape.words // cfg.span) * cfg.span
    stored = torch.randint(SILENT, (count, LANES), dtype=torch.uint8, generator=generator)
    pixels = words(codes)[0].flatten(0, 1)
    for pixel, own in enumerate(pixels):
        stored[pixel * shape.words:][:len(own)] = own
    return codes, stored.unflatten(0, (-1, cfg.span)).flatten(1).tolist()


def own_lanes(shape, row, address, channels):
    """What a fetch yields of a row of the store: words from ``address`` on, as many as hold ``channels``."""
    first = address % shape.cfg.span
    own = range(first, min(first - (-channels // LANES), shape.cfg.span))
    return [code if lane // LANES in own else SILENT for lane, code in enumerate(row)]


def expected_walk(shape, stored, silent=False, number=0):
    """The fetches of a walker in the order of the loops: codes, row of lane 0, columns in use, last of its pixel."""
    cfg, walk = shape.cfg, []
    group_columns = cfg.group_columns // shape.walkers
    for group in range(-(-shape.out // group_columns)):
        columns = min(group_columns, shape.out - group * group_columns)
        for oy in range(shape.output_height):
            for ox in range(shape.output_width):
                if (oy * shape.output_width + ox) % shape.walkers != number:
                    continue
                for py in range(shape.pool):
                    for px in range(shape.pool):
                        pixel = []
                        for ky in range(shape.kernel_height):
                            for kx in range(shape.kernel_width):
                                y = (oy * shape.pool + py) * shape.stride + ky - shape.padding + shape.skipped
                                x = (ox * shape.pool + px) * shape.stride + kx - shape.padding
                                if silent or not (0 <= y < shape.height and 0 <= x < shape.width):
                                    continue
                                tap = ky * shape.kernel_width + kx
                                for done in range(0, shape.channels, cfg.span_lanes):
                                    address = (y * shape.width + x) * shape.words + done // LANES
                                    row = ROW_BASE + group * shape.group_rows + tap * shape.channels + done
                                    row -= address % cfg.span * LANES
                                    codes = own_lanes(shape, stored[address // cfg.span], address,
                                                      shape.channels - done)
                                    pixel.append((codes, row % (1 << row_width(cfg)), columns))
                        pixel = pixel or [([SILENT] * cfg.span_lanes, None, columns)]
                        walk += [(*fetch, int(n + 1 == len(pixel))) for n, fetch in enumerate(pixel)]
    return walk


def spike_store(dut, stored):
    """Process that answers the walker's reads, and refuses those outside the map."""
    async def process(ctx):
        async for *_, enable, address in ctx.tick().sample(dut.spikes.enable, dut.spikes.address):
            if enable:
                row = (address - INPUT_BASE) // dut.cfg.span
                assert 0 <= row < len(stored), f"word {address} is outside the map"
                ctx.set(dut.spikes.data, stored[row])
    return process


def read(fetch):
    codes = list(fetch.codes)
    return codes, fetch.row, fetch.columns, fetch.last


def walk(shape, stored, *, count, walks=1, stall=0, silent=False, number=0):
    """The fetches of ``walks`` walks of ``count`` each."""
    dut = Walker(shape.cfg, number)
    walked = []

    async def testbench(ctx):
        ctx.set(dut.layer, shape.descriptor())
        ctx.set(dut.silent, silent)
        for _ in range(walks):
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            walked.append([read(fetch) for fetch in await take_all(ctx, dut.o, count, stall=stall)])
            await expect_nothing(ctx, dut.o, 10)

    simulate(dut, testbench, processes=[holds(dut.o), spike_store(dut, stored)])
    return walked


def known(fetches):
    """Fetches without the rows of those that find nothing."""
    return [(codes, None if set(codes) == {SILENT} else row, columns, last) for codes, row, columns, last in fetches]


@pytest.mark.parametrize("seed", range(24))
def test_walks_the_loop_nest(seed):
    shape = random_shape(seed)
    _, stored = random_map(shape, seed)
    expected = known(expected_walk(shape, stored))
    for got in walk(shape, stored, count=len(expected), walks=2, stall=seed % 3):
        assert known(got) == expected


@pytest.mark.parametrize("walkers", [2, 4])
@pytest.mark.parametrize("shape", [
    Shape(), Shape(width=5), Shape(height=7, width=8, pool=2, out=20), Shape(width=9, stride=2, channels=17, out=33),
    Shape(height=6, width=14, pool=3, padding=0, out=70)])
def test_walkers_take_turns_of_the_pooling_windows(shape, walkers):
    shape = replace(shape, cfg=ProcessorConfig(columns=16, tiles=4, walkers=4, rows=4096, span=2), walkers=walkers)
    assert shape.output_width >= walkers
    _, stored = random_map(shape, 7)
    alone = known(expected_walk(replace(shape, walkers=1), stored))
    walks = [known(expected_walk(shape, stored, number=number)) for number in range(walkers)]
    for number, expected in enumerate(walks):
        assert known(walk(shape, stored, count=len(expected), walks=2, number=number)[0]) == expected
    # Between them they see what one walker sees, once for each column group.
    assert sum(codes != [SILENT] * len(codes) for walked in walks for codes, *_ in walked) * (
        -(-shape.out // 64)) == sum(codes != [SILENT] * len(codes) for codes, *_ in alone) * (
        -(-shape.out // (64 // walkers)))


def test_random_shapes_meet_every_kind_of_loop():
    shapes = [random_shape(seed) for seed in range(24)]
    assert {shape.stride for shape in shapes} == {1, 2, 3} and {shape.pool for shape in shapes} == {1, 2, 3}
    assert {-(-shape.channels // LANES) for shape in shapes} == {1, 2, 3}
    assert {shape.cfg for shape in shapes} == {*CFGS.values()}
    assert sum(shape.padding > 0 for shape in shapes) > 5 and sum(shape.skipped > 0 for shape in shapes) > 2
    assert sum(shape.kernel_height != shape.kernel_width for shape in shapes) > 5
    assert {-(-shape.out // 16) for shape in shapes} == {1, 2, 3, 4}


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("channels, fetches", [
    (16, (1, 1, 1, 1)), (17, (2, 1, 1, 1)), (48, (3, 2, 1, 1)), (70, (5, 3, 2, 1)), (128, (8, 4, 2, 1)),
    (129, (9, 5, 3, 2))])
def test_fetches_a_pixel_in_as_few_rows_as_hold_it_and_nothing_of_its_neighbours(span, channels, fetches):
    shape = Shape(cfg=CFGS[1, span], channels=channels, height=2, width=3, kernel_height=1, kernel_width=2, padding=0)
    codes, stored = random_map(shape, channels)
    expected = expected_walk(shape, stored)
    assert len(expected) == 2 * 2 * 2 * fetches[SPANS.index(span)]
    assert all(set(lanes) != {SILENT} for lanes, *_ in expected)
    assert walk(shape, stored, count=len(expected), stall=span % 3)[0] == expected


@pytest.mark.parametrize("shape", [
    Shape(), Shape(channels=20, stride=2), Shape(padding=0, pool=2), Shape(padding=2, height=5),
    Shape(kernel_height=4, kernel_width=4, padding=0, channels=17),
    Shape(cfg=CFGS[1, 2]), Shape(cfg=CFGS[1, 4], channels=20, stride=2), Shape(cfg=CFGS[2, 4], channels=33, out=20),
    Shape(cfg=CFGS[1, 8], padding=2, height=5), Shape(cfg=CFGS[1, 2], channels=70, kernel_height=2, pool=2)])
def test_the_rows_of_a_pixel_hold_what_the_model_reads(shape):
    codes, stored = random_map(shape, 5)
    walked, = walk(shape, stored, count=len(expected_walk(shape, stored)))
    layer = Layer(name="walked", stride=shape.stride, padding=shape.padding, pool=shape.pool,
                  weight=torch.zeros(shape.out, shape.channels, shape.kernel_height, shape.kernel_width,
                                     dtype=torch.uint8),
                  bias=torch.zeros(shape.out, dtype=torch.int32), gain=torch.zeros(shape.out, dtype=torch.int32))
    # Rows count taps outside channels, the model counts channels outside taps; windows come one by one.
    taps = synapses(codes, layer)[0].unflatten(0, (shape.channels, -1)).transpose(0, 1).flatten(0, 1)
    taps = taps.unflatten(1, (shape.output_height, shape.pool, shape.output_width, shape.pool))
    pixels = taps.transpose(2, 3).flatten(1).T.int().tolist()

    got = [[SILENT] * shape.group_rows]
    for lanes, row, _, last in walked:
        # Lanes beside the channels are silent, and reach into the rows of other taps.
        for lane, code in enumerate(lanes):
            if code != SILENT:
                got[-1][(row + lane) % (1 << row_width(shape.cfg)) - ROW_BASE] = code
        if last:
            got.append([SILENT] * shape.group_rows)
    assert got[:-1] == pixels


@pytest.mark.parametrize("span", SPANS)
def test_a_silent_source_is_one_fetch_of_silence_a_pixel_and_is_not_read(span):
    shape = Shape(cfg=CFGS[1, span], pool=2, out=17)
    expected = expected_walk(shape, [], silent=True)
    assert len(expected) == 2 * 16
    assert known(walk(shape, [], count=len(expected), silent=True)[0]) == expected


@pytest.mark.parametrize("span", SPANS)
def test_a_pixel_that_sees_nothing_of_the_map_is_one_fetch_of_silence(span):
    shape = Shape(cfg=CFGS[1, span], height=1, width=1, kernel_height=1, kernel_width=1, padding=2)
    stored = [list(range(LANES)) * span]
    expected = expected_walk(shape, stored)
    assert [codes[0] for codes, *_ in expected] == [SILENT] * 12 + [0] + [SILENT] * 12
    assert known(walk(shape, stored, count=25)[0]) == expected


@pytest.mark.parametrize("shape", [
    Shape(height=10, width=10, kernel_height=10, kernel_width=10, padding=0),
    Shape(height=1, width=1, kernel_height=1, kernel_width=1, padding=0, channels=300),
    Shape(height=1, width=40, kernel_height=1, kernel_width=7, stride=15, padding=0),
    Shape(height=2, width=3, kernel_height=7, kernel_width=7, padding=6),
    Shape(height=9, width=2, kernel_height=9, kernel_width=1, padding=0, pool=1, out=50)])
def test_walks_a_kernel_of_any_reach(shape):
    _, stored = random_map(shape, 1)
    expected = known(expected_walk(shape, stored))
    assert known(walk(shape, stored, count=len(expected))[0]) == expected


@pytest.mark.parametrize("span, channels", [(1, 20), (2, 20), (4, 70)])
def test_gives_a_fetch_every_cycle_from_the_fifth_on(span, channels):
    shape = Shape(cfg=CFGS[1, span], pool=2, channels=channels, out=20)
    _, stored = random_map(shape, 2)
    count = len(expected_walk(shape, stored))
    dut = Walker(shape.cfg)
    offered = []

    async def testbench(ctx):
        ctx.set(dut.layer, shape.descriptor())
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.start, 1)
        for _ in range(count + 10):
            *_, valid = await ctx.tick().sample(dut.o.valid)
            ctx.set(dut.start, 0)
            offered.append(valid)

    simulate(dut, testbench, processes=[spike_store(dut, stored)])
    assert offered == [0] * 5 + [1] * count + [0] * 5


@pytest.mark.parametrize("done", range(4))
@pytest.mark.parametrize("out, groups, ahead", [(50, 4, 1), (30, 2, 2)])
def test_groups_from_the_memory_lie_in_two_places_and_are_waited_for(done, out, groups, ahead):
    cfg = ProcessorConfig(columns=16, rows=401, memory_width=64)
    shape = Shape(cfg=cfg, out=out)
    _, stored = random_map(shape, 4)
    expected = known(expected_walk(shape, stored))
    fetches = len(expected) // groups
    places = (ROW_BASE, (ROW_BASE + cfg.rows) // 2)
    for number, (codes, row, *rest) in enumerate(expected):
        if row is not None:
            group = number // fetches
            row += places[(done + group) % 2] - ROW_BASE - group * shape.group_rows
            expected[number] = codes, row, *rest
    dut, walked, waited = Walker(cfg), [], []

    async def testbench(ctx):
        ctx.set(dut.layer, shape.descriptor() | {"streamed": 1})
        ctx.set(dut.groups_done, done)
        ctx.set(dut.groups_came, done)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        ctx.set(dut.groups_done, (done + 1) % 4)
        for group in range(0, groups, ahead):
            await ctx.tick().repeat(20)
            waited.append(len(walked))
            ctx.set(dut.groups_came, (done + group + ahead) % 4)
            await ctx.tick().repeat((ahead + 1) * fetches)

    async def collect(ctx):
        ctx.set(dut.o.ready, 1)
        async for _, _, valid, fetch in ctx.tick().sample(dut.o.valid, dut.o.payload):
            if valid:
                walked.append(read(fetch))

    simulate(dut, testbench, processes=[holds(dut.o), spike_store(dut, stored), collect])
    assert known(walked) == expected
    assert waited == [fetches * group for group in range(0, groups, ahead)]


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("rows, faults", [(ROW_BASE + 25, []), (ROW_BASE + 24, [ROW_BASE + 24] * 9)])
def test_a_row_beyond_the_tile_is_a_fault(span, rows, faults):
    # Nine taps of three channels: the last pixel starts at row 24.
    shape = Shape(cfg=ProcessorConfig(columns=16, rows=rows, span=span))
    _, stored = random_map(shape, 3)
    dut = Walker(shape.cfg)
    seen = []

    async def testbench(ctx):
        ctx.set(dut.layer, shape.descriptor())
        ctx.set(dut.start, 1)
        ctx.set(dut.o.ready, 1)
        for _ in range(200):
            *_, fault, row = await ctx.tick().sample(dut.fault, dut.fault_address)
            ctx.set(dut.start, 0)
            if fault:
                seen.append(row)

    simulate(dut, testbench, processes=[spike_store(dut, stored)])
    # In each of the nine pixels that the last tap reaches.
    assert seen == faults
