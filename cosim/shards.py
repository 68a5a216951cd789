"""A comparison in pieces, each run by a worker: processes of this machine, or those of a running Dask cluster.

What a worker had that was lost is run again by another one.
"""

import hashlib
import json
import logging
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .memory import SYSTEM
from .simulator import BenchError, BrokeOffError, Simulation

__all__ = ["Outcome", "Shard", "cut", "digest", "run", "workers"]

ROOT = Path(__file__).parents[1]
# How often a shard is run again whose simulation, or whose worker, was lost.
RETRIES = 3
CONNECT_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Pictures of one network, and all that a worker needs to run them but the project itself.

    Parameters
    ----------
    verilog : str
        Of :func:`cosim.memory.system`.
    waves : bool
    files : dict of bytes
        By name: the trained ``network`` and its ``policy``, which are two files each, their images, and the ``memory``.
    parameters : dict
        Of :mod:`cosim.bench_processor`, but for its files.
    folder : Path
        Where the bench runs, if the worker can write there; else in a temporary folder of its own.
    project : str
        Of the project that made the shard, see :func:`digest`.
    """

    verilog: str
    waves: bool
    files: dict[str, bytes]
    parameters: dict
    folder: Path
    project: str

    @property
    def progress(self) -> Path:
        """What the bench writes: a line of JSON per picture, then the speed, then a line per budget."""
        return self.folder / "progress.jsonl"

    def lines(self) -> list[dict]:
        """What the bench has written so far, as far as it can be seen from here."""
        if not self.progress.exists():
            return []
        return [json.loads(line) for line in self.progress.read_text().splitlines(keepends=True) if line.endswith("\n")]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a shard.

    Parameters
    ----------
    lines : list of dict
        Of its progress, all of them if nothing disagreed.
    disagreement : str
        The first one; empty if there is none.
    log : str
        Where the bench's log lies, and on which host.
    """

    lines: list[dict]
    disagreement: str
    log: str


def cut(indices: list[int], budget_images: int, count: int) -> Iterator[dict]:
    """Pictures in at most ``count`` pieces, with those of the first ``budget_images`` that are also run with every
    budget, as parameters of the bench. A piece takes some seconds to begin, so there are no more than workers.
    """
    size = -(-len(indices) // count)
    for begin in range(0, len(indices), size):
        piece = indices[begin:begin + size]
        yield {"indices": piece, "budget_images": min(max(budget_images - begin, 0), len(piece))}


def run(shard: Shard) -> Outcome:
    """Run a shard, on the worker.

    Raises
    ------
    ValueError
        If the worker has another version of the project.
    RuntimeError
        If Verilator refuses the design.
    BrokeOffError
        If the simulation was lost.
    """
    if digest() != shard.project:
        raise ValueError(f"the project on {socket.gethostname()} differs from the one that compares")
    folder = shard.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="firstlight-"))
    paths = {name: folder / name for name in ("progress.jsonl", "disagreement.txt")}
    for path in paths.values():
        path.unlink(missing_ok=True)
    for name, content in shard.files.items():
        (folder / name).write_bytes(content)
    # The two files of a network go by one name.
    named = {name: str((folder / name).absolute()) for name in {Path(name).stem for name in shard.files} - {"memory"}}
    plusargs = [f"+{name}={cycles}" for name, cycles in shard.parameters["memory_pace"].items()]
    if "memory" in shard.files:
        plusargs.append(f"+memory={(folder / 'memory').absolute()}")
    progress, disagreement = paths.values()
    parameters = {**shard.parameters, **named, "progress": str(progress.absolute()),
                  "disagreement": str(disagreement.absolute())}
    said = ""
    try:
        Simulation(shard.verilog, SYSTEM, waves=shard.waves).run("cosim.bench_processor", folder,
                                                                 parameters=parameters, plusargs=plusargs)
    except BrokeOffError:
        raise
    except BenchError as error:
        said = disagreement.read_text() if disagreement.exists() else str(error)
    lines = [json.loads(line) for line in progress.read_text().splitlines()] if progress.exists() and not said else []
    return Outcome(lines=lines, disagreement=said, log=f"{folder / 'log'} on {socket.gethostname()}")


@contextmanager
def workers(jobs: int, cluster: str | None):
    """A client of ``jobs`` processes of this machine, or of the scheduler at the address ``cluster``; and their number.

    Raises
    ------
    ValueError
        If no scheduler answers there, or it has no worker.
    """
    import dask
    from distributed import Client, LocalCluster

    # A shard carries all its files: what lies on a worker would be lost with it.
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GiB"})
    if cluster is None:
        # Any free port: another comparison may run beside this one.
        with LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address="localhost:0",
                          silence_logs=logging.CRITICAL) as local, Client(local) as client:
            yield client, jobs
        return
    try:
        client = Client(cluster, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise ValueError(f"no scheduler answers at {cluster}: {error}") from None
    with client:
        count = sum(worker["nthreads"] for worker in client.scheduler_info(n_workers=-1)["workers"].values())
        if not count:
            raise ValueError(f"the scheduler at {cluster} has no worker")
        yield client, count


@cache
def digest() -> str:
    """SHA-256 of the code that decides what a bench expects: the model's, and the benches'."""
    sources = sorted(path for package in ("model", "cosim") for path in (ROOT / package).rglob("*.py"))
    found = hashlib.sha256()
    for path in sources:
        with suppress(OSError):
            found.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return found.hexdigest()
