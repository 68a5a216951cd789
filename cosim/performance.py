"""What a person sees of the benchmarks: the tables of ``docs/performance.md``, and the plots under ``results/``."""

from pathlib import Path

from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from rich.table import Table

from model import record
from model.page import BLUE, GREY, METADATA, ORANGE, STYLE, markdown, number

__all__ = ["against", "tables", "plot"]

# Cycles of the dense network with every neuron spiking on other cores: quoted, not measured here.
PUBLISHED = {"ODIN": 266_256, "tinyODIN": 142_378, "ReckOn": 66_048, "a core of four int8 lanes": 17_479}

# Where cycles go, and the colours of these.
CAUSES = {"busy": "an event", "empty": "a fetch without spikes", "fire": "waiting for fire",
          "rest": "fill, tail, recall"}
# All but the first, which the busy columns tell too.
LOSSES = tuple(CAUSES)[1:]
COLOURS = dict(zip(CAUSES, (BLUE, "#e8c468", ORANGE, GREY)))


def against(headline: dict[str, float], before: dict[str, float]) -> Table:
    """Figures beside those committed before."""
    shown = Table("", title="Against the committed results", title_justify="left")
    for heading in ("now", "before", "ratio"):
        shown.add_column(heading, justify="right")
    for name, now in headline.items():
        known = name in before
        shown.add_row(name, number(now), number(before[name]) if known else "-",
                      f"{now / before[name]:.3f}" if known else "-")
    return shown


def tables(figures: dict) -> dict[str, str]:
    """The tables there are figures for, in Markdown, by name."""
    makers = {"digits": _digits, "fashion": _by_density, "vgg": _vgg, "folded": _folded, "yardstick": _yardstick,
              "area": _area, "streaming": _streaming, "model": _model, "simulation": _simulation}
    return {name: make(figures[name]) for name, make in makers.items() if name in figures}


def _digits(runs: list[dict]) -> str:
    rows = []
    for run in runs:
        for layer in run["layers"]:
            rows.append([run["network"], f"{run['config']}, {run['columns']}", layer["layer"],
                         number(layer["synapses"]), layer["channels"], layer["columns"], number(layer["cycles"]),
                         _percent(layer["busy_columns"]), *(_percent(layer[cause]) for cause in LOSSES)])
        rows.append([run["network"], f"{run['config']}, {run['columns']}", "**run**", "", "", run["columns"],
                     f"**{number(run['cycles'])}**", f"**{_percent(run['busy_columns'])}**", "", "", ""])
    return markdown(["network", "columns", "layer", "synapses of a neuron", "channels", "columns in use", "cycles",
                      "busy columns", *(CAUSES[cause] for cause in LOSSES)], rows)


def _by_density(runs: list[dict]) -> str:
    """Busy columns of each layer, a column for each density."""
    rows = [[layer["layer"], number(layer["synapses"]), layer["channels"], layer["columns"],
             *(_percent(run["layers"][index]["busy_columns"]) for run in runs), _lost(runs[1]["layers"][index])]
            for index, layer in enumerate(runs[0]["layers"])]
    return markdown(["layer", "synapses of a neuron", "channels", "columns in use",
                      *(f"{_density(run)} spike" for run in runs),
                      f"lost most to, at {_density(runs[1])}"], rows)


def _vgg(runs: list[dict]) -> str:
    narrow, wide = ([run for run in runs if run["span"] == span] for span in sorted({run["span"] for run in runs}))
    rows = [[layer["layer"], number(layer["synapses"]), layer["channels"],
             *(_percent(run["layers"][index]["busy_columns"]) for run in narrow),
             _percent(wide[0]["layers"][index]["busy_columns"]), f"{narrow[2]['layers'][index]['ratio']:.3f}",
             _lost(narrow[1]["layers"][index])]
            for index, layer in enumerate(narrow[0]["layers"])]
    return markdown(["layer", "synapses of a neuron", "channels", *(f"{_density(run)} spike" for run in narrow),
                      f"{_density(wide[0])}, span {wide[0]['span']}",
                      f"cycles / bound at {_density(narrow[2])}", f"lost most to, at {_density(narrow[1])}"],
                     rows)


def _folded(rows: list[dict]) -> str:
    return markdown(["picture", *(f"{_density(row)} spike" for row in rows)],
                     [["tap by tap", *(_percent(row["busy_columns"]) for row in rows)]])


def _yardstick(rows: list[dict]) -> str:
    full, tenth = ([row for row in rows if (row["density"] == 1) == whole] for whole in (True, False))
    ours = [[f"Firstlight, {every['columns']} columns, {every['encoders']} encoders, span {every['span']}",
             _range(every), _range(some)] for every, some in zip(full, tenth)]
    return markdown(["core", "every neuron spikes", "one in ten"],
                     [["bound: one row a cycle", number(full[0]["bound"]), number(tenth[0]["bound"])], *ours,
                      *([name, number(cycles), ""] for name, cycles in PUBLISHED.items())])


def _range(row: dict) -> str:
    if row["cycles_min"] == row["cycles_max"]:
        return number(row["cycles_min"])
    return f"{number(row['cycles_min'])} to {number(row['cycles_max'])}, median {number(row['cycles_median'])}"


def _area(rows: list[dict]) -> str:
    ratios = ["", *(f"{row['cycles'] / before['cycles']:.3f}" for before, row in zip(rows, rows[1:]))]
    return markdown(["map", "pixels", "cycles", "times the map before"],
                     [[f"{row['height']} x {row['width']}", number(row["area"]), number(row["cycles"]), ratio]
                      for row, ratio in zip(rows, ratios)])


def _streaming(runs: list[dict]) -> str:
    """Of each layer the cycles, what its slowest part takes alone, and those that wait for weights."""
    networks = list(dict.fromkeys(run["network"] for run in runs))
    return "\n".join(_streaming_of(name, [run for run in runs if run["network"] == name]) for name in networks)


def _streaming_of(network: str, runs: list[dict]) -> str:
    rows = []
    for layers in zip(*(run["layers"] for run in runs)):
        rows.append([layers[0]["layer"], layers[0]["weights"]])
        for layer in layers:
            rows[-1] += [number(layer["cycles"]), f"{number(layer[layer['bound']])}, {layer['bound']}",
                         number(layer["waits"])]
    for name, title in (("cycles", "run"), ("moved", "bytes moved")):
        rows.append([f"**{title}**", ""])
        for run in runs:
            rows[-1] += [f"**{number(run[name])}**", "", f"**{number(run['waits'])}**" if name == "cycles" else ""]
    headings = [heading for run in runs for heading in (f"{run['memory_width']} bits", "bound", "waits")]
    return markdown([f"`{network}`", "weights", *headings], rows)


def _model(runs: list[dict]) -> str:
    return markdown(["network", "configuration", "images a second"],
                     [[run["network"], run["config"], number(run["rate"])] for run in runs])


def _simulation(found: dict) -> str:
    return markdown(["", "cycles", "cycles a second"],
                     [[label, number(found[part]["cycles"]), number(found[part]["rate"])]
                      for part, label in (("asleep", "Python sleeps until the interrupt"),
                                          ("whole", "with pictures and results over the bus"))])


def _lost(layer: dict) -> str:
    """The largest cause of cycles without an event, if it is worth naming."""
    cause = max(LOSSES, key=layer.get)
    return f"{CAUSES[cause]}, {_percent(layer[cause])}" if layer[cause] >= 0.01 else ""


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _density(run: dict) -> str:
    return f"{100 * run['density']:.0f} %"


def plot(figures: dict) -> list[Path]:
    """Write the plots for which there are figures under ``results/``.

    Returns
    -------
    list of Path
    """
    makers = {"cycles-digits": ("digits", _plot_digits), "cycles-vgg": ("vgg", _plot_vgg),
              "cycles-area": ("area", _plot_area), "speed": ("model", _plot_speed)}
    paths = []
    with style.context(STYLE):
        for name, (key, make) in makers.items():
            if key in figures:
                paths.append(record.RESULTS / f"{name}.svg")
                make(figures).savefig(paths[-1], metadata=METADATA)
    return paths


def _plot_digits(figures: dict) -> Figure:
    """A bar for each layer, as long as its cycles, in the colours of the causes."""
    runs = [run for run in figures["digits"] if run["network"] == figures["digits"][0]["network"]]
    figure = Figure((6.4, 3.2))
    panels = figure.subplots(1, len(runs), sharex=True, sharey=True)
    for axes, run in zip(panels, runs):
        names, left = [layer["layer"] for layer in run["layers"]], [0.0] * len(run["layers"])
        for cause, label in CAUSES.items():
            widths = [layer[cause] * layer["cycles"] for layer in run["layers"]]
            axes.barh(names, widths, left=left, color=COLOURS[cause], label=label, height=0.65)
            left = [end + width for end, width in zip(left, widths)]
        axes.set(title=f"{run['config']}, {run['columns']} columns", xlabel="cycles")
        axes.grid(True, axis="x")
        axes.tick_params(axis="y", length=0)
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(CAUSES), frameon=False)
    return figure


def _plot_vgg(figures: dict) -> Figure:
    """Busy columns over the layers, a line for each density: span 2 in full, span 4 dotted."""
    figure = Figure((6.4, 3.8))
    axes = figure.subplots()
    shades = dict(zip(sorted({run["density"] for run in figures["vgg"]}), (ORANGE, "#b08a2e", "#4f9a6e", BLUE)))
    narrow = min(run["span"] for run in figures["vgg"])
    for run in figures["vgg"]:
        layers = run["layers"][:-1]
        dotted = run["span"] != narrow
        axes.plot([layer["layer"].removeprefix("conv") for layer in layers],
                  [layer["busy_columns"] for layer in layers], color=shades[run["density"]],
                  linestyle=":" if dotted else "-", marker="" if dotted else "o", markersize=3.5,
                  label=None if dotted else f"{_density(run)} spike")
    axes.plot([], [], color=GREY, linestyle=":", label=f"span {max(run['span'] for run in figures['vgg'])}")
    axes.axhline(0.95, color=GREY, linewidth=0.8, linestyle="--")
    axes.set(xlabel="convolution of VGG-16", ylabel="busy columns", ylim=(0, 1.03))
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.grid(True, axis="y")
    axes.legend(frameon=False, loc="lower right")
    return figure


def _plot_area(figures: dict) -> Figure:
    """Cycles over pixels, beside the line on which twice the pixels take twice the cycles."""
    rows = figures["area"]
    pixels = [row["area"] for row in rows]
    figure = Figure((4.6, 3.2))
    axes = figure.subplots()
    axes.plot(pixels, [rows[0]["cycles"] * area / pixels[0] for area in pixels], color=GREY, linestyle=":",
              label="doubles with the area")
    axes.plot(pixels, [row["cycles"] for row in rows], color=BLUE, marker="o", markersize=4, linestyle="none",
              label="3 x 3 convolution, 32 to 32 channels")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_xticks(pixels, [f"{row['height']} x {row['width']}" for row in rows])
    axes.set_yticks([row["cycles"] for row in rows], [number(row["cycles"]) for row in rows])
    axes.minorticks_off()
    axes.set(xlabel="map", ylabel="cycles")
    axes.grid(True)
    axes.legend(frameon=False)
    return figure


def _plot_speed(figures: dict) -> Figure:
    """Images a second of the model, cycles a second of the simulation."""
    figure = Figure((6.4, 2.4))
    left, right = figure.subplots(1, 2)
    runs = figures["model"]
    bars = left.barh([f"{run['network']}, {run['config']}" for run in runs], [run["rate"] for run in runs],
                     color=BLUE, height=0.6)
    left.bar_label(bars, [number(run["rate"]) for run in runs], padding=3)
    left.set_xlabel("images a second, golden model")
    found = figures["simulation"]
    rates = [found[part]["rate"] for part in ("asleep", "whole")]
    bars = right.barh(["Python sleeps", "with the bus"], rates, color=ORANGE, height=0.6)
    right.bar_label(bars, [number(rate) for rate in rates], padding=3)
    right.set_xlabel("cycles a second, Verilator")
    for axes in (left, right):
        axes.invert_yaxis()
        axes.margins(x=0.25)
        axes.xaxis.set_major_formatter(lambda value, _: number(value))
        axes.locator_params(axis="x", nbins=4)
        axes.tick_params(axis="y", length=0)
        axes.grid(True, axis="x")
    return figure
