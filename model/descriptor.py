"""The layer descriptor: what the sequencer reads before each layer. Imports neither torch nor Amaranth."""

from . import fields

__all__ = ["DESCRIPTOR", "DESCRIPTOR_WORDS", "pack", "unpack"]

# See model.fields.
DESCRIPTOR = (
    {
        "readout": 1,         # potentials are logits; nothing fires
        "stateful": 1,        # potentials are kept from timestep to timestep
        "reset": 2,           # model.network.Reset
        "leak_shift": 3,
        "weight_shift": 2,    # log2 of the weight grain
        "input_shift": 2,     # log2 of the grain of the input spikes
        "output_shift": 2,    # log2 of the grain of the output spikes
        "nearest": 1,
        "window": 5,
        "hold": 1,            # repeat the last spikes in timesteps the mask leaves out
        "recall": 1,          # fire from the charge of the first active timestep in the others
        "streamed": 1,        # weights come from the memory, one column group ahead
        "by_spikes": 1,       # only the rows of channels that spiked
        "partial": 1,         # potentials are left to the next layer; nothing fires
        "adds": 1,            # to the potentials that the layer before left
        "way": 2,             # model.config.Way: words move, and nothing is integrated
        "states": 1,          # words of the state store move, rather than of the spike store
        "picture": 1,         # weight_base counts from the picture
    },
    # The layer whose spikes are read, counted from 1; 0 is the picture. Rows of padding above.
    {"input_height": 10, "input_width": 10, "source": 8, "padding_above": 4},
    {"input_channels": 13, "input_words": 9},              # words per input pixel
    {"kernel_height": 8, "kernel_width": 8, "stride": 4, "padding": 4, "pool": 4},
    {"output_height": 10, "output_width": 10},              # after pooling
    {"output_channels": 13, "output_words": 9},            # words per output pixel
    {"output_pixels": 20, "pool_area": 8, "walker_shift": 3},  # height x width; pool x pool; log2 of the walkers
    # Words of the spike store, or of the store whose words move, and of channels that spiked.
    {"input_base": 20, "input_seen": 12},
    {"output_base": 20, "output_seen": 12},                 # the same
    {"row_base": 24},                                       # tile row of the first column group
    {"group_rows": 24},                                     # tile rows per column group; words that move
    {"parameter_base": 16, "start_base": 16},               # parameter store words; start: in the first timestep
    {"state_base": 24},                                     # state store word
    {"mask": 32},                                           # bit k - 1: active in timestep k
    # Columns of the source from a pooling window to the same walker's next, and back, where that is on the next line.
    {"window_hop": 11, "line_back": 11},
    {"weight_base": 32},                                    # beat of the memory, of the first column group or word
)
DESCRIPTOR_WORDS = len(DESCRIPTOR)


def pack(values: dict[str, int]) -> list[int]:
    """The words of a descriptor.

    Raises
    ------
    ValueError
        If a value does not fit its field.
    """
    return fields.pack(DESCRIPTOR, values, "a layer descriptor")


def unpack(words: list[int]) -> dict[str, int]:
    """The fields of a descriptor."""
    return fields.unpack(DESCRIPTOR, words)
