"""What the four papers say, and what our networks do: results/papers.json, results/papers.md and its plots."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from rich.console import Console

from model import record, trained
from model.config import PRESETS, preset
from model.convert import convert
from model.datasets import Dataset, load
from model.page import BLUE, GREY, METADATA, ORANGE, STYLE, markdown, number
from model.training.evaluate import CONSTANT_ENERGY, evaluate, evaluate_layers, evaluate_policy
from model.training.measure import dense_operations
from model.training.policy import PRICE

__all__ = ["CONFIG", "LOST", "NETWORKS", "available", "measure", "loosest", "write"]

CONFIG = "large"
ROOT = Path(__file__).parents[1]

# Families, and the colours of their points.
FAMILIES = {"ttfs": ("first spikes", BLUE), "lif": ("LIF, stops early", ORANGE),
            "graded": ("graded first spikes, stops early", "#2d9a5f"),
            "if": ("converted, stops early", "#9467bd"),
            "policy": ("timesteps named by a policy", "#c03050"), "layerwise": ("timesteps of each layer", GREY),
            "sparse": ("first spikes, sparse", "#17a2b8")}
NETWORKS = ("mnist-ttfs", "fashion-ttfs", "fashion-lif", "fashion-if", "fashion-graded", "fashion-policy",
            "fashion-layerwise", "cifar10-vgg16-ttfs", "cifar10-vgg16-sparse", "cifar10-ttfs", "cifar10-lif",
            "cifar10-graded", "cifar10-policy", "cifar10-graded-policy", "cifar10-layerwise")
# Networks whose layers have their own timesteps, and those they come from.
LAYERWISE = {"fashion-layerwise": "fashion-lif", "cifar10-layerwise": "cifar10-lif"}
# Share of right answers that stopping early may cost on the validation split.
LOST = 0.002
DATASETS = {"digits": "digits", "mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence of a paper, and the network that stands beside it.

    Parameters
    ----------
    paper, says : str
    network : str
    differs : str
        In our set-up.
    """

    paper: str
    says: str
    network: str
    differs: str


CLAIMS = (
    Claim(paper="CAT (Lew et al., DAC 2022)", says="91.7 % of CIFAR-10, VGG-16, 5-bit logarithmic weights",
          network="cifar10-vgg16-ttfs", differs="its full text was not at hand; ours: shifts, flips, black squares"),
    Claim(paper="DT-SNN (Li et al., DAC 2023)",
          says="1.46 of 4 timesteps on average at the accuracy of 4, VGG-16, CIFAR-10",
          network="cifar10-lif", differs="a VGG of 6 convolutions, 5-bit weights; validation chose the threshold"),
    Claim(paper="SEENN-I (Li et al., NeurIPS 2023)",
          says="96.07 % at 1.09 timesteps, ResNet-19, CIFAR-10 (third party); converted networks, too",
          network="fashion-if", differs="Fashion-MNIST, 6 layers, 5-bit weights, entropy in place of probability"),
    Claim(paper="SEENN-II (Li et al., NeurIPS 2023)", says="96.1 % at 1.08 timesteps, ResNet-19, CIFAR-10",
          network="fashion-policy", differs="Fashion-MNIST, 5-bit weights; the policy is the network's first "
                                            "timestep, and three layers that compare what that says; its work counts"),
    Claim(paper="SEENN-II", says="the same", network="cifar10-policy",
          differs="a VGG of 6 convolutions, 5-bit weights; the policy as that of `fashion-policy`"),
    Claim(paper="SEENN-II", says="the same", network="cifar10-graded-policy",
          differs="graded first spikes of 8 slots, up to 3 timesteps; the policy is a network of 3 convolutions"),
    Claim(paper="LD-SNN (Nallathambi et al., ISLPED 2022)",
          says="1.67 to 3.84 times fewer synaptic updates, 1.2 to 2.56 times fewer neurons evaluated",
          network="fashion-layerwise", differs="its networks and its search were not at hand; ours is greedy"),
    Claim(paper="LD-SNN", says="the same", network="cifar10-layerwise", differs="the same"),
)


def available(names: Iterable[str], console: Console) -> Iterator[tuple[str, trained.Trained]]:
    """The networks of these names under ``networks/``, by name; one that is not trained yet is told and left out."""
    for name in names:
        path = ROOT / "networks" / name
        if path.with_name(f"{name}.json").exists():
            yield name, trained.load(path)
        else:
            console.print(f"{name}: not trained yet")


def measure(names: list[str], again: bool, console: Console) -> Iterator[tuple[str, dict]]:
    """Evaluate the networks under ``networks/``; what is on record of the same file is not measured again.

    Yields
    ------
    name : str
    figure : dict
        See :func:`model.training.evaluate.evaluate`, and ``dataset``, ``timesteps``, ``slots``; ``rule``,
        by which it stops; ``validation``, the accuracy after each timestep, of the network that a policy is of;
        ``dense``, see :func:`~model.training.measure.dense_operations`; ``untuned``, see
        :func:`~model.training.evaluate.evaluate_layers`, None if it never was tuned; ``sha256`` of its weights, and the
        ``mark`` of all that these figures depend on.

    Raises
    ------
    NetworkError
        If a network cannot be read.
    """
    known, cfg = record.read("papers") or {}, preset(CONFIG)
    loaded: dict[str, Dataset] = {}
    for name, network in available(names, console):
        header = network.header
        others = [trained.load(ROOT / "networks" / other) for other in (header.policy_of, LAYERWISE.get(name)) if other]
        mark = [_mark(each.header) for each in (network, *others)]
        rule = PRICE if header.policy_of else header.exit.rule
        told = {"rule": rule, "dense": dense_operations(convert(network))}
        if not again and known.get(name, {}).get("mark") == mark:
            yield name, known[name] | told
            continue
        console.print(f"{name}: running the test set of {DATASETS[header.dataset]}")
        data = loaded.setdefault(header.dataset, load(header.dataset))
        if header.policy_of:
            worth = evaluate_policy(network, *others, data, cfg)
        else:
            worth = evaluate(network, data, cfg)
        if name in LAYERWISE:
            tuned = header.sha256 != others[0].header.sha256
            worth["untuned"] = evaluate_layers(network, *others, data, cfg) if tuned else None
        console.print(f"{name}: {worth['chosen']['accuracy']:.2%} at {worth['chosen']['timesteps']:.2f} timesteps")
        yield name, {"mark": mark, "sha256": header.sha256, "dataset": header.dataset, "timesteps": header.timesteps,
                     "slots": header.coding.window,
                     "validation": (others[0] if header.policy_of else network).header.validation_accuracy,
                     **told, **worth}


def _mark(header: trained.Header) -> str:
    """Changes with the network: its weights, its layers, when it stops."""
    return hashlib.sha256(header.model_dump_json(include={"sha256", "exit", "layers"}).encode()).hexdigest()


def loosest(figure: dict, rule: str) -> dict | None:
    """Where ``rule`` stops earliest on average and loses no more of the validation accuracy than :data:`LOST`.

    Returns
    -------
    dict or None
        One of the ``thresholds`` of ``figure``, see :func:`measure`; None if there is none.
    """
    allowed = [worth for worth in figure.get("thresholds", {}).get(rule, [])
               if worth["validation"] >= figure["validation"][-1] - LOST]
    return min(allowed, key=lambda worth: worth["timesteps"], default=None)


def write(figures: dict) -> list[Path]:
    """The page and its plots.

    Returns
    -------
    list of Path
    """
    record.RESULTS.mkdir(exist_ok=True)
    paths = [path for dataset in DATASETS if (path := _pareto(figures, dataset))]
    page = record.RESULTS / "papers.md"
    plots = "".join(f"![{path.stem}]({path.name})\n" for path in paths)
    page.write_text(f"""# The four papers, and ours

Written by `nox -s papers` from the networks under `networks/`, on the `{CONFIG}` processor of
{preset(CONFIG).group_columns} columns. Accuracy, timesteps, work and cycles are means over whole test sets in the
golden model, which is bit-exact and predicts every cycle; the last column says on how many pictures the exported
Verilog was held against it, and agreed in every number. Validation splits chose thresholds, policies and schedules.

## Networks

{_networks(figures)}
## Accuracy and cycles

{plots}
The Pareto fronts: no other point of a plot is as accurate in as few cycles as these. A network that stops early has a
point for every threshold.

{_fronts(figures)}
## What the papers say

{_claims(figures)}
## At equal accuracy

The cheapest point of every family that is at least as accurate as the best of the worst family.

{_families(figures)}
## Fewer spikes

Networks of one timestep: synaptic operations as a share of those that a picture takes if every neuron spikes.

{_sparsity(figures)}
## Stopping early

Energy-delay: the mean product of a picture's cycles and its energy, which is {CONSTANT_ENERGY} timesteps' more than
that of the timesteps it runs; against the run of all timesteps. The rule `price` is that of a policy: what naming a
timestep costs it. Its cycles count, with the energy of as many cycles of the network that it speaks for.

{_exits(figures)}
## Timesteps of each layer

All timesteps, no exit: times less work than the network with the same timesteps everywhere.

{_layers(figures)}""")
    return [page, *paths]


def _networks(figures: dict) -> str:
    rows = []
    for name, figure in figures.items():
        worth = figure["chosen"]
        rows.append([f"`{name}`", DATASETS[figure["dataset"]], f"{figure['timesteps']} x {figure['slots']}",
                     f"{worth['accuracy']:.2%}", f"{worth['timesteps']:.2f}", number(worth["synaptic_operations"]),
                     number(worth["cycles"]), _busy(worth), _agreed(name, figure["sha256"])])
    return markdown(["network", "dataset", "timesteps x slots", "accuracy", "timesteps", "synaptic operations",
                     "cycles", "busy columns", "equal in RTL"], rows)


def _busy(worth: dict) -> str:
    return f"{worth['synaptic_operations'] / worth['cycles'] / preset(CONFIG).group_columns:.1%}"


def _agreed(name: str, sha256: str) -> str:
    """On how many pictures every number agreed, for each processor that was compared with these weights."""
    found = []
    for config in PRESETS:
        compared = record.read(f"compare-{name}-{config}")
        if compared and compared["network_sha256"] == sha256:
            equal = min(agreement["equal"] for agreement in compared["agreement"].values())
            found.append(f"{number(equal)} of {number(compared['images'])} (`{config}`)")
    return ", ".join(found) or "-"


def _claims(figures: dict) -> str:
    rows = []
    for claim in CLAIMS:
        if claim.network in figures:
            figure = figures[claim.network]
            worth = figure["chosen"]
            ours = f"{worth['accuracy']:.2%}"
            if worth["timesteps"] > 1:
                ours += f" at {worth['timesteps']:.2f} timesteps"
            if len(figure["after"]) > 1:
                ours += f" ({figure['after'][-1]['accuracy']:.2%} at {len(figure['after'])})"
            rows.append([claim.paper, claim.says, f"`{claim.network}`: {ours}", claim.differs])
    return markdown(["paper", "says", "ours", "what differs"], rows)


def _exits(figures: dict) -> str:
    """Accuracy and timesteps by every rule, at the loosest threshold that validation allows."""
    rows = []
    for name, figure in figures.items():
        for rule in figure.get("thresholds", {}):
            full = figure["after"][-1]
            chosen = loosest(figure, rule) or full
            rows.append([f"`{name}`", rule, f"{full['accuracy']:.2%}", f"{chosen['accuracy']:.2%}",
                         f"{chosen['timesteps']:.2f}", f"{full['cycles'] / chosen['cycles']:.2f}",
                         f"{chosen['energy_delay'] / full['energy_delay'] - 1:+.1%}"])
    return markdown(["network", "rule", "accuracy at all timesteps", f"with {LOST:.1%} of validation accuracy lost",
                     "timesteps", "times fewer cycles", "energy-delay"], rows)


def _points(figure: dict) -> list[dict]:
    """What a network can be had at: one point for every threshold of its rule, or one in all."""
    return figure["thresholds"].get(figure["rule"]) or [figure["chosen"]]


def _compared(figures: dict) -> Iterator[tuple[str, dict[str, list[dict]]]]:
    """The title of every dataset that has several networks, and their points by name."""
    for dataset, title in DATASETS.items():
        shown = {name: _points(figure) for name, figure in figures.items() if figure["dataset"] == dataset}
        if len(shown) > 1:
            yield title, shown


def _fronts(figures: dict) -> str:
    rows = []
    for title, shown in _compared(figures):
        everything = [point for points in shown.values() for point in points]
        for name, points in shown.items():
            front = [point for point in points if not any(_beats(other, point) for other in everything)]
            if front:
                rows.append([title, f"`{name}`", _range(front, "accuracy", "{:.2%}".format),
                             _range(front, "cycles", number)])
    return markdown(["dataset", "network", "accuracy", "cycles"], rows)


def _beats(other: dict, point: dict) -> bool:
    """Whether ``other`` is as good as ``point`` in accuracy and in cycles, and better in one of them."""
    ours, theirs = ((worth["accuracy"], -worth["cycles"]) for worth in (point, other))
    return theirs != ours and all(better >= worse for better, worse in zip(theirs, ours))


def _range(points: list[dict], quantity: str, shown: Callable[[float], str]) -> str:
    ends = {shown(end(point[quantity] for point in points)): None for end in (min, max)}
    return " to ".join(ends)


def _families(figures: dict) -> str:
    rows = []
    for title, shown in _compared(figures):
        wanted = min(max(point["accuracy"] for point in points) for points in shown.values())
        for name, points in shown.items():
            enough = [point for point in points if point["accuracy"] >= wanted]
            cheapest = min(enough, key=lambda point: point["cycles"])
            rows.append([title, f"`{name}`", f"{cheapest['accuracy']:.2%}", f"{cheapest['timesteps']:.2f}",
                         number(cheapest["synaptic_operations"]), number(cheapest["cycles"])])
    return markdown(["dataset", "network", "accuracy", "timesteps", "synaptic operations", "cycles"], rows)


def _sparsity(figures: dict) -> str:
    rows = [[f"`{name}`", figure["slots"], f"{figure['chosen']['accuracy']:.2%}",
             number(figure["chosen"]["synaptic_operations"]), number(figure["dense"]),
             f"{figure['chosen']['synaptic_operations'] / figure['dense']:.1%}"]
            for name, figure in figures.items() if figure["timesteps"] == 1 and "policy" not in figure]
    return markdown(["network", "slots", "accuracy", "synaptic operations", "if every neuron spikes", "share"], rows)


def _layers(figures: dict) -> str:
    rows = []
    for name, base in LAYERWISE.items():
        if name in figures and base in figures:
            full = figures[base]["after"][-1]
            untuned, found = figures[name]["untuned"], figures[name]["after"][-1]
            for tuned, worth in (("no", untuned), ("yes", found)) if untuned else (("no", found),):
                rows.append([f"`{name}`", tuned, f"{full['accuracy']:.2%}", f"{worth['accuracy']:.2%}",
                             *(f"{full[counter] / worth[counter]:.2f}"
                               for counter in ("synaptic_operations", "neurons", "cycles"))])
    return markdown(["network", "tuned", "accuracy before", "accuracy", "fewer synaptic updates",
                     "fewer neurons evaluated", "fewer cycles"], rows)


def _pareto(figures: dict, dataset: str) -> Path | None:
    """Accuracy against cycles, a curve for each network that can stop early, a point for each that cannot."""
    shown = {name: figure for name, figure in figures.items() if figure["dataset"] == dataset}
    if not shown:
        return None
    with style.context(STYLE):
        figure = Figure(figsize=(6.4, 3.6))
        axes = figure.subplots()
        for name, its in shown.items():
            label, colour = FAMILIES[name.rsplit("-", 1)[1]]
            points = _points(its)
            axes.plot([point["cycles"] for point in points], [point["accuracy"] for point in points], marker="o",
                      markersize=4, linewidth=1, color=colour, label=f"{name}: {label}")
        axes.set(xscale="log", xlabel=f"cycles a picture, {preset(CONFIG).group_columns} columns", ylabel="accuracy",
                 title=DATASETS[dataset])
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
        axes.grid(True, which="both")
        axes.legend(fontsize=7, frameon=False)
        path = record.RESULTS / f"papers-{dataset}.svg"
        figure.savefig(path, metadata=METADATA)
    return path
