import random
from dataclasses import replace

import pytest

from model.config import GRAINS, ProcessorConfig, Reset, Rule, Way
from model.descriptor import DESCRIPTOR, DESCRIPTOR_WORDS
from rtl.registers import registers
from rtl.sequencer import COUNTS, ErrorCode, Sequencer
from tests.streams import idle, simulate

CFG = ProcessorConfig(columns=16, tiles=4, walkers=4, layers=4, classes=16, timesteps=5)
RUN = {"layers": 2, "timesteps": 3, "classes": 10, "rule": Rule.BUDGET, "threshold": 0}
ADDRESSES = {register.inst_name: register.absolute_address for register in registers()}
WORDS = {name: index for index, fields in enumerate(DESCRIPTOR) for name in fields}


def descriptor(index, layers, **fields):
    """Legal fields of layer ``index`` of ``layers``."""
    readout = index + 1 == layers
    values = dict.fromkeys(WORDS, 0) | dict.fromkeys(COUNTS, 1) | {
        "readout": readout, "source": index, "output_channels": RUN["classes"], "mask": (1 << 32) - 1,
        "output_height": 1 if readout else 3, "output_width": 1 if readout else 4,
        "output_pixels": 1 if readout else 12, "pool": 1 if readout else 2, "pool_area": 1 if readout else 4}
    return values | fields


def network(*changes):
    """Descriptors of as many layers, each with its changes."""
    return [descriptor(index, len(changes), **fields) for index, fields in enumerate(changes)]


class Played:
    """What a sequencer did with a network."""

    def __init__(self, layers, run=RUN, *, cfg=CFG, sure=(), runs=1, cycles=2000):
        self.layers = []            # (timestep, layer, silent, fresh, descriptor) at every start of a layer
        self.failures = []          # (code, layer, detail)
        self.done = 0
        self.begun = 0
        self.starts = []            # cycle of every start of a layer, counted from that in which the run begins
        self.ended = None           # cycle in which it is done
        dut = Sequencer(cfg)

        async def store(ctx):
            async for index, in ctx.changed(dut.next_index):
                if index < len(layers):
                    ctx.set(dut.next_layer, layers[index])

        async def core(ctx):
            """Ends every layer five cycles after it was started."""
            while True:
                *_, started, readout, timestep = await ctx.tick().sample(dut.layer_start, dut.layer.readout,
                                                                         dut.timestep)
                if started:
                    await idle(ctx, 4)
                    if readout:
                        ctx.set(dut.verdict.p.sure, timestep in sure)
                        ctx.set(dut.verdict.p.best, 3 + timestep)
                        ctx.set(dut.verdict.valid, 1)
                        await ctx.tick().until(dut.verdict.ready)
                        ctx.set(dut.verdict.valid, 0)
                    else:
                        ctx.set(dut.drained, 1)
                        await ctx.tick()
                        ctx.set(dut.drained, 0)

        async def ends(ctx):
            cycle = 0
            async for *_, begin, done, failed, failure in ctx.tick().sample(
                    dut.begin, dut.done, dut.failed, dut.failure):
                cycle = 0 if begin else cycle + 1
                self.begun += begin
                self.done += done
                if done:
                    self.ended = cycle
                if failed:
                    self.failures.append((failure.code, failure.layer, failure.detail))

        async def starts(ctx):
            cycle = 0
            async for *_, begin, started, timestep, index, silent, fresh, layer in ctx.tick().sample(
                    dut.begin, dut.layer_start, dut.timestep, dut.layer_index, dut.silent, dut.fresh, dut.layer):
                cycle = 0 if begin else cycle + 1
                if started:
                    self.starts.append(cycle)
                    self.layers.append((timestep, index, silent, fresh,
                                        {name: getattr(layer, name) for name in WORDS}))

        async def testbench(ctx):
            ctx.set(dut.run, run)
            for _ in range(runs):
                await idle(ctx, 2)
                ctx.set(dut.start, 1)
                await ctx.tick()
                ctx.set(dut.start, 0)
                for _ in range(cycles):
                    if not ctx.get(dut.busy):
                        break
                    await ctx.tick()
                assert not ctx.get(dut.busy), "the run hangs"
                await idle(ctx, 10)
                assert not ctx.get(dut.busy)
            self.timestep, self.best = ctx.get(dut.timestep), ctx.get(dut.best)

        simulate(dut, testbench, processes=[store, core, ends, starts])


def expected_layers(layers, timesteps):
    """The order of the run, in plain loops: (timestep, layer, silent, fresh)."""
    order, silent, fired = [], [False] + [True] * len(layers), [False] * len(layers)
    for timestep in range(1, timesteps + 1):
        for index, layer in enumerate(layers):
            if layer["mask"] >> timestep - 1 & 1:
                order.append((timestep, index, int(silent[layer["source"]]), int(not fired[index])))
                silent[index + 1] = False
                fired[index] = True
            elif not layer["hold"]:
                silent[index + 1] = True
    return order


@pytest.mark.parametrize("seed", range(12))
def test_runs_layers_inside_timesteps_with_their_masks(seed):
    choose = random.Random(seed)
    count, timesteps = choose.randint(1, CFG.layers), choose.randint(1, CFG.timesteps)
    layers = network(*[{"mask": choose.getrandbits(32), "hold": choose.getrandbits(1),
                        "source": choose.randint(0, index), "row_base": choose.getrandbits(24),
                        "window": choose.randint(1, 31)} for index in range(count)])
    played = Played(layers, RUN | {"layers": count, "timesteps": timesteps})
    assert [layer[:4] for layer in played.layers] == expected_layers(layers, timesteps)
    assert all(fields == layers[index] for _, index, _, _, fields in played.layers)
    assert (played.begun, played.done, played.failures, played.timestep) == (1, 1, [], timesteps)


@pytest.mark.parametrize("sure, stops", [((1,), 1), ((2,), 2), ((2, 3), 2), ((), 3)])
def test_stops_after_the_timestep_that_is_sure(sure, stops):
    played = Played(network({}, {}), sure=sure)
    assert (played.done, played.timestep, played.best) == (1, stops, 3 + stops)
    assert len(played.layers) == 2 * stops


def test_asks_nothing_in_a_timestep_without_a_readout():
    played = Played(network({}, {"mask": 0b010}), sure=(1, 3))
    assert (played.done, played.timestep, played.best) == (1, 3, 5)
    # The verdict is that of timestep 2, and it was not sure.
    played = Played(network({}, {"mask": 0b010}), sure=(2,))
    assert (played.timestep, played.best) == (2, 5)


def test_a_layer_starts_in_the_cycle_after_the_one_before_and_a_skipped_one_takes_a_cycle():
    played = Played(network({"mask": 0b001}, {"mask": 0b000}, {"mask": 0b011}), RUN | {"layers": 3, "timesteps": 2})
    # A cycle of checking and five of running, for each layer that runs.
    first = 1
    second = first + 5 + 1 + 1
    third = second + 5 + 1 + 2
    assert (played.starts, played.ended) == ([first, second, third], third + 5)


@pytest.mark.parametrize("mask, cycles", [(0b000, 3 * (1 + 5 + 1)), (0b011, 2 * 2 * (1 + 5) + 1 + 5 + 1)])
def test_a_run_is_done_in_the_cycle_in_which_its_last_layer_is_skipped(mask, cycles):
    played = Played(network({}, {"mask": mask}))
    assert (played.done, played.ended, played.timestep) == (1, cycles, 3)


def test_a_run_begins_with_the_first_layer_whatever_the_one_before_ended_with():
    played = Played(network({}, {}, {}), RUN | {"layers": 3}, runs=2)
    assert (played.begun, played.done) == (2, 2)
    assert [layer[:2] for layer in played.layers] == 2 * [(timestep, index) for timestep in (1, 2, 3)
                                                          for index in range(3)]


@pytest.mark.parametrize("changes, register", [
    ({"layers": 0}, "network"), ({"layers": CFG.layers + 1}, "network"), ({"layers": 255}, "network"),
    ({"timesteps": 0}, "network"), ({"timesteps": CFG.timesteps + 1}, "network"),
    ({"classes": 0}, "network"), ({"classes": 1}, "network"), ({"classes": CFG.classes + 1}, "network"),
    ({"rule": Rule.ENTROPY, "threshold": 1 << 16}, "exit_threshold")])
def test_illegal_settings_keep_a_run_from_beginning(changes, register):
    played = Played(network({}, {}), RUN | changes)
    assert played.failures == [(ErrorCode.SETTINGS, 0, ADDRESSES[register])]
    assert (played.begun, played.done, played.layers) == (0, 0, [])


@pytest.mark.parametrize("changes", [
    {"layers": CFG.layers}, {"timesteps": CFG.timesteps}, {"layers": 1, "timesteps": 1}, {"classes": 2},
    {"classes": CFG.classes}, {"rule": Rule.ENTROPY, "threshold": (1 << 16) - 1},
    {"rule": Rule.PROBABILITY, "threshold": (1 << 32) - 1}, {"rule": Rule.MARGIN, "threshold": (1 << 32) - 1}])
def test_the_largest_and_smallest_settings_run(changes):
    run = RUN | changes
    played = Played(network(*[{"output_channels": run["classes"]}] * run["layers"]), run)
    assert (played.begun, played.done, played.failures) == (1, 1, [])


def refused(layers, run=RUN, cfg=CFG):
    played = Played(layers, run, cfg=cfg)
    assert (played.begun, played.done, len(played.failures)) == (1, 0, 1)
    return played.failures[0]


# A side of zero or one that does not fit is reported with the product that should have been its own.
PRODUCTS = {"output_height": "output_pixels", "output_width": "output_pixels", "pool": "pool_area"}


@pytest.mark.parametrize("field", COUNTS)
def test_refuses_a_zero_where_something_is_counted(field):
    assert refused(network({field: 0}, {})) == (ErrorCode.DESCRIPTOR, 0, WORDS[PRODUCTS.get(field, field)])


@pytest.mark.parametrize("layer, field, value", [
    (0, "reset", max(Reset) + 1), (0, "weight_shift", len(GRAINS)), (0, "input_shift", len(GRAINS)),
    (0, "output_shift", len(GRAINS)), (0, "source", 1), (1, "source", 2), (1, "source", 63),
    (1, "readout", 0), (0, "output_pixels", 11), (0, "output_height", 4), (0, "output_width", 3),
    (0, "pool", 3), (0, "pool_area", 5), (1, "output_channels", RUN["classes"] + 1),
    (1, "output_channels", RUN["classes"] - 1), (0, "walker_shift", 3), (0, "walker_shift", 7),
    (1, "walker_shift", 1), (1, "recall", 1)])
def test_refuses_a_field_that_means_nothing(layer, field, value):
    changes = [{}, {}]
    changes[layer] = {field: value}
    assert refused(network(*changes)) == (ErrorCode.DESCRIPTOR, layer, WORDS[PRODUCTS.get(field, field)])


# A layer whose weights come from the memory, 32 channels under 3 x 3 taps.
STREAMED = {"streamed": 1, "group_rows": 288, "input_channels": 32, "kernel_height": 3, "kernel_width": 3}
BUS = replace(CFG, rows=288, memory_width=128)


@pytest.mark.parametrize("fields, blamed", [
    ({"group_rows": 0}, "group_rows"), ({"group_rows": BUS.rows + 1}, "group_rows"),
    ({"weight_base": 1 << 28}, "weight_base"), ({"by_spikes": 1, "source": 0}, "by_spikes"),
    ({"by_spikes": 1, "input_channels": 24}, "by_spikes"), ({"by_spikes": 1, "group_rows": 280}, "by_spikes")])
def test_refuses_weights_that_cannot_come_from_the_memory(fields, blamed):
    assert refused(network({}, STREAMED | fields), cfg=BUS) == (ErrorCode.DESCRIPTOR, 1, WORDS[blamed])


@pytest.mark.parametrize("fields", [{}, {"by_spikes": 1}, {"weight_base": (1 << 28) - 1}, {"group_rows": BUS.rows},
                                    {"streamed": 0, "group_rows": 0, "weight_base": 1 << 28}])
def test_weights_that_can_come_from_the_memory_are_not_refused(fields):
    played = Played(network({}, STREAMED | fields), cfg=BUS)
    assert (played.begun, played.done, played.failures) == (1, 1, [])


MOVE = dict.fromkeys(WORDS, 0) | {"way": Way.BRING, "group_rows": 7, "mask": (1 << 32) - 1}


@pytest.mark.parametrize("fields, cfg, blamed", [
    ({"way": 3}, BUS, "way"), ({"group_rows": 0}, BUS, "group_rows"), ({"weight_base": 1 << 28}, BUS, "weight_base"),
    ({}, CFG, "way"), ({"source": 1}, BUS, "source")])
def test_refuses_words_that_cannot_move(fields, cfg, blamed):
    assert refused([MOVE | fields, *network({}, {})], cfg=cfg)[2] == WORDS[blamed]


@pytest.mark.parametrize("way", [Way.BRING, Way.PUT])
def test_words_that_move_are_a_layer_of_their_own(way):
    played = Played([MOVE | {"way": way}, *network({}, {})], RUN | {"layers": 3}, cfg=BUS)
    assert (played.begun, played.done, played.failures) == (1, 1, [])


def test_refuses_a_readout_that_is_not_the_last_layer():
    readout = descriptor(1, 2, source=0)
    assert refused([readout, readout]) == (ErrorCode.DESCRIPTOR, 0, WORDS["readout"])


@pytest.mark.parametrize("changes, blamed", [
    ({"output_height": 2, "output_pixels": 2}, "output_pixels"), ({"pool": 2, "pool_area": 4}, "pool")])
def test_refuses_a_readout_with_more_than_one_pixel(changes, blamed):
    assert refused(network({}, changes)) == (ErrorCode.DESCRIPTOR, 1, WORDS[blamed])


def test_an_illegal_layer_ends_a_run_that_has_begun():
    played = Played(network({}, {"stride": 0}))
    # That layer starts, in the cycle in which its descriptor turns out to be illegal, and then nothing does.
    assert [layer[:2] for layer in played.layers] == [(1, 0), (1, 1)]
    assert played.failures == [(ErrorCode.DESCRIPTOR, 1, WORDS["stride"])]


def test_every_word_of_a_descriptor_has_a_check_or_an_address():
    # Words 7 to 12 and 15 hold addresses, which the stores or the memory check; 13 is the mask; 14 moves the kernel,
    # which may lie beside the map.
    assert len(DESCRIPTOR) == DESCRIPTOR_WORDS == 16
    assert {name for fields in DESCRIPTOR[7:] for name in fields} == {
        "input_base", "input_seen", "output_base", "output_seen", "row_base", "group_rows", "parameter_base",
        "start_base", "state_base", "mask", "window_hop", "line_back", "weight_base"}
