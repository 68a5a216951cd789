"""Random small networks on small processors: more than a test run has time for, each on the processor of its turn."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import count, islice
from pathlib import Path

from rich.console import Console

from model.compiler import compile
from model.config import ProcessorConfig
from model.network import NetworkError
from model.residence import residences
from model.schedule import Move, schedule

from .bench_bands import orders
from .bench_supply import chosen, content
from .memory import SYSTEM, filled, system
from .simulator import Simulation

__all__ = ["RESIDENT", "STREAMING", "MOVING", "moving_seeds", "resident_seeds", "soak", "streaming_seeds"]

# Room for every random network.
ROOM = {"rows": 8192, "spike_words": 2048, "state_words": 4096, "charge_words": 4096, "parameter_words": 256,
        "layers": 12, "classes": 64, "timesteps": 4}
# Two small tiles with many encoders; a wide span and a drain that everything waits for; readouts of two column groups
# whose logits hold up the drain; four walkers, alone and in pairs.
RESIDENT = {"two tiles": {**ROOM, "columns": 16, "tiles": 2, "encoders": 8, "span": 2},
            "wide span": {**ROOM, "columns": 16, "tiles": 1, "encoders": 1, "span": 4},
            "many encoders": {**ROOM, "columns": 16, "tiles": 1, "encoders": 8, "span": 1},
            "walkers": {**ROOM, "columns": 16, "tiles": 4, "walkers": 4, "encoders": 8, "span": 2}}
# Few rows, so that weights come from a memory.
STREAMING = {"64 bits": {**ROOM, "rows": 400, "columns": 16, "tiles": 1, "encoders": 8, "span": 2, "memory_width": 64},
             "128 bits": {**ROOM, "rows": 400, "columns": 16, "tiles": 2, "walkers": 2, "encoders": 8, "span": 2,
                          "memory_width": 128}}
# Few spike words and states, too, so that both move to and from the memory.
MOVING = {"bands": {**ROOM, "rows": 400, "columns": 16, "tiles": 1, "encoders": 8, "span": 2, "memory_width": 64,
                    "spike_words": 40, "state_words": 24, "charge_words": 24, "layers": 200}}
# Networks of one simulation.
BATCH = 25


def soak(networks: int, first: int, out: Path, console: Console) -> dict:
    """Hold ``networks`` random networks on two pictures each against the model: every number, every cycle.

    Parameters
    ----------
    networks : int
        Of all processors together.
    first : int
        The first seed.
    out : Path
        Where benches run and leave their logs.

    Returns
    -------
    dict
        By processor: how many ``networks`` and ``pictures`` agreed, and the ``last`` seed.

    Raises
    ------
    ValueError
        If there is nothing to run.
    BenchError
        If a network disagrees; the message names its seed.
    """
    if networks < 1:
        raise ValueError(f"--networks must be at least 1, not {networks}")
    if first < 0:
        raise ValueError(f"--first must be at least 0, not {first}")
    figures, processors = {}, RESIDENT | STREAMING | MOVING
    for index, (name, fields) in enumerate(processors.items()):
        cfg = ProcessorConfig(**fields)
        with console.status(f"{name}: exporting and building"):
            simulation = Simulation(system(cfg), SYSTEM)
        if name in MOVING:
            bench, seeds = "cosim.bench_bands", moving_seeds(cfg)
        elif cfg.memory_width:
            bench, seeds = "cosim.bench_supply", streaming_seeds(cfg)
        else:
            bench, seeds = "cosim.bench_system", resident_seeds(index)
        its = list(islice((seed for seed in seeds if seed >= first), -(-(networks - index) // len(processors))))
        for begin in range(0, len(its), BATCH):
            batch = its[begin:begin + BATCH]
            folder = out / f"{name}-{batch[0]}".replace(" ", "-")
            plusargs = []
            if cfg.memory_width:
                folder.mkdir(parents=True, exist_ok=True)
                memory = folder / "memory"
                memory.write_bytes(filled(orders(batch, cfg)) if name in MOVING else content(batch, cfg)[1])
                plusargs.append(f"+memory={memory.absolute()}")
            simulation.run(bench, folder, plusargs=plusargs, parameters={"cfg": fields, "seeds": batch, "pace": {}},
                           test="random_networks_agree")
            console.print(f"{name}: {begin + len(batch)} of {len(its)} networks agree, the last is {batch[-1]}",
                          highlight=False)
        figures[name] = {"networks": len(its), "pictures": 2 * len(its), "last": its[-1] if its else None}
    return figures


def resident_seeds(index: int) -> Iterator[int]:
    """Every so many, so that each processor has networks of its own."""
    return count(index, len(RESIDENT))


def streaming_seeds(cfg: ProcessorConfig) -> Iterator[int]:
    """Of networks that do not fit, but whose column groups do."""
    for seed in count():
        with suppress(NetworkError):
            if any(home.streamed for home in residences(chosen(seed).network, cfg)):
                yield seed


def moving_seeds(cfg: ProcessorConfig) -> Iterator[int]:
    """Of networks that fit, but for some of their maps and potentials."""
    for seed in count():
        network = chosen(seed).network
        with suppress(NetworkError):
            compile(network, cfg)
            if any(isinstance(step, Move) for step in schedule(network, cfg)):
                yield seed
