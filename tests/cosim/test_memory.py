import random
from pathlib import Path

import pytest

from cosim import bench_memory
from cosim.simulator import Simulation
from rtl.reader import Reader
from rtl.verilog import export

MEMORY = Path(bench_memory.__file__).with_name("memory.sv")


@pytest.mark.parametrize("latency, pause", [(0, 0), (37, 0), (5, 2)])
def test_the_reader_gets_what_lies_in_the_memory(latency, pause, tmp_path):
    file = tmp_path / "content"
    # Shorter than the memory: the rest is zero.
    content = random.Random(1).randbytes(8 * (bench_memory.BEATS - 100))
    file.write_bytes(content + bytes(800))
    reader = export(Reader(bench_memory.ADDRESS_WIDTH, bench_memory.WIDTH), "reader")
    simulation = Simulation(reader + MEMORY.read_text() + bench_memory.TOP, "system")
    passed = simulation.run("cosim.bench_memory", tmp_path / "run",
                            parameters={"memory": str(file), "latency": latency, "pause": pause},
                            plusargs=[f"+memory={file}", f"+latency={latency}", f"+pause={pause}"])
    assert len(passed) == 4
