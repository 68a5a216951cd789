"""The page of what pictures cost, and its plots: results/cost.md, from the figures of cosim/cost.py."""

from pathlib import Path

import torch
from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from model import crossbar, record, trained
from model.coding import Coding
from model.convert import convert
from model.energy import NODES, scale
from model.page import BLUE, GREY, METADATA, ORANGE, STYLE, markdown, number
from model.training.recipes import recipe
from rtl.area import LIBRARIES

from . import gates
from .cost import CHOOSERS, CONFIG, SIGMAS
from .papers import LOST

__all__ = ["write"]

COLOURS = (BLUE, ORANGE, "#2d9a5f", "#9467bd", "#c03050", "#17a2b8", "#b8a117", GREY)
# What DT-SNN (Li et al., DAC 2023) says of eight timesteps against one: times the energy, times the latency.
EIGHT_ENERGY, EIGHT_LATENCY = 4.9, 8


def eight_against_one() -> list[list[str]]:
    """VGG-16 in eight timesteps and in one on the analog model, one device a weight as SpikeSim has it: a row for each
    component, and what eight would take if only that one were paid once a picture."""
    made = recipe("cifar10-vgg16-lif")
    header = trained.Header(version=trained.VERSION, name=made.name, dataset=made.dataset, layers=made.layers,
                            shape=made.shape, input_coding=Coding(window=1), coding=Coding(window=1), timesteps=8)
    network = convert(trained.Trained(header, {name: torch.ones(shape)
                                               for name, shape in header.tensor_shapes().items()}))
    placed = [layer.energy() for layer in crossbar.place(network, 1)]
    parts = {name: sum(each[name] for each in placed) for name in placed[0]}
    total = sum(parts.values())
    eight = crossbar.energies(network, 1).sum().item()
    rows = [[name, f"{part / 1e6:.3f}", f"{8 * part / 1e6:.3f}", f"{part / total:.1%}",
             f"{(eight - 7 * part) / total:.2f}"] for name, part in parts.items()]
    return [*rows, ["all", f"{total / 1e6:.3f}", f"{eight / 1e6:.3f}", "100.0%", f"{eight / total:.2f}"]]


def write(figures: dict) -> list[Path]:
    """The page and its plots.

    Returns
    -------
    list of Path
    """
    record.RESULTS.mkdir(exist_ok=True)
    paths, sections = [], []
    if found := figures.get("networks"):
        paths += [_plot_breakdown(found), _plot_products(found)]
        sections.append(f"""## Energy of a picture

Digital: operations that the golden model counts on the `{CONFIG}` processor, times Horowitz's energies (45 nm, 0.9 V),
carried to other nodes by Stillmaker and Baas; `model/energy.py` has every number and its source. No clock, no
registers, no leakage: read it as where the energy goes, and as less than a chip takes. The tiles of this processor are
memories of 320 KiB each, which is what most of the energy is read from. Analog: `model/crossbar.py`, SpikeSim's
constants, two devices a weight.

{_energies(found)}
![energy](cost-energy.svg)

## Static against dynamic timesteps

Means over pictures of energy times delay, the run that stops over the run of all timesteps, with the same decisions
on both backends. The rule is the network's own, the threshold the loosest that loses {LOST:.1%} of the validation
accuracy at most: that of `results/papers.json`, or, where it has none, of {CHOOSERS} pictures of the validation split.
The exit unit is that of `model/exit.py` on both; its share is of the energy of the run without it.

{_products(found)}
![energy-delay products](cost-products.svg)

Over whole test sets, analog, where `results/papers.json` says when each picture stops:

{_whole_sets(figures.get("sets", {}))}
In cells, the exit unit has this share of the LUT4 of all blocks on an ECP5 (`results/synth.json`): {_exit_cells()}. Its
clock is not gated: in standard cells, below, its registers take energy in every cycle, and its share is far above that
of its operations.
""")
    if found := figures.get("variation"):
        paths.append(_plot_variation(found))
        sections.append(f"""## Devices that vary

`{found["network"]}`, its first {found["pictures"]} test pictures, on arrays of 64 x 64 devices of 4 bits with an on/off
ratio of {found["ratio"]}, all timesteps (`model/variation.py`). `log` has the levels of our weight codes, `linear`
slices an 8-bit weight over two pairs of devices.

{_variation(found)}
![accuracy](cost-variation.svg)
""")
    if found := figures.get("gates"):
        sections.append(f"""## Our own netlist

Tile, fire unit and exit unit of the `{gates.CONFIG}` processor, mapped by Yosys to standard cells, and simulated in
Verilator with the bench that their gateware passes, then with the first picture of a test set at full speed. Energy:
every change of every net, Liberty's internal energies, half of C V^2, clock pins in every cycle of the picture, leakage
at {1000 // gates.PERIOD} MHz. No memory, no wire, no clock tree, no glitch. SkyWater is 130 nm at 1.8 V, ASAP7 a
predictive 7 nm at 0.7 V.

{_gates(found)}
Most of that is the clock's. {_stopped(found)}
""")
    sections.append(f"""## Eight timesteps against one

VGG-16 for CIFAR-10 on the analog model, one device a weight, uJ. DT-SNN says {EIGHT_ENERGY} times the energy and
{EIGHT_LATENCY} times the latency; the model gives 8 times both.

{markdown(["component", "T = 1", "T = 8", "share", "times, if paid once a picture"], eight_against_one())}
Nothing in SpikeSim's public code is paid once a picture, so every component grows by 8. For {EIGHT_ENERGY} times, 44 %
of the energy of one timestep would have to be. The last column says what it would be if one component alone were: the
tile buffer comes within 15 % of the paper's figure, no other does. That is arithmetic; we do not know what the
paper counts.

## Beside the papers

{_papers(figures.get("networks", {}))}""")
    page = record.RESULTS / "cost.md"
    page.write_text("# What it costs\n\nWritten by `nox -s cost`. Every figure has its node; none is of silicon.\n\n"
                    + "\n".join(sections))
    return [page, *paths]


def _energies(figures: dict) -> str:
    rows = []
    for name, figure in figures.items():
        digital, analog = figure["digital"], figure["analog"]
        energy = digital["uJ"][1]
        largest = max(digital["blocks pJ"], key=digital["blocks pJ"].get)
        rows.append([f"`{name}`", number(figure["pictures"]), f"{figure['timesteps'][1]:.2f}",
                     *(f"{energy * scale(node):.3g}" for node in NODES),
                     f"{energy * 1e6 / digital['operations']:.2f}",
                     f"{largest} {digital['blocks pJ'][largest] / energy / 1e6:.0%}", f"{analog['uJ'][1]:.3g}"])
    return markdown(["network", "pictures", "timesteps", *(f"digital uJ, {node} nm" for node in NODES),
                     "pJ a synaptic operation, 45 nm", "most of it", "analog uJ"], rows)


def _products(figures: dict) -> str:
    rows = []
    for name, figure in figures.items():
        if figure["timesteps"][0] == 1:
            continue
        digital, analog = figure["digital"], figure["analog"]
        rows.append([f"`{name}`", number(figure["pictures"]), figure["rule"],
                     *(f"{accuracy:.2%}" for accuracy in figure["accuracy"]),
                     f"{figure['timesteps'][1]:.2f} of {figure['timesteps'][0]:.0f}",
                     f"{analog['energy_delay'] - 1:+.1%}", f"{digital['energy_delay'] - 1:+.1%}",
                     f"{analog['exit']:.4%}", f"{digital['exit']:.4%}", f"{digital['exit cycles']:.2%}"])
    return markdown(["network", "pictures", "rule", "accuracy at all timesteps", "accuracy", "timesteps",
                     "energy-delay, analog", "energy-delay, digital", "exit, analog energy",
                     "exit, digital energy", "exit, cycles"], rows)


def _whole_sets(figures: dict) -> str:
    rows = []
    for name, figure in figures.items():
        pictures = sum(figure["stopped"])
        average = sum(count * k for k, count in enumerate(figure["stopped"], start=1)) / pictures
        rows.append([f"`{name}`", number(pictures), figure["rule"],
                     *(f"{accuracy:.2%}" for accuracy in figure["accuracy"]),
                     f"{average:.2f} of {len(figure['stopped'])}", f"{figure['energy_delay'] - 1:+.1%}"])
    return markdown(["network", "pictures", "rule", "accuracy at all timesteps", "accuracy", "timesteps",
                     "energy-delay, analog"], rows)


def _exit_cells() -> str:
    found = (record.read("synth") or {}).get("ecp5", {})
    shares = {columns: figure["blocks"]["exit"]["LUT4"] / sum(block["LUT4"] for block in figure["blocks"].values())
              for columns, figure in found.items()}
    return ", ".join(f"{share:.1%} of {columns} columns" for columns, share in shares.items()) or "not measured"


def _variation(figures: dict) -> str:
    rows = [[coding, *(" / ".join(f"{each:.1%}" for each in trials) for trials in found)]
            for coding, found in figures["sigma"].items()]
    few = ", ".join(f"{width} bits {accuracy:.1%}" for width, accuracy in figures["converters"].items())
    return (markdown(["levels", *(f"sigma {sigma:.0%}" for sigma in SIGMAS)], rows)
            + f"\nBehind converters, `log`, sigma 0: {few}.\n")


def _gates(figures: dict) -> str:
    rows, parts = [], []
    for name, found in figures.items():
        for network, whole in found["pictures"].items():
            every = sum(whole["pJ"].values())
            rows.append([LIBRARIES[name].title, f"`{network}`", number(whole["synaptic_operations"]),
                         number(whole["cycles"]), f"{whole['pJ a synaptic operation']['tile']:.4g}",
                         f"{whole['pJ a synaptic operation']['all']:.4g}", f"{every / 1e6:.4g}",
                         *(f"{energy / every:.2%}" for energy in whole["pJ"].values())])
        parts += [[LIBRARIES[name].title, block, number(found[block]["cells"]), found[block]["checks"]]
                  for block in gates.BLOCKS if block in found]
    measured = [block for block in gates.BLOCKS if block in next(iter(figures.values()))]
    names = [block.replace("_", " ") for block in measured]
    return (markdown(["library", "picture", "synaptic operations", "cycles", "pJ each, tile", "pJ each, all",
                      "uJ", *names], rows) + "\n"
            + markdown(["library", "block", "cells", "tests of the bench that passed"], parts))


def _stopped(figures: dict) -> str:
    """What the exit unit's share would be if the clocks of idle blocks stood still."""
    shares = [f"{its['exit_unit'] / sum(its.values()):.2%} ({LIBRARIES[name].title}, `{network}`)"
              for name, found in figures.items() for network, whole in found["pictures"].items()
              if "exit_unit" in (its := whole["pJ, clock stopped"])]
    if not shares:
        return "The exit unit was not measured."
    return ("If the clock of each block stood while it has nothing to do, which is left to those who synthesise the "
            f"gateware, the exit unit would have {', '.join(shares)} of the energy.")


def _papers(figures: dict) -> str:
    rows = [["CAT (Lew et al., DAC 2022)", "486.7 uJ a picture, CIFAR-10, VGG-16, 28 nm, DRAM included",
             _ours(figures, "cifar10-vgg16-ttfs", "fashion-ttfs"),
             "a layout's power at 250 MHz against operations counted at 32 nm; no clock, no leakage"],
            ["DT-SNN (Li et al., DAC 2023)", "energy-delay product -80 % at 1.46 of 4 timesteps, VGG-16, CIFAR-10",
             _dynamic(figures, "cifar10-lif", "fashion-lif"),
             "a smaller network, 5-bit weights, a threshold from validation, no energy before the first timestep"]]
    return markdown(["paper", "says", "ours", "what differs"], rows)


def _ours(figures: dict, *names: str) -> str:
    name = next((name for name in names if name in figures), None)
    return "-" if name is None else f"`{name}`: {figures[name]['digital']['uJ'][1] * scale(32):.3g} uJ at 32 nm"


def _dynamic(figures: dict, *names: str) -> str:
    name = next((name for name in names if name in figures), None)
    if name is None:
        return "-"
    figure = figures[name]
    return (f"`{name}`: {figure['analog']['energy_delay'] - 1:+.1%} at {figure['timesteps'][1]:.2f} of "
            f"{figure['timesteps'][0]:.0f}")


def _save(figure: Figure, name: str) -> Path:
    path = record.RESULTS / f"cost-{name}.svg"
    figure.savefig(path, metadata=METADATA)
    return path


def _plot_breakdown(figures: dict) -> Path:
    """Shares of a picture's energy, a bar for each network, digital and analog side by side."""
    with style.context(STYLE):
        figure = Figure(figsize=(8.4, 3.6))
        for axes, backend in zip(figure.subplots(1, 2), ("digital", "analog")):
            base = [0.0] * len(figures)
            names = list(next(iter(figures.values()))[backend]["blocks pJ"])
            for block, colour in zip(names, COLOURS):
                shares = [its[backend]["blocks pJ"][block] / sum(its[backend]["blocks pJ"].values())
                          for its in figures.values()]
                axes.barh(list(figures), shares, left=base, color=colour, label=block)
                base = [left + share for left, share in zip(base, shares)]
            axes.xaxis.set_major_formatter(PercentFormatter(1))
            axes.set_title(backend)
            axes.legend(fontsize=6, frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.1))
        return _save(figure, "energy")


def _plot_products(figures: dict) -> Path:
    shown = {name: figure for name, figure in figures.items() if figure["timesteps"][0] > 1}
    with style.context(STYLE):
        figure = Figure(figsize=(6.4, 3))
        axes = figure.subplots()
        for shift, backend, colour in ((-0.2, "analog", ORANGE), (0.2, "digital", BLUE)):
            axes.bar([place + shift for place in range(len(shown))],
                     [its[backend]["energy_delay"] for its in shown.values()], width=0.35, color=colour, label=backend)
        axes.set_xticks(range(len(shown)), list(shown))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_ylabel("energy-delay, of all timesteps")
        axes.grid(True, axis="y")
        axes.legend(frameon=False)
        return _save(figure, "products")


def _plot_variation(found: dict) -> Path:
    with style.context(STYLE):
        figure = Figure(figsize=(6.4, 3))
        axes = figure.subplots()
        for (coding, trials), colour in zip(found["sigma"].items(), (BLUE, ORANGE)):
            axes.plot(SIGMAS, [sum(each) / len(each) for each in trials], color=colour, label=coding)
            axes.plot([sigma for sigma, each in zip(SIGMAS, trials) for _ in each],
                      [accuracy for each in trials for accuracy in each], ".", color=colour)
        axes.set(xlabel="sigma of a device's conductance", ylabel="accuracy")
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.grid(True)
        axes.legend(frameon=False)
        return _save(figure, "variation")
