"""The exported processor while its weights come from a memory: random networks, bus errors, weights that were changed.

Parameters: ``cfg``, the fields of the configuration; ``seeds``, the random networks; ``pace``, the fields of that of
the memory, or none if it is random, and no cycles are predicted. What the memory holds is :func:`content`.
"""

from dataclasses import replace

import cocotb
import torch
from torch import Tensor

from cosim.bench_system import fails_with
from cosim.host import Host, HostError
from cosim.lockstep import expected_result, first_difference
from cosim.memory import BEATS, laid
from cosim.random_networks import Case, seeded
from cosim.simulator import parameters
from model import processor
from model.compiler import compile
from model.config import SIGN_BIT, ProcessorConfig, Target
from model.image import Image
from model.network import Network
from model.residence import residences
from model.supply import IDEAL, Pace

__all__ = ["chosen", "content"]

# Output channels of several column groups.
CHANNELS = (16, 32, 33, 48, 64, 70)
# Weights of a layer that are changed in search of one that makes a difference.
TRIES = 50


def chosen(seed: int) -> Case:
    """A random network of several layers with many column groups."""
    return seeded(seed, channels=CHANNELS, layers=range(2, 5), classes=range(2, 40))


def changed(seeds: list[int], cfg: ProcessorConfig) -> tuple[int, Network]:
    """Which of the networks is the first where a weight from the memory is found whose sign is seen in the answer, and
    that network with the other sign there. In some, nothing spikes.
    """
    for index, case in enumerate(map(chosen, seeds)):
        expected = processor.run(case.network, case.codes, cfg)
        for number, home in enumerate(residences(case.network, cfg)):
            layer = case.network.layers[number]
            seen = home.streamed and expected.counters["events"][0, number]
            size = layer.weight.numel() if seen else 0
            for synapse in range(0, size, size // TRIES + 1):
                weight = layer.weight.clone()
                weight.view(-1)[synapse] ^= SIGN_BIT
                layers = list(case.network.layers)
                layers[number] = replace(layer, weight=weight)
                other = replace(case.network, layers=tuple(layers))
                if not torch.equal(processor.run(other, case.codes, cfg).signatures[0], expected.signatures[0]):
                    return index, other
    raise ValueError(f"no weight of the networks {', '.join(map(str, seeds))} makes a difference")


def content(seeds: list[int], cfg: ProcessorConfig) -> tuple[list[Image], bytes]:
    """The images of all networks, last that of :func:`changed`, and what the memory holds."""
    networks = [chosen(seed).network for seed in seeds]
    return laid(compile(network, cfg) for network in (*networks, changed(seeds, cfg)[1]))


async def begin(dut) -> tuple[Host, ProcessorConfig, list[Image]]:
    cfg = ProcessorConfig(**parameters()["cfg"])
    host = Host(dut, cfg)
    await host.reset()
    return host, cfg, content(parameters()["seeds"], cfg)[0]


def memory() -> Pace | None:
    """The memory of this bench; none if its pace is random."""
    return None if parameters()["pace"] is None else Pace(**parameters()["pace"])


def expected(network: Network, codes: Tensor, cfg: ProcessorConfig) -> processor.Decision:
    """What the model says, with the memory of this bench."""
    return processor.run(network, codes, cfg, memory=memory() or IDEAL)


async def difference(host, case, decision, index=0) -> str | None:
    """Run a picture; where it differs from the model."""
    return first_difference(expected_result(decision, index), await host.run(case.codes[index].numpy()), memory())


@cocotb.test()
async def random_networks_agree(dut):
    host, cfg, images = await begin(dut)
    checked = 0
    for seed, image in zip(parameters()["seeds"], images):
        case = chosen(seed)
        assert any(fields["streamed"] for fields in image.descriptors)
        decision = expected(case.network, case.codes, cfg)
        await host.load_image(image)
        for index in range(len(case.codes)):
            try:
                differs = await difference(host, case, decision, index)
            except HostError as error:
                differs = str(error)
            assert differs is None, f"random network {seed}, image {index}: {differs}"
            checked += 1
    assert checked == 2 * len(parameters()["seeds"]) > 0


@cocotb.test()
async def a_run_that_fails_leaves_nothing_behind(dut):
    host, cfg, images = await begin(dut)
    case, image = chosen(parameters()["seeds"][0]), images[0]
    decision = expected(case.network, case.codes, cfg)
    weights = sum(len(section.entries) for section in image.sections if section.target == Target.MEMORY)
    provoked = 0
    # Nothing of it lies in the memory; all but the last beat does.
    for beats, limit, abort, code in ((BEATS, None, False, "MEMORY"), (BEATS - weights + 1, None, False, "MEMORY"),
                                      (0, 40, False, "CYCLES"), (0, 300, False, "CYCLES"), (0, None, True, "ABORTED")):
        await host.load_image(image.moved(beats))
        await host.load_picture(case.codes[0].numpy())
        if limit:
            await host.write("cycle_limit", limit)
        await host.start()
        if abort:
            await host.write("control", 2)
        await fails_with(host, code)
        await host.write("cycle_limit", 1_000_000)
        # At once, while beats may be on their way.
        await host.load_image(image)
        differs = await difference(host, case, decision)
        assert differs is None, differs
        provoked += 1
    assert provoked == 5


@cocotb.test()
async def a_weight_that_was_changed_in_the_memory_is_found(dut):
    host, cfg, images = await begin(dut)
    seeds = parameters()["seeds"]
    index, network = changed(seeds, cfg)
    case, image, other = chosen(seeds[index]), images[index], images[-1]
    first = next(fields["weight_base"] for fields in image.descriptors if fields["streamed"])
    there = next(fields["weight_base"] for fields in other.descriptors if fields["streamed"])
    await host.load_image(image.moved(there - first))
    assert await difference(host, case, expected(case.network, case.codes, cfg)) is not None
    assert await difference(host, case, expected(network, case.codes, cfg)) is None
