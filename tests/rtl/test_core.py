from dataclasses import replace
from itertools import accumulate

import pytest
import torch
from amaranth import *

from cosim.random_networks import random_codes, random_weight
from model.compiler import compile
from model.config import CODE_WIDTH, LANES, ProcessorConfig, Reset, Target
from model.image import picture
from model.network import Coding, Layer, Network
from model.processor import COUNTERS, emitted, trace
from model.tiling import tilings
from rtl.core import Core
from tests.streams import expect_nothing, simulate

CFG = ProcessorConfig(columns=16, encoders=4, rows=400, spike_words=128, state_words=256, parameter_words=32, layers=4,
                      classes=20)
PAIR = ProcessorConfig(columns=16, tiles=2, encoders=8, rows=400, spike_words=128, state_words=256, parameter_words=32,
                       layers=4, classes=40)
# Rows of two and four words: pixels that share a row, fill one, and span two.
DOUBLE = ProcessorConfig(columns=16, encoders=4, span=2, rows=800, spike_words=192, state_words=256,
                         parameter_words=32, layers=4, classes=20)
QUAD = ProcessorConfig(columns=16, tiles=2, encoders=8, span=4, rows=800, spike_words=192, state_words=256,
                       parameter_words=32, layers=4, classes=20)


FOUR = ProcessorConfig(columns=16, tiles=4, walkers=4, encoders=8, span=2, rows=800, spike_words=192, state_words=256,
                       parameter_words=32, layers=4, classes=20)


def neurons(generator, out, channels, kernel, gain, **settings):
    return Layer(weight=random_weight((out, channels, *kernel), 0.4, 0.8, generator),
                 bias=torch.randint(-900, 900, (out,), generator=generator).int(),
                 gain=torch.full((out,), gain, dtype=torch.int32) if settings.get("readout")
                 else torch.randint(gain - 4, gain + 4, (out,), generator=generator).int(), **settings)


def convolutions(seed, *, timesteps=1, out=10, leak_shift=0, reset=Reset.NONE, stride=1, recall=False):
    """Convolution with pooling, convolution, readout: (network, codes of one picture)."""
    generator = torch.Generator().manual_seed(seed)
    first, second = Coding(window=12, tau=4, nearest=True), Coding(window=8, tau=2)
    layers = [
        neurons(generator, out, 3, (3, 2), -4, name="first", padding=1, pool=2, coding=first, leak_shift=leak_shift,
                reset=reset, recall=recall),
        neurons(generator, 20, out, (2, 2), -6, name="second", stride=stride, coding=second, leak_shift=leak_shift,
                reset=reset, weight_grain=4)]
    network = Network(name="convolutions", shape=(3, 5, 6), input_coding=Coding(window=6, tau=1), timesteps=timesteps,
                      layers=(*layers, neurons(generator, 18, 20, tuple(
                          layers[1].pixels((2, 3))), -4, name="readout", readout=True)))
    return network, random_codes((1, *network.shape), network.input_coding, 0.6, generator)


def sums(seed, *, timesteps=1, out=10, leak_shift=0, reset=Reset.NONE):
    """A convolution, one that is added to it from the picture, one of both maps, and a readout of both."""
    generator = torch.Generator().manual_seed(seed)
    coding = Coding(window=12, tau=4, nearest=True)
    layers = (
        neurons(generator, out, 3, (1, 1), -4, name="first", coding=coding, reset=reset, leak_shift=leak_shift),
        neurons(generator, out, 3, (3, 3), -4, name="picture", padding=1, pool=2, source=0, partial=True,
                leak_shift=leak_shift),
        neurons(generator, out, out, (1, 1), -4, name="same", pool=2, partial=True),
        neurons(generator, out, out, (3, 3), -5, name="second", padding=1, pool=2, coding=coding, reset=reset),
        neurons(generator, 18, out, (4, 6), -4, name="beside", source=1, partial=True),
        neurons(generator, 18, out, (2, 3), -4, name="readout", readout=True))
    network = Network(name="sums", shape=(3, 4, 6), input_coding=Coding(window=6, tau=1), timesteps=timesteps,
                      layers=layers)
    return network, random_codes((1, *network.shape), network.input_coding, 0.6, generator)


async def write(ctx, port, address, data):
    ctx.set(port.address, address)
    ctx.set(Value.cast(port.data), data)
    ctx.set(port.enable, 1)
    await ctx.tick()
    ctx.set(port.enable, 0)


def entry(granules):
    """The bits of an entry: what it does not bring is ones."""
    bits = (1 << 32 * 16) - 1
    for index, granule in enumerate(granules):
        bits ^= (granule ^ 0xFFFF_FFFF) << 32 * index
    return bits


async def load(ctx, dut, image, codes, *, rows=True):
    """Fill the stores as the loader would."""
    ports = {Target.PARAMETERS: dut.load_parameters, Target.SPIKES: dut.load_spikes}
    if rows:
        ports |= {Target.TILES + tile: port for tile, port in enumerate(dut.load_rows)}
    for section in (*image.sections, picture(codes.numpy(), image.descriptors[0]["input_words"])):
        for n, granules in enumerate(section.entries.tolist()):
            if section.target in ports:
                await write(ctx, ports[section.target], section.address + n, entry(granules))


class Stream:
    """The memory: brings the column groups of every layer one after the other, to two places in turns."""

    def __init__(self, dut, network, image, pace):
        self.dut, self.pace, self.released = dut, pace, 0
        self.tiles = [section.entries.tolist() for section in image.sections if section.target >= Target.TILES]
        widest = max(fields["group_rows"] for fields in image.descriptors)
        self.first = dut.cfg.rows - 2 * widest
        self.groups = [(fields["row_base"] + group * fields["group_rows"], fields["group_rows"])
                       for _ in range(network.timesteps)
                       for fields, tiling in zip(image.descriptors, tilings(network, dut.cfg))
                       for group in range(len(tiling.groups))]
        self.descriptors = [fields | {"streamed": 1, "row_base": self.first} for fields in image.descriptors]

    async def watch(self, ctx):
        async for *_, released in ctx.tick().sample(self.dut.group_released):
            self.released += released

    async def bring(self, ctx):
        for number, (row, rows) in enumerate(self.groups):
            while number - self.released >= 2:
                await ctx.tick()
            place = (self.first, (self.first + self.dut.cfg.rows) // 2)[number % 2]
            for each in range(rows):
                for port, entries in zip(self.dut.load_rows, self.tiles):
                    await write(ctx, port, place + each, entry(entries[row + each]))
            await ctx.tick().repeat(self.pace)
            ctx.set(self.dut.groups_came, (number + 1) % 4)


def ran(network, codes, cfg, pace=None):
    """What a core emits when it is told to run ``network``: per timestep and layer, words or logits, and counters.

    With a ``pace``, weights come while it runs, each column group so many cycles after its last row.
    """
    image = compile(network, cfg)
    dut = Core(cfg)
    memory = Stream(dut, network, image, pace)
    descriptors = image.descriptors if pace is None else memory.descriptors
    activity = dict.fromkeys(COUNTERS, 0)
    logits, steps = [], []

    async def watch(ctx):
        async for *_, fault, emission, seen in ctx.tick().sample(dut.fault, dut.emission, dut.activity):
            assert not fault
            if emission.valid:
                steps[-1].append((emission.address, emission.word))
            activity["events"] += seen.events
            activity["synaptic_operations"] += seen.operations
            activity["spikes"] += seen.spikes
            activity["neurons"] += seen.neurons

    async def testbench(ctx):
        await load(ctx, dut, image, codes, rows=pace is None)
        for timestep in range(1, network.timesteps + 1):
            for fields in descriptors:
                ctx.set(dut.layer, fields)
                ctx.set(dut.fresh, timestep == 1)
                ctx.set(dut.silent, 0)
                ctx.set(dut.start, 1)
                await ctx.tick()
                ctx.set(dut.start, 0)
                # The last word of the layer before has left in the cycle of the start.
                steps.append([])
                if fields["readout"]:
                    logits.clear()
                    last = 0
                    while not last:
                        logit, = await ctx.tick().sample(dut.logits.payload).until(dut.logits.valid)
                        logits.append(logit.value)
                        last = logit.last
                    await expect_nothing(ctx, dut.logits, 5)
                else:
                    await ctx.tick().until(dut.drained)
        emitted = len(steps[-1])
        for _ in range(20):
            await ctx.tick()
        assert len(steps[-1]) == emitted

    if pace is None:
        simulate(dut, testbench, processes=[watch], cycles=50_000)
    else:
        simulate(dut, testbench, memory.bring, processes=[watch, memory.watch], cycles=50_000)
        assert memory.released == len(memory.groups) > 4
    return steps, logits, activity


def packed(codes):
    return sum(code << CODE_WIDTH * lane for lane, code in enumerate(codes))


def expected_emissions(network, codes, cfg):
    """Per timestep and layer: what the model emits, with the addresses of the compiler."""
    descriptors = compile(network, cfg).descriptors
    traced = trace(network, codes, cfg, keep_maps=True)
    mask = (1 << cfg.numerics.accumulator_width) - 1
    steps = []
    for timestep in range(network.timesteps):
        for fields, maps, tiling in zip(descriptors, traced.maps, tilings(network, cfg)):
            if fields["partial"]:
                steps.append([])
                continue
            words = [packed(word) for word in emitted(maps[:, timestep], tiling)[0].tolist()]
            places = [fields["output_base"] + pixel * fields["output_words"] + (first + lane) // LANES
                      for first, columns in zip(accumulate(tiling.groups, initial=0), tiling.groups)
                      for pixel in range(fields["output_pixels"])
                      for lane in range(0, columns, LANES)]
            steps.append(list(zip(places, words, strict=True)))
        steps.append([(0, logit & mask) for logit in traced.logits[0, timestep].tolist()])
    return steps, traced


def agree(network, codes, cfg):
    """Hold a core that runs ``network`` against the model, word by word."""
    expected, traced = expected_emissions(network, codes, cfg)
    assert all(int(counter[0, -1].sum()) > 20 for counter in traced.counters.values())
    got, logits, activity = ran(network, codes[0], cfg)
    for n, (step, wanted) in enumerate(zip(got, expected, strict=True)):
        assert step == wanted, f"timestep {1 + n // len(network.layers)}, layer {n % len(network.layers)}"
    assert logits == traced.logits[0, -1].tolist()
    assert activity == {name: int(counter[0, -1].sum()) for name, counter in traced.counters.items()}


@pytest.mark.parametrize("cfg, settings", [
    (CFG, dict(seed=1)),
    (CFG, dict(seed=2, out=17, stride=2)),
    (CFG, dict(seed=3, timesteps=3, leak_shift=1, reset=Reset.ZERO)),
    (PAIR, dict(seed=4, timesteps=2, out=40, reset=Reset.SUBTRACT)),
    (DOUBLE, dict(seed=5, timesteps=2, out=40)),
    (QUAD, dict(seed=6, out=70)),
    (FOUR, dict(seed=7, timesteps=2, out=40)),
    (FOUR, dict(seed=8, out=16)),
    (PAIR, dict(seed=9, timesteps=3, leak_shift=1, recall=True)),
    (FOUR, dict(seed=10, timesteps=2, out=17, recall=True)),
], ids=["one timestep", "stride", "leak and reset", "two tiles", "rows of two words", "rows of four words",
        "walkers", "a group for all walkers", "recall", "walkers that recall"])
def test_matches_model(cfg, settings):
    agree(*convolutions(**settings), cfg)


@pytest.mark.parametrize("cfg, settings", [
    (CFG, dict(seed=1)), (PAIR, dict(seed=2, out=33)), (DOUBLE, dict(seed=4, timesteps=2, reset=Reset.SUBTRACT)),
    (FOUR, dict(seed=3, timesteps=3, leak_shift=1, reset=Reset.ZERO))],
    ids=["one tile", "column groups", "timesteps", "walkers"])
def test_adds_what_layers_before_have_left(cfg, settings):
    agree(*sums(**settings), replace(cfg, layers=6, rows=2000, spike_words=300, state_words=1024, parameter_words=64))


@pytest.mark.parametrize("pace", [1, 200])
@pytest.mark.parametrize("cfg, settings", [
    (CFG, dict(seed=2, out=17, stride=2)), (PAIR, dict(seed=4, timesteps=2, out=40, reset=Reset.SUBTRACT)),
    (FOUR, dict(seed=7, timesteps=2, out=40))], ids=["one tile", "two tiles", "walkers"])
def test_matches_model_while_its_weights_come_from_the_memory(cfg, settings, pace):
    network, codes = convolutions(**settings)
    expected, traced = expected_emissions(network, codes, cfg)
    got, logits, activity = ran(network, codes[0], replace(cfg, memory_width=64), pace)
    assert got == expected
    assert logits == traced.logits[0, -1].tolist()
    assert activity == {name: int(counter[0, -1].sum()) for name, counter in traced.counters.items()}


def test_an_access_beyond_a_store_is_a_fault():
    network, codes = convolutions(5, timesteps=2)
    fields = compile(network, CFG).descriptors[0]
    assert fields["stateful"]
    ends = {"output_base": CFG.spike_words, "input_base": CFG.spike_words, "row_base": CFG.rows,
            "parameter_base": CFG.parameter_words, "start_base": CFG.parameter_words, "state_base": CFG.state_words}
    dut = Core(CFG)

    async def first_fault(ctx, layer, fresh=0):
        """The address of the first fault in a run of ``layer``, which ends in spite of it."""
        ctx.set(dut.layer, layer)
        ctx.set(dut.fresh, fresh)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        faults, drained = [], 0
        while not drained:
            *_, fault, drained = await ctx.tick().sample(dut.fault, dut.drained)
            if fault:
                faults.append(ctx.get(dut.fault_address))
        return faults[0] if faults else None

    async def testbench(ctx):
        for address in range(CFG.spike_words):
            await write(ctx, dut.load_spikes, address, 0)
        for field, end in ends.items():
            assert await first_fault(ctx, fields) is None
            # The first row that is opened is that of the first tap inside the map.
            found = await first_fault(ctx, fields | {field: end}, fresh=field == "start_base")
            assert end <= found < end + fields["group_rows"], field

    simulate(dut, testbench, cycles=50_000)
