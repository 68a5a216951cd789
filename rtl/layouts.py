"""Payloads and structures that pass between components."""

from amaranth import *
from amaranth.lib import data
from amaranth.utils import bits_for, exact_log2

from model.config import CODE_WIDTH, LANES, MEMORY_ADDRESS_WIDTH, ProcessorConfig
from model.descriptor import DESCRIPTOR

__all__ = ["LEVEL_WIDTH", "GAIN_WIDTH", "DESCRIPTOR_WORD", "Descriptor", "SpikeWord", "SpikeRow", "Fetch", "Event",
           "Charges", "Parameter", "potential_shape", "row_width", "walker_shift", "legal_rows", "legal_base"]

# Quarter octaves of a spike: slot times grain.
LEVEL_WIDTH = 7
GAIN_WIDTH = 8
DESCRIPTOR_WORD = 32

# Codes of 16 neighbouring channels.
SpikeWord = data.ArrayLayout(unsigned(CODE_WIDTH), LANES)


def _descriptor():
    fields = {}
    for index, word in enumerate(DESCRIPTOR):
        offset = index * DESCRIPTOR_WORD
        for name, width in word.items():
            fields[name] = data.Field(unsigned(width), offset)
            offset += width
    return data.FlexibleLayout(len(DESCRIPTOR) * DESCRIPTOR_WORD, fields)


# The fields of model.descriptor, in the order in which they are fetched.
Descriptor = _descriptor()


def potential_shape(cfg: ProcessorConfig) -> Shape:
    """Charges, potentials and logits."""
    return signed(cfg.numerics.accumulator_width)


def row_width(cfg: ProcessorConfig) -> int:
    """Bits of a tile's row address."""
    return bits_for(cfg.rows - 1)


def walker_shift(layer: Descriptor, cfg: ProcessorConfig) -> Value:
    """log2 of the walkers that share a layer, in as many bits as the processor's walkers need; none if it has one."""
    return layer.walker_shift[:exact_log2(cfg.walkers).bit_length()]


def legal_rows(layer: Descriptor, cfg: ProcessorConfig) -> Value:
    """Whether a column group of a streamed layer has rows, and no more than the tiles."""
    return (layer.group_rows != 0) & (layer.group_rows <= cfg.rows)


def legal_base(layer: Descriptor, cfg: ProcessorConfig) -> Value:
    """Whether the weights of a streamed layer begin inside the memory's address space."""
    return ~layer.weight_base[MEMORY_ADDRESS_WIDTH - exact_log2(cfg.beat_bytes):].any()


def SpikeRow(cfg: ProcessorConfig) -> data.ArrayLayout:
    """The codes of ``span`` neighbouring spike words: what is fetched at once."""
    return data.ArrayLayout(unsigned(CODE_WIDTH), cfg.span_lanes)


class Fetch(data.StructLayout):
    """A row of the spike store on its way to the picker."""

    def __init__(self, cfg: ProcessorConfig):
        super().__init__({
            "codes": SpikeRow(cfg),
            "row": row_width(cfg),                          # of lane 0
            "columns": range(cfg.group_columns + 1),        # columns in use
            "last": 1,                                      # the pixel is complete after this fetch
        })


class Event(data.StructLayout):
    """A spike that opens a row, or the empty beat of a fetch without spikes."""

    def __init__(self, cfg: ProcessorConfig):
        super().__init__({
            "row": row_width(cfg),
            "level": LEVEL_WIDTH,                           # quarter octaves
            "columns": range(cfg.group_columns + 1),        # columns in use
            "spike": 1,                                     # clear in an empty beat
            "last": 1,                                      # the pixel is complete after this event
        })


class Parameter(data.StructLayout):
    """What a neuron fires with. Lies in memory as 32 bits."""

    def __init__(self):
        super().__init__({"bias": signed(24), "gain": signed(GAIN_WIDTH)})


def Charges(cfg: ProcessorConfig, count: int) -> data.ArrayLayout:
    """Potentials of ``count`` columns."""
    return data.ArrayLayout(potential_shape(cfg), count)
