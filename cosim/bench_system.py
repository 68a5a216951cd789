"""The exported processor on random networks, and on everything a host can do wrong.

Parameters: ``cfg``, the fields of the configuration, and ``seeds``, the random networks.
"""

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from cosim.host import Host, HostError
from cosim.lockstep import expected_result, first_difference
from cosim.random_networks import seeded
from cosim.simulator import parameters
from model import processor
from model.compiler import compile
from model.config import ProcessorConfig, Target
from model.descriptor import pack
from model.image import Section
from rtl.sequencer import COUNTS


async def begin(dut) -> tuple[Host, ProcessorConfig]:
    cfg = ProcessorConfig(**parameters()["cfg"])
    host = Host(dut, cfg)
    await host.reset()
    return host, cfg


async def load_case(host, cfg, case):
    await host.load_image(compile(case.network, cfg))
    return processor.run(case.network, case.codes, cfg)


async def check(host, case, decision, index=0):
    """Run a picture and hold it against the model."""
    result = await host.run(case.codes[index].numpy())
    difference = first_difference(expected_result(decision, index), result)
    assert difference is None, difference


@cocotb.test()
async def random_networks_agree(dut):
    host, cfg = await begin(dut)
    checked = 0
    for seed in parameters()["seeds"]:
        case = seeded(seed)
        decision = await load_case(host, cfg, case)
        for index in range(len(case.codes)):
            try:
                await check(host, case, decision, index)
            except (AssertionError, HostError) as error:
                raise AssertionError(f"random network {seed}, image {index}: {error}") from error
            checked += 1
    assert checked >= len(parameters()["seeds"]) > 0


async def fails_with(host, code):
    """Sleep until the interrupt, which must report ``code``."""
    try:
        await host.finish()
    except HostError as error:
        assert f"reports {code} " in str(error), f"expected {code}: {error}"
    else:
        raise AssertionError(f"expected {code}, the run ended well")


@cocotb.test()
async def every_error_is_reported_and_forgiven(dut):
    """Provoke each error; the processor must interrupt, name it, and then classify as if nothing had been."""
    host, cfg = await begin(dut)
    case = seeded(parameters()["seeds"][0])
    decision = await load_case(host, cfg, case)
    image = compile(case.network, cfg)
    codes = case.codes[0].numpy()
    provoked = []

    async def provoke(code, *steps):
        for step in steps:
            await step
        await fails_with(host, code)
        provoked.append(code)
        # Not every error ends the run.
        if (await host.read("status"))[0] & 1:
            await host.finish()
        # Forget a section that was refused, and bring everything back.
        await host.write("control", 2)
        await host.write("cycle_limit", 1_000_000)
        await host.load_image(image)
        await check(host, case, decision)

    def head(target, granules=1, address=0, entries=1):
        return host.load(np.array([target | granules << 8, address, entries], np.uint32))

    def descriptor(**fields):
        words = pack({**image.descriptors[0], **fields})
        return host.load(Section(target=Target.DESCRIPTORS, address=0,
                                 entries=np.array(words, np.uint32).reshape(-1, 1)).words())

    async def refused(access):
        try:
            await access
        except HostError:
            return
        raise AssertionError("the access was not answered with an error")

    await check(host, case, decision)
    await provoke("REGISTER", refused(host.write("id", 1)))
    await provoke("REGISTER", refused(host.read("control")))
    await provoke("LOAD", head(target=9))
    await provoke("LOAD", head(Target.DESCRIPTORS, granules=0))
    await provoke("LOAD", head(Target.DESCRIPTORS, granules=2))
    await provoke("LOAD", head(Target.SPIKES, address=cfg.spike_words))
    await provoke("LOAD", head(Target.TILES + cfg.tiles))
    await provoke("LOAD", head(Target.SCALES), host.start())
    await provoke("BUSY", host.load_picture(codes), host.start(), host.start())
    await provoke("BUSY", host.load_picture(codes), host.start(), host.load_picture(codes))
    await provoke("SETTINGS", host.write("network", 0), host.start())
    await provoke("SETTINGS", host.write("network", image.network_register | 0xff00), host.start())
    await provoke("SETTINGS", host.write("exit", 1), host.write("exit_threshold", 1 << 16), host.start())
    await provoke("CYCLES", host.write("cycle_limit", 50), host.start())
    await provoke("ABORTED", host.start(), host.write("control", 2))
    await provoke("ADDRESS", descriptor(input_base=cfg.spike_words), host.start())
    await provoke("ADDRESS", descriptor(row_base=cfg.rows), host.start())
    await provoke("ADDRESS", descriptor(start_base=cfg.parameter_words), host.start())
    if len(image.descriptors) > 1:
        await provoke("ADDRESS", descriptor(output_base=cfg.spike_words), host.start())
    for field in COUNTS:
        await provoke("DESCRIPTOR", descriptor(**{field: 0}), host.start())
    await provoke("DESCRIPTOR", descriptor(source=1), host.start())
    await provoke("DESCRIPTOR", descriptor(readout=1 - image.descriptors[0]["readout"]), host.start())
    assert set(provoked) == {"REGISTER", "LOAD", "BUSY", "SETTINGS", "CYCLES", "ABORTED", "ADDRESS", "DESCRIPTOR"}
    await ClockCycles(dut.clk, 10)
    assert not dut.interrupt.value, "an interrupt is left over"
