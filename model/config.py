"""Numbers the model, the gateware and the firmware agree on. Imports neither torch nor Amaranth."""

from dataclasses import asdict, dataclass, field, replace
from enum import IntEnum
from math import lcm

__all__ = ["CODE_WIDTH", "SILENT", "LANES", "WORD_WIDTH", "CORNERS", "SIGN_BIT", "NO_SYNAPSE", "GRAINS",
           "GRANULE_WIDTH", "MEMORY_ADDRESS_WIDTH", "BURST_BEATS", "Reset", "Rule", "Way", "Target", "Numerics",
           "ProcessorConfig", "moved_beats", "whole_bursts", "PRESETS", "preset", "FAMILY", "scaled"]

# A spike code is a slot 0..30, or SILENT. A spike word holds the codes of LANES neighbouring channels.
CODE_WIDTH = 5
SILENT = 31
LANES = 16
WORD_WIDTH = LANES * CODE_WIDTH

# Of a map, that are told apart where weights are fetched by spikes: see model.memory.
CORNERS = 4

# A weight code is SIGN_BIT plus an exponent 0..14, or NO_SYNAPSE.
SIGN_BIT = 16
NO_SYNAPSE = 15

# Quarter octaves per step of a weight exponent or of a slot (4 / tau).
GRAINS = (1, 2, 4)

# Images, pictures and registers are words of this width.
GRANULE_WIDTH = 32

# Bits of a byte address of the memory.
MEMORY_ADDRESS_WIDTH = 32
# A burst ends where the address is a multiple of so many beats: so it crosses no 4096 bytes, which AXI4 forbids.
BURST_BEATS = 16


class Reset(IntEnum):
    """What a spike does to the potential of its neuron."""
    NONE = 0
    ZERO = 1
    SUBTRACT = 2


class Rule(IntEnum):
    """When a run stops before its last timestep."""
    BUDGET = 0
    ENTROPY = 1
    PROBABILITY = 2
    MARGIN = 3


class Way(IntEnum):
    """Of words that move between a store and the memory; ``NONE`` for a layer."""
    NONE = 0
    BRING = 1
    PUT = 2


class Target(IntEnum):
    """What a section of an image can fill; ``TILES`` + n is tile n. ``MEMORY`` lies behind the memory bus."""
    DESCRIPTORS = 0
    PARAMETERS = 1
    SCALES = 2
    SPIKES = 3
    MEMORY = 4
    TILES = 16


@dataclass(frozen=True, kw_only=True)
class Numerics:
    """Number format of charges, potentials and logits.

    Parameters
    ----------
    fraction_width : int
        Bits of fraction: a synapse of weight 1 fed by a spike in slot 0 adds ``1 << fraction_width``.
    accumulator_width : int
        Bits of a potential, sign included.

    Raises
    ------
    ValueError
        If the accumulator could not hold a single synapse, or is wider than float32 is exact.
    """

    fraction_width: int = 12
    accumulator_width: int = 24

    def __post_init__(self):
        if not 6 <= self.fraction_width <= 14:
            raise ValueError(f"fraction_width must be between 6 and 14, not {self.fraction_width}")
        if not self.fraction_width + 2 <= self.accumulator_width <= 24:
            raise ValueError(f"accumulator_width must be between fraction_width + 2 "
                             f"({self.fraction_width + 2}) and 24, where float32 is exact, "
                             f"not {self.accumulator_width}")

    @property
    def potential_min(self) -> int:
        return -(1 << (self.accumulator_width - 1))

    @property
    def potential_max(self) -> int:
        return (1 << (self.accumulator_width - 1)) - 1


@dataclass(frozen=True, kw_only=True)
class ProcessorConfig:
    """Size of one processor.

    Parameters
    ----------
    columns : int
        Columns of a crossbar tile: output neurons that integrate side by side.
    tiles : int
        Tiles, each of ``columns``.
    walkers : int
        Walkers, each with a picker and an event stream of its own: where a layer has few channels, several walk it,
        and their tiles take different output pixels. A power of two that divides ``tiles``.
    rows : int
        Rows of a tile, for the synapses of all layers and column groups together.
    encoders : int
        Columns that fire in one cycle: 1, 2, 4, 8 or 16.
    span : int
        Spike words that are fetched, and picked from, at once: 1, 2, 4 or 8. The wider, the fewer fetches
        find no spike.
    spike_words : int
        Depth of the spike store, in words of 16 codes; a multiple of ``span``: at least two rows.
    state_words : int
        Depth of the state store, in words of ``encoders`` potentials.
    charge_words : int
        Depth of the charge store, in words of ``encoders`` charges that the first layer recalls.
    parameter_words : int
        Depth of the parameter store, in words of ``encoders`` (bias, gain) pairs.
    layers : int
        Layer descriptors, 2 to 255.
    classes : int
        Logits the exit unit holds.
    timesteps : int
        Longest run of a network, 2 to 32.
    memory_width : int
        Bits of a beat of the memory bus, 64, 128 or 256; 0 for a processor without.
    seen_words : int
        With a memory: how often 16 channels of a map are kept in mind, of which weights are fetched by spikes.
    numerics : Numerics

    Raises
    ------
    ValueError
        If a size is outside its limits.
    """

    columns: int = 32
    tiles: int = 1
    walkers: int = 1
    rows: int = 2048
    encoders: int = 4
    span: int = 1
    spike_words: int = 2048
    state_words: int = 4096
    charge_words: int = 1024
    parameter_words: int = 256
    layers: int = 16
    classes: int = 64
    timesteps: int = 32
    memory_width: int = 0
    seen_words: int = 512
    numerics: Numerics = field(default_factory=Numerics)

    def __post_init__(self):
        if self.columns % LANES or not LANES <= self.columns <= 512:
            raise ValueError(f"columns must be a multiple of {LANES} between {LANES} and 512, not {self.columns}")
        if self.encoders not in (1, 2, 4, 8, 16):
            raise ValueError(f"encoders must be 1, 2, 4, 8 or 16, not {self.encoders}")
        if self.encoders >= self.columns:
            raise ValueError(f"encoders must be fewer than columns ({self.columns}), not {self.encoders}")
        if self.span not in (1, 2, 4, 8):
            raise ValueError(f"span must be 1, 2, 4 or 8, not {self.span}")
        for name, low, high in (("tiles", 1, 64), ("rows", 2, 1 << 20), ("spike_words", 2 * self.span, 1 << 20),
                                ("state_words", 2, 1 << 20), ("charge_words", 2, 1 << 20),
                                ("parameter_words", 2, 1 << 16), ("seen_words", 2, 1 << 12),
                                ("layers", 2, 255), ("classes", 2, 1024),
                                ("timesteps", 2, 32)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be between {low} and {high}, not {value}")
        if self.walkers not in (1, 2, 4, 8, 16, 32, 64) or self.tiles % self.walkers:
            raise ValueError(f"walkers must be a power of two that divides tiles ({self.tiles}), not {self.walkers}")
        if self.memory_width not in (0, 64, 128, 256):
            raise ValueError(f"memory_width must be 0, 64, 128 or 256, not {self.memory_width}")
        if self.spike_words % self.span:
            raise ValueError(f"spike_words must be a multiple of span ({self.span}), not {self.spike_words}")

    def granule(self, walkers: int) -> tuple[int, int]:
        """Beats of the memory bus that so many rows of a column group fill, for a layer with so many walkers."""
        row = self.group_columns * CODE_WIDTH // walkers
        together = lcm(row, self.memory_width)
        return together // self.memory_width, together // row

    @property
    def beat_bytes(self) -> int:
        """Of the memory bus; 0 without a memory."""
        return self.memory_width // 8

    @property
    def span_lanes(self) -> int:
        """Codes that are fetched at once."""
        return self.span * LANES

    def pixel_words(self, channels: int) -> int:
        """Spike words from one pixel of a map to the next: no fetch of a pixel reaches into another row of the store.

        As many as the channels fill; rounded up to a power of two within a span, to whole spans beyond.
        """
        words = -(-channels // LANES)
        return min(1 << (words - 1).bit_length(), -(-words // self.span) * self.span)

    @property
    def group_columns(self) -> int:
        """Columns of all tiles: output channels of one column group, where one walker has all of them."""
        return self.columns * self.tiles

    @property
    def weight_bits(self) -> int:
        """Of the memories of all tiles."""
        return self.rows * self.group_columns * CODE_WIDTH

    @property
    def group_words(self) -> int:
        """Spike words that the neurons of all tiles fill."""
        return self.group_columns // LANES

    @property
    def group_beats(self) -> int:
        """Beats in which the fire unit drains all tiles."""
        return self.group_columns // self.encoders

    @property
    def word_beats(self) -> int:
        """Beats of the fire unit that fill one spike word."""
        return LANES // self.encoders

    def as_dict(self) -> dict:
        """The configuration as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "ProcessorConfig":
        """The configuration that :meth:`as_dict` gave."""
        return cls(**values | {"numerics": Numerics(**values["numerics"])})


def moved_beats(sizes, states: bool) -> int:
    """Beats of the memory that a word has for itself, of the state store or of the spike store; 0 without a memory.

    Parameters
    ----------
    sizes : ProcessorConfig or model.image.Image
    """
    bits = sizes.encoders * sizes.numerics.accumulator_width if states else WORD_WIDTH
    return -(-bits // sizes.memory_width) if sizes.memory_width else 0


def whole_bursts(beats: int) -> int:
    """``beats``, or as many more as fill a burst."""
    return -(-beats // BURST_BEATS) * BURST_BEATS


TINY = ProcessorConfig(columns=16, rows=1024, encoders=2, spike_words=512, state_words=2048, charge_words=512,
                       parameter_words=128, layers=8, classes=16)
STREAM = ProcessorConfig(columns=64, tiles=2, walkers=2, rows=10240, encoders=16, span=4, spike_words=8192,
                         state_words=18432, charge_words=4096, parameter_words=512, layers=32, classes=16,
                         memory_width=128)
PRESETS = {
    # One small tile: fits the smallest boards and runs the digits networks.
    "tiny": TINY,
    # Two tiles of 32 columns, each with its walker: the one to start with.
    "default": ProcessorConfig(columns=32, tiles=2, rows=2048, encoders=4, span=2, walkers=2),
    # The 128 columns of the processor of CAT, with room for networks on pictures of 28 x 28 or 32 x 32 pixels.
    "large": ProcessorConfig(columns=32, tiles=4, rows=16384, encoders=16, span=2, walkers=4, spike_words=8192,
                             state_words=16384, charge_words=4096, parameter_words=256, layers=32, classes=16),
    # 128 columns and a memory, for networks as large as VGG-16 on pictures of 32 x 32 pixels: two column groups of its
    # largest layers, 4608 rows each, beside small layers that stay.
    "stream": STREAM,
    # The same with twice the memory bus.
    "stream256": replace(STREAM, memory_width=256),
    # The smallest with a memory, where most weights of the digits networks lie.
    "tiny_stream": replace(TINY, rows=400, memory_width=64),
}


def preset(name: str) -> ProcessorConfig:
    """The configuration called ``name``.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name not in PRESETS:
        raise ValueError(f"there is no configuration called {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


# Columns of the processors whose cost is measured.
FAMILY = (16, 32, 64, 128)


def scaled(columns: int) -> ProcessorConfig:
    """The processor of ``columns`` columns in a family that grows evenly.

    Tiles of 32, a walker for every 64, an encoder for every 8.

    Raises
    ------
    ValueError
        If ``columns`` is none of :data:`FAMILY`.
    """
    if columns not in FAMILY:
        raise ValueError(f"columns must be one of {', '.join(map(str, FAMILY))}, not {columns}")
    tiles = max(columns // 32, 1)
    return ProcessorConfig(columns=columns // tiles, tiles=tiles, walkers=max(tiles // 2, 1), encoders=columns // 8,
                           span=2, rows=2048, spike_words=2048, state_words=2048, parameter_words=256, layers=16,
                           classes=16)
