"""VGG-16, whose weights come from a memory: how long each layer takes, and what it waits for."""

import torch
import torch.nn.functional as F
from torch import Tensor

from model import processor
from model.config import SILENT, ProcessorConfig, preset
from model.convert import convert
from model.datasets import test_slice
from model.encode import encode, picture_codes
from model.network import Coding, Network
from model.plan import plan
from model.quantise import rounded
from model.trained import NORM_EPSILON, Trained
from model.training.recipes import recipe
from model.training.train import header

__all__ = ["figures", "headline", "untrained"]

RECIPE = "cifar10-vgg16-ttfs"
CONFIGS = ("stream", "stream256")
SHARES = (0.15, 0.2)
IMAGES = 8
# How far the thresholds of a layer's channels lie apart, in deviations of their potentials.
SPREAD = 0.5


def untrained(share: float, seed: int = 1) -> Trained:
    """VGG-16 with random weights, and batch norms that make about ``share`` of every map's neurons spike."""
    generator = torch.Generator().manual_seed(seed)
    chosen = recipe(RECIPE)
    head = header(chosen, seed).model_copy(update={"name": f"vgg16-{share:.0%}".replace("%", "")})
    values = _worth(encode(test_slice(head.dataset, IMAGES).images, head.input_coding), head.input_coding)
    tensors = {}
    for layer, kernel in zip(head.layers, head.kernels()):
        weight = torch.randn(kernel, generator=generator)
        potential = F.conv2d(values, weight, stride=layer.stride, padding=layer.padding)
        if not layer.batch_norm:
            shape = head.tensor_shapes()[f"{layer.name}.weight"]
            tensors |= {f"{layer.name}.weight": weight.reshape(shape) / potential.std(),
                        f"{layer.name}.bias": torch.zeros(layer.channels)}
            continue
        variance = potential.var((0, 2, 3))
        factor = (variance + NORM_EPSILON).rsqrt()
        # As the processor will compute it.
        potential = F.conv2d(values, rounded(weight * factor[:, None, None, None], head.weight_grain),
                             stride=layer.stride, padding=layer.padding)
        mean, shift = potential.mean((0, 2, 3)) / factor, SPREAD * torch.randn(layer.channels, generator=generator)
        largest = F.max_pool2d(potential + (shift - mean * factor)[:, None, None], layer.pool)
        first_spike = largest.flatten().kthvalue(round((1 - share) * largest.numel())).values
        shift -= first_spike
        tensors |= {f"{layer.name}.weight": weight, f"{layer.name}.norm_scale": torch.ones(layer.channels),
                    f"{layer.name}.norm_shift": shift, f"{layer.name}.norm_mean": mean,
                    f"{layer.name}.norm_variance": variance}
        values = _worth(encode((largest - first_spike).clamp(0, 1), head.coding), head.coding)
    return Trained(head, tensors)


def _worth(codes: Tensor, coding: Coding) -> Tensor:
    return torch.where(codes == SILENT, 0.0, 2 ** (-codes.float() / coding.tau))


def figures() -> dict:
    """Every configuration with every share of spikes; plain JSON values, means over the pictures."""
    runs = []
    for share in SHARES:
        network = convert(untrained(share))
        codes = picture_codes(test_slice(network.dataset, IMAGES).images, network)
        shares = _shares(network, codes, preset(CONFIGS[0]))
        runs += [_run(network, share, codes, config) | {"shares": shares} for config in CONFIGS]
    return {"streaming": runs}


def _run(network: Network, share: float, codes: Tensor, config: str) -> dict:
    layers = [{"layer": each.name, "weights": "by spikes" if each.by_spikes else "memory" if each.streamed else "tiles",
               "bound": each.bound, **{name: round(getattr(each, name))
                                       for name in ("cycles", "spikes", "fire", "memory", "moved")}}
              for each in plan(network, preset(config), codes)]
    return {"config": config, "memory_width": preset(config).memory_width, "share": share, "layers": layers,
            **{name: sum(layer[name] for layer in layers) for name in ("cycles", "moved")}}


def _shares(network: Network, codes: Tensor, cfg: ProcessorConfig) -> list[float]:
    """Of every map's neurons, as many spike; the picture comes first."""
    maps = codes, *(its[:, 0] for its in processor.trace(network, codes, cfg, keep_maps=True).maps)
    return [round((its != SILENT).double().mean().item(), 4) for its in maps]


def headline(figures: dict) -> dict[str, float]:
    """The figures to hold against those before, by what they are."""
    return {f"VGG-16 at {run['share']:.0%}, {run['memory_width']} bits, cycles": run["cycles"]
            for run in figures["streaming"]}
