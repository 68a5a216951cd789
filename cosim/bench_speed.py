"""How many clock cycles of the exported processor pass in a second: while Python sleeps, and in all.

Parameters: ``cfg``, the fields of the configuration; ``network``, path of a trained network; ``images``, how many
pictures of the test split; ``file``, where the figures go.
"""

import json
import time
from pathlib import Path

import cocotb
from cocotb.triggers import RisingEdge
from cocotb.utils import get_sim_time

from cosim.host import CLOCK_PERIOD_NS, Host
from cosim.pictures import test_pictures
from cosim.simulator import parameters
from model import processor
from model.compiler import compile
from model.config import ProcessorConfig
from model.convert import convert
from model.trained import load


class Stopwatch:
    """Clock cycles, seconds, and seconds of processor time between :meth:`start` and :meth:`stop`, added up."""

    def __init__(self):
        self.passed = [0, 0, 0]

    def now(self):
        return get_sim_time("ns") / CLOCK_PERIOD_NS, time.perf_counter(), time.process_time()

    def start(self):
        self.began = self.now()

    def stop(self):
        self.passed = [passed + now - began for passed, now, began in zip(self.passed, self.now(), self.began)]


@cocotb.test()
async def cycles_are_counted_while_python_sleeps_and_in_all(dut):
    job = parameters()
    cfg = ProcessorConfig(**job["cfg"])
    network = convert(load(job["network"]))
    codes = test_pictures(network)[0][:job["images"]]
    decision = processor.run(network, codes, cfg)
    host = Host(dut, cfg)
    await host.reset()
    await host.load_image(compile(network, cfg))

    asleep, whole = Stopwatch(), Stopwatch()
    whole.start()
    for index, picture in enumerate(codes):
        await host.load_picture(picture.numpy())
        await host.start()
        asleep.start()
        await RisingEdge(dut.interrupt)
        asleep.stop()
        await host.finish()
        result = await host.result()
        assert result.logits == decision.logits[index].tolist(), f"image {index}: the logits differ"
    whole.stop()
    Path(job["file"]).write_text(json.dumps({"asleep": asleep.passed, "whole": whole.passed}))
