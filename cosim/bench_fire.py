"""Lockstep of the exported fire unit with :mod:`model.fire`."""

import cocotb
import torch
from cocotb.triggers import ClockCycles, RisingEdge

from cosim.simulator import configuration
from cosim.streams import Sink, Source, packed, start, through
from model.config import GRAINS, ProcessorConfig, Reset
from model.fire import fire
from model.network import Coding
from rtl.drain import Beat
from rtl.fire import Fired
from rtl.layouts import Charges, Descriptor

CFG = configuration(ProcessorConfig(columns=16, encoders=4))
COUNT = 600


def neurons():
    """State, charge and bias of every size and sign, and gains near their sum: each (neurons,)."""
    sizes = 2 ** (torch.rand(3, COUNT) * 21)
    operands = (sizes * (torch.randint(2, (3, COUNT)) * 2 - 1)).int()
    octaves = sizes.amax(0).log2() - CFG.numerics.fraction_width
    gain = (-4 * octaves + torch.randint(-30, 5, (COUNT,))).clamp(-64, 63).int()
    return *operands, gain


async def record(dut, kept):
    """Append the states that are written, neuron by neuron."""
    while True:
        await RisingEdge(dut.clk)
        if dut.states__enable.value:
            kept.extend(Charges(CFG, CFG.encoders).from_bits(int(dut.states__data.value)))


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(tau=[1, 2, 4], nearest=[False, True], reset=[int(reset) for reset in Reset],
                    pauses=[(0, 0), (0.4, 0.6)])
async def every_neuron_matches(dut, tau, nearest, reset, pauses):
    gap, stall = pauses
    source, sink = Source(dut, "i", Beat(CFG), gap=gap), Sink(dut, "o", Fired(CFG), stall=stall)
    coding = Coding(window=24, tau=tau, nearest=nearest)
    leak_shift = 2 * tau - 1 - nearest
    dut.layer.value = packed({"stateful": 1, "leak_shift": leak_shift, "reset": reset, "window": coding.window,
                              "nearest": nearest, "output_shift": GRAINS.index(coding.grain)}, Descriptor)
    await start(dut)

    torch.manual_seed(cocotb.RANDOM_SEED % 2**63)
    state, charge, bias, gain = neurons()
    code, potential, rest = (part.tolist() for part in fire(
        state, charge, bias, gain, leak_shift=leak_shift, reset=Reset(reset), coding=coding, numerics=CFG.numerics))
    beats = []
    lanes = zip(*(operand.view(-1, CFG.encoders).tolist() for operand in (state, charge, bias, gain)))
    for beat, (states, charges, biases, gains) in enumerate(lanes):
        beats.append({"states": states, "charges": charges,
                      "parameters": [{"bias": b, "gain": g} for b, g in zip(biases, gains)],
                      "place": {"lanes": (1 << CFG.encoders) - 1, "word_address": beat}})
    kept = []
    recording = cocotb.start_soon(record(dut, kept))
    for beat, fired in enumerate(await through(source, sink, beats, len(beats))):
        assert fired.place.word_address == beat
        for lane in range(CFG.encoders):
            n = beat * CFG.encoders + lane
            assert (fired.codes[lane], fired.potentials[lane]) == (code[n], potential[n]), f"neuron {n}"
    await ClockCycles(dut.clk, 2)
    recording.cancel()
    assert kept == rest
