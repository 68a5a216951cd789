"""VGG-16, whose weights come from a memory: how long each layer takes, and what it waits for."""

from pathlib import Path

from torch import Tensor

from model import processor
from model.config import SILENT, preset
from model.convert import convert
from model.datasets import test_slice
from model.encode import picture_codes
from model.network import Network
from model.plan import plan
from model.trained import load

__all__ = ["figures", "headline"]

ROOT = Path(__file__).parents[1]
NETWORKS = ("cifar10-vgg16-ttfs", "cifar10-vgg16-sparse")
CONFIGS = ("stream", "stream256")
# Those that `nox -s compare-vgg16` runs on the exported Verilog.
IMAGES = 20


def figures() -> dict:
    """Every network on every configuration; plain JSON values, means over the pictures."""
    runs = []
    for name in NETWORKS:
        network = convert(load(ROOT / "networks" / name))
        codes = picture_codes(test_slice(network.dataset, IMAGES).images, network)
        shares = _shares(network, codes)
        runs += [_run(network, codes, config) | {"shares": shares} for config in CONFIGS]
    return {"streaming": runs}


def _run(network: Network, codes: Tensor, config: str) -> dict:
    layers = [{"layer": each.name, "weights": "by spikes" if each.by_spikes else "memory" if each.streamed else "tiles",
               "bound": each.bound, **{name: round(getattr(each, name))
                                       for name in ("cycles", "spikes", "fire", "memory", "waits", "moved")}}
              for each in plan(network, preset(config), codes)]
    return {"network": network.name, "config": config, "memory_width": preset(config).memory_width, "layers": layers,
            **{name: sum(layer[name] for layer in layers) for name in ("cycles", "waits", "moved")}}


def _shares(network: Network, codes: Tensor) -> list[float]:
    """Of every map's neurons, as many spike; the picture comes first."""
    maps = codes, *(its[:, 0] for its in processor.trace(network, codes, preset(CONFIGS[0]), keep_maps=True).maps)
    return [round((its != SILENT).double().mean().item(), 4) for its in maps]


def headline(figures: dict) -> dict[str, float]:
    """The figures to hold against those before, by what they are."""
    return {f"{run['network']}, {run['memory_width']} bits, cycles": run["cycles"] for run in figures["streaming"]}
