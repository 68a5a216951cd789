"""What a person sees of ``compare``: a table in the terminal, and a page with plots."""

import html
import io
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from pydantic.json_schema import GenerateJsonSchema
from rich.table import Table
from rich.text import Text

from model import page
from model.page import BLUE, GREY, METADATA, ORANGE

from .results import NetworkResult, Raster, Results

__all__ = ["table", "write"]

# Becomes the colour of the page's text.
INK = "#123456"
STYLE = [*page.STYLE, {
    "path.simplify": False, "savefig.transparent": True,
    "axes.labelsize": 9, "xtick.labelsize": 8.5, "ytick.labelsize": 8.5,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
}]
# Inches; two plots stand side by side on the page.
SIZE, RASTER_SIZE = (4.6, 2.9), (4.6, 4.4)
# Points; thin, since a thousand neurons share an inch.
DASH = 0.5
BINS = 40

# When a network stops, by exit rule; the sweep's axis has the unit.
STOPS = {"budget": "after its last timestep", "entropy": "when the entropy of its answer is below {} bits",
         "probability": "when its largest class probability is above {}",
         "margin": "when its two best classes are more than {} bits apart",
         "policy": "after as many as its policy names, whose cycles are counted, too"}
AXES = {"entropy": "exit threshold: entropy (bits)", "probability": "exit threshold: probability",
        "margin": "exit threshold: margin (bits)"}


def table(results: Results) -> Table:
    """One column per network; red where model and Verilog disagree."""
    shown = Table(f"{results.config}, {results.columns} columns", title="Exported Verilog against the golden model")
    for network in results.networks:
        shown.add_column(network.network, justify="right")
    for rows in zip(*map(_rows, results.networks)):
        cells = (Text(row.text, style=STYLES[row.equal]) for row in rows)
        shown.add_row(rows[0].label, *cells, end_section=rows[0].ends)
    return shown


def write(results: Results, folder: Path) -> Path:
    """Write ``results.json``, ``results.schema.json`` and ``index.html``, a page that needs nothing but itself.

    Returns
    -------
    Path
        The page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    schema = {"$schema": GenerateJsonSchema.schema_dialect, **Results.model_json_schema()}
    (folder / "results.json").write_text(results.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / "results.schema.json").write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True,
                              undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                              keep_trailing_newline=True)
    environment.filters |= {"number": _number, "percent": _percent}
    with style.context(STYLE):
        plots = {network.network: _plots(network, results.walkers) for network in results.networks}
    page = folder / "index.html"
    page.write_text(environment.get_template("index.html").render(
        results=results, plots=plots, rows=list(zip(*map(_rows, results.networks))),
        stops={network.network: STOPS[network.exit_rule].format(f"{network.exit_threshold:.4g}")
               for network in results.networks},
        wrong={network.network: [picture for picture in network.pictures if picture.class_index != picture.label]
               for network in results.networks}), encoding="utf-8")
    return page


@dataclass(frozen=True, kw_only=True)
class Row:
    """A figure of one network: whether it is one in which both must agree and do, and whether it ends a section."""

    label: str
    text: str
    equal: bool | None = None
    ends: bool = False


STYLES = {None: "", True: "green", False: "bold red"}


def _rows(network: NetworkResult) -> list[Row]:
    rows = [Row(label="images", text=_number(network.images)),
            Row(label="golden accuracy", text=_percent(network.golden_accuracy)),
            Row(label="RTL accuracy", text=_percent(network.rtl_accuracy), ends=True)]
    for quantity, agreement in network.agreement.items():
        rows.append(Row(label=f"agreement in {quantity}", equal=agreement.equal == agreement.of,
                        text=f"{_number(agreement.equal)} of {_number(agreement.of)}"))
    rows[-1] = replace(rows[-1], ends=True)
    return rows + [
        Row(label="average timesteps", text=f"{network.average_timesteps:.2f} of {network.timesteps}"),
        Row(label="cycles per image, minimum", text=_number(network.cycles_min)),
        Row(label="cycles per image, median", text=_number(network.cycles_median)),
        Row(label="cycles per image, maximum", text=_number(network.cycles_max)),
        Row(label="synaptic operations per image", text=_number(network.synaptic_operations)),
        Row(label="busy columns", text=_percent(network.busy_columns), ends=True),
        Row(label="simulated cycles per second", text=_number(network.simulated_cycles_per_second))]


def _number(value: float) -> str:
    """A whole number in groups of three digits, which no line break parts."""
    return f"{value:,.0f}".replace(",", "\N{NO-BREAK SPACE}")


def _percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def _plots(network: NetworkResult, walkers: int) -> dict[str, str]:
    """The plots of one network as inline SVG, by name."""
    plots = {"cycles": _cycles(network), "causes": _causes(network, walkers)}
    if network.timesteps > 1:
        plots["timesteps"] = _timesteps(network)
    if network.sweep:
        plots["sweep"] = _sweep(network)
    return plots | {name: _raster(network, raster, name) for name, raster in network.rasters.items()}


def _sweep(network: NetworkResult) -> str:
    figure = Figure(SIZE)
    accuracy, cycles = figure.subplots(2, sharex=True)
    thresholds = [point.threshold for point in network.sweep]
    accuracy.plot(thresholds, [point.accuracy for point in network.sweep], color=BLUE)
    cycles.plot(thresholds, [point.cycles for point in network.sweep], color=BLUE)
    accuracy.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    cycles.yaxis.set_major_formatter(lambda cycles, _: _number(cycles))
    cycles.set_ylim(bottom=0)
    accuracy.set_ylabel("accuracy")
    cycles.set(ylabel="mean cycles", xlabel=AXES[network.exit_rule])
    for axes in (accuracy, cycles):
        axes.grid()
        axes.margins(x=0)
    _mark(accuracy, network.exit_threshold, f"chosen: {network.exit_threshold:.4g}")
    _mark(cycles, network.exit_threshold)
    figure.align_ylabels()
    return _svg(figure, f"{network.network}: accuracy and cycles against the exit threshold")


def _mark(axes: Axes, x: float, label: str = "") -> None:
    """A line from bottom to top, its label above the plot."""
    axes.axvline(x, color=ORANGE, linestyle="--", linewidth=1.2)
    axes.annotate(label, (x, 1), xycoords=("data", "axes fraction"), xytext=(0, 3), textcoords="offset points",
                  color=ORANGE, horizontalalignment="center")


def _timesteps(network: NetworkResult) -> str:
    figure = Figure(SIZE)
    axes = figure.subplots()
    timesteps = range(1, network.timesteps + 1)
    stopped = [picture.timesteps for picture in network.pictures]
    bars = axes.bar(timesteps, [stopped.count(timestep) for timestep in timesteps], color=BLUE, width=0.7)
    axes.bar_label(bars, padding=2)
    axes.margins(y=0.12)
    axes.grid(axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="exit timestep", ylabel="images")
    return _svg(figure, f"{network.network}: images by exit timestep")


def _cycles(network: NetworkResult) -> str:
    figure = Figure(SIZE)
    axes = figure.subplots()
    axes.hist([picture.cycles for picture in network.pictures], bins=BINS, color=BLUE)
    _mark(axes, network.cycles_median, f"median: {_number(network.cycles_median)}")
    axes.grid(axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(lambda cycles, _: _number(cycles))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="cycles", ylabel="images")
    return _svg(figure, f"{network.network}: images by cycles")


def _causes(network: NetworkResult, walkers: int) -> str:
    # Every cycle of every walker has its cause.
    total = walkers * sum(picture.cycles for picture in network.pictures)
    causes = {"busy": sum(picture.busy_cycles for picture in network.pictures),
              "empty words": sum(picture.empty_cycles for picture in network.pictures),
              "waiting for fire": sum(picture.fire_cycles for picture in network.pictures)}
    shares = [cycles / total for cycles in (*causes.values(), total - sum(causes.values()))]
    figure = Figure(SIZE)
    axes = figure.subplots()
    bars = axes.barh([*causes, "rest"], shares, color=[BLUE, GREY, GREY, GREY], height=0.6)
    axes.bar_label(bars, [_percent(share, 1) for share in shares], padding=4)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.set_xlabel("share of all cycles")
    return _svg(figure, f"{network.network}: share of cycles by cause")


def _raster(network: NetworkResult, raster: Raster, name: str) -> str:
    figure = Figure(RASTER_SIZE)
    panels = figure.subplots(len(raster.layers), sharex=True, squeeze=False)[:, 0]
    slots, end = network.slots, network.timesteps * network.slots
    for axes, layer, neurons, spikes in zip(panels, raster.layers, raster.neurons, raster.spikes):
        # A spike is a dash nearly as long as its slot. One path with gaps keeps the page small.
        middles = [(timestep - 1) * slots + slot for timestep, slot, _ in spikes]
        axes.plot([x for middle in middles for x in (middle - 0.4, middle + 0.4, None)],
                  [y for *_, neuron in spikes for y in (neuron, neuron, None)],
                  color=BLUE, linewidth=DASH, solid_capstyle="butt")
        for timestep in range(1, network.timesteps):
            axes.axvline(timestep * slots - 0.5, color=GREY, linewidth=0.6, alpha=0.6)
        axes.axvspan(raster.timesteps * slots - 0.5, end - 0.5, color=GREY, alpha=0.2, linewidth=0)
        axes.set(ylabel=layer, xlim=(-0.5, end - 0.5), ylim=(-0.02 * neurons, 1.02 * neurons - 1),
                 yticks=(0, neurons - 1))
        axes.spines["right"].set_visible(True)
    if network.timesteps == 1:
        panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        panels[-1].set_xlabel("slot")
    else:
        timesteps = range(1, network.timesteps + 1)
        panels[-1].set_xticks([(timestep - 0.5) * slots - 0.5 for timestep in timesteps], map(str, timesteps))
        panels[-1].set_xlabel("timestep" if slots == 1 else f"timestep, of {slots} slots")
    figure.align_ylabels()
    return _svg(figure, f"{network.network}: spikes of the {name} image")


def _svg(figure: Figure, label: str) -> str:
    """The figure as an element of the page, in the colours of the page."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata=METADATA)
    source = file.getvalue()
    # Group names would not be unique on the page, and nothing refers to them.
    source = re.sub(r' id="\w+_\d+"', "", source[source.index("<svg"):]).replace(INK, "currentColor")
    return source.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)
