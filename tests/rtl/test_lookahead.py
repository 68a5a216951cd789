import random

import pytest

from model.config import ProcessorConfig, Way
from model.descriptor import DESCRIPTOR
from rtl.lookahead import Lookahead
from tests.streams import holds, simulate

CFG = ProcessorConfig(columns=16, tiles=2, walkers=2, layers=5, timesteps=4, memory_width=64)
FIELDS = ("base", "row", "rows", "output_channels", "input_channels", "kernel_height", "kernel_width", "padding",
          "walker_shift", "by_spikes", "seen")


def descriptor(index, **fields):
    return dict.fromkeys((name for word in DESCRIPTOR for name in word), 0) | {
        "streamed": 1, "mask": (1 << 32) - 1, "weight_base": 1000 * index, "row_base": 7, "group_rows": 90 + index,
        "output_channels": 20 + index, "input_channels": 16, "kernel_height": 3, "kernel_width": 2 + index,
        "padding": index % 2, "walker_shift": 0, "input_seen": index} | fields


def named(layers, timesteps, *, stall=0, behind=3, begins=1):
    """The layers that are named as (base, by_spikes, what ran then), while the sequencer runs ``behind``."""
    chosen = random.Random(stall)
    dut, names, position = Lookahead(CFG), [], []

    async def store(ctx):
        ctx.set(dut.layer, layers[0])
        async for index, in ctx.changed(dut.index):
            if index < len(layers):
                ctx.set(dut.layer, layers[index])

    async def sequencer(ctx):
        ctx.set(dut.run, {"layers": len(layers), "timesteps": timesteps})
        for _ in range(begins):
            names.clear()
            ctx.set(dut.begin, 1)
            await ctx.tick()
            ctx.set(dut.begin, 0)
            for timestep in range(1, timesteps + 1):
                for index in range(len(layers)):
                    position[:] = timestep, index
                    ctx.set(dut.running, 1)
                    ctx.set(dut.runs_index, index)
                    ctx.set(dut.runs_timestep, timestep)
                    await ctx.tick().repeat(behind - 1)
                    ctx.set(dut.moved, 1)
                    await ctx.tick()
                    ctx.set(dut.moved, 0)
            ctx.set(dut.running, 0)
            await ctx.tick().repeat(20)

    async def watch(ctx):
        async for _, _, valid, ready, layer in ctx.tick().sample(dut.o.valid, dut.o.ready, dut.o.payload):
            if valid and ready:
                names.append((tuple(layer[name] for name in FIELDS), tuple(position)))
            ctx.set(dut.o.ready, chosen.random() < 1 / (1 + stall))

    simulate(dut, sequencer, processes=[store, watch, holds(dut.o)])
    return names


def expected(layers, timesteps):
    """(fields, timestep and index) of every layer that needs weights."""
    order = []
    for timestep in range(1, timesteps + 1):
        for index, layer in enumerate(layers):
            active = [k for k in range(1, timestep + 1) if layer["mask"] >> k - 1 & 1]
            if layer["streamed"] and timestep in active and not (layer["recall"] and len(active) > 1):
                fields = (layer["weight_base"], layer["row_base"], layer["group_rows"], layer["output_channels"],
                          layer["input_channels"], layer["kernel_height"], layer["kernel_width"], layer["padding"],
                          layer["walker_shift"], layer["by_spikes"], layer["input_seen"])
                order.append((fields, (timestep, index)))
    return order


@pytest.mark.parametrize("stall", [0, 2])
@pytest.mark.parametrize("begins", [1, 2])
def test_names_the_layers_that_need_weights_in_the_order_of_the_run(stall, begins):
    layers = [descriptor(0, recall=1, mask=0b0110), descriptor(1, mask=0b1011, walker_shift=1),
              descriptor(2, streamed=0), descriptor(3, mask=0b0100), descriptor(4)]
    wanted = expected(layers, 4)
    assert len(wanted) == 1 + 3 + 1 + 4
    got = named(layers, 4, stall=stall, behind=9, begins=begins)
    assert [fields for fields, _ in got] == [fields for fields, _ in wanted]


def test_runs_ahead_of_the_sequencer_but_waits_for_layers_that_are_fetched_by_spikes():
    layers = [descriptor(0), descriptor(1), descriptor(2, by_spikes=1), descriptor(3), descriptor(4)]
    got = named(layers, 2, behind=12)
    assert [fields for fields, _ in got] == [fields for fields, _ in expected(layers, 2)]
    # The third layer of a timestep is named while it runs, and what follows at once.
    assert [place for _, place in got] == [(1, 0)] * 2 + [(1, 2)] * 5 + [(2, 2)] * 3


def test_nothing_behind_words_that_are_brought_is_named_before_they_are_there():
    bring, put = ({"streamed": 0, "way": way} for way in (Way.BRING, Way.PUT))
    layers = [descriptor(0), descriptor(1, **bring, mask=0b01), descriptor(2), descriptor(3, **put), descriptor(4)]
    got = named(layers, 2, behind=12)
    assert [fields for fields, _ in got] == [fields for fields, _ in expected(layers, 2)]
    # When the move ends, which is left out in the second timestep.
    assert [place for _, place in got] == [(1, 0)] + [(1, 2)] * 5


@pytest.mark.parametrize("illegal", [{"group_rows": 0}, {"group_rows": CFG.rows + 1}, {"walker_shift": 2}],
                         ids=["no rows", "too many rows", "too many walkers"])
def test_a_layer_that_cannot_have_weights_is_not_named(illegal):
    layers = [descriptor(0), descriptor(1, **illegal), descriptor(2)]
    assert [fields for fields, _ in named(layers, 1)] == [fields for fields, _ in expected(layers[::2], 1)]
