"""The exported processor on a serial line: a trained network, and an access that is refused.

Parameters: ``config``, a preset; ``bit_cycles``, of the line; ``network``, path of a trained network; ``images``, how
many pictures of the test split.
"""

import cocotb

from cosim.host import Host, HostError
from cosim.lockstep import expected_result, first_difference
from cosim.pictures import test_pictures
from cosim.simulator import parameters
from cosim.uart import UartMaster
from model import processor
from model.compiler import compile
from model.config import preset
from model.convert import convert
from model.trained import load


@cocotb.test()
async def every_number_agrees_also_after_an_access_that_is_refused(dut):
    told = parameters()
    cfg, network = preset(told["config"]), convert(load(told["network"]))
    codes, _ = test_pictures(network, told["images"])
    decision = processor.run(network, codes, cfg)
    host = Host(dut, cfg, UartMaster(dut, told["bit_cycles"]))
    await host.reset()

    await host.write("id", 1)
    try:
        await host.finish()
    except HostError as error:
        assert str(error).endswith(f"REGISTER in layer 0, detail {host.address('id'):#x}"), error
    else:
        raise AssertionError("the access is not reported")

    await host.load_image(compile(network, cfg))
    for index, picture in enumerate(codes):
        difference = first_difference(expected_result(decision, index), await host.run(picture.numpy()))
        assert difference is None, f"network {network.name}, image {index}, {difference}"
