"""The exported processor on Wishbone: a trained network, and accesses that are refused.

Parameters: ``config``, a preset; ``network``, path of a trained network; ``images``, how many pictures of the test
split.
"""

import cocotb
from cocotbext.axi import AxiResp

from cosim.host import Host, HostError
from cosim.lockstep import expected_result, first_difference
from cosim.pictures import test_pictures
from cosim.simulator import parameters
from cosim.wishbone import ALL_BYTES, WishboneMaster
from model import processor
from model.compiler import compile
from model.config import preset
from model.convert import convert
from model.trained import load


@cocotb.test()
async def every_number_agrees_also_after_accesses_that_are_refused(dut):
    told = parameters()
    cfg, network = preset(told["config"]), convert(load(told["network"]))
    codes, _ = test_pictures(network, told["images"])
    decision = processor.run(network, codes, cfg)
    bus = WishboneMaster(dut)
    host = Host(dut, cfg, bus)
    await host.reset()
    await host.load_image(compile(network, cfg))

    for name, data, select in (("id", 1, ALL_BYTES), ("control", None, ALL_BYTES), ("load", 1, 0b0111)):
        response, _ = await bus.access(host.address(name), data, select=select)
        assert response == AxiResp.SLVERR, f"the access to {name} is not refused"
        try:
            await host.finish()
        except HostError as error:
            assert str(error).endswith(f"REGISTER in layer 0, detail {host.address(name):#x}"), error
        else:
            raise AssertionError(f"the access to {name} is not reported")

    for index, picture in enumerate(codes):
        difference = first_difference(expected_result(decision, index), await host.run(picture.numpy()))
        assert difference is None, f"network {network.name}, image {index}, {difference}"
