"""Accuracy against synaptic operations: one network under several prices of an operation, and with shorter windows."""

import dataclasses
from pathlib import Path

from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from rich.console import Console

from model import record, trained
from model.config import ProcessorConfig, preset
from model.convert import convert
from model.datasets import Dataset, load
from model.network import NetworkError
from model.page import BLUE, METADATA, ORANGE, STYLE
from model.processor import decide
from model.trained import Trained
from model.training.evaluate import Worth
from model.training.measure import observe
from model.training.recipes import recipe, tuning
from model.training.train import Run

__all__ = ["NETWORK", "PRICES", "WINDOWS", "figures", "plot"]

ROOT = Path(__file__).parents[1]
NETWORK = "fashion-ttfs"
PRICES = (0.0, 0.1, 0.2, 0.4, 0.8)
WINDOWS = (24, 20, 16, 14, 12, 10, 8)
CONFIG = "large"


def figures(name: str, prices: list[float], windows: list[int], epochs: int, build: Path, console: Console) -> dict:
    """Points of both curves, on the test split, in the golden model.

    Parameters
    ----------
    name : str
        Of a trained network of one timestep under ``networks/`` that has a recipe.
    prices : list of float
        See ``operations`` of :class:`model.training.recipes.Recipe`.
    windows : list of int
        Slots of every hidden layer, without tuning.
    epochs : int
        Of tuning under each price.
    build : Path
        Where checkpoints go.

    Raises
    ------
    NetworkError
        If the network runs several timesteps.
    """
    network = trained.load(ROOT / "networks" / name)
    header = network.header
    if header.timesteps > 1:
        raise NetworkError(f"network {name} runs {header.timesteps} timesteps; the knobs are those of one")
    base, data, cfg = recipe(name), load(header.dataset), preset(CONFIG)
    points = {"network": name, "epochs": epochs, "prices": [], "windows": []}
    for price in prices:
        chosen = dataclasses.replace(tuning(base, f"{name}-{price:g}", base.layers, epochs), operations=price)
        run, checkpoint = Run(chosen, header.seed, network), build / chosen.name / "checkpoint.pt"
        run.resume(checkpoint)
        tuned = run.finish(data.train, checkpoint, lambda epoch, loss, name=chosen.name: console.print(
            f"{name}: epoch {epoch} of {epochs}, loss {loss:.3f}"))
        points["prices"].append({"price": price, **_worth(tuned, data, cfg)})
    for window in windows:
        coding = dataclasses.replace(header.coding, window=window)
        shorter = dataclasses.replace(network, header=header.model_copy(update={"coding": coding}))
        points["windows"].append({"window": window, **_worth(shorter, data, cfg)})
    return points


def _worth(network: Trained, data: Dataset, cfg: ProcessorConfig) -> dict:
    integer = convert(network)
    return dataclasses.asdict(Worth.of(decide(integer, observe(integer, data.test, cfg)), data.test.labels))


def plot(points: dict) -> Path:
    """Both curves: ``results/sparsity.svg``."""
    with style.context(STYLE):
        figure = Figure(figsize=(6.4, 3.4))
        axes = figure.subplots()
        for curve, knob, colour, label in (("prices", "price", BLUE, "price of an operation, tuned"),
                                           ("windows", "window", ORANGE, "slots of the window, not tuned")):
            its = sorted(points[curve], key=lambda point: point["synaptic_operations"])
            axes.plot([point["synaptic_operations"] / 1e6 for point in its], [point["accuracy"] for point in its],
                      marker="o", markersize=4, linewidth=1, color=colour, label=label)
            for point in its:
                axes.annotate(f"{point[knob]:g}", (point["synaptic_operations"] / 1e6, point["accuracy"]), fontsize=7,
                              textcoords="offset points", xytext=(3, -9))
        axes.set(xlabel="synaptic operations a picture, millions", ylabel="test accuracy", title=points["network"])
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
        axes.grid(True)
        axes.legend(frameon=False, loc="lower right")
        path = record.RESULTS / "sparsity.svg"
        figure.savefig(path, metadata=METADATA)
    return path
