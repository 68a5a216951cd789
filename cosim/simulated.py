"""A processor in simulation, for programs that are none of a simulator: a bus of :mod:`firmware`.

::

    with simulated("tiny") as bus:
        result = Processor(bus).load("digits.image").run(pictures)

The simulator is a process of its own; :mod:`cosim.bench_simulated` does there what it is asked for, over a socket.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from tempfile import TemporaryDirectory

from model.config import ProcessorConfig, preset

from .memory import SYSTEM, system
from .simulator import Simulation

__all__ = ["SimulatedBus", "simulated"]


class SimulatedBus:
    """Asks the simulator. No time passes in it between two accesses."""

    def __init__(self, connection: Connection):
        self.connection = connection

    def read(self, address: int, words: int) -> list[int]:
        return self._ask("read", address, words)

    def write(self, address: int, words: Sequence[int]):
        self._ask("write", address, words)

    def sleep(self, seconds: float):
        # The bench returns after so many cycles, soon enough for any timeout.
        self._ask("sleep")

    def _ask(self, *request):
        self.connection.send(request)
        return self.connection.recv()


@contextmanager
def simulated(cfg: ProcessorConfig | str) -> Iterator[SimulatedBus]:
    """A processor in simulation, whose runs end with an error after :data:`cosim.host.CYCLE_LIMIT` cycles.

    Parameters
    ----------
    cfg : ProcessorConfig or str
        A configuration, or the name of a preset. Verilator builds it the first time, which takes minutes.

    Raises
    ------
    ValueError
        If it has a memory bus, or there is no such preset.
    BenchError
        If the simulation fails, as it does after an access that the processor refuses.
    """
    cfg = preset(cfg) if isinstance(cfg, str) else cfg
    if cfg.memory_width:
        raise ValueError("a simulated processor has no memory for weights: choose a configuration without a memory bus")
    simulation = Simulation(_verilog(cfg), SYSTEM)
    with TemporaryDirectory() as folder, Listener(f"{folder}/bus") as listener, ThreadPoolExecutor(1) as threads:

        def simulate():
            try:
                simulation.run("cosim.bench_simulated", Path(folder), parameters={
                    "cfg": cfg.as_dict(), "address": listener.address})
            finally:
                # Nobody waits for a simulation that ended before it came.
                with suppress(OSError):
                    Client(listener.address).close()

        simulation_ends = threads.submit(simulate)
        try:
            with listener.accept() as connection:
                yield SimulatedBus(connection)
        except (EOFError, OSError):
            # It says better why it is gone.
            simulation_ends.result()
            raise
        simulation_ends.result()


@cache
def _verilog(cfg: ProcessorConfig) -> str:
    return system(cfg)
