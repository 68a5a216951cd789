"""Lockstep of the exported processor against :mod:`model.processor`, picture by picture over the real bus."""

import json
import os
import time
from contextlib import suppress
from pathlib import Path

import cocotb
import torch
from cocotb.triggers import RisingEdge
from cocotb.utils import get_sim_time

from cosim.host import CLOCK_PERIOD_NS, Host, HostError
from cosim.lockstep import DisagreementError, Emission, expected_result, first_difference, first_emission_that_differs
from cosim.pictures import test_pictures
from cosim.simulator import parameters
from model import processor
from model.config import ProcessorConfig
from model.convert import convert
from model.image import Image
from model.network import Exit, Rule
from model.supply import Pace
from model.trained import load


@cocotb.test()
async def every_number_agrees(dut):
    """Parameters: see :meth:`cosim.compare.Job.parameters`."""
    job = parameters()
    cfg = ProcessorConfig.from_dict(job["cfg"])
    network = convert(load(job["network"]))
    codes, labels = test_pictures(network, max(job["indices"]) + 1)
    codes = codes[job["indices"]]
    memory = Pace(**job["memory_pace"])
    golden = processor.trace(network, codes, cfg, memory=memory)
    decision = processor.decide(network, golden)

    host = Host(dut, cfg)
    await host.reset()

    worker = os.getppid()

    async def check(position, decision, network=network, codes=codes):
        """Run one picture and hold it against the model."""
        if os.getppid() != worker:
            # The worker was lost, and another one runs this piece again.
            os._exit(1)
        index = job["indices"][position]
        try:
            result = await host.run(codes[position].numpy())
            difference = first_difference(expected_result(decision, position), result, memory)
        except HostError as error:
            result, difference = None, str(error)
        if difference is not None:
            emissions = await record(host, codes[position].numpy())
            place = first_emission_that_differs(network, codes[position], cfg, emissions)
            raise DisagreementError(f"network {network.name}, image {index}, {place or difference}")
        return result

    async def budget(timesteps):
        """Stop the runs that follow after so many timesteps."""
        await host.write("exit", Rule.BUDGET)
        await host.write("network", host.layers | timesteps << 8 | network.classes << 16)

    async def ask_policy():
        """Run every picture through the policy; what it costs, and the timesteps it names."""
        policy = convert(load(job["policy"]))
        codes = test_pictures(policy, max(job["indices"]) + 1)[0][job["indices"]]
        decision = processor.run(policy, codes, cfg, memory=memory)
        await host.load_image(Image.from_bytes(Path(job["policy_image"]).read_bytes()))
        results = [await check(position, decision, policy, codes) for position in range(len(codes))]
        return [result.counters for result in results], [result.class_index + 1 for result in results]

    try:
        with open(job["progress"], "w") as progress:
            began, began_ns = time.perf_counter(), get_sim_time("ns")
            if "policy" in job:
                spent, named = await ask_policy()
                decision = processor.decide(network, golden, exit=Exit(), budget=torch.tensor(named))
            await host.load_image(Image.from_bytes(Path(job["image"]).read_bytes()))
            for position, index in enumerate(job["indices"]):
                if "policy" in job:
                    await budget(named[position])
                result = await check(position, decision)
                counters = result.counters
                if "policy" in job:
                    counters = {name: count + spent[position][name] for name, count in counters.items()}
                line = {"index": index, "label": int(labels[index]), "class_index": result.class_index,
                        "timesteps": result.timestep, **counters}
                print(json.dumps({"picture": line}), file=progress, flush=True)
            speed = (get_sim_time("ns") - began_ns) / CLOCK_PERIOD_NS / (time.perf_counter() - began)
            print(json.dumps({"cycles_per_second": speed}), file=progress, flush=True)

            # What a run costs that stops after each timestep: a budget stops all pictures there.
            for timesteps in range(1, network.timesteps + 1) if job["budget_images"] else ():
                stopped = processor.decide(network, golden, exit=Exit(), budget=timesteps)
                await budget(timesteps)
                cycles = [(await check(position, stopped)).counters["cycles"]
                          for position in range(job["budget_images"])]
                print(json.dumps({"budget": timesteps, "cycles": cycles}), file=progress, flush=True)
    except DisagreementError as error:
        Path(job["disagreement"]).write_text(str(error))
        raise


async def record(host: Host, codes) -> list[Emission]:
    """Run one picture again and watch the trace ports, until the interrupt."""
    dut, emissions = host.dut, []

    async def watch():
        while True:
            await RisingEdge(dut.clk)
            if dut.trace_valid.value:
                emissions.append(Emission(timestep=dut.trace_timestep.value.to_unsigned(),
                                          layer=dut.trace_layer.value.to_unsigned(),
                                          word=dut.trace_word.value.to_unsigned()))

    await host.load_picture(codes)
    watcher = cocotb.start_soon(watch())
    await host.start()
    # If it fails, what it emitted before says more than the error.
    with suppress(HostError):
        await host.finish()
    watcher.cancel()
    return emissions
