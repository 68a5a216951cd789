"""How the tiles share a layer: by output channels, by output pixels, or by both."""

from dataclasses import dataclass

from .config import ProcessorConfig
from .network import Layer, Network

__all__ = ["Tiling", "tilings"]


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """The share of one layer that each tile takes.

    Parameters
    ----------
    walkers : int
        Pooling windows that are integrated side by side, each by a walker with its part of the tiles.
    groups : tuple of int
        Columns in use in each column group. The input is walked once per group.
    """

    walkers: int
    groups: tuple[int, ...]

    @property
    def columns(self) -> int:
        """Columns in use at a time, of all walkers."""
        return self.walkers * max(self.groups)


def tile_layer(layer: Layer, walkers: int, cfg: ProcessorConfig) -> Tiling:
    """The tiling of ``layer`` over so many walkers."""
    wide = cfg.group_columns // walkers
    return Tiling(walkers=walkers, groups=tuple(min(wide, layer.out_channels - first)
                                                for first in range(0, layer.out_channels, wide)))


def tilings(network: Network, cfg: ProcessorConfig) -> tuple[Tiling, ...]:
    """For every layer, the tiling with the fewest walks of pooling windows one after another, and the fewest walkers.

    More column groups take more rows. If that is more than the tiles have, and no memory has room for them, every layer
    takes as few as it can.
    """
    options = []
    for layer, (_, height, width) in zip(network.layers, network.maps()[1:]):
        # The windows that are integrated side by side lie on one line, or on one and the next.
        walkers = [1 << shift for shift in range(min(cfg.walkers, width).bit_length())]
        options.append([(tile_layer(layer, each, cfg), -(-height * width // each)) for each in walkers])

    def walks(option):
        tiling, turns = option
        return turns * len(tiling.groups)

    fastest = [min(each, key=walks)[0] for each in options]
    rows = sum(len(tiling.groups) * layer.weight[0].numel() for tiling, layer in zip(fastest, network.layers))
    if rows <= cfg.rows or cfg.memory_width:
        return tuple(fastest)
    return tuple(min(each, key=lambda option: (len(option[0].groups), walks(option)))[0] for each in options)
