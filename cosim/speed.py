"""How fast the golden model and the simulation are."""

import json
import platform
import statistics
import time
from pathlib import Path

import torch

from model import processor
from model.config import PRESETS, ProcessorConfig
from model.convert import convert
from model.trained import load

from .compare import NETWORKS, ROOT
from .cycles import CONFIGS
from .memory import SYSTEM, system
from .pictures import test_pictures
from .simulator import Simulation

__all__ = ["figures", "headline"]

# The processor that is simulated.
SIZES = {"columns": 32, "tiles": 1, "encoders": 4, "span": 2}
SIMULATED = "digits-ttfs"


def figures(images: int | None = None, repeats: int = 7) -> dict:
    """Measure both; one thread, and the median of all repeats.

    Rates are per second of processor time, so that a busy neighbour does not count; ``wall`` is per second of the clock
    on the wall.

    Parameters
    ----------
    images : int, optional
        Only the first pictures of the test split.
    repeats : int

    Raises
    ------
    ValueError
        If there are not so many pictures, or nothing is repeated.
    """
    codes = {name: test_pictures(convert(load(ROOT / "networks" / name)))[0] for name in NETWORKS}
    available = len(codes[SIMULATED])
    if images is not None and not 1 <= images <= available:
        raise ValueError(f"--images must be between 1 and {available}, not {images}")
    if repeats < 1:
        raise ValueError(f"--repeats must be at least 1, not {repeats}")
    images = images or available
    return {"machine": _machine(), "images": images, "repeats": repeats,
            "model": [{"network": name, "config": config, **_model(name, config, images, repeats)}
                      for name in NETWORKS for config in CONFIGS],
            "simulation": {**SIZES, "network": SIMULATED, **_simulation(images, repeats)}}


def headline(figures: dict) -> dict[str, float]:
    """The figures to hold against those before, by what they are."""
    return {**{f"model, {run['network']} on {run['config']}, images/s": run["rate"] for run in figures["model"]},
            "simulation asleep, cycles/s": figures["simulation"]["asleep"]["rate"],
            "simulation in all, cycles/s": figures["simulation"]["whole"]["rate"]}


def _model(name: str, config: str, images: int, repeats: int) -> dict:
    """Images a second: class, timestep, logits, counters, cycles and signatures of every picture."""
    network, cfg = convert(load(ROOT / "networks" / name)), PRESETS[config]
    codes = test_pictures(network)[0][:images]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    # The first run also fills tables.
    processor.run(network, codes, cfg)
    rates = []
    for _ in range(repeats):
        wall, busy = time.perf_counter(), time.process_time()
        processor.run(network, codes, cfg)
        rates.append((images / (time.process_time() - busy), images / (time.perf_counter() - wall)))
    torch.set_num_threads(threads)
    return _rates(rates)


def _simulation(images: int, repeats: int) -> dict:
    """Clock cycles a second of the exported Verilog, while Python sleeps and with all it does over the bus."""
    simulation = Simulation(system(ProcessorConfig(**SIZES)), SYSTEM)
    folder = ROOT / "build" / "speed"
    file = folder / "speed.json"
    parameters = {"cfg": SIZES, "network": str(ROOT / "networks" / SIMULATED), "images": images, "file": str(file)}
    found = []
    for _ in range(repeats):
        simulation.run("cosim.bench_speed", folder, parameters=parameters)
        found.append(json.loads(file.read_text()))
    return {part: {"cycles": round(found[0][part][0]),
                   **_rates([(cycles / busy, cycles / wall) for cycles, wall, busy in (each[part] for each in found)])}
            for part in ("asleep", "whole")}


def _rates(found: list[tuple[float, float]]) -> dict:
    """The medians of the rates per second of processor time and on the wall."""
    return {name: round(statistics.median(rates)) for name, rates in zip(("rate", "wall"), zip(*found))}


def _machine() -> str:
    """The processor's name, where the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
