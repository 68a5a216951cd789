"""Trained networks on the exported Verilog against the golden model, every number."""

import hashlib
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from model import processor, record
from model.compiler import compile
from model.config import SILENT, ProcessorConfig, preset
from model.convert import convert
from model.image import Image
from model.network import Exit, Network, Rule
from model.supply import IDEAL, Pace
from model.trained import load

from . import report
from .memory import BEATS, SYSTEM, laid, system
from .pictures import test_pictures
from .results import NEAR_QUANTITIES, QUANTITIES, Agreement, NetworkResult, Picture, Raster, Results, SweepPoint
from .shards import RETRIES, Outcome, Shard, cut, digest, run, workers
from .simulator import Simulation

__all__ = ["NETWORKS", "compare"]

ROOT = Path(__file__).parents[1]
NETWORKS = ("digits-ttfs", "digits-lif")
# Pictures that are also run with every budget, to measure what a timestep costs.
BUDGET_IMAGES = 40
POLL_SECONDS = 0.5
JOBS = os.cpu_count()
# Thresholds of the exit sweep: down from the entropy of a guess, so many to an octave.
SWEEP_OCTAVES = 10
SWEEP_STEPS = 4


@dataclass(frozen=True, kw_only=True)
class Job:
    """One network to compare.

    Parameters
    ----------
    name : str
        Of the network, or of the policy that names its timesteps.
    sha256 : str
        Of its weights.
    network : Network
    indices : list of int
        Pictures of the test split.
    folder : Path
        Where the benches run.
    files : dict of bytes
        See :class:`cosim.shards.Shard`.
    policy : Network, optional
        Runs first, and names the timesteps of each picture.
    """

    name: str
    sha256: str
    network: Network
    indices: list[int]
    folder: Path
    files: dict[str, bytes]
    policy: Network | None = None

    @property
    def budget_images(self) -> int:
        return min(BUDGET_IMAGES, len(self.indices)) if self.network.timesteps > 1 and not self.policy else 0

    def shards(self, verilog: str, cfg: ProcessorConfig, memory: Pace, waves: bool, count: int) -> list[Shard]:
        """At most ``count`` pieces of this job, in the order of its pictures."""
        made = []
        for piece in cut(self.indices, self.budget_images, count):
            folder = self.folder / f"{piece['indices'][0]}-{piece['indices'][-1]}"
            parameters = {**piece, "cfg": cfg.as_dict(), "memory_pace": asdict(memory)}
            made.append(Shard(verilog=verilog, waves=waves, files=self.files, folder=folder.absolute(),
                              parameters=parameters, project=digest()))
        return made

    def steps(self, shard: Shard) -> int:
        """Runs of the processor in one of its pieces."""
        return len(shard.parameters["indices"]) + shard.parameters["budget_images"] * self.network.timesteps


def compare(names: list[str], *, config: str = "default", images: int | None = None, waves: int | None = None,
            image_files: dict[str, Path] | None = None, out: Path = ROOT / "build" / "compare", recorded: bool = False,
            jobs: int = JOBS, cluster: str | None = None, memory: Pace = IDEAL, console: Console | None = None) -> bool:
    """Run networks on the exported Verilog, over the bus, and hold every number against the golden model.

    Parameters
    ----------
    names : list of str
        Networks under ``networks/``, or paths of trained networks.
    config : str
        Preset of the processor.
    images : int, optional
        So many pictures from the beginning of the test split; without it, all the digits, or the slice of another test
        split that the project carries.
    waves : int, optional
        Only this picture, with waves in ``<out>/<network>/<picture>-<picture>/dump.vcd``.
    image_files : dict, optional
        Load this file, by name of the network, instead of the freshly compiled image.
    out : Path
        Where results, page and logs go.
    recorded : bool
        Keep what each network came to in ``results/compare-<network>-<config>.json``, too; with a memory that is not
        ideal, ``-<latency>-<pause>`` follows the configuration.
    jobs : int
        Processes of this machine.
    cluster : str, optional
        Address of a Dask scheduler, such as ``tcp://host:8786``, whose workers run everything instead.
    memory : Pace
        Of the memory that weights come from; where it is not ideal, the cycles of a picture are predicted within 1 %.

    Returns
    -------
    bool
        Whether everything agreed. If not, the first disagreement of each network has been printed.

    Raises
    ------
    ValueError
        If an option, a network or an image cannot be used.
    """
    console = console or Console()
    cfg = preset(config)
    out.mkdir(parents=True, exist_ok=True)
    if jobs < 1:
        raise ValueError(f"--jobs must be at least 1, not {jobs}")
    for name, cycles in asdict(memory).items():
        if cycles < 0:
            raise ValueError(f"--{name} must be at least 0, not {cycles}")
    if memory != IDEAL and not cfg.memory_width:
        raise ValueError(f"--latency and --pause are those of a memory, which configuration {config} does without")
    if waves is not None and cluster:
        raise ValueError("--waves stay on the machine of their worker: leave --cluster out")
    works = [_job(name, cfg, images, waves, image_files or {}, out) for name in names]
    if len({job.name for job in works}) < len(works):
        raise ValueError("each network can be compared once")

    with workers(jobs, cluster) as (client, count):
        with console.status(f"exporting Verilog of configuration {config}"):
            verilog = system(cfg)
        (out / "firstlight.sv").write_text(verilog)
        with console.status("building the simulator (about a minute when the Verilog is new)"):
            # Workers of this machine find it built.
            if not cluster:
                Simulation(verilog, SYSTEM, waves=waves is not None)

        each = -(-count // len(works))
        pieces = {job.name: job.shards(verilog, cfg, memory, waves is not None, each) for job in works}
        outcomes = _run(works, pieces, client, console)
    failures = [next(outcome for outcome in its if outcome.disagreement) for its in outcomes.values()
                if any(outcome.disagreement for outcome in its)]
    for outcome in failures:
        console.print(f"[bold red]disagreement[/]: {outcome.disagreement}", highlight=False)
        console.print(f"the bench's log is {outcome.log}", highlight=False)
    if failures:
        return False
    if waves is not None:
        for job in works:
            console.print(f"waves of picture {waves}: {job.folder / f'{waves}-{waves}' / 'dump.vcd'}")
    results = Results(command=_command(), commit=_commit(), config=config,
                      columns=cfg.group_columns, walkers=cfg.walkers,
                      latency=memory.latency, pause=memory.pause,
                      verilog_sha256=hashlib.sha256(verilog.encode()).hexdigest(),
                      networks=tuple(_result(job, cfg, memory, outcomes[job.name]) for job in works))
    report.write(results, out)
    if recorded:
        for network in results.networks:
            path = record.write(_record(network.network, config, memory), _command(), _summary(results, network))
            console.print(f"wrote {path}", highlight=False)
    console.print(report.table(results))
    console.print(f"results and page: {out / 'results.json'}, {out / 'index.html'}", highlight=False)
    return True


def _job(name: str, cfg: ProcessorConfig, images: int | None, waves: int | None, image_files: dict[str, Path],
         out: Path) -> Job:
    path = ROOT / "networks" / name if "/" not in name else Path(name)
    trained, policy = load(path), None
    name, sha256, files = trained.header.name, trained.header.sha256, _files("network", path)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    if trained.header.policy_of:
        policy, files = convert(trained), _files("policy", path)
        path = path.parent / trained.header.policy_of
        trained = load(path)
        files |= _files("network", path)
    network = convert(trained)
    count = images if waves is None else waves + 1
    if count is not None and count < 1:
        raise ValueError(f"--images must be at least 1, not {images}" if waves is None else
                         f"--waves must be at least 0, not {waves}")
    codes, labels = test_pictures(network, count)
    indices = list(range(len(labels))) if waves is None else [waves]
    loaded = {"image": _image(network, cfg, image_files)}
    if policy:
        loaded["policy_image"] = _image(policy, cfg, image_files)
    if any(image.picture_stays for image in loaded.values()):
        raise ValueError(f"the pictures of {name} are larger than the {cfg.spike_words} spike words of the processor, "
                         f"and stay in the memory, where this comparison cannot bring them")
    if cfg.memory_width:
        moved, files["memory"] = laid(loaded.values())
        loaded = dict(zip(loaded, moved))
        needed, room = len(files["memory"]), BEATS * cfg.beat_bytes
        if needed > room:
            raise ValueError(f"the weights of {name} take {needed} bytes, the simulated memory has {room}")
    files |= {each: image.to_bytes() for each, image in loaded.items()}
    return Job(name=name, sha256=sha256, network=network, indices=indices, folder=folder, files=files, policy=policy)


def _files(name: str, path: Path) -> dict[str, bytes]:
    """The two files of a trained network, by another name."""
    return {name + suffix: path.with_name(path.name + suffix).read_bytes() for suffix in (".json", ".safetensors")}


def _image(network: Network, cfg: ProcessorConfig, image_files: dict[str, Path]) -> Image:
    """What the gateware loads for ``network``: freshly compiled, unless there is a file of its name."""
    compiled = compile(network, cfg)
    if network.name not in image_files:
        return compiled
    image = Image.from_bytes(image_files[network.name].read_bytes())
    image.check(cfg)
    return image


def _run(jobs: list[Job], pieces: dict[str, list[Shard]], client, console: Console) -> dict[str, list[Outcome]]:
    """Run all pieces and show how far they are; what came of them, by job and in order, up to its first failure."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        runs = []
        for job in jobs:
            shards = pieces[job.name]
            for shard in shards:
                shard.progress.unlink(missing_ok=True)
            futures = [client.submit(run, shard, pure=False, retries=RETRIES) for shard in shards]
            runs.append((job, shards, futures, progress.add_task(job.name, total=sum(map(job.steps, shards)))))
        while True:
            done = [all(future.done() for future in futures) for _, _, futures, _ in runs]
            for job, shards, futures, task in runs:
                progress.update(task, completed=sum(job.steps(shard) if future.done() else _seen(shard)
                                                    for shard, future in zip(shards, futures)))
                failed = [future.status == "finished" and bool(future.result().disagreement) for future in futures]
                if any(failed):
                    client.cancel([future for future in futures[failed.index(True) + 1:] if not future.done()])
            if all(done):
                break
            time.sleep(POLL_SECONDS)
        return {job.name: [future.result() for future in futures if not future.cancelled()]
                for job, _, futures, _ in runs}


def _seen(shard: Shard) -> int:
    """Runs of the processor that a piece has behind it."""
    return sum(len(line.get("cycles", "1")) for line in shard.lines() if "cycles_per_second" not in line)


def _result(job: Job, cfg: ProcessorConfig, memory: Pace, outcomes: list[Outcome]) -> NetworkResult:
    network, lines = job.network, [line for outcome in outcomes for line in outcome.lines]
    pictures = tuple(Picture(**line["picture"]) for line in lines if "picture" in line)
    speed = statistics.fmean(line["cycles_per_second"] for line in lines if "cycles_per_second" in line)
    stopped = [[cycles for line in lines if line.get("budget") == budget for cycles in line["cycles"]]
               for budget in range(1, network.timesteps + 1)]
    cycles_after = tuple(map(statistics.fmean, stopped)) if job.budget_images else ()
    codes, labels = test_pictures(network, max(job.indices) + 1)
    codes, labels = codes[job.indices], labels[job.indices]
    golden = processor.trace(network, codes, cfg, keep_maps=True)
    if job.policy:
        named = processor.run(job.policy, test_pictures(job.policy, max(job.indices) + 1)[0][job.indices], cfg)
        decision = processor.decide(network, golden, exit=Exit(), budget=named.classes + 1)
    else:
        decision = processor.decide(network, golden)
    cycles = [picture.cycles for picture in pictures]
    operations = [picture.synaptic_operations for picture in pictures]
    return NetworkResult(
        network=job.name, network_sha256=job.sha256, images=len(pictures),
        golden_accuracy=(decision.classes == labels).double().mean().item(),
        rtl_accuracy=statistics.fmean(picture.class_index == picture.label for picture in pictures),
        # The bench stops at the first difference, so every picture that has a line agreed in everything.
        agreement={name: Agreement(equal=len(pictures), of=len(job.indices))
                   for name in (QUANTITIES if memory == IDEAL else NEAR_QUANTITIES)},
        timesteps=network.timesteps,
        slots=max((layer.coding.window for layer in network.layers if not layer.readout), default=1),
        exit_rule="policy" if job.policy else network.exit.rule.name.lower(),
        exit_threshold=0.0 if job.policy else network.exit.threshold,
        average_timesteps=statistics.fmean(picture.timesteps for picture in pictures),
        cycles_min=min(cycles), cycles_median=statistics.median(cycles), cycles_max=max(cycles),
        synaptic_operations=statistics.fmean(operations),
        busy_columns=sum(operations) / (sum(cycles) * cfg.group_columns),
        simulated_cycles_per_second=speed, cycles_after=cycles_after, cycles_after_images=job.budget_images,
        sweep=() if job.policy else _sweep(network, golden, labels, cycles_after),
        rasters=_rasters(job, golden, decision, labels), pictures=pictures)


def _command() -> str:
    return " ".join(["nox -s compare", *(["--", *sys.argv[2:]] if sys.argv[2:] else [])])


def _record(network: str, config: str, memory: Pace) -> str:
    paced = "" if memory == IDEAL else f"-{memory.latency}-{memory.pause}"
    return f"compare-{network}-{config}{paced}"


def _summary(results: Results, network: NetworkResult) -> dict:
    """What is kept of a network: all but its single pictures."""
    kept = network.model_dump(mode="json", exclude={"pictures", "rasters", "sweep", "simulated_cycles_per_second"})
    return {"config": results.config, "columns": results.columns, "walkers": results.walkers,
            "latency": results.latency, "pause": results.pause, "verilog_sha256": results.verilog_sha256, **kept}


def _sweep(network: Network, golden: processor.Trace, labels, cycles_after) -> tuple[SweepPoint, ...]:
    """Accuracy, timesteps and cycles of other exit thresholds."""
    if network.exit.rule != Rule.ENTROPY:
        return ()
    highest = torch.tensor(float(network.classes)).log2().item()
    points = []
    for step in range(SWEEP_OCTAVES * SWEEP_STEPS, -1, -1):
        threshold = highest * 2 ** (-step / SWEEP_STEPS)
        decision = processor.decide(network, golden, exit=Exit(rule=Rule.ENTROPY, threshold=threshold))
        stopped = decision.timesteps.tolist()
        points.append(SweepPoint(threshold=threshold,
                                 accuracy=(decision.classes == labels).double().mean().item(),
                                 timesteps=statistics.fmean(stopped),
                                 cycles=statistics.fmean(cycles_after[timestep - 1] for timestep in stopped)))
    return tuple(points)


def _rasters(job: Job, golden: processor.Trace, decision: processor.Decision, labels) -> dict[str, Raster]:
    """The spikes of the surest picture, and of the most doubtful one."""
    best = golden.logits[:, 0].sort(dim=1, descending=True).values
    # A picture that stopped late is harder; among equals, one whose first answer was close.
    margin = (best[:, 0] - best[:, 1]).double()
    ease = margin / (margin.abs().max() + 1) - decision.timesteps
    return {name: _raster(job, golden, decision, labels, int(position))
            for name, position in (("easy", ease.argmax()), ("hard", ease.argmin()))}


def _raster(job: Job, golden: processor.Trace, decision: processor.Decision, labels, position: int) -> Raster:
    hidden = [(layer.name, codes) for layer, codes in zip(job.network.layers, golden.maps) if not layer.partial]
    timesteps = int(decision.timesteps[position])
    spikes = []
    for _, codes in hidden:
        flat = codes[position, :timesteps].flatten(1)
        spikes.append(tuple((int(k) + 1, int(flat[k, neuron]), int(neuron))
                            for k, neuron in (flat != SILENT).nonzero()))
    return Raster(index=job.indices[position], label=int(labels[position]), class_index=int(decision.classes[position]),
                  timesteps=timesteps, layers=tuple(name for name, _ in hidden), spikes=tuple(spikes),
                  neurons=tuple(int(codes[0, 0].numel()) for _, codes in hidden))


def _commit() -> str:
    """The commit of the project's folder, with "+" where files were changed."""
    def git(*arguments):
        return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True).stdout

    try:
        return git("rev-parse", "--short=12", "HEAD").strip() + ("+" if git("status", "--porcelain").strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
