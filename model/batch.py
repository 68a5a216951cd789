"""A network, its pictures and room for its answers in one memory: what :mod:`rtl.batch` finds there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .answer import Answer, answer_beats
from .config import MEMORY_ADDRESS_WIDTH, whole_bursts
from .image import SECTION_HEAD_WORDS, Image

__all__ = ["Batch", "laid_out"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Where everything lies. Addresses count bytes and are those of beats, as the registers want them.

    Parameters
    ----------
    image : Image
        Its streamed weights lie at ``first``.
    first : int
        Where all of it begins.
    content : bytes
        Of the memory from ``first`` on, up to the answers.
    image_address, image_words : int
        What ``control.load`` loads: the image, but for its streamed weights.
    picture_address, picture_words, distance, pictures : int
        ``distance`` bytes from one picture to the next.
    answer_address, answer_bytes : int
    """

    image: Image
    first: int
    content: bytes
    image_address: int
    image_words: int
    picture_address: int
    picture_words: int
    distance: int
    pictures: int
    answer_address: int
    answer_bytes: int

    @property
    def end(self) -> int:
        """The address behind the last answer."""
        return self.answer_address + self.pictures * self.answer_bytes

    def answers(self, memory: bytes) -> list[Answer]:
        """The answers of all pictures, from what lies in the memory from address 0 on."""
        return [Answer.from_bytes(memory[self.answer_address + number * self.answer_bytes:][:self.answer_bytes],
                                  self.image.classes, len(self.image.descriptors)) for number in range(self.pictures)]


def laid_out(image: Image, pictures: Sequence[np.ndarray], first: int = 0) -> Batch:
    """Lay out streamed weights, image, pictures and room for answers, in this order, from byte ``first`` on.

    Parameters
    ----------
    image : Image
        Compiled for a processor with a memory.
    pictures : sequence of ndarray, uint8, (channels, height, width)
        Spike codes, at least one picture.
    first : int
        Rounded up to where a burst may begin.

    Raises
    ------
    ValueError
        If there is no memory, no picture, or not enough room in the address space.
    """
    if not image.memory_width:
        raise ValueError(f"the image of {image.name} was compiled for a processor without a memory")
    if not len(pictures):
        raise ValueError("a batch has at least one picture")
    beat = image.memory_width // 8
    first = whole_bursts(-(-first // beat)) * beat
    content = bytearray(image.memory())

    def lay(words: np.ndarray) -> int:
        """Append ``words`` and fill up the last beat; returns where they lie."""
        address = first + len(content)
        content.extend(words.astype("<u4").tobytes())
        content.extend(bytes(-len(content) % beat))
        return address

    image = image.moved(first // beat)
    image_words = image.load_words()
    image_address = lay(image_words)
    codes = [image.picture(each) for each in pictures]
    addresses = [lay(words) for words in codes]
    loaded = SECTION_HEAD_WORDS if image.picture_stays else len(codes[0])
    batch = Batch(image=image, first=first, content=bytes(content), image_address=image_address,
                  image_words=len(image_words), picture_address=addresses[0], picture_words=loaded,
                  distance=(first + len(content) - addresses[0]) // len(pictures), pictures=len(pictures),
                  answer_address=first + len(content),
                  answer_bytes=beat * answer_beats(image.classes, len(image.descriptors), image.memory_width))
    if batch.end > 1 << MEMORY_ADDRESS_WIDTH:
        raise ValueError(f"the batch ends at byte {batch.end}, "
                         f"addresses of the memory have {MEMORY_ADDRESS_WIDTH} bits")
    return batch
