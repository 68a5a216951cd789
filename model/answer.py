"""What a batch writes into the memory of every picture. Imports neither torch nor Amaranth. Twin of :mod:`rtl.answer`.

An answer is ``ANSWER``, then the logits, a word per class, sign-extended, then the signatures, a word per layer. Words
have 32 bits and are little-endian; zeros follow up to a whole beat of the memory bus.
"""

import struct
from dataclasses import dataclass

from . import fields
from .config import GRANULE_WIDTH

__all__ = ["ANSWER", "ANSWER_WORDS", "HARDWARE_COUNTERS", "Answer", "answer_beats"]

# The counters of a run, in the order of their registers.
HARDWARE_COUNTERS = ("cycles", "busy_cycles", "empty_cycles", "fire_cycles", "events", "synaptic_operations",
                     "spikes", "neurons")

# See model.fields.
ANSWER = (
    {"class_index": 16, "timestep": 8},     # as the ``result`` register
    *({name: 32} for name in HARDWARE_COUNTERS),
)
ANSWER_WORDS = len(ANSWER)


def answer_beats(classes: int, layers: int, memory_width: int) -> int:
    """Beats of the memory bus, each of ``memory_width`` bits, that an answer fills."""
    return -(-(ANSWER_WORDS + classes + layers) * GRANULE_WIDTH // memory_width)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the processor says of one picture.

    Parameters
    ----------
    class_index, timestep : int
    logits : list of int
    signatures : list of int
        One per layer.
    counters : dict of int
        By the names of HARDWARE_COUNTERS.
    """

    class_index: int
    timestep: int
    logits: list[int]
    signatures: list[int]
    counters: dict[str, int]

    def to_bytes(self, memory_width: int) -> bytes:
        """The answer as it lies in a memory with beats of ``memory_width`` bits.

        Raises
        ------
        ValueError
            If a value does not fit its field.
        """
        values = {"class_index": self.class_index, "timestep": self.timestep, **self.counters}
        words = fields.pack(ANSWER, values, "an answer")
        data = struct.pack(f"<{len(words)}I{len(self.logits)}i{len(self.signatures)}I",
                           *words, *self.logits, *self.signatures)
        beats = answer_beats(len(self.logits), len(self.signatures), memory_width)
        return data.ljust(beats * memory_width // 8, b"\0")

    @classmethod
    def from_bytes(cls, data: bytes, classes: int, layers: int) -> "Answer":
        """The answer that lies at the begin of ``data``."""
        words = struct.unpack_from(f"<{ANSWER_WORDS}I{classes}i{layers}I", data)
        values = fields.unpack(ANSWER, words[:ANSWER_WORDS])
        return cls(class_index=values["class_index"], timestep=values["timestep"],
                   counters={name: values[name] for name in HARDWARE_COUNTERS},
                   logits=list(words[ANSWER_WORDS:ANSWER_WORDS + classes]),
                   signatures=list(words[ANSWER_WORDS + classes:]))
