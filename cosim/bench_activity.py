"""A picture on one block alone, number by number as in the golden model, at full speed; for its activity.

:mod:`cosim.gates` runs it on netlists, and counts what changed between the times that it leaves in ``window.json``.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cocotb
import torch
from cocotb.triggers import ClockCycles, RisingEdge
from cocotb.utils import get_sim_time
from torch import Tensor

from cosim.bench_fire import record
from cosim.simulator import configuration, parameters
from cosim.streams import Sink, Source, packed, start, through
from model import exit as exit_unit
from model.config import GRAINS, SILENT, ProcessorConfig
from model.convert import convert
from model.datasets import test_slice
from model.encode import picture_codes
from model.fire import charge_up, fire
from model.network import Layer, Network
from model.processor import decide, trace
from model.tile import integrate
from model.tiling import Tiling, tilings
from model.trained import load
from model.walker import synapses
from rtl.drain import Beat
from rtl.exit import Logit, Verdict
from rtl.fire import Fired
from rtl.layouts import Charges, Descriptor, Event
from rtl.tile import WeightRow

CFG = configuration(ProcessorConfig())


@dataclass(frozen=True, eq=False)
class Visit:
    """A layer in a timestep; tensors without the axis of images."""

    layer: Layer
    tiling: Tiling
    grain: int
    row: int            # of its first column group
    recalled: bool
    taps: Tensor        # uint8, (rows, pixels)
    charge: Tensor      # int32, (out, pixels); so all that follows
    state: Tensor
    code: Tensor
    potential: Tensor
    rest: Tensor


def picture() -> tuple[Network, Tensor]:
    """The network that the bench was given, and the codes of its picture: uint8, (1, channels, height, width)."""
    network = convert(load(Path(parameters()["network"])))
    index = parameters()["picture"]
    return network, picture_codes(test_slice(network.dataset, index + 1).images[index:], network)


def visits(network: Network, codes: Tensor) -> Iterator[Visit]:
    """Every layer of every timestep until the picture stops."""
    observed = trace(network, codes, CFG, keep_maps=True)
    states = [torch.zeros(0)] * len(network.layers)
    grains = [network.input_coding.grain] + [layer.coding.grain for layer in network.layers]
    for timestep in range(int(decide(network, observed).timesteps[0])):
        row = 0
        for index, (layer, source, tiling) in enumerate(zip(network.layers, network.sources, tilings(network, CFG))):
            taps = synapses(observed.maps[source - 1][:, timestep] if source else codes, layer)
            charge = integrate(taps, layer.weight.flatten(1), weight_grain=layer.weight_grain,
                               input_grain=grains[source], numerics=CFG.numerics)
            state = states[index] if timestep else torch.zeros_like(charge)
            bias = layer.bias + layer.start if layer.start is not None and not timestep else layer.bias
            if layer.readout:
                potential = rest = charge_up(state, charge, bias[:, None], 0)
                code = torch.full_like(potential, SILENT)
            else:
                code, potential, rest = fire(state, charge, bias[:, None], layer.gain[:, None],
                                             leak_shift=layer.leak_shift, reset=layer.reset, coding=layer.coding,
                                             numerics=CFG.numerics)
            states[index] = rest
            yield Visit(layer, tiling, grains[source], row, layer.recall and timestep > 0, taps[0], charge[0],
                        state[0], code[0], potential[0], rest[0])
            row += len(tiling.groups) * layer.weight[0].numel()


def keep(began: int, units: dict[str, int]) -> None:
    """Leave the window, in ns, and what was done in it."""
    Path("window.json").write_text(json.dumps({"began": began, "ended": int(get_sim_time("ns")), **units}))


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def activity_of_tile(dut):
    source, sink = Source(dut, "i", Event(CFG)), Sink(dut, "o", Charges(CFG, CFG.columns))
    await start(dut)
    network, codes = picture()
    walked = [visit for visit in visits(network, codes) if not visit.recalled]
    dut.load__enable.value = 1
    for visit in walked:
        for number, rows in enumerate(visit.layer.weight.flatten(1).split(CFG.columns)):
            for row, weights in enumerate(rows.T.tolist()):
                dut.load__address.value = visit.row + number * rows.shape[1] + row
                weights += [SILENT] * (CFG.columns - len(weights))
                dut.load__data.value = packed(weights, WeightRow(CFG))
                await RisingEdge(dut.clk)
    dut.load__enable.value = 0
    await ClockCycles(dut.clk, 2)
    began, opened, operations = int(get_sim_time("ns")), 0, 0
    for visit in walked:
        dut.grain_shift.value = GRAINS.index(visit.layer.weight_grain)
        for number, charges in enumerate(visit.charge.split(CFG.columns)):
            base, sent = visit.row + number * len(visit.taps), []
            for pixel in visit.taps.T.tolist():
                spikes = [{"row": base + row, "level": code * visit.grain, "columns": CFG.columns, "spike": 1,
                           "last": 0} for row, code in enumerate(pixel) if code != SILENT]
                sent += [*spikes[:-1], {**spikes[-1], "last": 1}] if spikes else [{"last": 1}]
                opened += len(spikes)
                operations += len(spikes) * len(charges)
            found = await through(source, sink, sent, charges.shape[1])
            for pixel, expected in enumerate(charges.T.tolist()):
                assert list(found[pixel])[:len(expected)] == expected, f"layer {visit.layer.name}, pixel {pixel}"
    keep(began, {"events": opened, "synaptic_operations": operations})


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def activity_of_fire(dut):
    source, sink = Source(dut, "i", Beat(CFG)), Sink(dut, "o", Fired(CFG))
    await start(dut)
    network, codes = picture()
    all_visits = list(visits(network, codes))
    kept = []
    recording = cocotb.start_soon(record(dut, kept))
    began, neurons = int(get_sim_time("ns")), 0
    for visit in all_visits:
        layer = visit.layer
        dut.layer.value = packed({
            "stateful": network.timesteps > 1, "leak_shift": layer.leak_shift, "reset": layer.reset,
            "window": layer.coding.window, "nearest": layer.coding.nearest, "readout": layer.readout,
            "output_shift": GRAINS.index(layer.coding.grain)}, Descriptor)
        # As they are drained: pixel after pixel, its columns in beats of as many as there are encoders.
        beats, places = [], [(pixel, lanes) for columns in torch.arange(len(layer.gain)).split(CFG.columns)
                             for pixel in range(visit.charge.shape[1]) for lanes in columns.split(CFG.encoders)]
        for pixel, lanes in places:
            there = lanes.tolist() + lanes.tolist()[-1:] * (CFG.encoders - len(lanes))
            beats.append({
                "states": visit.state[there, pixel].tolist(), "charges": visit.charge[there, pixel].tolist(),
                "parameters": [{"bias": bias, "gain": gain} for bias, gain in
                               zip(layer.bias[there].tolist(), layer.gain[there].tolist())],
                "place": {"lanes": (1 << len(lanes)) - 1}})
        kept.clear()
        for (pixel, lanes), fired in zip(places, await through(source, sink, beats, len(beats))):
            for lane, neuron in enumerate(lanes.tolist()):
                expected = int(visit.code[neuron, pixel]), int(visit.potential[neuron, pixel])
                assert (fired.codes[lane], fired.potentials[lane]) == expected, f"layer {layer.name}, neuron {neuron}"
            neurons += len(lanes)
        if network.timesteps > 1:
            assert len(kept) == len(places) * CFG.encoders
            for place, (pixel, lanes) in enumerate(places):
                first = place * CFG.encoders
                assert kept[first:first + len(lanes)] == visit.rest[lanes, pixel].tolist(), f"layer {layer.name}"
    recording.cancel()
    keep(began, {"neurons": neurons})


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def activity_of_exit_unit(dut):
    source, sink = Source(dut, "i", Logit(CFG)), Sink(dut, "o", Verdict(CFG))
    network, codes = picture()
    settings, observed = exit_unit.settings(network), trace(network, codes, CFG)
    dut.rule.value, dut.threshold.value, dut.shift.value = int(settings.rule), settings.threshold, settings.shift
    await start(dut)
    began, weighed = int(get_sim_time("ns")), 0
    for timestep in range(int(decide(network, observed).timesteps[0])):
        logits = observed.logits[:, timestep]
        dut.scale.value = settings.scales[timestep]
        sent = [{"value": value, "last": n + 1 == network.classes} for n, value in enumerate(logits[0].tolist())]
        verdict, = await through(source, sink, sent, 1)
        evidence = exit_unit.weigh(logits, settings.scales[timestep], settings.shift)
        expected = int(exit_unit.best(logits)), int(exit_unit.sure(evidence, settings.rule, settings.threshold))
        assert (verdict.best, verdict.sure) == expected, f"timestep {timestep + 1}"
        weighed += 1
    keep(began, {"weighings": weighed})
