"""How busy the columns are, layer by layer, and where the other cycles go: the cycle model on many layers."""

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from model import processor
from model.config import PRESETS, ProcessorConfig
from model.convert import convert, unfolded
from model.cycles import layer_cycles
from model.network import Layer, Network
from model.tiling import Tiling, tilings
from model.trained import load
from model.walker import synapses

from .compare import NETWORKS, ROOT
from .pictures import test_pictures
from .workloads import dense, fashion, plane, sources, spikes, vgg16

__all__ = ["CONFIGS", "DENSITIES", "figures", "headline"]

# Those that hold all weights of a small network.
CONFIGS = ("tiny", "default", "large")
DENSITIES = (0.05, 0.1, 0.2, 0.4)
IMAGES = 4

# 128 columns in four tiles, and the spans they are measured with; rows for all of VGG-16.
WIDE, SPANS = ProcessorConfig(tiles=4, walkers=4, encoders=16, rows=1 << 18), (2, 4)
# One tile of 32 columns for the yardstick: with all its encoders, and the smaller one that also runs the digits.
YARDSTICKS = tuple(ProcessorConfig(rows=4096, encoders=encoders, span=span) for encoders, span in ((8, 4), (4, 2)))
# Shares of the yardstick's neurons that spike, and how many patterns of them.
YARDSTICK_DENSITIES, PATTERNS = (1.0, 0.1), 100
# Each has twice the area of the one before.
PLANES, PLANE = ((16, 16), (16, 32), (32, 32), (32, 64)), ProcessorConfig(span=2)


def measure(layer: Layer, codes: Tensor, tiling: Tiling, cfg: ProcessorConfig) -> dict:
    """The row of one layer that reads ``codes``, a mean over the images."""
    cycles = layer_cycles(synapses(codes, layer), layer, codes.shape[2:], False, tiling, cfg)
    operations = cycles.busy * layer.out_channels // len(tiling.groups)
    return row(layer, tiling, cfg, *(value.double().mean().item() for value in (
        cycles.total, cycles.busy, cycles.empty, cycles.fire, operations)))


def row(layer: Layer, tiling: Tiling, cfg: ProcessorConfig, cycles: float, busy: float, empty: float, fire: float,
        operations: float) -> dict:
    """What becomes of the cycles of one layer.

    Parameters
    ----------
    cycles : float
        From the start of the layer to its last word.
    busy, empty, fire : float
        Cycles by cause, added up over the walkers.
    operations : float
        Synaptic operations.

    Returns
    -------
    dict
        ``columns`` are those in use. ``busy``, ``empty``, ``fire`` and ``rest`` are shares of the walkers' cycles and
        add up to 1, ``busy_columns`` is the share of the cycles and columns that a synaptic operation took,
        ``ratio`` that of the cycles to the bound: events times column groups of a tile over tiles.
    """
    walked = cycles * tiling.walkers
    bound = operations / layer.out_channels * -(-layer.out_channels // cfg.columns) / cfg.tiles
    causes = {"busy": busy / walked, "empty": empty / walked, "fire": fire / walked}
    causes["rest"] = 1 - sum(causes.values())
    shares = {**causes, "busy_columns": operations / (cycles * tiling.columns), "ratio": cycles / bound}
    return {"layer": layer.name, "synapses": layer.weight[0].numel(), "channels": layer.out_channels,
            "columns": tiling.columns, "cycles": round(cycles),
            **{name: round(share, 4) for name, share in shares.items()}}


def digits(path: Path, config: str) -> dict:
    """A trained network on all pictures of the test split; ``busy_columns`` is that of the whole run on all columns."""
    network, cfg = convert(load(path)), PRESETS[config]
    decision = processor.run(network, test_pictures(network)[0], cfg)
    counts = [*decision.cycles.values(), decision.counters["synaptic_operations"]]
    layers = [row(layer, tiling, cfg, *(count[:, index].double().mean().item() for count in counts))
              for index, (layer, tiling) in enumerate(zip(network.layers, tilings(network, cfg)))]
    cycles, operations = (int(count.sum()) for count in (decision.cycles["cycles"], counts[-1]))
    return {"network": network.name, "config": config, "columns": cfg.group_columns,
            "cycles": round(cycles / len(decision.classes)),
            "busy_columns": round(operations / (cycles * cfg.group_columns), 4), "layers": layers}


def synthetic(network: Network, cfg: ProcessorConfig, density: float) -> dict:
    """Every layer of ``network`` with a share of its inputs spiking, on ``cfg``."""
    layers = [measure(layer, codes, tiling, cfg)
              for (layer, codes), tiling in zip(sources(network, density, IMAGES), tilings(network, cfg))]
    return {"network": network.name, "span": cfg.span, "density": density,
            "columns": cfg.group_columns, "cycles": sum(each["cycles"] for each in layers), "layers": layers}


def first_layer(network: Network, cfg: ProcessorConfig, density: float) -> dict:
    """The first layer of ``network`` only."""
    layer, codes = next(sources(network, density, IMAGES))
    return {"network": network.name, "span": cfg.span, "density": density,
            **measure(layer, codes, tilings(network, cfg)[0], cfg)}


def yardstick(cfg: ProcessorConfig, density: float) -> dict:
    """Cycles of the dense network, the least and the most over the patterns of spikes."""
    network = dense()
    total = sum(layer_cycles(synapses(codes, layer), layer, codes.shape[2:], False, tiling, cfg).total
                for (layer, codes), tiling in zip(sources(network, density, PATTERNS), tilings(network, cfg)))
    events = round(density * network.shape[0])
    bound = events * sum(len(tiling.groups) for tiling in tilings(network, cfg))
    return {"columns": cfg.columns, "encoders": cfg.encoders, "span": cfg.span, "density": density, "events": events,
            "bound": bound, "cycles_min": int(total.min()), "cycles_median": int(total.median()),
            "cycles_max": int(total.max())}


def area(height: int, width: int) -> dict:
    """Cycles of a convolution over a map of this size, a fifth of its neurons spiking."""
    network = plane(height, width)
    layer, tiling = network.layers[0], tilings(network, PLANE)[0]
    found = measure(layer, spikes(network.shape, 0.2, IMAGES), tiling, PLANE)
    return {"height": height, "width": width, "area": height * width, "cycles": found["cycles"]}


def figures() -> dict:
    """All of it, as plain JSON values."""
    wide = {span: replace(WIDE, span=span) for span in SPANS}
    return {
        "digits": [digits(ROOT / "networks" / name, config) for name in NETWORKS for config in CONFIGS],
        "fashion": [synthetic(unfolded(fashion()), wide[SPANS[0]], density) for density in DENSITIES],
        "vgg": [synthetic(unfolded(vgg16()), cfg, density) for cfg in wide.values() for density in DENSITIES],
        # Its first layer, had the picture not been unfolded.
        "folded": [first_layer(vgg16(), wide[SPANS[0]], density) for density in DENSITIES],
        "yardstick": [yardstick(cfg, density) for cfg in YARDSTICKS for density in YARDSTICK_DENSITIES],
        "area": [area(*sides) for sides in PLANES],
    }


def headline(figures: dict) -> dict[str, float]:
    """The figures to hold against those before, by what they are."""
    return {
        **{f"{run['network']} on {run['config']}, cycles": run["cycles"] for run in figures["digits"]},
        **{f"28 x 28 at {100 * run['density']:.0f} %, cycles": run["cycles"] for run in figures["fashion"]},
        **{f"VGG-16 at {100 * run['density']:.0f} %, span {run['span']}, cycles": run["cycles"]
           for run in figures["vgg"]},
        **{f"256-256-10 at {100 * run['density']:.0f} %, {run['encoders']} encoders, cycles": run["cycles_max"]
           for run in figures["yardstick"]},
    }
