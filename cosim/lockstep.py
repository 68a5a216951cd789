"""Where gateware and golden model part: the first word that differs."""

from dataclasses import dataclass

from torch import Tensor

from model.answer import Answer
from model.config import BURST_BEATS, CODE_WIDTH, LANES, SILENT, ProcessorConfig
from model.network import Layer, Network
from model.processor import Decision, Trace, emitted, trace
from model.schedule import Band, Move, steps
from model.supply import IDEAL, Pace
from model.tiling import Tiling, tilings

from .host import Result

__all__ = ["DisagreementError", "first_difference", "expected_result", "Emission", "first_emission_that_differs"]


# Share by which cycles may differ with a memory that is not ideal; in the shortest runs, a burst counts more.
NEAR = 0.01


class DisagreementError(AssertionError):
    """Model and gateware differ; the message says where, what was expected and what was got."""


def expected_result(decision: Decision, index: int) -> dict:
    """What the model says of picture ``index``, by the names in :data:`cosim.results.QUANTITIES`."""
    return {
        "class": int(decision.classes[index]),
        "exit timestep": int(decision.timesteps[index]),
        "logits": decision.logits[index].tolist(),
        "signatures": decision.signatures[index].tolist(),
        "counters": {name: int(counter[index].sum()) for name, counter in decision.counters.items()},
        "cycles": {name: int(counter[index].sum()) for name, counter in decision.cycles.items()},
        "layer cycles": decision.visits[index][:int(decision.timesteps[index])].tolist(),
    }


def first_difference(expected: dict, result: Answer, memory: Pace | None = IDEAL) -> str | None:
    """The first quantity in which ``result`` differs, in words; None if there is none.

    Parameters
    ----------
    expected : dict
        From :func:`expected_result`.
    result : Answer
        Of the processor. Layer cycles are compared where it is a :class:`~cosim.host.Result`, which has them.
    memory : Pace, optional
        Where it is not ideal, cycles may differ a little, and those of single layers at will; where it is not known,
        all cycles but those in which the tiles are busy.
    """
    expected = dict(expected)
    if memory != IDEAL or not isinstance(result, Result):
        del expected["layer cycles"]
    if memory != IDEAL:
        cycles = expected["cycles"]
        expected["cycles"] = {name: cycles[name] for name in ("busy_cycles", "empty_cycles")}
        wanted, took = cycles["cycles"], result.counters["cycles"]
        if memory and abs(took - wanted) > NEAR * wanted + BURST_BEATS:
            return f"cycles: expected {wanted} within {NEAR:.0%}, got {took}"
    got = {
        "class": result.class_index,
        "exit timestep": result.timestep,
        "logits": result.logits,
        "signatures": result.signatures,
        "counters": {name: result.counters[name] for name in expected["counters"]},
        "cycles": {name: result.counters[name] for name in expected["cycles"]},
    }
    if isinstance(result, Result):
        got["layer cycles"] = result.visits
    for name, value in expected.items():
        if got[name] != value:
            return f"{name}: expected {value}, got {got[name]}"
    return None


@dataclass(frozen=True)
class Emission:
    """One word on the ``trace_*`` ports."""

    timestep: int
    layer: int
    word: int


def first_emission_that_differs(network: Network, codes: Tensor, cfg: ProcessorConfig,
                                got: list[Emission]) -> str | None:
    """Hold what the gateware emitted for one picture against the model, word by word.

    Parameters
    ----------
    codes : Tensor, uint8, (channels, height, width)

    Returns
    -------
    str or None
        Timestep, layer, pixel, column, expected and got of the first difference; None if there is none.
    """
    golden = trace(network, codes[None], cfg, keep_maps=True)
    tiled, ordered = tilings(network, cfg), steps(network, cfg)
    emissions = iter(got)
    last = got[-1].timestep if got else network.timesteps
    for timestep in range(1, last + 1):
        for index, band in enumerate(ordered):
            layer = network.layers[band.layer]
            if isinstance(band, Move) or not layer.fires(timestep):
                continue
            where = f"timestep {timestep}, layer {layer.name}"
            for y, x, column, width, word in _expected_words(network, golden, band, timestep, tiled[band.layer]):
                emission = next(emissions, None)
                if emission is None:
                    return f"{where}, pixel ({y}, {x}), column {column}: expected a word, the gateware stopped"
                if (emission.timestep, emission.layer) != (timestep, index):
                    return (f"{where}, pixel ({y}, {x}), column {column}: expected a word, got one of "
                            f"timestep {emission.timestep}, layer {network.layers[ordered[emission.layer].layer].name}")
                for lane, expected in enumerate(word):
                    field = emission.word >> lane * width & (1 << width) - 1
                    if field != expected & (1 << width) - 1:
                        return (f"{where}, pixel ({y}, {x}), column {column + lane}: "
                                f"expected {_name(expected, layer, width)}, got {_name(field, layer, width)}")
    if next(emissions, None) is not None:
        return "the gateware emitted more words than the model"
    return None


def _expected_words(network: Network, golden: Trace, band: Band, timestep: int, tiling: Tiling):
    """Row, column of the pixel, first channel, field width and fields of every word, in the order of emission."""
    if network.layers[band.layer].readout:
        for class_index, logit in enumerate(golden.logits[0, timestep - 1].tolist()):
            yield 0, 0, class_index, network.numerics.accumulator_width, [logit]
        return
    codes = golden.maps[band.layer][:, timestep - 1, :, band.lines.start:band.lines.stop]
    width = codes.shape[3]
    words = iter(emitted(codes, tiling)[0].tolist())
    first = 0
    for columns in tiling.groups:
        for y in band.lines:
            for x in range(width):
                for column in range(first, first + columns, LANES):
                    yield y, x, column, CODE_WIDTH, next(words)
        first += columns


def _name(field: int, layer: Layer, width: int) -> str:
    if layer.readout:
        return f"logit {field - (1 << width) if field >> (width - 1) > 0 else field}"
    return "silence" if field == SILENT else f"slot {field}"
