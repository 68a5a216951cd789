"""What pictures cost, on our processor and on analog crossbars; cosim/cost_page.py writes it down."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from model import crossbar, record, trained
from model.config import preset
from model.convert import convert
from model.crossbar import CLOCK
from model.cycles import weighing_cycles
from model.datasets import Split, load, test_slice
from model.encode import picture_codes
from model.energy import BLOCKS, energies, energy_delay, weighing
from model.network import Exit, Network, Rule
from model.processor import decide, trace
from model.training.calibrate import calibrate
from model.training.measure import accuracies, observe
from model.variation import CODINGS, Devices
from model.variation import accuracies as varied

from . import gates
from .papers import LOST, NETWORKS, available, loosest

__all__ = ["CHOOSERS", "CONFIG", "PARTS", "SIGMAS", "measure"]

CONFIG, ROOT = "large", Path(__file__).parents[1]
# Of a validation split, that a threshold is chosen with where results/papers.json has none.
CHOOSERS = 250
SIGMAS, RATIO, WIDTHS, TRIALS = (0, 0.1, 0.2, 0.3), 16, (8, 6, 4), 2
VARIED = "fashion-lif"


def measure(parts: list[str], images: int, blocks: list[str], console: Console) -> dict:
    """Measure ``parts`` of :data:`PARTS`; the others stay as they are on record.

    Parameters
    ----------
    images : int
        Pictures of each test split, the first ones.
    blocks : list of str
        Of :data:`cosim.gates.BLOCKS`, the tile among them.

    Raises
    ------
    ValueError
        If there are not so many pictures.
    OSError
        If a dataset or a library is not to be had.
    BenchError
        If a netlist does not do what the model does.
    """
    figures = record.read("cost") or {}
    return figures | {part: gates.measure(blocks, Path("build/gates"), console) if part == GATES else
                      PARTS[part](images, console) for part in parts}


def _exit(header: trained.Header, network: Network) -> Exit:
    """The rule that the network has, with the loosest threshold that :data:`LOST` allows; see :func:`loosest`."""
    rule = Rule[_rule(header).upper()]
    if found := loosest((record.read("papers") or {}).get(header.name, {}), _rule(header)):
        return Exit(rule=rule, threshold=found["threshold"])
    split = load(header.dataset).validation
    # Pictures lie sorted by class.
    stride = max(len(split) // CHOOSERS, 1)
    some = Split(split.images[::stride], split.labels[::stride])
    observed = observe(network, some)
    chosen = calibrate(network, observed, some.labels, rule, accuracy=accuracies(observed, some.labels)[-1] - LOST)
    return Exit(rule=rule, threshold=chosen.threshold)


def _rule(header: trained.Header) -> str:
    """That of the network; entropy if it never stops early."""
    return "entropy" if header.exit.rule == "budget" else header.exit.rule


def networks(images: int, console: Console) -> dict:
    """Energy, delay and their product of every trained network, on both backends.

    Returns
    -------
    dict
        By network: see :func:`both`.
    """
    figures = {}
    for name, loaded in available(NETWORKS, console):
        if loaded.header.policy_of:
            continue
        console.print(f"{name}: {images} pictures")
        network = convert(loaded)
        if network.timesteps > 1:
            network = replace(network, exit=_exit(loaded.header, network))
        figures[name] = both(network, test_slice(network.dataset, images))
    return figures


def both(network: Network, split: Split) -> dict:
    """The static run of all timesteps against the run that stops, the same decisions on both backends.

    Returns
    -------
    dict
        ``pictures``, ``rule``, ``threshold``, ``accuracy`` and ``timesteps``; of either backend, ``uJ`` and ``us`` or
        ``cycles`` of a picture, [static, dynamic], ``energy_delay`` of dynamic over static, ``exit`` the share of a
        timestep's energy that a rule takes, and where the energy of the dynamic run goes, in pJ.
    """
    cfg = preset(CONFIG)
    observed = trace(network, picture_codes(split.images, network), cfg)
    static, dynamic = decide(network, observed, exit=Exit()), decide(network, observed)
    steps = torch.stack([decide(network, observed, exit=Exit(), budget=k).cycles["cycles"].sum(1)
                         for k in range(1, network.timesteps + 1)], dim=1).double()
    asks = torch.tensor([network.exit.rule != Rule.BUDGET]).double()
    weighs = asks * torch.arange(1, network.timesteps + 1)

    taken, plain = energies(network, observed, cfg), energies(replace(network, exit=Exit()), observed, cfg)
    digital = _backend(plain.sum(2), taken.sum(2), steps, steps + weighs * weighing_cycles(network.classes),
                       static.timesteps, dynamic.timesteps)
    where = taken[torch.arange(len(taken)), dynamic.timesteps - 1].mean(0)
    operations = dynamic.counters["synaptic_operations"].sum(1).double().mean().item()

    reads = crossbar.energies(network).cumsum(0).expand(len(taken), -1)
    lasts = crossbar.latencies(network).cumsum(0).expand(len(taken), -1)
    analog = _backend(reads, reads + weighs * weighing(network.classes, cfg), lasts,
                      lasts + weighs * weighing_cycles(network.classes) / CLOCK * 1000,
                      static.timesteps, dynamic.timesteps)
    placed = [layer.energy() for layer in crossbar.place(network)]
    return {
        "pictures": len(split), "rule": network.exit.rule.name.lower(), "threshold": network.exit.threshold,
        "timesteps": [float(network.timesteps), dynamic.timesteps.double().mean().item()],
        "accuracy": [(each.classes == split.labels).double().mean().item() for each in (static, dynamic)],
        "stopped": torch.bincount(dynamic.timesteps - 1, minlength=network.timesteps).tolist(),
        "digital": digital | {"operations": operations, "blocks pJ": dict(zip(BLOCKS, where.tolist())),
                              "exit cycles": (asks * weighing_cycles(network.classes) * network.timesteps
                                              / steps[:, -1].mean()).item()},
        "analog": analog | {"blocks pJ": {name: sum(each[name] for each in placed) for name in placed[0]}},
    }


def _backend(static: Tensor, dynamic: Tensor, static_delay: Tensor, dynamic_delay: Tensor, last: Tensor,
             stops: Tensor) -> dict:
    """Of energies in pJ and delays, (images, timesteps) each, after the timesteps ``last`` and ``stops``."""
    rows = torch.arange(len(stops))
    return {"uJ": [static[rows, last - 1].mean().item() / 1e6, dynamic[rows, stops - 1].mean().item() / 1e6],
            "delay": [static_delay[rows, last - 1].mean().item(), dynamic_delay[rows, stops - 1].mean().item()],
            "energy_delay": energy_delay(dynamic, dynamic_delay, stops) / energy_delay(static, static_delay, last),
            "exit": ((dynamic - static)[:, -1] / static[:, -1]).mean().item()}


def whole_sets(images: int, console: Console) -> dict:
    """The analog energy-delay product over whole test sets, whose pictures results/papers.json has told to stop.

    Returns
    -------
    dict
        By network: ``stopped``, pictures after each timestep; ``rule``, ``accuracy`` and ``energy_delay``, see
        :func:`both`.
    """
    figures = {}
    for name, known in (record.read("papers") or {}).items():
        loaded = trained.load(ROOT / "networks" / name)
        worth = loosest(known, _rule(loaded.header))
        if worth is None or "stopped" not in worth:
            continue
        network = convert(loaded)
        stops = torch.repeat_interleave(torch.arange(1, network.timesteps + 1), torch.tensor(worth["stopped"]))
        reads, lasts = (each.cumsum(0) for each in (crossbar.energies(network), crossbar.latencies(network)))
        asked = torch.arange(1, network.timesteps + 1)
        asking = reads + asked * weighing(network.classes, preset(CONFIG))
        lasting = lasts + asked * weighing_cycles(network.classes) / CLOCK * 1000
        products = energy_delay(asking.expand(len(stops), -1), lasting.expand(len(stops), -1), stops)
        figures[name] = {"rule": _rule(loaded.header), "stopped": worth["stopped"],
                         "accuracy": [known["after"][-1]["accuracy"], worth["accuracy"]],
                         "energy_delay": products / (reads[-1] * lasts[-1]).item()}
    return figures


def variation(images: int, console: Console) -> dict:
    """Accuracy on arrays whose devices vary, and behind converters of few bits.

    Returns
    -------
    dict
        ``network``, ``pictures``, ``ideal`` accuracy; ``sigma``: by coding, a list of accuracies of each array for
        every one of SIGMAS; ``converters``: by bits, an accuracy.
    """
    network = convert(trained.load(ROOT / "networks" / VARIED))
    split = test_slice(network.dataset, images)
    codes = picture_codes(split.images, network)
    found = {}
    for coding in CODINGS:
        found[coding] = []
        for sigma in SIGMAS:
            console.print(f"{VARIED}: {coding}, sigma {sigma}")
            devices = Devices(coding=coding, sigma=sigma, ratio=RATIO)
            found[coding].append(list(varied(network, codes, split.labels, devices, TRIALS if sigma else 1)))
    few = {str(width): next(varied(network, codes, split.labels, Devices(ratio=RATIO, converter_width=width), 1))
           for width in WIDTHS}
    return {"network": VARIED, "pictures": len(split), "ratio": RATIO, "sigma": found, "converters": few}


GATES = "gates"
PARTS: dict[str, Callable[[int, Console], dict] | None] = {"networks": networks, "sets": whole_sets,
                                                           "variation": variation, GATES: None}
