"""What a network would take on analog in-memory crossbars: how many, and the energy and time of its timesteps.

The digital processor is not modelled here: this is what DT-SNN (Li et al., DAC 2023) reckons with, a chip as SpikeSim
describes it (Moitra et al., IEEE TCAD 2023), with the constants of its authors' code.

A **processing element** has a crossbar for every tap of a kernel, each from 64 input channels to 64 columns of devices,
whose currents add up. It is read once for every output pixel, whatever the number of spikes: eight converters
take the 64 columns in eight steps. Eight processing elements share a **tile**, its buffer and its H-tree. A layer has
as many as its channels need, all of which are read at once, and layers follow each other, since a timestep's answer
decides whether there is another one:

    energy  = processing elements * pixels * energy of a read            summed over the layers that fire
    latency = pixels * time of a read

Where the spikes of a source have several slots, a timestep reads its rows once for each. A picture counts
as one slot: its pixels come as currents.
"""

from dataclasses import dataclass
from math import prod

import torch
from rich.box import SIMPLE_HEAD
from rich.table import Table
from torch import Tensor

from .constant import Constant
from .network import Network
from .page import number

__all__ = ["READ_ENERGY", "AREA", "READ_TIME", "Placement", "place", "energies", "latencies", "area", "table"]

SIDE = 64
# Columns that share a converter, one after the other.
SHARED = 8
# Devices of a weight, side by side: one of 4 bits has a level for each of the fifteen magnitudes and one for no
# synapse, and a pair has the sign, too.
PAIR = 2
ELEMENTS_PER_TILE = 8


def _spikesim(value: float, unit: str) -> Constant:
    return Constant(value, unit, "SpikeSim: Moitra et al., IEEE TCAD 2023; ela_spikesim.py at a83c451, RRAM")


CLOCK = _spikesim(250, "MHz")
READ_CYCLES = _spikesim(26, "cycles")
READ_TIME = READ_CYCLES / CLOCK * 1000  # ns

# What a read takes of each component: pJ each, and how often, given the taps of the kernel.
READ_ENERGY = {
    "tile buffer": (_spikesim(397, "pJ"), lambda taps: 1),
    "H-tree": (_spikesim(157.12, "pJ"), lambda taps: 1),
    "converters": (_spikesim(2.03084, "pJ a conversion"), lambda taps: SIDE),
    "crossbars": (_spikesim(1.76423, "pJ a crossbar and step"), lambda taps: SHARED * taps),
    "multiplexers": (_spikesim(0.094245, "pJ a conversion"), lambda taps: SIDE),
    "neurons": (_spikesim(5.096, "pJ"), lambda taps: 1),
    "fetch": (_spikesim(4.64, "pJ"), lambda taps: 1),
    "partial sums": (_spikesim(0.2, "pJ a step"), lambda taps: SHARED),
}
# What a tile has of each component: um2 each, and how many, given the taps of the kernel.
AREA = {
    "H-tree": (_spikesim(433660, "um2"), lambda taps: 1),
    "shift and add": (_spikesim(13411.41498, "um2"), lambda taps: SHARED),
    "tile buffer": (_spikesim(6054.7072, "um2"), lambda taps: 1),
    "partial sums": (_spikesim(484.643999, "um2"), lambda taps: 1),
    "converters": (_spikesim(693.633, "um2"), lambda taps: ELEMENTS_PER_TILE * SIDE // SHARED),
    "multiplexers": (_spikesim(45.9, "um2"), lambda taps: ELEMENTS_PER_TILE * SIDE // SHARED),
    "crossbars": (_spikesim(26.2144, "um2"), lambda taps: ELEMENTS_PER_TILE * taps),
}


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a layer is.

    Parameters
    ----------
    name : str
    taps : int
        Crossbars of a processing element.
    elements : int
        Processing elements.
    pixels : int
        Output pixels, before pooling.
    slots : int
        Reads of a pixel in a timestep.
    used : float
        Share of the devices that hold a weight.
    """

    name: str
    taps: int
    elements: int
    pixels: int
    slots: int
    used: float

    @property
    def reads(self) -> int:
        """Of all processing elements together, in a timestep."""
        return self.elements * self.pixels * self.slots

    def energy(self) -> dict[str, float]:
        """What a timestep takes, in pJ, by component."""
        return {name: self.reads * each * count(self.taps) for name, (each, count) in READ_ENERGY.items()}

    def latency(self) -> float:
        """How long a timestep takes, in ns."""
        return self.pixels * self.slots * READ_TIME


def place(network: Network, devices: int = PAIR) -> list[Placement]:
    """Every layer of ``network`` on processing elements of its own.

    Parameters
    ----------
    devices : int
        Of a weight, side by side; SpikeSim reckons with one.

    Raises
    ------
    ValueError
        If a weight would have no device.
    """
    if devices < 1:
        raise ValueError(f"a weight takes at least 1 device, not {devices}")
    maps, placed = network.maps(), []
    for layer, source in zip(network.layers, network.sources):
        taps, columns = prod(layer.kernel), layer.out_channels * devices
        elements = -(-layer.in_channels // SIDE) * -(-columns // SIDE)
        coding = network.layers[source - 1].coding if source else None
        placed.append(Placement(
            name=layer.name, taps=taps, elements=elements, pixels=prod(layer.pixels(maps[source][1:])),
            slots=coding.window if coding else 1, used=layer.in_channels * columns / (elements * SIDE ** 2)))
    return placed


def _by_timestep(network: Network, figures: list[float]) -> Tensor:
    """Sums of what each layer takes when it fires: float64, (timesteps,)."""
    fires = torch.tensor([[layer.fires(k) for layer in network.layers] for k in range(1, network.timesteps + 1)])
    return fires.double() @ torch.tensor(figures, dtype=torch.float64)


def energies(network: Network, devices: int = PAIR) -> Tensor:
    """What each timestep takes, in pJ: float64, (timesteps,)."""
    return _by_timestep(network, [sum(layer.energy().values()) for layer in place(network, devices)])


def latencies(network: Network, devices: int = PAIR) -> Tensor:
    """How long each timestep takes, in ns: float64, (timesteps,)."""
    return _by_timestep(network, [layer.latency() for layer in place(network, devices)])


def area(network: Network, devices: int = PAIR) -> dict[str, float]:
    """What the tiles of a network take, in um2, by component; a tile has processing elements of one kernel."""
    placed, total = place(network, devices), dict.fromkeys(AREA, 0.0)
    for taps in {layer.taps for layer in placed}:
        tiles = -(-sum(layer.elements for layer in placed if layer.taps == taps) // ELEMENTS_PER_TILE)
        for name, (each, count) in AREA.items():
            total[name] += tiles * each * count(taps)
    return total


def table(network: Network, devices: int = PAIR) -> Table:
    """The layers of a network, what a timestep takes in each, and where its energy goes."""
    shown = Table(box=SIMPLE_HEAD, title=f"{network.name} on crossbars of {SIDE} x {SIDE}", title_justify="left")
    shown.add_column("layer", no_wrap=True)
    for heading in ("elements", "crossbars", "devices used", "pixels", "reads", "nJ", "us"):
        shown.add_column(heading, justify="right", no_wrap=True)
    placed = place(network, devices)
    for each in placed:
        shown.add_row(each.name, number(each.elements), number(each.elements * each.taps), f"{each.used:.0%}",
                      number(each.pixels), number(each.reads), f"{sum(each.energy().values()) / 1000:.1f}",
                      f"{each.latency() / 1000:.1f}")
    energy, latency = sum(sum(layer.energy().values()) for layer in placed), sum(layer.latency() for layer in placed)
    shown.add_section()
    shown.add_row("timestep", number(sum(each.elements for each in placed)),
                  number(sum(each.elements * each.taps for each in placed)), "", "",
                  number(sum(each.reads for each in placed)), f"{energy / 1000:.1f}", f"{latency / 1000:.1f}")
    shares = {name: sum(layer.energy()[name] for layer in placed) / energy for name in READ_ENERGY}
    shown.caption = (", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share >= 1 / 100)
                     + f"; {sum(area(network, devices).values()) / 10 ** 6:.1f} mm2")
    shown.caption_justify = "left"
    return shown
